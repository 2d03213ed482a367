"""From what a user types to the functions that are meant."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.paths import split_spec
from gradcheck_cli.layers import LAYERS
from tests.conftest import SMALL, report_of
from tests.implementation.conventions.sources import CLASSES, CORE, PAIRS

if TYPE_CHECKING:
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
    said = {name: getattr(module, "__dict__", {}) for name, module in list(sys.modules.items())}
    # What a module itself says: PyTorch has some of which every attribute can be got.
    places = {name: [own.get("__file__"), *own.get("__path__", [])] for name, own in said.items()}
    for name, found in places.items():
        if any(place and Path(place).is_relative_to(tmp_path) for place in found):
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
    assert split_spec(spec) == parts


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
    [
        "x, w, b, conv_param",
        "x, w",
        "x, w, stride, pad",
        "this, that, more, b",
        "this, that, stride, b",
        "x, w, b, conv_param, verbose=False",
        "*args",
        "x, w, b, conv_param, /",
        "x, *more",
    ],
)
def test_signatures_that_fit(signature: str) -> None:
    write("layers.py", f"def conv_forward({signature}): ...\ndef conv_backward(dout, cache): ...\n")
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("x, b", "`conv_forward(x, b)` takes no w"),
        ("", "`conv_forward()` takes no x"),
        ("x, b, stride, pad", "`conv_forward(x, b, stride, pad)` takes no w"),
        (
            "x, w, b, stride, rate",
            "`conv_forward(x, w, b, stride, rate)` takes `rate`, of which the meaning is not known",
        ),
    ],
)
def test_signatures_that_do_not(signature: str, said: str) -> None:
    write("layers.py", f"def conv_forward({signature}): ...\ndef conv_backward(dout, cache): ...\n")
    refused = refusal("layers.py")
    assert "has no pair conv_forward(x, w, b, conv_param) -> (out, cache)" in refused
    assert "conv_backward(dout, cache) -> (dx, dw, db)" in refused
    assert refused.endswith(f"nearest: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def conv_backward(): ...\ndef conv_forward(x, w, b, p): ...\n", "`conv_backward()` takes no cotangent"),
        ("class Conv:\n    def forward(self, x): ...\n", "class Conv has forward but no backward"),
        ("class Conv:\n    def backward(self, dout): ...\n", "class Conv has backward but no forward"),
        (
            "class Conv:\n    def __init__(self, foo): ...\n    def forward(self): ...\n    def backward(self): ...\n",
            "`Conv(foo)` takes `foo`, of which the meaning is not known",
        ),
    ],
    ids=["a backward pass of nothing", "half a class", "the other half", "a constructor"],
)
def test_the_nearest_misses(text: str, said: str) -> None:
    write("layers.py", text)
    assert f"nearest: {said}" in refusal("layers.py")


@pytest.mark.parametrize("spec", ["layers.py", "layers.py:svm_loss_naive"])
def test_a_loss_of_other_arguments_is_no_loss_of_these(spec: str) -> None:
    write("layers.py", "def svm_loss_naive(W, X, y, reg): ...\n")
    with pytest.raises(
        ImplementationNotFoundError, match=r"nearest: `svm_loss_naive.* takes `W`, of which the meaning is not known"
    ):
        find(spec, LAYERS["svm"])


def test_functions_of_which_none_fits_are_named() -> None:
    write("layers.py", "def conv_forward(x, w, b, conv_param): ...\ndef relu(x): ...\n")
    assert refusal("layers.py").endswith("and no class with these passes; it has conv_forward and relu")


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
        "course/layers.py has no function or class 'conv_foward'; it has conv_forward and conv_backward"
    )
    assert refusal("course/layers.py:conv_forward,xyz") == "course/layers.py has no function or class 'xyz'"


def test_what_is_found_must_be_callable() -> None:
    write("layers.py", "conv_forward = 1\nconv_backward = print\n")
    assert refusal("layers.py:conv_forward,conv_backward") == (
        "layers.py has no function or class 'conv_forward'; it has conv_backward"
    )


@pytest.mark.parametrize("spec", ["layers.py:", "layers.py:f", "layers.py:f,", "layers.py:f,g,h"])
def test_two_names_are_wanted(spec: str) -> None:
    write("layers.py", pair("f", "g"))
    assert refusal(spec).startswith("name two functions, layers.py:forward,backward, or a class, layers.py:Class, not ")


@pytest.mark.parametrize("spec", ["", ":", "fastest!", "a b", "nosuch", "no.such", ".", "..", "fast:a,b"])
def test_a_bad_spec_is_answered_with_what_is_accepted(spec: str) -> None:
    accepted = "give fast, naive, FILE.py, FILE.py:forward,backward, FILE.py:Class, a package's folder or "
    assert f"{accepted}package.module:forward,backward" in refusal(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "layers.py has a syntax error in line 1: "),
        ("def f():\nreturn 1\n", "layers.py has a syntax error in line 2: "),
        ("from math import no_such_name\n", "ImportError: cannot import name 'no_such_name' from 'math'"),
        ("import sys\n\nsys.exit('done')\n", "cannot be imported: it calls exit('done') when it is imported ("),
        ("exit()\n", 'layers.py:1); put that under `if __name__ == "__main__":`'),
        ("raise EOFError('no more')\n", "EOFError: no more"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise RuntimeError\n", "cannot be imported: RuntimeError ("),
        ("import broken\n", "broken.py:1: "),
        ("import deep\n", "deep.py:2)"),
    ],
    ids=[
        "syntax",
        "indent",
        "no name",
        "exits with a message",
        "exits",
        "no end of input",
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


def test_an_error_names_the_line_that_raised_it() -> None:
    write("layers.py", "x = 1\n\nraise ValueError(x)\n")
    assert refusal("layers.py").endswith("layers.py:3)")


def test_a_module_that_lacks_another_is_not_missing_itself() -> None:
    write("missing_layers.py", "import missing\n")
    assert "missing_layers has no pair" in refusal("missing_layers")
    assert refusal("missing_layers").endswith(
        "missing_layers.py: `import missing` failed (no such module); it goes on without"
    )


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


def test_files_of_one_name_are_distinguished(layer_file: LayerFile) -> None:
    layer_file(name="ann/layers.py")
    layer_file(TRIPLED, name="bob/layers.py")
    assert db_of(find("ann/layers.py", CONV)) == [1.0]
    assert db_of(find("bob/layers.py", CONV)) == [3.0]
    assert db_of(find("ann/layers.py", CONV)) == [1.0]


@pytest.mark.parametrize("text", [AT_THE_TOP], ids=["at the top"])
def test_helpers_of_one_name_are_distinguished(layer_file: LayerFile, text: str) -> None:
    layer_file(name="ann/helper.py")
    layer_file(TRIPLED, name="bob/helper.py")
    write("ann/layers.py", text)
    write("bob/layers.py", text)
    implementations = find("ann/layers.py", CONV), find("bob/layers.py", CONV)
    assert [db_of(implementation) for implementation in implementations] == [[1.0], [3.0]]


def right(forward: str, backward: str) -> str:
    """Write a pair that computes a convolution."""
    text = CORE if forward else ""
    return f"{text}\n{PAIRS['fwd and bwd'].text}".replace("convolution_fwd", forward).replace(
        "convolution_bwd", backward
    )


def test_one_name_of_a_pair_is_enough() -> None:
    write("layers.py", pair("conv_forward", "conv_backward") + pair("conv_forward_2", "conv_backward_2"))
    for name in ("conv_forward", "conv_backward"):
        assert find(f"layers.py:{name}", CONV).spec == "layers.py:conv_forward,conv_backward"


def test_one_name_without_a_partner() -> None:
    write("layers.py", "def conv_forward(x, w, b, conv_param): ...\ndef conv_vjp_1(dout, cache): ...\n")
    assert refusal("layers.py:conv_forward").endswith("not 'conv_forward' alone: its other half is not found")


def test_one_name_with_two_partners() -> None:
    write("layers.py", pair("conv_forward", "conv_backward") + "def conv_grad(dout, cache): ...\n")
    said = "alone: it is in conv_forward,conv_backward and conv_forward,conv_grad"
    assert refusal("layers.py:conv_forward").endswith(said)


def test_a_class_by_its_name() -> None:
    names = ("given its parameters", "sizes, gradients returned")
    write("layers.py", CORE + "".join(CLASSES[name].text for name in names))
    assert refusal("layers.py").splitlines()[1:] == ["  layers.py:Conv2d", "  layers.py:Convolution"]
    assert find("layers.py:Convolution", CONV).convention.startswith("class Convolution(W, b, stride, pad)")
    assert refusal("layers.py:Convolution,Conv2d").endswith("not 'Convolution,Conv2d'")


def test_functions_come_before_the_class_that_wraps_them() -> None:
    write("layers.py", right("conv_forward", "conv_backward") + CLASSES["given its parameters"].text)
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"


def test_what_is_a_convolution_is_taken_among_what_is_called_one() -> None:
    # The other pair is a convolution and something else.
    other = right("conv_forward_act", "conv_backward_act").replace("return _ahead(", "return abs(_ahead(", 1)
    other = other.replace('p["pad"]), (x', 'p["pad"])), (x', 1).replace(CORE, "")
    write("layers.py", right("conv_forward", "conv_backward") + other)
    assert find("layers.py", CONV).spec == "layers.py:conv_forward,conv_backward"
    assert find("layers.py:conv_forward_act", CONV).spec == "layers.py:conv_forward_act,conv_backward_act"


def test_sandwiches_are_no_candidates() -> None:
    write("layers.py", COURSE + pair("conv_relu_forward", "conv_relu_backward"))
    assert find("layers.py", CONV).spec == "layers.py:conv_forward_naive,conv_backward_naive"


def test_halves_that_are_called_differently() -> None:
    write("layers.py", right("conv_forward_naive", "conv_backward"))
    assert find("layers.py", CONV).spec == "layers.py:conv_forward_naive,conv_backward"


def test_a_package(layer_file: LayerFile) -> None:
    layer_file(name="mine/layers.py")
    write("mine/__init__.py", "from .layers import conv_backward, conv_forward\n")
    implementation = find("mine", CONV)
    assert implementation.spec == "mine:conv_forward,conv_backward"
    for spec in ("mine", "mine/", "mine:conv_forward,conv_backward", "./mine:conv_backward"):
        assert db_of(find(spec, CONV)) == [1.0]


def test_a_folder_with_one_file_that_fits(layer_file: LayerFile) -> None:
    layer_file(name="mine/layers.py")
    write("mine/train.py", "raise SystemExit('what speaks of no convolution is not run')\n")
    write("mine/test_layers.py", "def test_conv_forward(): ...\nraise SystemExit('nor are tests')\n")
    write("mine/old.py", 'print "conv"\n')
    assert find("mine", CONV).spec == f"{Path('mine/layers.py')}:conv_forward,conv_backward"


def test_a_folder_with_several(layer_file: LayerFile) -> None:
    for name in ("mine/a.py", "mine/b.py"):
        layer_file(name=name)
    assert refusal("mine").splitlines()[1:] == [
        f"  {Path('mine', f)}:conv_forward,conv_backward" for f in ("a.py", "b.py")
    ]


def test_a_folder_with_none() -> None:
    write("mine/notes.txt", "")
    assert refusal("mine") == "mine is a folder without convolution in its files; name one, FILE.py"


@pytest.mark.parametrize("init", [True, False], ids=["with __init__", "without"])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("from .helper import conv_backward, conv_forward\n", "course/layers/conv.py"),
        ("from . import helper\nfrom .helper import *\n", "course/layers/conv.py"),
        ("from ..helper import *\n", "course/layers/deep/conv.py"),
        ("from layers.helper import *\n", "course/layers/conv.py"),
        ("from layers import helper\nfrom layers.helper import *\n", "course/layers/deep/conv.py"),
        (LATER.replace("import helper", "from . import helper"), "course/layers/conv.py"),
    ],
    ids=["relative", "the package", "two up", "absolute", "absolute and deep", "at the first call"],
)
def test_the_package_of_a_file_can_be_imported(layer_file: LayerFile, text: str, place: str, init: bool) -> None:
    layer_file(name="course/layers/helper.py")
    write(place, text)
    if init:
        for folder in ("course/layers", str(Path(place).parent)):
            write(f"{folder}/__init__.py", "")
    assert db_of(find(place, CONV)) == [1.0]


def test_what_the_package_of_a_file_imports_can_be_imported(layer_file: LayerFile) -> None:
    layer_file(name="project/utils/im2col.py")
    for folder in ("project/src", "project/src/nn"):
        write(f"{folder}/__init__.py", "")
    write("project/src/nn/conv.py", "from utils.im2col import conv_backward, conv_forward\n")
    implementation = find("project/src/nn/conv.py", CONV)
    assert (db_of(implementation), implementation.warnings) == ([1.0], ())


@pytest.mark.parametrize("name", ["project/utils.py", "utils.py", "project/utils/im2col.py"])
def test_what_lies_above_by_chance_is_named_and_not_run(layer_file: LayerFile, name: str) -> None:
    layer_file(("import numpy as np\n", "import numpy as np\nopen('run', 'w').close()\n"), name=name)
    module = "utils.im2col" if name.endswith("im2col.py") else "utils"
    write("project/src/conv.py", f"from {module} import conv_backward, conv_forward\n")
    said = refusal("project/src/conv.py")
    folder = "project" if name.startswith("project") else "."
    assert f"no such module beside the file or in its package; PYTHONPATH={folder} finds it" in said
    assert not Path("run").exists()


def test_packages_of_one_name_are_distinguished(layer_file: LayerFile) -> None:
    for who, replacements in (("ann", ()), ("bob", (TRIPLED,))):
        layer_file(*replacements, name=f"{who}/course/helper.py")
        write(f"{who}/course/layers.py", LATER.replace("import helper", "from . import helper"))
        write(f"{who}/course/__init__.py", "")
    implementations = find("ann/course/layers.py", CONV), find("bob/course/layers.py", CONV)
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
