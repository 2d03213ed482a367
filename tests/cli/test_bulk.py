"""Many cases from a shell: in worker processes, resumed from a file, interrupted, and with progress on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_sweep import without
from tests.conftest import PROGRAMS, SMALL, clean_environment, report_of
from tests.guard.test_process import is_gone
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

MANY = ("--N", "1,2", "--C", "1", "--F", "1", "--H", "2..4", "--W", "3,4")  # 12 cases

#: Writes down each case that is asked for, and the process; in a folder with a file "hang", those of three rows hang.
NOTING = """
import os, time
def note(x):
    with open("asked", "a") as file:
        file.write(f"{os.getpid()} {x.shape}\\n")
    time.sleep(1000 if x.shape[2] == 3 and os.path.exists("hang") else 0)
"""


def without_seconds(report: dict[str, Any]) -> Any:
    report["summary"].pop("seconds")
    report.pop("argv")
    for result in report["results"]:
        result.pop("seconds")
    return report


def waiting_for(path: Path, pattern: str) -> str:
    for _ in range(400):
        if path.exists() and re.search(pattern, text := path.read_text()):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{path} never had {pattern}")


def noting(layer_file: LayerFile) -> Path:
    return layer_file(
        ("import numpy as np\n", f"import numpy as np\n{NOTING}"),
        ("    N, C, H, W = x.shape", "    note(x)\n    N, C, H, W = x.shape"),
    )


def started(folder: Path, *args: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAMS / "convcheck", *args],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_with_jobs_a_mistake_is_answered_as_without(convcheck: Program) -> None:
    TOLD = "Error: nowhere.py: there is no such file\nTry 'convcheck --help'.\n"
    for jobs in "1", "2":
        run = convcheck("nowhere.py", "--jobs", jobs)
        assert (run.returncode, run.stderr) == (2, TOLD)
    huge = convcheck("--N", "9999999,9999998", "--H", "99999", "--W", "99999", "--jobs", "2")
    assert huge.returncode == 1
    assert "2 cases raised" in huge.stdout
    assert "not enough memory" in huge.stdout or "cannot be made" in huge.stdout
    assert huge.stderr == ""


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", "1001"])
def test_a_number_of_jobs_that_cannot_be_is_refused(convcheck: Program, jobs: str) -> None:
    run = convcheck("--jobs", jobs)
    assert run.returncode == 2
    assert f"Invalid value for '--jobs': '{jobs}' is not a number of processes" in run.stderr


def test_jobs_and_a_cluster_are_one_too_many(convcheck: Program) -> None:
    run = convcheck("--jobs", "2", "--dask", "tcp://127.0.0.1:1")
    assert (run.returncode, "give one of them" in run.stderr) == (2, True)


def test_without_distributed_the_command_that_installs_it_is_shown(
    convcheck: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = convcheck(*SMALL, "--dask", "tcp://127.0.0.1:1", env=without("distributed", tmp_path_factory.mktemp("site")))
    assert (run.returncode, run.stdout) == (2, "")
    assert "--dask tcp://127.0.0.1:1 needs Dask's distributed, which is not installed: " in run.stderr
    assert "-m pip install distributed" in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the processes are not found in /proc")
@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_killed_runs_are_resumed(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path, jobs: str, how: signal.Signals
) -> None:
    path, asked, hang = noting(layer_file), tmp_path / "asked", tmp_path / "hang"
    arguments = (path, *MANY, "--jobs", jobs, "--resume", "results.jsonl", "--json", "report.json")
    hang.touch()
    with started(tmp_path, *arguments) as run:
        text = waiting_for(asked, rf"(?s)(\(1, 1, 3, \d\).*){{{jobs}}}")  # each worker hangs
        run.send_signal(how)
        out, _ = run.communicate(timeout=30)
    assert all(is_gone(int(line.split()[0])) for line in text.splitlines())
    written = (tmp_path / "results.jsonl").read_text().splitlines()[1:]
    if how is signal.SIGINT:
        assert run.returncode == 130
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["summary"]["interrupted"]
        assert len(report["results"]) == len(written)
        assert f"interrupted after {len(written)} of 12 cases" in out
    # All that came before the first case that hangs, and of two workers' what one could do beside it.
    done = [tuple(json.loads(line)["result"]["case"][name] for name in ("N", "H", "W")) for line in written]
    assert done[:2] == [(1, 2, 3), (1, 2, 4)]
    assert all(H != 3 for _, H, _ in done)

    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"implementation": 0, "result": {"impl')  # what a kill in the midst of writing leaves
    hang.unlink()
    asked.unlink()
    again = convcheck(*arguments, "--format", "json")
    asked_again = asked.read_text()
    assert without_seconds(report_of(again)) == without_seconds(report_of(convcheck(path, *MANY, "--format", "json")))
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 1 + 12
    assert "(1, 1, 3, 3)" in asked_again
    assert "(1, 1, 2, 3)" in text
    assert "(1, 1, 2, 3)" not in asked_again, "a case was done twice"


def test_a_resumed_run_repeats_no_case_and_reports_all(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    path, asked, kept = noting(layer_file), tmp_path / "asked", tmp_path / "results.jsonl"
    arguments = (path, "fast", *SMALL[:4], "--F", "1", "--H", "4", "--W", "3,4", "--format", "json", "-v")
    whole = convcheck(*arguments)
    first = convcheck(*arguments, "--resume", kept)
    assert without_seconds(report_of(first)) == (expected := without_seconds(report_of(whole)))
    lines = kept.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 2 * 2
    for cut, torn, jobs in ((0, 5, 1), (2, -1, 2), (4, 40, 1), (5, 0, 1)):  # lines kept, bytes of the next
        kept.write_bytes(b"".join(lines[:cut]) + (lines[cut][:torn] if torn else b""))
        asked.unlink(missing_ok=True)
        again = convcheck(*arguments, "--resume", kept, "--jobs", str(jobs))
        assert without_seconds(report_of(again)) == expected, again.stderr
        written = [json.loads(line) for line in kept.read_bytes().splitlines()[1:]]
        assert len({json.dumps([line["implementation"], line["result"]["case"]]) for line in written}) == 4
        assert len(written) == 4
        if cut > 2:
            assert "(1, 1, 4, 3)" not in asked.read_text() if asked.exists() else True, "a case was done twice"


def test_a_results_file_of_another_run_is_refused(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    path, kept = layer_file(), tmp_path / "results.jsonl"
    assert convcheck(path, *SMALL, "--resume", kept).returncode == 0
    before = kept.read_text()
    for more, told in (
        (("--tol", "50"), "--tol was not given, now 50.0"),
        (("--method", "dense"), "--method was auto, now dense"),
        (("--timeout", "5"), "--timeout was 60.0, now 5.0"),
        (("fast",), "implementations was"),
    ):
        run = convcheck(path, *more, *SMALL, "--resume", kept)
        assert run.returncode == 2, more
        assert told in run.stderr
        assert "name another file" in run.stderr
        assert "Traceback" not in run.stderr
    helper = path.with_name("helper.py")
    helper.write_text("")
    path.write_text("import helper\n" + path.read_text())
    assert "the code of" in convcheck(path, *SMALL, "--resume", kept).stderr
    assert kept.read_text() == before
    kept.unlink()
    assert convcheck(path, *SMALL, "--resume", kept).returncode == 0
    helper.write_text("x = 1\n")
    assert "the code of" in convcheck(path, *SMALL, "--resume", kept).stderr, "a helper was edited"


def test_a_file_of_something_else_is_left_alone(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    path = layer_file()
    before = path.read_bytes()
    run = convcheck(path, *SMALL, "--resume", path)
    assert (run.returncode, path.read_bytes()) == (2, before)
    assert "would overwrite layers.py" in run.stderr
    notes = tmp_path / "notes.txt"
    notes.write_text("x\n")
    run = convcheck(path, *SMALL, "--resume", notes)
    assert (run.returncode, notes.read_text()) == (2, "x\n")
    assert "it is no file of results" in run.stderr
    assert convcheck(*SMALL, "--resume", tmp_path / "no" / "r.jsonl").returncode == 2
    assert convcheck(*SMALL, "--resume", tmp_path).returncode == 2
    kept = tmp_path / "r.jsonl"
    assert convcheck(*SMALL, "--resume", kept).returncode == 0
    kept.write_text(kept.read_text() + "{}\n")
    run = convcheck(*SMALL, "--resume", kept)
    assert (run.returncode, "line 3 is no result" in run.stderr) == (2, True)


def on_a_terminal(folder: Path, *args: str | Path, columns: int = 80, program: str = "convcheck", **more: str) -> str:
    """Run a program whose stdout and stderr are one terminal, and return what that was sent."""
    parent, child = pty.openpty()
    environment = clean_environment(TERM="xterm", PYTHONIOENCODING="utf-8") | more
    subprocess.run(["stty", "cols", str(columns), "rows", "24"], stdin=child, check=True)
    with subprocess.Popen(
        [PROGRAMS / program, *args], cwd=folder, env=environment, stdin=child, stdout=child, stderr=child
    ):
        os.close(child)
        sent = b""
        while True:
            try:
                part = os.read(parent, 2**16)
            except OSError:  # nobody has it open any more
                break
            if not part:
                break
            sent += part
    os.close(parent)
    return sent.decode()


def screen(sent: str) -> list[str]:
    """Show what is left on a terminal: a line that is erased begins anew."""
    lines = [re.split(r"\r\x1b\[K", line)[-1] for line in sent.replace("\r\n", "\n").split("\n")]
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


SLOW = ("def conv_forward(x, w, b, conv_param):\n", "def conv_forward(x, w, b, conv_param):\n    pause(0.012)\n")
IMPORTED = ("import numpy as np\n", "import numpy as np\nfrom time import sleep as pause\n")


@pytest.mark.parametrize("columns", one_in(2, [30, 80]))
def test_a_terminal_shows_how_far_it_is_and_keeps_only_results(
    layer_file: LayerFile, tmp_path: Path, columns: int
) -> None:
    layer_file(IMPORTED, SLOW)
    arguments = ("layers.py", *SMALL[:6], "--W", "3..8", "--color", "never")
    sent = on_a_terminal(tmp_path, *arguments, columns=columns)
    drawn = [line for line in re.findall(r"\r\x1b\[K([^\r\x1b\n]+)", sent) if re.search(r"\d/6", line)]
    assert len(drawn) > 3
    assert all(len(line) < columns for line in drawn)
    assert any(re.search(r"[1-5]/6  0 failed", line) for line in drawn)
    quiet = on_a_terminal(tmp_path, *arguments, columns=columns, TERM="dumb")
    assert "\x1b[K" not in quiet
    assert [re.sub(r"[\d.]+ s;", "s;", line) for line in screen(sent)] == [
        re.sub(r"[\d.]+ s;", "s;", line) for line in screen(quiet)
    ]


@pytest.mark.long
def test_a_terminal_shows_which_of_several_files_is_searched(tmp_path: Path) -> None:
    relu = (
        "def relu_forward(x):\n    return x * (x > 0), x\n\n\ndef relu_backward(dout, x):\n    return dout * (x > 0)\n"
    )
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"import time\n\ntime.sleep(0.7)\n\n\n{relu}", encoding="utf-8")
    sent = on_a_terminal(tmp_path, "a.py", "b.py", "-q", program="gradcheck")
    assert re.search(r"\r\x1b\[Ksearching [12]/2  [ab]\.py", sent)
    assert screen(sent)[:2] == ["pass 7/7 a.py:relu_forward,relu_backward", "pass 7/7 b.py:relu_forward,relu_backward"]


def test_a_quick_run_shows_no_progress(tmp_path: Path) -> None:
    assert "\x1b[K" not in on_a_terminal(tmp_path, *SMALL, "--pad", "1,2")


@pytest.mark.long
def test_failures_are_red_unless_colour_is_not_wanted(layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(IMPORTED, SLOW, ("+ b", "- b"))
    arguments = ("layers.py", *SMALL[:6], "--W", "3..8")
    assert re.search(r"\x1b\[1;31m\d failed", on_a_terminal(tmp_path, *arguments))
    assert "\x1b[1;31m" not in on_a_terminal(tmp_path, *arguments, NO_COLOR="1")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: [lines[0][:24], *lines[1:]], "line 1 does not say what run it is"),
        (lambda lines: [*lines[:2], lines[2].replace('"pass"', '"passs"', 1), *lines[3:]], "line 3 is no result"),
        (lambda lines: [*lines[:2], '{"implementation": 0}', *lines[3:]], "line 3 is no result"),
    ],
    ids=["first line", "verdict", "no result"],
)
def test_a_damaged_results_file_is_refused(
    convcheck: Program, tmp_path: Path, damage: Callable[[list[str]], list[str]], said: str
) -> None:
    run = ("--stride", "1..3", *SMALL, "--resume", "run.jsonl")
    assert convcheck(*run).returncode == 0
    kept = tmp_path / "run.jsonl"
    kept.write_text("\n".join(damage(kept.read_text().splitlines())) + "\n")
    again = convcheck(*run)
    assert again.returncode == 2
    assert said in again.stderr
    assert "Traceback" not in again.stderr
