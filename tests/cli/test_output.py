"""Where output goes and how it is formatted there: pipes, terminals, readers that leave, files."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PROGRAMS, SMALL, clean_environment, report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    from tests.conftest import LayerFile, Program

ESCAPE = "\x1b["
GREEN = "\x1b[32m"

WRONG = ("return dx, dw, db", "return dx, 2 * dw, db")

#: Prints, when it is loaded and at each call.
TALKATIVE = (
    (
        "import numpy as np\n",
        """\
import os
import sys

import numpy as np

print("loaded")


def talk(called):
    print("print", called)
    sys.stdout.write(f"write {called}\\n")
""",
    ),
    ("    N, C, H, W = x.shape\n", "    N, C, H, W = x.shape\n    talk('forward')\n"),
    ("    H, W = x.shape[2:]\n", "    H, W = x.shape[2:]\n    talk('backward')\n"),
)

#: Prints where Python's own stdout does not notice.
PAST_PYTHON = (
    '    print("print", called)\n',
    """\
    os.write(1, b"descriptor\\n")
    sys.__stdout__.write("original\\n")
    sys.__stdout__.flush()
    os.system("echo child")
""",
)


def on_a_terminal(
    folder: Path, columns: int, *args: str, env: dict[str, str] | None = None, program: str = "convcheck"
) -> tuple[int, str]:
    """Run convcheck with its stdout on a terminal of that many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [PROGRAMS / program, *args],
        cwd=folder,
        env=clean_environment(**{"TERM": "xterm", **(env or {})}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        return process.wait(timeout=60), shown.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux tells that the other end is closed
        return b""


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def columns(lines: list[str]) -> int:
    return max(len(line) for line in lines)


def to_nobody(folder: Path, program: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program whose stdout is a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [PROGRAMS / program, *args],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize(
    ("flags", "env", "colored"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "never"), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "0"}, False),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ((), {"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_color_in_a_pipe(convcheck: Program, flags: tuple[str, ...], env: dict[str, str], *, colored: bool) -> None:
    run = convcheck(*SMALL, *flags, env=env)
    assert run.returncode == 0
    assert (ESCAPE in run.stdout, GREEN in run.stdout) == (colored, colored)


def test_color_only_dresses(convcheck: Program, layer_file: LayerFile) -> None:
    flags = (layer_file(WRONG), *SMALL)
    bare, dressed = convcheck(*flags).stdout, convcheck(*flags, "--color", "always").stdout
    assert plain(dressed)[:-1] == bare.splitlines()[:-1]
    assert "\x1b[1;31mFAIL" in dressed


def test_json_is_never_colored(convcheck: Program) -> None:
    assert ESCAPE not in convcheck(*SMALL, "--color", "always", "--json", "-").stdout


def test_a_pipe_is_100_columns_wide_unless_columns_says_otherwise(convcheck: Program, layer_file: LayerFile) -> None:
    flags = (layer_file(WRONG).name, *SMALL, "--HH", "3,9")
    for width, env in (100, {}), (50, {"COLUMNS": "50"}), (20, {"COLUMNS": "1"}):
        lines = convcheck(*flags, env=env).stdout.splitlines()
        wrapped = [line for line in lines if not line.startswith(("replay: ", "layers.py"))]
        assert columns(wrapped) <= max(width, len("dx  -0.1234567  -0.1234567  FAIL "))
    assert " method " in convcheck(*flags, env={"COLUMNS": "140"}).stdout


def test_no_line_in_a_pipe_is_too_long(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(("pad : pad + H, pad : pad + W]", "pad:-pad, pad:-pad]"))
    geometry = ("--N", "1", "--C", "12", "--F", "1", "--H", "4", "--pad", "0,1", "--WW", "3,30")
    run = convcheck("layers.py", *geometry, "--dtype", "longdouble")
    lines = run.stdout.splitlines()
    replays = [line for line in lines if line.startswith("replay: ")]
    assert len(replays) == 1
    assert columns([line for line in lines if line not in replays]) <= 100


def test_a_column_never_touches_the_next(convcheck: Program) -> None:
    rows = [line.split() for line in convcheck(*SMALL, "--dtype", "float64,longdouble").stdout.splitlines()[1:3]]
    assert [row[-1] for row in rows] == ["float64", "longdouble"]


def test_no_line_ends_in_blanks(convcheck: Program, layer_file: LayerFile) -> None:
    lines = convcheck(layer_file(WRONG), *SMALL, "--N", "1,2").stdout.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_terminal_of_80_columns(tmp_path: Path) -> None:
    flags = ("naive", "--N", "12", "--C", "2", "--H", "12", "--W", "2", "--F", "11")
    code, shown = on_a_terminal(tmp_path, 80, *flags)
    assert code == 0
    assert GREEN in shown
    lines = plain(shown)
    assert columns(lines) <= 80
    assert not any("…" in line for line in lines)
    assert " method " not in shown
    assert "passed in" in lines[-1]


def test_a_failure_on_80_columns_shows_the_figures_that_differ(layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(("return dx, dw, db", "return dx * (1 + 1e-12), dw, db"))
    code, shown = on_a_terminal(tmp_path, 80, "layers.py", *SMALL)
    row = next(line.split() for line in plain(shown) if line.startswith("dx  "))
    analytic, numeric = row[5:7]
    assert (code, row[-1]) == (1, "FAIL")
    assert "…" not in analytic + numeric
    assert analytic != numeric


def test_a_wide_terminal_shows_more(tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path, 200, *SMALL)
    header = next(line for line in plain(shown) if "analytic" in line)
    assert code == 0
    assert [name in header for name in ("bound", "method", "forwards", "abs error")] == [True] * 4
    assert "…" not in shown


def test_a_terminal_may_be_kept_plain(tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path, 80, *SMALL, env={"TERM": "dumb"})
    assert (code, ESCAPE in shown) == (0, False)


@pytest.mark.parametrize(
    ("program", "args", "code"),
    one_in(
        3,
        [
            ("convcheck", SMALL, 0),
            ("convcheck", ("layers.py", *SMALL), 1),
            ("convcheck", ("layers.py", "-v", "--N", "4", "--H", "9"), 1),
            ("convcheck", ("--step", "1e-9", *SMALL), 3),
            ("convcheck", ("--json", "-"), 0),
            ("convcheck", ("--list-cases", "--N", "1..10000"), 0),
            ("convcheck", ("--help",), 0),
            ("convcheck", ("--version",), 0),
            ("gradcheck", ("schema",), 0),
        ],
    ),
    ids=["pass", "failure", "more than a buffer", "undecided", "json", "cases", "help", "version", "schema"],
)
def test_a_reader_that_leaves_changes_no_exit_code(
    layer_file: LayerFile, tmp_path: Path, program: str, args: tuple[str, ...], code: int
) -> None:
    layer_file(WRONG)
    run = to_nobody(tmp_path, program, *args)
    assert (run.returncode, run.stderr) == (code, "")


def test_a_reader_that_leaves_after_a_line(layer_file: LayerFile, tmp_path: Path) -> None:
    with subprocess.Popen(
        [PROGRAMS / "convcheck", layer_file(WRONG).name, *SMALL, "-v"],
        cwd=tmp_path,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    assert first == "layers.py:conv_forward,conv_backward, seed 0\n"
    assert (process.returncode, complaints) == (1, "")


def test_the_files_are_written_though_the_reader_left(tmp_path: Path) -> None:
    assert to_nobody(tmp_path, "convcheck", *SMALL, "--json", "report.json").returncode == 0
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["summary"]["pass"] == 1


@pytest.mark.parametrize("args", [("--HH", "3,9"), SMALL], ids=["a line cut short", "a table"])
def test_an_encoding_without_box_drawing(convcheck: Program, args: tuple[str, ...]) -> None:
    run = convcheck(*args, env={"PYTHONIOENCODING": "ascii"})
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.isascii()


def test_a_json_file_is_written_beside_the_table(convcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("x" * 1_000_000, encoding="utf-8")  # it is replaced whole
    run = convcheck(*SMALL, "--json", "report.json")
    assert "1 case passed" in run.stdout
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert json.loads(text)["summary"]["verdict"] == "pass"
    assert text.endswith("}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("args", [("--H", "0"), ("--HH", "9"), ("nosuch.py",), ("-q", "-v")])
def test_a_usage_error_leaves_files_alone(convcheck: Program, tmp_path: Path, args: tuple[str, ...]) -> None:
    (tmp_path / "report.json").write_text("as it was", encoding="utf-8")
    assert convcheck(*args, "--json", "report.json").returncode == 2
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_an_unwritable_file_is_found_before_any_case_runs(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    layer = layer_file(
        ("import numpy as np\n", "from pathlib import Path\n\nimport numpy as np\n"),
        ("    N, C, H, W = x.shape\n", "    N, C, H, W = x.shape\n    Path('ran').touch()\n"),
    )
    assert convcheck(layer, *SMALL, "--json", "nowhere/report.json").returncode == 2
    assert not (tmp_path / "ran").exists()


def test_devices_are_written_to_and_not_replaced(convcheck: Program) -> None:
    assert convcheck(*SMALL, "--json", os.devnull).returncode == 0
    assert Path(os.devnull).is_char_device()


def test_json_on_stdout_is_all_that_is_there(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer = layer_file(WRONG)
    for flags in (("--json", "-"), ("--format", "json", "--json", "-", "-q")):
        run = convcheck(layer, *SMALL, *flags)
        assert (run.returncode, run.stderr) == (1, "")
        assert report_of(run)["summary"]["fail"] == 1
    both = convcheck(layer, *SMALL, "--format", "json", "--json", "report.json")
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report_of(both)["results"] == written["results"]


def test_prints_are_shown_on_request(convcheck: Program, layer_file: LayerFile) -> None:
    path = layer_file(*TALKATIVE)
    run = convcheck(path, *SMALL, "--json", "-", "-v")
    assert run.returncode == 0
    assert report_of(run)["summary"]["pass"] == 1
    title, *lines = run.stderr.splitlines()
    assert title == f"{path}:conv_forward,conv_backward printed, in 1x1x3x3 * 1x1x3x3 stride 1 pad 1:"
    assert {line for line in lines if not line.endswith("lines left out")} == {
        *("loaded", "print forward", "write forward", "print backward", "write backward", "")
    }
    assert convcheck(path, *SMALL).stderr == ""


def test_prints_are_shown_beside_an_error(convcheck: Program, layer_file: LayerFile) -> None:
    raises = ("    db = dout.sum(axis=(0, 2, 3))\n", "    print('so far')\n    raise RuntimeError\n")
    run = convcheck(layer_file(raises), *SMALL)
    assert run.returncode == 1
    assert run.stderr.splitlines()[1:2] == ["so far"]


def test_prints_past_python_are_captured(convcheck: Program, layer_file: LayerFile) -> None:
    path = layer_file(*TALKATIVE, PAST_PYTHON)
    run = convcheck(path, *SMALL, "--json", "-", "-v")
    assert report_of(run)["summary"]["pass"] == 1
    assert {"descriptor", "original", "child"} <= set(run.stderr.splitlines())
    assert convcheck(path, *SMALL, "--json", "-").stderr == ""


def test_prints_at_the_end_reach_no_report(convcheck: Program, layer_file: LayerFile) -> None:
    farewell = ("import numpy as np\n", "import atexit\n\nimport numpy as np\n\natexit.register(print, 'farewell')\n")
    run = convcheck(layer_file(farewell), *SMALL, "--json", "-")
    assert report_of(run)["summary"]["pass"] == 1
    assert run.stderr == ""


def test_a_flood_of_prints_is_cut(convcheck: Program, layer_file: LayerFile) -> None:
    flood = ("    db = dout.sum(axis=(0, 2, 3))\n", "    print('first', 'x' * 10**7, 'last')\n    raise RuntimeError\n")
    run = convcheck(layer_file(flood), *SMALL)
    assert len(run.stderr) < 10_000
    assert all(word in run.stderr for word in ("first", "last", "bytes ...]"))


def test_a_link_and_the_mode_of_a_file_stay(convcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "report.json"
    target.touch(mode=0o600)
    (tmp_path / "link.json").symlink_to(target)
    convcheck(*SMALL, "--json", "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["summary"]["pass"] == 1
    assert target.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.rglob("*")} == {"there", "report.json", "link.json"}


def test_verbose_tells_of_failed_cases_only_if_that_is_asked_for(convcheck: Program, layer_file: LayerFile) -> None:
    path = layer_file(("pad : pad + H, pad : pad + W]", "pad : pad + H, pad:-pad]"))
    run = convcheck(path, *SMALL, "--pad", "0,1", "-v", "--show", "failed")
    titles = [line.split()[0] for line in run.stdout.splitlines() if line.endswith(", float64")]
    assert titles == ["FAIL"]


def test_sizes_that_no_terminal_has_are_ignored(convcheck: Program) -> None:
    flags = "--N", "1", "--stride", "1"
    usual = convcheck(*flags)
    for columns in "9" * 5000, "\N{SUPERSCRIPT TWO}", "-1", "":
        odd = convcheck(*flags, env={"COLUMNS": columns, "LINES": columns})
        assert odd.returncode == 0
        assert odd.stdout.splitlines()[:-1] == usual.stdout.splitlines()[:-1]
