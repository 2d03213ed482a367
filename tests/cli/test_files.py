"""`gradcheck FILE.py`: every layer of a file, a row each, whatever happens in one of them or in another file."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import validate

from gradcheck_cli.report.json import schema
from tests.conftest import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program


COURSE = """
import numpy as np


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def affine_backward_alt(dout, cache):
    dx, dw, db = affine_backward(dout, cache)
    return dx, dw, 2 * db


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class BatchNorm:
    def __init__(self, secret): ...

    def forward(self, x): ...

    def backward(self, dout): ...


def relu_forward(x):
    return np.maximum(x, 0), x


def affine_relu_forward(x, w, b):
    out, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(out)
    return out, (affine_cache, relu_cache)


def eval_numerical_gradient(f, x): ...
"""
TANH = COURSE[COURSE.index("class Tanh") : COURSE.index("class BatchNorm")]
HANGING = "import time\n\n\ndef relu_forward(x): time.sleep(1000)\n\n\ndef relu_backward(dout, x): ...\n"
EXITING = "import os\n\n\ndef relu_forward(x): os._exit(3)\n\n\ndef relu_backward(dout, x): ...\n"

ROWS = """\
      passed  layer      implementation                      why
────────────────────────────────────────────────────────────────────────────────────────────────────
pass     7/7  affine     affine_forward,affine_backward
pass     7/7  tanh       Tanh
skip     0/0  batchnorm  BatchNorm                           `BatchNorm(secret)` takes `secret`, of
                                                             which the meaning is not known
skip     0/0  relu       relu_forward                        there is no other pass that goes with
                                                             it
FAIL     0/7  affine     affine_forward,affine_backward_alt  db is 2 times the derivative [factor]

"""


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def test_a_row_each_the_worst_last(gradcheck: Program, tmp_path: Path) -> None:
    run = gradcheck(write(tmp_path, "layers.py", COURSE), "--json", "report.json")
    assert run.returncode == 1
    told, rows, summary = run.stdout.partition(ROWS)
    assert (rows, summary.partition(" in ")[0]) == (ROWS, "23 cases: 14 passed, 7 failed, 2 skipped")
    assert run.stderr == "layers.py: not checked: affine_relu_forward, eval_numerical_gradient (no known layer)\n"
    report = json.loads((tmp_path / "report.json").read_text())
    validate(report, json.loads(schema()))
    failed = next(result for result in report["results"] if result["verdict"] == "fail")
    program, *words = shlex.split(failed["command"])
    assert [program, *words[:2]] == ["gradcheck", "affine", "layers.py:affine_forward,affine_backward_alt"]
    (again,) = report_of(gradcheck(*words, "--json", "-"))["results"]
    assert (again["case"], again["verdict"], again["reason"]) == (failed["case"], "fail", failed["reason"])
    simplest = min(
        (result for result in report["results"] if result["verdict"] == "fail"),
        key=lambda result: result["case"]["N"] + result["case"]["D"] + result["case"]["M"],
    )
    assert f"replay: {simplest['command']}\nand 6 more cases fail this way\n" in told
    assert told.count("\nreplay: ") == 1


@pytest.mark.long
def test_a_single_layer_is_reported_like_one_that_is_named(gradcheck: Program, tmp_path: Path) -> None:
    write(tmp_path, "layers.py", COURSE)
    for spec, layer in ("layers.py:Tanh", "tanh"), ("layers:affine_forward,affine_backward", "affine"):
        run = gradcheck(spec)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith(f"{spec} ({layer}), seed 0\nunderstood as ")
        assert "\n7 cases passed in " in run.stdout
    assert gradcheck("-q", "layers.py:Tanh").stdout == "pass 7/7 layers.py:Tanh\n"
    assert "dx analytic:" in gradcheck("layers.py:Tanh", "-v").stdout


CANNOT = {
    "broken.py": ("x = (\n", "has a syntax error in line 1: "),
    "raises.py": ("raise RuntimeError('no data')\n", "cannot be imported: RuntimeError: no data"),
    "leaves.py": ("import os\nos._exit(3)\n", "cannot be imported: it ended the process with exit code 3"),
    "hangs.py": ("import time\ntime.sleep(1000)\n", "cannot be imported: it was stopped after 2 s; --timeout allows"),
    "empty.py": ("", "has no pair such as affine_forward and affine_backward, no class and no loss of a known layer"),
    "helps.py": ("def rel_error(x, y): ...\n", "it has rel_error"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_a_file_that_cannot_be_checked_is_2_when_alone(name: str, gradcheck: Program, tmp_path: Path) -> None:
    text, said = CANNOT[name]
    run = gradcheck(write(tmp_path, name, text), "--timeout", "2")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"Error: {name} {said.split(';')[0]}" if not said.startswith("it has") else "Error: ")
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 2


def test_among_several_it_is_a_row(gradcheck: Program, tmp_path: Path) -> None:
    names = [write(tmp_path, f"ann/{name}", text) for name, (text, _) in CANNOT.items()]
    good = write(tmp_path, "bob/layers.py", COURSE.replace("2 * db", "db"))
    run = gradcheck(*names, "nowhere.py", good, "--timeout", "2", "--json", "report.json")
    assert run.returncode == 1
    words = " ".join(run.stdout.split())
    assert words.count("ERROR 0/1 ann/") == len(CANNOT)
    assert "ERROR 0/1 nowhere.py nowhere.py: there is no such file" in words
    assert words.count("pass 7/7") == 3
    report = json.loads((tmp_path / "report.json").read_text())
    validate(report, json.loads(schema()))
    assert (report["summary"]["error"], report["summary"]["pass"]) == (len(CANNOT) + 1, 21)
    errors = [result for result in report["results"] if result["verdict"] == "error"]
    assert [(one["implementation"], one["layer"]) for one in errors] == [(name, "") for name in [*names, "nowhere.py"]]
    for one, (_, said) in zip(errors, CANNOT.values(), strict=False):
        assert said in one["reason"]


def test_a_base_class_that_others_import_is_no_error_and_an_empty_submission_is(
    gradcheck: Program, tmp_path: Path
) -> None:
    write(tmp_path, "layers/__init__.py", "")
    write(tmp_path, "layers/base.py", "class Layer:\n    trainable = False\n")
    layer = TANH.replace("class Tanh:", "import numpy as np\nfrom layers.base import Layer\n\n\nclass Tanh(Layer):")
    write(tmp_path, "layers/tanh.py", layer)
    write(tmp_path, "layers/bob.py", "def todo(): ...\n")
    names = ("layers/__init__.py", "layers/base.py", "layers/tanh.py")
    run = gradcheck(*names)
    assert (run.returncode, "7 cases passed" in run.stdout) == (0, True)
    said = [f"{name}: has nothing to check; the files beside it import it" for name in names[:2]]
    assert run.stderr.splitlines() == said
    run = gradcheck(*names, "layers/bob.py")
    assert run.returncode == 1
    assert "ERROR 0/1 layers/bob.py" in " ".join(run.stdout.split())


@pytest.mark.parametrize("text", [HANGING, EXITING])
def test_one_that_hangs_or_exits_when_it_is_tried_spoils_no_other(
    text: str, gradcheck: Program, tmp_path: Path
) -> None:
    course = COURSE[: COURSE.index("class BatchNorm")].replace("2 * db", "db")
    run = gradcheck(write(tmp_path, "layers.py", course + text), "--timeout", "1", "--json", "-")
    found = {(result["layer"], result["verdict"]) for result in report_of(run)["results"]}
    found.discard(("relu", "skip"))  # after two cases that hang, the others are not tried
    assert found == {("affine", "pass"), ("tanh", "pass"), ("relu", "error")}


def test_only_skipped_rows_are_no_case_to_run(gradcheck: Program, tmp_path: Path) -> None:
    run = gradcheck(write(tmp_path, "layers.py", "def conv_forward(x, w, b, conv_param): ...\n"))
    assert run.returncode == 2
    assert run.stdout.startswith("layers.py:conv_forward (conv)\nskip there is no other pass that goes with it\n")
    assert "No case to run" in run.stderr


def test_a_file_is_imported_once_and_may_print(gradcheck: Program, tmp_path: Path) -> None:
    noting = "open('imported', 'a').write('once\\n')\nprint('{\"hello\": 1}')\n"
    write(tmp_path, "layers.py", f"import numpy as np\n\n\n{TANH}{noting}")
    run = gradcheck("layers.py", "--json", "-")
    assert report_of(run)["summary"]["cases"] == 7
    assert "hello" not in run.stderr
    assert (tmp_path / "imported").read_text() == "once\n"
    assert 'layers.py printed, while it was loaded:\n{"hello": 1}' in gradcheck("layers.py", "-v").stderr


NO_PASSES = "nothing is called after a layer or a backward pass"


def test_a_folder_is_its_files_that_may_have_passes(gradcheck: Program, tmp_path: Path) -> None:
    write(tmp_path, "mine/layers.py", COURSE)
    write(tmp_path, "mine/train.py", "raise SystemExit('trained')\n")
    run = gradcheck("mine")
    assert ROWS in run.stdout
    assert run.stderr.startswith(f"mine: not searched: train.py ({NO_PASSES})\n")
    assert "train.py" not in gradcheck("mine", "-q").stderr
    write(tmp_path, "data/train.py", "x = 1\n")
    write(tmp_path, "data/test_layers.py", COURSE)
    (tmp_path / "data" / ".#layers.py").symlink_to("nowhere")
    (tmp_path / "data" / "conv.py").mkdir()
    run = gradcheck("data")
    left_out = ".#layers.py (a link that leads nowhere); conv.py (a folder); test_layers.py (a test); train.py"
    none = "data has no file in which a layer or a backward pass is named"
    said = f"Error: {none}; not searched: {left_out} ({NO_PASSES}); name one, FILE"
    assert run.returncode == 2
    assert run.stderr.startswith(said)


def test_a_folder_of_one_layer_may_end_in_a_slash(gradcheck: Program, tmp_path: Path) -> None:
    write(tmp_path, "mine/layers.py", COURSE)
    for spec in ("mine/", "mine/:affine_forward,affine_backward"):
        assert gradcheck("affine", spec, "-q").stdout == "pass 7/7 mine/layers.py:affine_forward,affine_backward\n"


def test_no_pass_in_a_folder_goes_unmentioned(gradcheck: Program, tmp_path: Path) -> None:
    net = """import numpy as np


def net_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def net_backward(dout, kept):
    x, w = kept
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)
"""
    write(tmp_path, "all/net.py", net.replace("dout.sum(0)", "dout.mean(0)"))
    warp = "def warp(x, a): return a.at(0) * x ** 5, x\ndef warp_backward(dout, x): return dout\n"
    write(tmp_path, "all/gelu.py", warp)
    write(tmp_path, "all/broken.py", "def my_backward(dout, cache:\n")
    run = gradcheck("all")
    assert run.returncode == 1
    assert [line.split()[:3] for line in run.stdout.splitlines() if "net.py" in line] == [["FAIL", "2/7", "affine"]]
    assert "broken.py has a syntax error" in " ".join(run.stdout.split())
    command = "gradcheck function all/gelu.py:warp,warp_backward --shape x=2x3 --shape a=2x3"
    assert command.replace(" ", "") in "".join(run.stdout.split())
    (tmp_path / "all" / "net.py").unlink()
    (tmp_path / "all" / "broken.py").unlink()
    run = gradcheck("all")
    assert (run.returncode, command.replace(" ", "") in "".join(run.stdout.split())) == (2, True)


@pytest.mark.long
def test_what_lies_in_folders_of_a_folder_is_mentioned(gradcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for name in "all/ann/layers.py", "all/bob/layers.py", "all/.old/tanh.py", "all/ann/train.py":
        write(tmp_path, name, f"import numpy as np\n\n\n{TANH}" if "train" not in name else "x = 1\n")
    run = gradcheck("all")
    said = "its folders are not searched: name them, all/*/layers.py"
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"Error: all has no file in which a layer or a backward pass is named; {said}.\n")
    write(tmp_path, "all/tanh.py", (tmp_path / "all/ann/layers.py").read_text())
    run = gradcheck("all")
    assert (run.returncode, run.stderr) == (0, f"all: {said}\n")
    assert gradcheck("all", "-q").stderr == ""
    assert "all/*" not in gradcheck("all", "all/ann", "all/bob/layers.py").stderr
    write(tmp_path, "all/bob/tanh.py", (tmp_path / "all/ann/layers.py").read_text())
    assert gradcheck("all").stderr == "all: its folders are not searched: name them, all/*/*.py\n"


def without_seconds(report: dict[str, Any]) -> list[Any]:
    return [{key: value for key, value in result.items() if key != "seconds"} for result in report["results"]]


@pytest.mark.long
def test_shared_flags_do_what_they_do_elsewhere(gradcheck: Program, tmp_path: Path) -> None:
    write(tmp_path, "layers.py", COURSE)
    one = report_of(gradcheck("layers.py", "--json", "-"))
    kept = ("layers.py", "--jobs", "2", "--resume", "kept.jsonl", "--json", "-")
    for _ in range(2):
        assert without_seconds(report_of(gradcheck(*kept))) == without_seconds(one)
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 1 + 21
    refused = gradcheck("layers.py:Tanh", "--resume", "kept.jsonl").stderr
    assert "layers was affine, affine, tanh, now tanh" in refused
    parts = [report_of(gradcheck("layers.py", "--shard", f"{k}/3", "--json", "-")) for k in (1, 2, 3)]
    cases = [json.dumps(result["case"]) for part in parts for result in part["results"] if len(result["case"]) > 2]
    assert sorted(cases) == sorted(json.dumps(result["case"]) for result in one["results"] if len(result["case"]) > 2)
    stopped = gradcheck("layers.py", "--max-failures", "2", "-q").stdout
    assert stopped.splitlines()[-1].startswith("stopped early after 11 of 23 cases: 7 passed, 2 failed, 2 skipped")
    more = report_of(gradcheck("layers.py:Tanh", "--dtype", "float16,float32", "--seed", "3", "--json", "-"))
    assert {(result["case"]["dtype"], result["case"]["seed"]) for result in more["results"]} == {
        ("float16", 3),
        ("float32", 3),
    }
    listed = gradcheck("layers.py", "--list-cases").stdout.splitlines()
    assert len(listed) == 7 + 7
    assert {line.split()[0] for line in listed} == {"affine", "tanh"}


def test_random_cases_are_drawn_for_each_layer(gradcheck: Program, tmp_path: Path) -> None:
    backward = "\n\ndef conv_backward_alt(dout, cache):\n    dx, dw, db = conv_backward(dout, cache)\n"
    conv = "from gradcheck_cli.layers.conv.fast import conv_backward_fast as _b, conv_forward_fast as _f\n\n\n"
    conv += "def conv_forward(*given): return _f(*given)\n\n\ndef conv_backward(*given): return _b(*given)\n"
    write(tmp_path, "layers.py", conv + backward + "    return dx, 2 * dw, db\n")
    report = report_of(gradcheck("layers.py", "--fuzz", "4", "--json", "-"))
    assert [(result["verdict"], "smallest" in result) for result in report["results"]] == [
        *[("pass", False)] * 4,
        *[("fail", False)] * 4,
        ("fail", True),
    ]


#: What an ill-chosen invocation is told.
MISTAKES = [
    (["layers.py", "--N", "2"], "--N is a flag of one layer's: name the layer, gradcheck LAYER FILE.py --N 2\n"),
    (
        ["--mode=test", "layers.py"],
        "--mode is a flag of one layer's: name the layer, gradcheck LAYER FILE.py --mode=t",
    ),
    (["layers.py", "--adapter", "a.py:f"], "gradcheck LAYER FILE.py --adapter a.py:f\n"),
    (["layers.py", "--bogus"], "No such option '--bogus'"),
    (["layers.py", "-qz"], "No such option '-z'"),
    (["--seed", "3", "relu"], "relu is a layer, and comes first: gradcheck relu FILE.py\n"),
    (["-q", "-v", "layers.py"], "-q and -v contradict each other"),
    (["nowhere.py"], "nowhere.py: there is no such file"),
    (["no.where"], "no module 'no.where': give FILE.py, a package's folder or package.module"),
    (["layers.py:relu_for"], "no function or class 'relu_for'; it has relu_forward"),
    (["layers.py:Tanh", "--shard", "1/1000"], "No case to run: shard 1/1000 has none of the 7 cases"),
    (["perceptron"], "No such layer or command 'perceptron'."),
    (["nosuch"], "No such layer or command 'nosuch'.\n"),
    (["notes.txt"], "notes.txt is not a Python file: give FILE.py, a package's folder or package.module\n"),
    (["my book.ipynb"], "it is no notebook of version 4"),
    (["relu", "notes.txt"], "notes.txt is not a Python file: give vectorized, FILE.py, "),
    (["relu", "./notes"], "./notes is not a Python file: give vectorized, FILE.py, "),
    (["batchnrm"], "No such layer or command 'batchnrm'. Is it batchnorm"),
]


def test_a_mistake_is_answered_in_a_line_or_two(gradcheck: Program, tmp_path: Path) -> None:
    write(tmp_path, "layers.py", COURSE)
    for name in "notes.txt", "notes", "my book.ipynb":
        write(tmp_path, name, "")
    for args, said in MISTAKES:
        run = gradcheck(*args)
        assert (run.returncode, run.stdout) == (2, ""), args
        assert said in run.stderr
        assert len(run.stderr.splitlines()) == 2, args


def test_help_tells_of_files(gradcheck: Program) -> None:
    assert "gradcheck submissions/*/layers.py" in gradcheck("--help").stdout
    for flag in "--dtype", "--timeout", "--fuzz", "--resume", "--json":
        assert flag in gradcheck("FILE.py", "--help").stdout
    assert gradcheck("--version").stdout.startswith("gradcheck ")
