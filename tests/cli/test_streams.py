"""A full or closed stdout is reported in one line; a full or closed stderr has no effect on results."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import PROGRAMS, clean_environment

full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
CHECK = ("convcheck", "--N", "1", "--C", "1", "--H", "3", "--W", "3", "--F", "1")


def redirected(folder: Path, words: Sequence[str], where: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {where}', PROGRAMS / words[0], *words[1:]],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@full
@pytest.mark.parametrize(
    "words",
    [
        CHECK,
        ("gradcheck", "sweep", "relu"),
        ("gradcheck", "--help"),
        ("gradcheck", "relu", "--list-cases"),
    ],
    ids=lambda words: " ".join((words[0], words[-1])),
)
def test_a_full_disk_under_stdout_is_reported_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    run = redirected(tmp_path, words, "> /dev/full")
    assert (run.returncode, run.stderr) == (2, "Error: cannot write to stdout: No space left on device.\n")


@pytest.mark.parametrize("words", [CHECK, ("gradcheck", "schema")], ids=["a check", "schema"])
def test_a_closed_stdout_is_reported_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    run = redirected(tmp_path, words, ">&-")
    assert (run.returncode, run.stderr) == (2, "Error: cannot write to stdout: it is closed.\n")


@full
def test_files_are_written_nevertheless(tmp_path: Path) -> None:
    for where in "> /dev/full", ">&- 2>&- <&-":
        assert redirected(tmp_path, (*CHECK, "--json", "report.json"), where).returncode == 2
        report = tmp_path / "report.json"
        assert json.loads(report.read_text(encoding="utf-8"))["summary"]["pass"] == 1
        report.unlink()


@full
def test_without_stderr_results_and_exit_codes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(
        "import numpy as np\nprint('loaded')\n\n\n"
        "def relu_forward(x):\n    print('x')\n    return np.maximum(x, 0), x\n\n\n"
        "def relu_backward(dout, x):\n    return dout * (x > 0)\n",
        encoding="utf-8",
    )
    for where in "2> /dev/full", "2>&- <&-":
        run = redirected(tmp_path, ("gradcheck", "relu", "noisy.py", "--shape", "2", "-v"), where)
        assert (run.returncode, run.stderr) == (0, "")
        assert "case passed" in run.stdout
        assert "loaded" not in run.stdout
        assert redirected(tmp_path, ("convcheck", "--H", "0"), where).returncode == 2
