"""Nothing that one file does ends a run, draws on the terminal or keeps the program from ending."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PROGRAMS, clean_environment, report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

    Course = tuple[subprocess.CompletedProcess[str], Path, set[str]]

RIGHT = """\
import numpy as np
{at_import}

def tanh_forward(x):
    {in_forward}
    return np.tanh(x), x


def tanh_backward(dout, x):
    {in_backward}
    return dout * (1 - np.tanh(x) ** 2)
"""


def write(folder: Path, name: str, at_import: str = "", in_forward: str = "pass", in_backward: str = "pass") -> Path:
    bodies = (code.replace("\n", "\n    ") for code in (in_forward, in_backward))
    forward, backward = bodies
    text = RIGHT.format(at_import=at_import, in_forward=forward, in_backward=backward)
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


CLASS = "class {name}{base}:\n    def {method}(self, *a, **k): {body}\n"
ODD_STR = CLASS.format(name="Odd", base="(Exception)", method="__str__", body="raise KeyError")
NUMBER_STR = CLASS.format(name="Odd", base="(Exception)", method="__str__", body="return 5")
BASE = "class Base(BaseException): pass\n"
META = "class Meta(type):\n    def __getattr__(c, n): raise OSError('meta')\nclass Odd(metaclass=Meta): pass\n"
GETATTR = CLASS.format(name="Odd", base="", method="__getattribute__", body="raise OSError('attribute')")
SUBCLASS = CLASS.format(name="Sub", base="(np.ndarray)", method="__array_ufunc__", body="raise OSError('ufunc')")
STREAM = CLASS.format(name="Odd", base="", method="__getattr__", body="raise SystemExit(4)")
GRADIENT = "g = dout * (1 - np.tanh(x) ** 2)\n"

#: What a file does, at import, in forward and in backward; and its verdict, with a part of the reason.
FILES: dict[str, tuple[tuple[str, str, str], str, str]] = {
    "str_raises": ((ODD_STR, "raise Odd", "pass"), "error", "tanh_forward raised Odd: (its __str__ raised KeyError)"),
    "str_number": ((NUMBER_STR, "pass", "raise Odd"), "error", "tanh_backward raised Odd"),
    "interrupt": (("", "pass", "raise KeyboardInterrupt"), "error", "tanh_backward raised KeyboardInterrupt"),
    "interrupt_at_import": (("raise KeyboardInterrupt", "", ""), "error", "cannot be imported: KeyboardInterrupt"),
    "closed": (("", "raise GeneratorExit", "pass"), "error", "tanh_forward raised GeneratorExit"),
    "base": ((BASE, "pass", "raise Base('b')"), "error", "tanh_backward raised Base: b"),
    "base_at_import": ((BASE + "raise Base", "", ""), "error", "cannot be imported: Base"),
    "unnamed_signal": (("import os", "os.kill(os.getpid(), 38)", "pass"), "error", "died of signal 38"),
    "metaclass": ((META, "pass", "return Odd()"), "error", "returned a value of type Odd"),
    "attribute": ((GETATTR, "return Odd(), x", "pass"), "error", "OSError: attribute"),
    "subclass": ((SUBCLASS, "return np.tanh(x).view(Sub), x", "pass"), "error", "OSError: ufunc"),
    "many_axes": (("", "pass", "return np.ones((1,) * 64)"), "fail", "dx has shape (1, 1"),
    "no_axes": (("", "pass", "return np.array(1.0)"), "fail", "dx has shape ()"),
    "objects": (("", "pass", GRADIENT + "return g.astype(object)"), "fail", "dtype object"),
    "objects_out": (("", "return np.array(np.tanh(x), object), x", "pass"), "fail", "dtype object"),
    "text_out": (("", "return np.full(x.shape, 'x'), x", "pass"), "fail", "dtype"),
    "many_axes_out": (("", "return np.ones((1,) * 64), x", "pass"), "fail", "out has shape (1, 1"),
    "structured": (("", "pass", "return np.zeros(dout.shape, 'f8,i4')"), "fail", "dtype"),
    "matrix": (("", "pass", GRADIENT + "return np.asmatrix(g[0] if g.ndim > 1 else g)"), "fail", "shape"),
    "masked": (("", "pass", GRADIENT + "return np.ma.masked_array(g, mask=False)"), "pass", ""),
    "recursion_limit": (("import sys\nsys.setrecursionlimit(60)", "pass", "pass"), "pass", ""),
    "lower_limit": (("import sys", "sys.setrecursionlimit(95)", "pass"), "pass", ""),
    "streams": (("import sys\n" + STREAM, "sys.stdout = sys.stderr = Odd()", "pass"), "pass", ""),
    "no_streams": (("import sys", "sys.__dict__.pop('stderr')", "pass"), "pass", ""),
    "time": (("import time\ntime.perf_counter = None", "pass", "pass"), "pass", ""),
    "numpy": (("", "np.abs = np.isfinite = None", "pass"), "error", "the checker failed beside this code"),
    "forks": (("import os", "os.fork()", "pass"), "pass", ""),
    "forked_raises": (("import os", "if not os.fork(): raise ValueError", "pass"), "pass", ""),
    "at_exit": (("import atexit, time\natexit.register(time.sleep, 1000)", "pass", "pass"), "pass", ""),
    "thread": (
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()", "", ""),
        "pass",
        "",
    ),
    "nested": (("", "pass", "out = []\nfor _ in range(10**5): out = [out]\nreturn out"), "fail", "a list"),
    "enormous": (("", "pass", "return np.broadcast_to(1.0, (2**40, 2**20))"), "error", "array is too big"),
    "exits_when_tried": (("import os", "os._exit(3)", "pass"), "error", "when it was tried on a small case"),
    "escapes": (
        ("", "raise type('\\x1b[2JE', (Exception,), {})('\\x1b]0;t\\x07pass 13/13')", ""),
        "error",
        "raised E: pass",
    ),
    "long": (("", "pass", "raise ValueError('a' + ' ' * 40_000 + 'b' * 10**6)"), "error", "characters left out"),
}


@pytest.fixture(scope="module", params=one_in(2, [6, 1]))
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Check one file in six, or each, between two that are right; return the run, its folder, and their names."""
    folder, names = tmp_path_factory.mktemp("course"), list(FILES)[:: request.param]
    write(folder, "a_right")
    for name in names:
        write(folder, name, *FILES[name][0])
    write(folder, "z_right")
    run = subprocess.run(
        [
            PROGRAMS / "gradcheck",
            *sorted(folder.glob("*.py")),
            *("--json", "report.json", "--timeout", "20", "--shard", "1/2"),
        ],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return run, folder, set(names)


def test_a_course_is_checked_to_its_end(course: Course) -> None:
    run, folder, names = course
    assert run.returncode == 1
    assert "bug in the checker" not in run.stderr
    size = (folder / "report.json").stat().st_size
    assert size < 10**6
    results = json.loads((folder / "report.json").read_text(encoding="utf-8"))["results"]
    worst: dict[str, tuple[str, str]] = {}
    for result in results:
        name = result["implementation"].partition(".py")[0].rpartition("/")[2]
        if name not in worst or worst[name][0] == "pass":
            worst[name] = result["verdict"], result["reason"] or ""
    assert set(worst) == {*names, "a_right", "z_right"}
    assert (worst.pop("a_right"), worst.pop("z_right")) == (("pass", ""), ("pass", ""))
    wrong = {
        name: found
        for name, found in worst.items()
        if found[0] != FILES[name][1] or FILES[name][2] not in found[1] or len(found[1]) > 2100
    }
    assert not wrong
    for name in worst:
        assert f"{name}.py" in run.stdout


def test_no_control_character_is_shown_or_reported(course: Course) -> None:
    run, folder, _ = course
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    texts = [run.stdout, run.stderr, *(str(result) for result in report["results"])]
    assert not [text for text in texts if any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in text)]


@pytest.mark.parametrize("flags", one_in(3, ["", "-v", "--show all --debug arrays.npz"]))
def test_a_terminal_gets_no_escape_sequence_of_the_users(tmp_path: Path, flags: str) -> None:
    escape = "\x1b[2J"
    name = write(tmp_path, f"a{escape}b", in_backward=f"print({escape!r})\nreturn 3 * dout").name
    write(tmp_path, "warned", at_import=f"try: __import__('x{escape}')\nexcept ImportError: pass")
    write(tmp_path, "broken", at_import=f"raise type({escape!r}, (Exception,), {{}})({escape!r})")
    write(tmp_path, "helper", at_import=f"globals()[{escape!r}] = lambda a: a")
    master, slave = pty.openpty()
    command: list[str | Path] = [PROGRAMS / "gradcheck", name, "warned.py", "broken.py", "helper.py", *flags.split()]
    with subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=slave, stderr=slave) as program:
        os.close(slave)
        shown = b""
        while True:
            try:
                shown += os.read(master, 2**16)
            except OSError:  # the program has ended
                break
    os.close(master)
    assert program.returncode == 1
    assert b"a\\x1b[2Jb.py" in shown.replace(b"\r\n", b"")
    assert escape.encode() not in shown


def test_the_time_limit_is_for_one_call(gradcheck: Program, tmp_path: Path) -> None:
    path = write(tmp_path, "slow", "import time", "time.sleep(0.1)", "time.sleep(0.1)")
    started = time.monotonic()
    run = gradcheck("tanh", path, "--shape", "2x3", "--timeout", "0.9")
    assert (run.returncode, time.monotonic() - started > 1.2) == (0, True), run.stdout
    hangs = write(tmp_path, "hangs", "import time\nCALLS = []", "CALLS.append(1)\nif len(CALLS) > 9: time.sleep(1000)")
    run = gradcheck("tanh", hangs, "--shape", "2x3", "--timeout", "0.9")
    assert run.returncode == 1
    assert "tanh_forward was stopped after 0.9 s; --timeout allows more" in run.stdout
    assert "CALLS.append" not in run.stdout
    assert "time.sleep(1000)" in run.stdout


DELETED = "import time\nclass Slow:\n    def __del__(self): time.sleep(1000)\n"


@pytest.mark.parametrize("jobs", one_in(2, ["2", "1"]))
def test_what_hangs_outside_of_a_call_or_at_import_is_stopped_too(
    gradcheck: Program, tmp_path: Path, jobs: str
) -> None:
    write(tmp_path, "deleted", DELETED, "return np.tanh(x), (x, Slow())", "x, _ = x")
    write(tmp_path, "imported", "import time\ntime.sleep(1000)")
    write(tmp_path, "floods", in_forward="while True: print('x' * 1000)")
    write(tmp_path, "right")
    files = ("deleted.py", "imported.py", "floods.py", "right.py")
    run = gradcheck("tanh", *files, "--shape", "2", "--timeout", "0.5", "--jobs", jobs, "--format", "json")
    assert run.returncode == 1
    results = report_of(run)["results"]
    found = {result["implementation"].partition(".py")[0]: result for result in results[::-1]}
    assert found["right"]["verdict"] == "pass"
    for name in ("deleted", "imported", "floods"):
        assert found[name]["verdict"] == "error"
        assert "stopped after 0.5 s" in found[name]["reason"]


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("os.abort()", "tanh_forward died of an abort when it was tried on a small case"),
        ("os._exit(5)", "ended the process with exit code 5 when it was tried on a small case"),
        ("time.sleep(1000)", "tanh_forward was stopped after 0.5 s when it was tried on a small case; --timeout"),
    ],
)
def test_what_was_imported_and_then_crashed_is_an_error(
    gradcheck: Program, tmp_path: Path, deed: str, reason: str
) -> None:
    path = write(tmp_path, "crashes", "import os, time", deed)
    for arguments in (("tanh", path), (path,)):
        run = gradcheck(*arguments, "--timeout", "0.5", "--format", "json")
        assert run.returncode == 1
        results = report_of(run)["results"]
        tried = results[:2] if "sleep" in deed else results
        assert {result["verdict"] for result in results} == {"error"}
        assert all(reason in result["reason"] for result in tried)
        assert all(result["reason"].startswith("not tried") for result in results[len(tried) :]), "it hung twice"


@pytest.mark.parametrize("deeds", [(GETATTR, "return Odd(), x"), (SUBCLASS, "return np.tanh(x).view(Sub), x")])
def test_an_object_that_raises_when_it_is_looked_at_is_an_error(
    gradcheck: Program, tmp_path: Path, deeds: tuple[str, str]
) -> None:
    run = gradcheck("tanh", write(tmp_path, "odd", *deeds), "--shape", "2", "--format", "json")
    assert run.returncode == 1
    (result,) = report_of(run)["results"]
    assert "OSError: " in result["reason"]
    assert "odd.py" in result["traceback"]


def test_what_is_printed_is_not_taken_for_the_fault_handlers(gradcheck: Program, tmp_path: Path) -> None:
    forged = 'Timeout (0:00:20)!\\nThread 0x01 (most recent call first):\\n  File "/etc/passwd", line 1 in f\\n'
    fatal = 'Fatal Python error: Aborted\\n\\nCurrent thread 0x01:\\n  File "/etc/passwd", line 1 in f\\n'
    for text in (forged, fatal):
        path = write(tmp_path, "forges", "import os", f"os.write(2, b'{text}'); os._exit(3)")
        (result, *_) = report_of(gradcheck("tanh", path, "--format", "json"))["results"]
        assert "ended the process with exit code 3" in result["reason"]
        assert result["traceback"] is None


def test_only_lines_of_the_implementation_are_quoted(gradcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("top secret\n")
    os.mkfifo(tmp_path / "pipe.py")
    for file in ("secret.txt", "pipe.py"):
        raising = f"exec(compile('raise ValueError(1)', {str(tmp_path / file)!r}, 'exec'))"
        run = gradcheck("tanh", write(tmp_path, "raises", in_backward=raising), "--shape", "2")
        assert run.returncode == 1
        assert f'{file}", line 1' in run.stdout
        assert "top secret" not in run.stdout


@pytest.mark.parametrize(
    "deed", ["np.take(x, [99])", "import json\njson.loads('nope')", "np.linalg.inv(np.zeros((2, 2)))"]
)
def test_a_traceback_ends_where_the_users_code_does(gradcheck: Program, tmp_path: Path, deed: str) -> None:
    run = gradcheck("tanh", write(tmp_path, "raises", in_backward=deed), "--shape", "2")
    (result, *_) = report_of(gradcheck("tanh", tmp_path / "raises.py", "--shape", "2", "--format", "json"))["results"]
    lines = result["traceback"].splitlines()
    assert lines[0] == "Traceback (your code only):"
    assert [line for line in lines if line.startswith("  File ")] == [next(x for x in lines if "raises.py" in x)]
    assert deed.rsplit("\n", maxsplit=1)[-1] in result["traceback"]
    assert "in tanh_backward" in run.stdout


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--memory", "1e-10", "less than 0.25"),
        ("--memory", "1e300", "more than"),
        ("--memory", "inf", "not a finite number"),
        ("--timeout", "1e300", "more than"),
        ("--timeout", "1e-9", "less than 0.001"),
        ("--timeout", "nan", "not a finite number"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(convcheck: Program, flag: str, value: str, said: str) -> None:
    run = convcheck(flag, value)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"Error: Invalid value for '{flag}': '{value}' is {said}")


@pytest.mark.parametrize(
    ("flag", "value"), one_in(3, [("--memory", "0.25"), ("--memory", "1e6"), ("--timeout", "1e6")])
)
def test_the_limits_themselves_can_be_kept(gradcheck: Program, tmp_path: Path, flag: str, value: str) -> None:
    # A variable of Python's has a new process started: a copy of this one may hold more memory than the limit.
    run = gradcheck("tanh", write(tmp_path, "right"), "--shape", "2", flag, value, env={"PYTHONHASHSEED": "0"})
    assert run.returncode == 0, run.stdout + run.stderr


def test_modules_of_the_current_folder_are_not_run_by_workers(gradcheck: Program, tmp_path: Path) -> None:
    write(tmp_path, "right")
    for name in ("json", "re", "types", "pickle", "random", "secrets", "difflib", "ctypes"):
        (tmp_path / f"{name}.py").write_text(f"open('{name}.was_run', 'w')\nraise SystemExit(9)\n")
    for jobs in ("1", "2"):
        # A variable of Python's has the installed program run, whose workers are fresh.
        run = gradcheck("tanh", "right.py", "--shape", "2x3,4", "--jobs", jobs, env={"PYTHONHASHSEED": "0"})
        assert run.returncode == 0, run.stdout + run.stderr
    assert not [*tmp_path.glob("*.was_run")]


SHY = """
class Meta(type):
    def __getattribute__(cls, name): raise SystemExit(3)
class Shy(metaclass=Meta):
    def forward(self, x): pass
    def backward(self, dout): pass
class Asked:
    def __getattribute__(self, name): raise KeyboardInterrupt
class Called:
    def __call__(self): pass
    __signature__ = __name__ = property(lambda self: exit(2))
asked, relu_forward, relu_backward = Asked(), Called(), Called()
"""


def test_objects_that_raise_when_they_are_examined_spoil_nothing_else(gradcheck: Program, tmp_path: Path) -> None:
    path = write(tmp_path, "shy")
    path.write_text(path.read_text() + SHY)
    run = gradcheck(path, "--format", "json")
    verdicts = {one["implementation"].partition(":")[2]: one["verdict"] for one in report_of(run)["results"]}
    assert verdicts["tanh_forward,tanh_backward"] == "pass"
    assert run.returncode < 4


def test_a_name_with_a_newline_is_shown_in_one_line(gradcheck: Program) -> None:
    run = gradcheck("no\nsuch.py")
    assert run.returncode == 2
    assert run.stderr.startswith(r"Error: no\nsuch.py: there is no such file")
