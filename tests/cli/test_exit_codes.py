"""The exit codes of the real programs: 0, 1, 2, 3, 4 and 130."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import pytest

from gradcheck_cli.cli.exit_codes import exit_code
from gradcheck_cli.report.json import schema
from gradcheck_cli.results.result import Verdict
from gradcheck_cli.results.run import Summary
from tests.conftest import PROGRAMS, SMALL, clean_environment, report_of
from tests.guard.test_process import is_gone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

WRONG = ("return dx, dw, db", "return dx, 2 * dw, db")
RAISES = ("db = dout.sum(", "db = dout.summ(")

#: Right on float16; the numeric side, which is computed in float64, is told noise or nothing.
NOISY = (
    (
        "import numpy as np\n",
        "import numpy as np\n\nSOURCE = np.random.default_rng(0)\n",
    ),
    (
        "    return out, (",
        "    if x.dtype == np.float64:\n        out += 100 * SOURCE.standard_normal(out.shape)\n    return out, (",
    ),
)
BLIND = ("    return out, (", "    if x.dtype == np.float64:\n        out[:] = np.nan\n    return out, (")

#: What writes down its process when it begins to wait.
WAITING = """\
import os
import time
from pathlib import Path

import numpy as np


def wait():
    Path("waiting").write_text(str(os.getpid()))
    time.sleep(60)
"""

#: Files that cannot be checked.
FILES = {
    "empty.py": "",
    "broken.py": "x = (\n",
    "missing.py": "import no_such_module\n",
    "exits.py": "import sys\nsys.exit(3)\n",
    "asks.py": "n = input('how many? ')\n",
    "raises.py": "raise ValueError('not today')\n",
    "talkative.py": "raise ValueError('one\\ntwo\\nthree\\nfour')\n",
    "no_such_module_layers.py": "import no_such_module\n",
    "notes.txt": "forward, backward\n",
    "half.py": "def conv_forward(x, w, b, conv_param): ...\n",
    "several.py": (
        "def conv_forward_a(x, w, b, conv_param): ...\ndef conv_backward_a(dout, cache): ...\n"
        "def conv_forward_b(x, w, b, conv_param): ...\ndef conv_backward_b(dout, cache): ...\n"
    ),
    "folder/inside.txt": "",
}

BAD_VALUES = [
    ("--H", "0", "at least 1"),
    ("--H", "-1", "at least 1, not -1"),
    ("--H", "-3..-1", "at least 1, not -3"),
    ("--H", "a", "no whole number"),
    ("--H", "2x1", "no whole number"),
    ("--H", "1,,2", "a value is missing"),
    ("--H", "3..", "no whole number"),
    ("--H", "5..2", "write 2..5"),
    ("--H", "1..99999999", "more than 1,000,000 values"),
    ("--N", "9" * 5000, ""),
    ("--stride", "0", "at least 1"),
    ("--stride", "2x0", "at least 1"),
    ("--stride", "2x", "a pair such as 2x1"),
    ("--stride", "1x2x3", "a pair such as 2x1"),
    ("--pad", "-1", "at least 0, not -1"),
    ("--groups", "1x2", "no whole number"),
    ("--dtype", "float8", "float16, float32, float64, longdouble"),
    ("--dtype", "float32,", "float16, float32, float64, longdouble"),
    ("--seed", "-1", "whole number of 0 or more"),
    ("--seed", "9" * 5000, ""),
    ("--tol", "0", "finite number above 0"),
    ("--tol", "nan", "finite number above 0"),
    ("--tol", "loose", "finite number above 0"),
    ("--step", "-1e-3", "finite number above 0"),
    ("--method", "magic", "'auto', 'dense'"),
    ("--show", "some", "'all', 'failed', 'worst'"),
    ("--format", "xml", "'table', 'github', 'json'"),
    ("--color", "red", "'auto', 'always', 'never'"),
    ("--json", "nowhere/report.json", "cannot be written"),
    ("--json", "notes.txt/report.json", "cannot be written"),
    ("--json", "folder", "directory"),
    ("--json", "", "cannot be written"),
]

BAD_GEOMETRIES = [
    (["--HH", "9"], ["height of 9", "padded height of 7"]),
    (["--WW", "5", "--W", "1", "--dilation", "1x2"], ["width of 9", "padded width of 3"]),
    (["--groups", "2"], ["groups 2", "C 3"]),
    (["--N", "10000000000000"], ["10000000000000"]),
]

BAD_IMPLEMENTATIONS = [
    ("nosuch", "fast, naive, FILE.py"),
    ("nosuch.py", "there is no such file"),
    ("halv.py", "there is half.py"),
    ("nowhere/layers.py", "nor a folder nowhere"),
    ("./folder", "is a folder"),
    ("./notes.txt", ".py"),
    ("empty.py", "it has no functions"),
    ("half.py", "it has conv_forward"),
    ("half.py:conv_forward", "name two functions"),
    ("half.py:conv_forward,conv_forward,conv_forward", "name two functions"),
    ("half.py:conv_forwrd,conv_backward", "it has conv_forward"),
    ("broken.py", "was never closed"),
    ("missing.py", "`import no_such_module` failed"),
    ("no_such_module_layers", "`import no_such_module` failed"),
    ("exits.py", "it calls exit(3) when it is imported"),
    ("asks.py", "it calls input() when it is imported"),
    ("raises.py", "ValueError: not today"),
    ("talkative.py", "ValueError: one"),
    ("numpy.linalg", "no pair"),
]


@pytest.fixture
def files(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def assert_refused(run: subprocess.CompletedProcess[str], *said: str) -> None:
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) <= 3, run.stderr
    for words in said:
        assert words in run.stderr


def test_right_is_0(convcheck: Program, layer_file: LayerFile) -> None:
    run = convcheck(layer_file(), *SMALL)
    assert (run.returncode, run.stderr) == (0, "")
    assert "1 case passed" in run.stdout
    assert convcheck(*SMALL, "--HH", "3,9").returncode == 0  # with a case that is skipped


@pytest.mark.parametrize(
    ("replacement", "said"), [(WRONG, "dw is wrong"), (RAISES, "raised AttributeError")], ids=["wrong", "raised"]
)
def test_wrong_is_1(convcheck: Program, layer_file: LayerFile, replacement: tuple[str, str], said: str) -> None:
    run = convcheck(layer_file(replacement), *SMALL)
    assert (run.returncode, run.stderr) == (1, "")
    assert said in run.stdout


def test_one_wrong_case_among_right_ones_is_1(convcheck: Program, layer_file: LayerFile) -> None:
    run = convcheck(layer_file(("pad : pad + H, pad : pad + W]", "pad:-pad, pad:-pad]")), *SMALL, "--pad", "0,1")
    assert run.returncode == 1
    assert "2 cases: 1 passed, 1 failed" in run.stdout


def test_a_wrong_implementation_beside_a_right_one_is_1(convcheck: Program, layer_file: LayerFile) -> None:
    run = convcheck("fast", layer_file(WRONG), "naive", *SMALL)
    assert run.returncode == 1
    assert "3 cases: 2 passed, 1 failed" in run.stdout


@pytest.mark.usefixtures("files")
def test_a_bad_value_is_2(convcheck: Program) -> None:
    for flag, value, why in BAD_VALUES:
        assert_refused(convcheck(*SMALL, flag, value), flag, value[:20], why)


def test_an_impossible_geometry_given_alone_is_2(convcheck: Program) -> None:
    for flags, said in BAD_GEOMETRIES:
        assert_refused(convcheck(*flags), *said)


@pytest.mark.usefixtures("files")
def test_a_bad_implementation_is_2(convcheck: Program) -> None:
    for name, why in BAD_IMPLEMENTATIONS:
        assert_refused(convcheck(name, *SMALL), name.partition(":")[0], why)


@pytest.mark.usefixtures("files")
def test_several_pairs_are_2_with_a_line_for_each(convcheck: Program) -> None:
    run = convcheck("several.py", *SMALL)
    assert (run.returncode, run.stdout) == (2, "")
    lines = run.stderr.splitlines()
    assert "several" in lines[0]
    assert lines[1:3] == [
        "  several.py:conv_forward_a,conv_backward_a",
        "  several.py:conv_forward_b,conv_backward_b",
    ]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--strid", "2"], "--stride"),
        (["--nonsense"], "--nonsense"),
        (["--H"], "--H"),
        (["-q", "-v"], "contradict"),
        (["--json", "-", "--format", "table"], "stdout"),
    ],
    ids=["near miss", "no such flag", "no value", "contradiction", "two reports on stdout"],
)
def test_bad_flags_are_2(convcheck: Program, flags: list[str], said: str) -> None:
    assert_refused(convcheck(*flags), said)


@pytest.mark.parametrize("args", [(), ("pool",), ("conv", "--H", "0")], ids=["bare", "no such layer", "bad value"])
def test_gradcheck_refuses_too(gradcheck: Program, args: tuple[str, ...]) -> None:
    run = gradcheck(*args)
    assert (run.returncode, run.stdout) == (2, "")
    assert "Traceback" not in run.stderr
    assert "gradcheck" in run.stderr


def test_no_case_to_run_is_2(convcheck: Program) -> None:
    run = convcheck("--HH", "9,10")
    assert run.returncode == 2
    assert "No case to run" in run.stderr
    assert "2 cases skipped" in run.stdout


@pytest.mark.parametrize("replacements", [NOISY, (BLIND,)], ids=["noise", "NaN"])
def test_undecided_is_3(convcheck: Program, layer_file: LayerFile, replacements: tuple[tuple[str, str], ...]) -> None:
    run = convcheck(layer_file(*replacements), *SMALL, "--dtype", "float16")
    assert (run.returncode, run.stderr) == (3, "")
    assert "could not be decided" in run.stdout
    assert "1 case inconclusive" in run.stdout


def test_a_bug_of_the_checker_is_4_and_what_was_finished_is_reported(convcheck: Program, tmp_path: Path) -> None:
    plant = tmp_path / "planted"
    plant.mkdir()
    (plant / "sitecustomize.py").write_text(
        "from gradcheck_cli.engine.engine import Engine\n\nsubmit = Engine._submit\n\n\n"
        "def planted(self, number, task, cases, *more):\n"
        "    if cases[0].N == 2:\n        raise RuntimeError('planted here')\n"
        "    return submit(self, number, task, cases, *more)\n\n\n"
        "Engine._submit = planted\n",
        encoding="utf-8",
    )
    path = os.pathsep.join([str(plant), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = convcheck(*SMALL, "--N", "1,2,3", "--json", "report.json", env={"PYTHONPATH": path})
    assert run.returncode == 4
    assert "cut short after 1 of 3 cases: 1 passed" in run.stdout
    assert run.stderr.startswith("Traceback")
    assert "RuntimeError: planted here" in run.stderr
    last = run.stderr.splitlines()[-1]
    assert "bug in the checker" in last
    assert "https://" in last
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [result["verdict"] for result in report["results"]] == ["pass"]
    assert report["summary"]["stopped"] is True
    assert {path.name for path in tmp_path.iterdir()} == {"planted", "report.json"}


def test_interrupted_is_130_and_what_was_finished_is_reported(layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(
        ("import numpy as np\n", WAITING),
        (
            "    N, C, H, W = x.shape\n",
            "    N, C, H, W = x.shape\n    if N == 2:\n        wait()\n",
        ),
    )
    run = interrupted(tmp_path, "layers.py", *SMALL, "--N", "1,2,3", "--json", "report.json", "--show", "all")
    assert (run.returncode, run.stderr.strip()) == (130, "")
    assert "1x1x3x3" in run.stdout
    assert "interrupted after 1 of 3 cases: 1 passed" in run.stdout
    assert is_gone(int((tmp_path / "waiting").read_text()))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(schema()))
    assert report["summary"]["interrupted"] is True
    assert (report["summary"]["cases"], report["summary"]["pass"]) == (1, 1)
    assert [result["case"]["N"] for result in report["results"]] == [1]


def test_interrupted_before_the_first_case_is_130(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\nPath('waiting').touch()\ntime.sleep(60)\n", encoding="utf-8"
    )
    run = interrupted(tmp_path, "slow.py", "--json", "report.json")
    assert (run.returncode, run.stderr.strip()) == (130, "")
    assert run.stdout.startswith("interrupted after 0 of 13 cases")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["summary"]["interrupted"] is True
    assert report["results"] == []


def test_interrupted_with_json_on_stdout_is_130_and_json(layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(
        ("import numpy as np\n", "import time\nfrom pathlib import Path\n\nimport numpy as np\n"),
        ("    H, W = x.shape[2:]\n", "    H, W = x.shape[2:]\n    Path('waiting').touch()\n    time.sleep(60)\n"),
    )
    run = interrupted(tmp_path, "layers.py", *SMALL, "--json", "-")
    assert run.returncode == 130
    report = report_of(run)
    jsonschema.validate(report, json.loads(schema()))
    assert report["summary"]["interrupted"] is True
    assert report["results"] == []


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.PASS, Verdict.SKIP], 0),
        ([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL], 1),
        ([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR], 1),
        ([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.SKIP], 3),
        ([Verdict.SKIP], 2),
        ([], 2),
    ],
    ids=["a skip", "a failure", "an error", "undecided", "only skips", "nothing"],
)
def test_the_worst_verdict_decides(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(Summary.of(verdicts, seconds=0)) == code
    assert exit_code(replace(Summary.of(verdicts, seconds=0), bugs=1)) == 4
    assert exit_code(replace(Summary.of(verdicts, seconds=0, interrupted=True), bugs=1)) == 130


def interrupted(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run convcheck, and press Ctrl-C when a file named `waiting` is there."""
    command = [str(PROGRAMS / "convcheck"), *args]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while not (folder / "waiting").exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
