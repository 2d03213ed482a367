"""The program run on hostile files: they write nothing into its outputs, and none of their processes outlives it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PROGRAMS, RELU
from tests.guard.test_process import is_gone
from tests.hostile.kinds import hostile_files, surveyed_files
from tests.sampling import in_parts

if TYPE_CHECKING:
    from tests.conftest import Program

#: Those that write where they can.
_WRITING = ("descriptors", "more descriptors", "print", "garbage", "forged answer", "write to stacks", "close all")

_NAMED = """\
import numpy as np

NAME = {name!r}


def product(x, params):
    return x @ params[NAME], (x, params)


def product_backward(dout, cache):
    x, params = cache
    return dout @ params[NAME].T, {{NAME: x.T @ dout}}


def make():
    return np.ones((2, 3)), {{NAME: np.ones((3, 4))}}
"""

_DAEMON = """
    if not os.fork():
        os.setsid()
        if not os.fork():
            open(__file__ + '.pid', 'w').write(str(os.getpid()))
            time.sleep(1000)
        os._exit(0)
    while not os.path.exists(__file__ + '.pid'): time.sleep(0.01)
"""


def write(folder: Path, name: str) -> Path:
    (file,) = (one for one in hostile_files() if one.name == name)
    path = folder / f"{name.replace(' ', '_')}.py"
    path.write_text(file.text, encoding="utf-8")
    return path


def test_reports_have_only_what_the_checker_writes(gradcheck: Program, tmp_path: Path) -> None:
    files = [write(tmp_path, f"{name} in_backward") for name in _WRITING]
    run = gradcheck(
        "tanh", *map(str, files), "--shape", "3", "--format", "json", "--json", "report.json", "--csv", "report.csv"
    )
    assert run.returncode == 1
    report = json.loads(run.stdout)
    assert json.loads((tmp_path / "report.json").read_text())["results"] == report["results"]
    assert {one["verdict"] for one in report["results"]} <= {"fail", "error"}
    assert {one["implementation"].partition(":")[0] for one in report["results"]} == {*map(str, files)}
    table = (tmp_path / "report.csv").read_text()
    assert len(table.splitlines()) == len(files) + 1
    for text in (run.stdout, table):
        assert "gc\xf5" not in text
        assert "\x1b" not in text


def test_a_file_cannot_have_another_one_checked_in_its_place(gradcheck: Program, tmp_path: Path) -> None:
    path = write(tmp_path, "exit in_backward")
    text = path.read_text().replace("sys.exit(0)", "pass")
    (tmp_path / "right.py").write_text(text.replace("2 * dout", "dout"))
    forged = (
        "import json, gradcheck_cli.guard.child as c\n"
        "def encode(a, encode=c.encode):\n"
        "    return encode(a._replace(value=json.loads(json.dumps(a.value).replace('wrong.py', 'right.py'))))\n"
        "c.encode = encode"
    )
    (tmp_path / "wrong.py").write_text(f"{forged}\n{text}")
    assert gradcheck("right.py", "-q").returncode == 0
    run = gradcheck("wrong.py", "-q")
    assert (run.returncode, run.stdout) == (2, "")
    assert "wrong.py cannot be imported: it wrote into the connection to the checker" in run.stderr


def test_no_failure_is_placed_in_a_file_of_others_that_is_not_imported(gradcheck: Program, tmp_path: Path) -> None:
    """Code can be compiled under any name; what is imported can be where it fails."""
    (tmp_path / "right.py").write_text(RELU + "\n\ndef check(x):\n    return 1 / 0\n")
    relu = RELU.replace("return np.maximum", "check(x)\n    return np.maximum")
    for name, text in {
        "claims": f"check = eval(compile('lambda x: 1 / 0', __file__.replace('claims', 'right'), 'eval'))\n{relu}",
        "imports": f"from right import check\n{relu}",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
        run = gradcheck(f"{name}.py", "right.py", "--json", "-")
        assert run.returncode == 1
        places = [one["place"] for one in json.loads(run.stdout)["results"] if one["verdict"] == "error"]
        files = {place and place["file"] for place in places}
        assert files == ({None} if name == "claims" else {"right.py"}), name


def test_names_of_arrays_are_shown_only_if_they_can_be(gradcheck: Program, tmp_path: Path) -> None:
    for name, code in ("my  [W]", 0), ("W\x1b[2J", 2), ("W\n::error::", 2), ("\ud800", 2), ("W" * 10**5, 2):
        (tmp_path / "layer.py").write_text(_NAMED.format(name=name))
        run = gradcheck("function", "layer.py:product,product_backward", "--example", "layer.py:make")
        assert run.returncode == code, name[:9]
        assert "\x1b" not in run.stdout + run.stderr
        assert "\n::error" not in run.stdout + run.stderr
        assert ("params.my  [W]" in run.stdout) is (code == 0)


@in_parts(4)
def test_what_a_file_says_is_in_it_is_not_believed(gradcheck: Program, tmp_path: Path, part: int) -> None:
    right = next(surveyed_files()).text.replace("2 * dout", "dout").replace("c.encode = encode", "")
    (tmp_path / "right.py").write_text(right)
    for file in list(surveyed_files())[part::4]:
        (tmp_path / "wrong.py").write_text(file.text)
        run = gradcheck("wrong.py", "right.py", "--json", "-")
        assert run.returncode == 1, file.name
        verdicts = {
            (one["implementation"].partition(":")[0], one["verdict"]) for one in json.loads(run.stdout)["results"]
        }
        assert ("right.py", "pass") in verdicts, file.name
        assert verdicts <= {("right.py", "pass"), ("wrong.py", "fail"), ("wrong.py", "error")}, file.name
        assert "\x1b" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes that have left their session are not found")
def test_daemons_end_with_a_checker_that_is_killed(tmp_path: Path) -> None:
    path = write(tmp_path, "hang with handlers in_backward")
    path.write_text(path.read_text().replace("    [signal.signal", f"{_DAEMON}    [signal.signal", 1))
    written = Path(f"{path}.pid")
    with subprocess.Popen([PROGRAMS / "gradcheck", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        for _ in range(1000):
            if written.exists() and written.read_text():
                break
            time.sleep(0.02)
        run.kill()
    assert is_gone(int(written.read_text()))
