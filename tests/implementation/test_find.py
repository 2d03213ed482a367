"""From what a user types to the functions that are meant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli.implementation.find import ImplementationNotFoundError, find, split
from gradcheck_cli.layers import LAYERS
from tests.conftest import SMALL, report_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.implementation.implementation import Implementation
    from tests.conftest import LayerFile, Program

CONV = LAYERS["conv"]

#: A course's file: a pair for each of many layers, some with conv's number of arguments.
COURSE = """
def affine_forward(x, w, b): ...
def affine_backward(dout, cache): ...
def relu_forward(x): ...
def relu_backward(dout, cache): ...
def batchnorm_forward(x, gamma, beta, bn_param): ...
def batchnorm_backward(dout, cache): ...
def batchnorm_backward_alt(dout, cache): ...
def dropout_forward(x, dropout_param): ...
def dropout_backward(dout, cache): ...
def conv_forward_naive(x, w, b, conv_param): ...
def conv_backward_naive(dout, cache): ...
def max_pool_forward_naive(x, pool_param): ...
def max_pool_backward_naive(dout, cache): ...
def spatial_batchnorm_forward(x, gamma, beta, bn_param): ...
def spatial_batchnorm_backward(dout, cache): ...
def softmax_loss(x, y): ...
"""

#: Two ways to use what stands in the same folder.
AT_THE_TOP = "from helper import conv_backward, conv_forward\n"
LATER = """
def conv_forward(x, w, b, conv_param):
    import helper
    return helper.conv_forward(x, w, b, conv_param)


def conv_backward(dout, cache):
    import helper
    return helper.conv_backward(dout, cache)
"""

TRIPLED = ("return dx, dw, db", "return dx, dw, 3 * db")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start each test in a folder of its own, and forget what was imported from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield
    for name, module in list(sys.modules.items()):
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        if any(place and Path(place).is_relative_to(tmp_path) for place in places):
            del sys.modules[name]


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def pair(forward: str, backward: str) -> str:
    return f"def {forward}(x, w, b, conv_param): ...\n\n\ndef {backward}(dout, cache): ...\n"


def db_of(implementation: Implementation) -> object:
    """Call both passes on one pixel of ones, and return db."""
    ones = {"x": np.ones((1, 1, 1, 1)), "w": np.ones((1, 1, 1, 1)), "b": np.ones(1)}
    out, cache = implementation.forward(ones, {"stride": 1, "pad": 0})
    assert np.array_equal(np.asarray(out), [[[[2.0]]]])
    return np.asarray(implementation.backward(np.ones((1, 1, 1, 1)), cache, CONV.inputs)["b"]).tolist()


def refusal(spec: str) -> str:
    with pytest.raises(ImplementationNotFoundError) as caught:
        find(spec, CONV)
    return str(caught.value)


@pytest.mark.parametrize("name", ["fast", "naive"])
def test_the_built_in_ones_have_names(name: str) -> None:
    implementation = find(name, CONV)
    assert (implementation.name, implementation.spec) == (name, name)
    assert db_of(implementation) == [1.0]


@pytest.mark.parametrize(
    "spec",
    [
        "course/layers.py",
        "./course/layers.py",
        "course/../course/layers.py",
        "course/layers.py:conv_forward,conv_backward",
        "course/layers.py:conv_forward, conv_backward",
        "course.layers",
        "course.layers:conv_forward,conv_backward",
    ],
)
def test_every_form(layer_file: LayerFile, spec: str) -> None:
    layer_file(name="course/layers.py")
    implementation = find(spec, CONV)
    assert implementation.name == implementation.spec == f"{spec.partition(':')[0]}:conv_forward,conv_backward"
    assert implementation.convention == "conv_forward(x, w, b, conv_param) and conv_backward(dout, cache)"
    assert db_of(implementation) == [1.0]


def test_an_absolute_path(layer_file: LayerFile) -> None:
    path = layer_file()
    assert find(str(path), CONV).spec == f"{path}:conv_forward,conv_backward"
    assert find(f"{path}:conv_forward,conv_backward", CONV).spec == f"{path}:conv_forward,conv_backward"


def test_a_module_beside_which_one_stands(layer_file: LayerFile) -> None:
    layer_file(name="mine.py")
    assert db_of(find("mine", CONV)) == [1.0]


def test_names_decide_which_functions_are_called(layer_file: LayerFile) -> None:
    path = layer_file()
    other = "\n\ndef other(dout, cache):\n    dx, dw, db = conv_backward(dout, cache)\n    return dx, dw, 3 * db\n"
    path.write_text(path.read_text(encoding="utf-8") + other, encoding="utf-8")
    assert db_of(find("layers.py", CONV)) == [1.0]
    assert db_of(find("layers.py:conv_forward,other", CONV)) == [3.0]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("layers.py", ("layers.py", [])),
        ("layers.py:f,g", ("layers.py", ["f", "g"])),
        ("layers.py: f , g ", ("layers.py", ["f", "g"])),
        ("a.b:f,g", ("a.b", ["f", "g"])),
        ("C:/layers.py", ("C:/layers.py", [])),
        ("C:\\layers.py", ("C:\\layers.py", [])),
        ("C:/layers.py:f,g", ("C:/layers.py", ["f", "g"])),
        ("odd:folder/layers.py", ("odd:folder/layers.py", [])),
        ("odd:folder/layers.py:f,g", ("odd:folder/layers.py", ["f", "g"])),
    ],
)
def test_split(spec: str, parts: tuple[str, list[str]]) -> None:
    assert split(spec) == parts


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        ("conv_forward", "conv_backward"),
        ("conv_forward_naive", "conv_backward_naive"),
        ("forward", "backward"),
        ("forward_conv", "backward_conv"),
        ("my_Conv2d_forward_v2", "my_Conv2d_backward_v2"),
    ],
)
def test_names_that_differ_in_the_pass_are_a_pair(forward: str, backward: str) -> None:
    write("layers.py", pair(forward, backward) + pair("unrelated", "other"))
    assert find("layers.py", CONV).spec == f"layers.py:{forward},{backward}"


def test_a_courses_file() -> None:
    write("layers.py", COURSE)
    assert find("layers.py", CONV).spec == "layers.py:conv_forward_naive,conv_backward_naive"


def test_the_only_pair_that_can_be_called_so() -> None:
    affine = "def affine_forward(x, w, b): ...\ndef affine_backward(dout, cache): ...\n"
    write("layers.py", affine + pair("forward", "backward"))
    assert find("layers.py", CONV).spec == "layers.py:forward,backward"


@pytest.mark.parametrize(
    "signature",
    ["x, w, b, conv_param", "x, w, b, conv_param, verbose=False", "*args", "x, w, b, conv_param, /", "x, *more"],
)
def test_signatures_that_fit(signature: str) -> None:
    write("layers.py", f"def conv_forward({signature}): ...\ndef conv_backward(dout, cache): ...\n")
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


@pytest.mark.parametrize("signature", ["x, w, b", "x, w, b, stride, pad", "x, w, b, *, conv_param"])
def test_signatures_that_do_not(signature: str) -> None:
    write("layers.py", f"def conv_forward({signature}): ...\ndef conv_backward(dout, cache): ...\n")
    said = refusal("layers.py")
    assert "has no pair conv_forward(x, w, b, conv_param) -> (out, cache)" in said
    assert "conv_backward(dout, cache) -> (dx, dw, db)" in said
    assert "it has conv_forward and conv_backward" in said


def test_several_pairs_are_listed_as_they_are_to_be_typed() -> None:
    write("layers.py", pair("conv_forward_b", "conv_backward_b") + pair("conv_forward_a", "conv_backward_a") + COURSE)
    assert refusal("layers.py").splitlines()[1:] == [
        "  layers.py:conv_forward_a,conv_backward_a",
        "  layers.py:conv_forward_b,conv_backward_b",
        "  layers.py:conv_forward_naive,conv_backward_naive",
    ]


def test_one_pair_under_two_names_is_one() -> None:
    again = "conv_forward_2, conv_backward_2 = conv_forward, conv_backward\n"
    write("layers.py", pair("conv_forward", "conv_backward") + again)
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


def test_what_a_file_defines_comes_before_what_it_imports() -> None:
    write("helper.py", pair("conv_forward", "conv_backward"))
    write("layers.py", "from helper import *\n\n\n" + pair("conv_forward_mine", "conv_backward_mine"))
    assert find("layers.py", CONV).spec == "layers.py:conv_forward_mine,conv_backward_mine"


def test_for_want_of_its_own_a_file_has_what_it_imports() -> None:
    write("helper.py", pair("conv_forward", "conv_backward"))
    write("layers.py", "from helper import *\n")
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


def test_private_functions_are_no_offer() -> None:
    write("layers.py", pair("_conv_forward", "_conv_backward"))
    assert "it has no functions" in refusal("layers.py")
    assert find("layers.py:_conv_forward,_conv_backward", CONV).spec == "layers.py:_conv_forward,_conv_backward"


def test_near_misses_are_named() -> None:
    write("course/layers.py", pair("conv_forward", "conv_backward"))
    assert refusal("elsewhere/layers.py").endswith("nor a folder elsewhere")
    assert refusal("course/layer.py") == f"course/layer.py: there is no such file; there is {Path('course/layers.py')}"
    assert refusal("course/unlike.py") == "course/unlike.py: there is no such file"
    assert refusal("course/layers.py:conv_foward,conv_backward") == (
        "course/layers.py has no function 'conv_foward'; it has conv_forward and conv_backward"
    )
    assert refusal("course/layers.py:conv_forward,xyz") == "course/layers.py has no function 'xyz'"


def test_what_is_found_must_be_callable() -> None:
    write("layers.py", "conv_forward = 1\nconv_backward = print\n")
    assert refusal("layers.py:conv_forward,conv_backward") == (
        "layers.py has no function 'conv_forward'; it has conv_backward"
    )


@pytest.mark.parametrize("spec", ["layers.py:", "layers.py:f", "layers.py:f,", "layers.py:f,g,h"])
def test_two_names_are_wanted(spec: str) -> None:
    write("layers.py", pair("f", "g"))
    assert refusal(spec).startswith("name two functions, layers.py:forward,backward, not ")


@pytest.mark.parametrize("spec", ["", ":", "fastest!", "a b", "nosuch", "no.such", ".", "..", "fast:a,b"])
def test_what_is_accepted_is_said(spec: str) -> None:
    assert "give fast, naive, FILE.py, FILE.py:forward,backward or package.module:forward,backward" in refusal(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "layers.py is no Python: "),
        ("def f():\nreturn 1\n", "layers.py:2: "),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("from math import no_such_name\n", "ImportError: cannot import name 'no_such_name' from 'math'"),
        ("import sys\n\nsys.exit('done')\n", "SystemExit: done"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise RuntimeError\n", "cannot be imported: RuntimeError ("),
        ("import broken\n", "broken.py:1: "),
        ("import deep\n", "deep.py:2)"),
    ],
    ids=[
        "syntax",
        "indent",
        "no module",
        "no name",
        "exits",
        "raises",
        "no message",
        "a helper's syntax",
        "a helper",
    ],
)
def test_a_file_that_cannot_be_loaded(text: str, said: str) -> None:
    write("broken.py", "x = (\n")
    write("deep.py", "x = 1\nassert x == 2\n")
    write("layers.py", text)
    assert said in refusal("layers.py")
    assert "\n" not in refusal("layers.py")


def test_a_file_that_cannot_be_loaded_is_tried_again() -> None:
    path = write("layers.py", "1 / 0\n")
    refusal("layers.py")
    path.write_text(pair("conv_forward", "conv_backward"), encoding="utf-8")
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


def test_where_it_was_raised_is_said() -> None:
    write("layers.py", "x = 1\n\nraise ValueError(x)\n")
    assert refusal("layers.py").endswith("layers.py:3)")


def test_a_module_that_lacks_another_is_not_missing_itself() -> None:
    write("missing_layers.py", "import missing\n")
    assert "No module named 'missing'" in refusal("missing_layers")


def test_ctrl_c_passes() -> None:
    write("layers.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        find("layers.py", CONV)


def test_prints_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    write("layers.py", "print('loading')\n" + pair("conv_forward", "conv_backward"))
    find("layers.py", CONV)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "loading\n")


def test_a_file_is_no_program() -> None:
    write("layers.py", pair("conv_forward", "conv_backward") + "if __name__ == '__main__':\n    raise SystemExit\n")
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


def test_a_file_may_define_dataclasses() -> None:
    imports = "from __future__ import annotations\n\nfrom dataclasses import dataclass\n\n\n"
    write("layers.py", f"{imports}@dataclass\nclass Cache:\n    x: int\n\n\n" + pair("conv_forward", "conv_backward"))
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


@pytest.mark.parametrize("text", [AT_THE_TOP, LATER], ids=["at the top", "at the first call"])
def test_what_stands_beside_a_file_can_be_imported(layer_file: LayerFile, text: str) -> None:
    layer_file(name="course/helper.py")
    write("course/layers.py", text)
    assert db_of(find("course/layers.py", CONV)) == [1.0]


def test_files_of_one_name_are_told_apart(layer_file: LayerFile) -> None:
    layer_file(name="ann/layers.py")
    layer_file(TRIPLED, name="bob/layers.py")
    assert db_of(find("ann/layers.py", CONV)) == [1.0]
    assert db_of(find("bob/layers.py", CONV)) == [3.0]
    assert db_of(find("ann/layers.py", CONV)) == [1.0]


@pytest.mark.parametrize("text", [AT_THE_TOP], ids=["at the top"])
def test_helpers_of_one_name_are_told_apart(layer_file: LayerFile, text: str) -> None:
    layer_file(name="ann/helper.py")
    layer_file(TRIPLED, name="bob/helper.py")
    write("ann/layers.py", text)
    write("bob/layers.py", text)
    implementations = find("ann/layers.py", CONV), find("bob/layers.py", CONV)
    assert [db_of(implementation) for implementation in implementations] == [[1.0], [3.0]]


def test_two_submissions_with_helpers_are_graded_apart(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(name="ann/helper.py")
    layer_file(TRIPLED, name="bob/helper.py")
    for folder in ("ann", "bob"):
        write(f"{folder}/layers.py", AT_THE_TOP)
    report = report_of(convcheck("ann/layers.py", "bob/layers.py", *SMALL, "--json", "-"))
    assert [result["verdict"] for result in report["results"]] == ["pass", "fail"]


def test_a_file_is_loaded_once(capsys: pytest.CaptureFixture[str]) -> None:
    write("layers.py", "print('loading')\n" + pair("conv_forward", "conv_backward"))
    find("layers.py", CONV)
    find("./layers.py:conv_forward,conv_backward", CONV)
    assert capsys.readouterr().err == "loading\n"


@pytest.mark.parametrize("text", [AT_THE_TOP, LATER], ids=["at the top", "at the first call"])
def test_nothing_is_written_beside_a_file(convcheck: Program, layer_file: LayerFile, text: str) -> None:
    layer_file(name="course/helper.py")
    write("course/layers.py", text)
    assert convcheck("course/layers.py", *SMALL).returncode == 0
    assert sorted(path.name for path in Path("course").iterdir()) == ["helper.py", "layers.py"]
    assert [path.name for path in Path().iterdir()] == ["course"]
