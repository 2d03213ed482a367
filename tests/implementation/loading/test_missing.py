"""A file does without what it imports and nobody needs; what somebody needs is named, with the line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.layers import LAYERS
from tests.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

CONV = LAYERS["conv"]
HEAD = "import numpy as np\n"
CASE = ConvCase(N=1, C=1, H=3, W=3, F=1)

#: What files do at their top with modules that are not there.
UNUSED = {
    "import": "import no_such_module\n",
    "import as": "import no_such_module.pyplot as plt\nplt.rcParams['figure.figsize'] = (10, 8)\nplt.style.use('x')\n",
    "from": "from no_such_module.deep.inside import a, b as c\n",
    "a star": "from no_such_module import *\n",
    "a decorator": "from no_such_module import jit\n@jit(nopython=True)\ndef unused(x):\n    return x\n",
    "a base class": "import no_such_module\nclass Net(no_such_module.nn.Module):\n    pass\n",
    "a block": "import no_such_module\nwith no_such_module.device('gpu'):\n    pass\n",
    "an attribute": "import no_such_module\nno_such_module.backend.memory = 3\n",
    "relative": "from .no_such_module import a\n",
    "a union": "import no_such_module as m\ndef f(x: int | m.Tensor, y: m.Tensor | None) -> m.A | m.B: ...\n",
    "generics": "import no_such_module as m\nfrom typing import Optional, Union\n"
    "def f(x: Optional[m.T], y: Union[int, m.T], z: list[m.T], w: m.Array['n', 3]): ...\nT = m.T | list[int]\n",
    "an alias": "from no_such_module import Tensor\nArrays = tuple[Tensor, ...] | Tensor | float\n",
    "a condition": "import no_such_module as m\nif m.cuda.is_available() and not m.quiet:\n    raise OSError\n",
    "a version": "import no_such_module as m\nNEW = m.__version__ >= '2.0'\nassert not NEW\n"
    "OLD = tuple(map(int, m.__version__.split('.'))) < (1, 8)\nassert OLD\n",
    "a choice": "import no_such_module as m\nDEVICE = 'gpu' if m.count() > 0 or 'x' in m.names else 'cpu'\n",
    "a type": "import no_such_module as m\nif isinstance(3, m.T) or issubclass(int, m.T):\n    raise OSError\n",
    "a constant": "import no_such_module as m\nTWO = 2 * m.pi + m.e ** 2 - m.eps // 3\nT = -m.pi @ m.q\n",
}


@pytest.mark.parametrize("text", UNUSED.values(), ids=list(UNUSED))
def test_what_is_not_used_is_not_missed(layer_file: LayerFile, text: str) -> None:
    path = layer_file((HEAD, HEAD + text))
    implementation = find(str(path), CONV)
    name = ".no_such_module" if "from ." in text else "no_such_module"
    assert implementation.warnings == (f"{path}: `import {name}` failed (no such module); it goes on without",)
    assert check(CASE, implementation).passed
    assert find(str(path), CONV).warnings == implementation.warnings
    assert "no_such_module" not in sys.modules


def test_several_are_named(layer_file: LayerFile) -> None:
    path = layer_file((HEAD, HEAD + "import no_such_a\nimport no_such_b\n"))
    assert [warning.split("`")[1] for warning in find(str(path), CONV).warnings] == [
        "import no_such_a",
        "import no_such_b",
    ]


def test_a_fallback_of_the_files_own_is_taken(layer_file: LayerFile) -> None:
    text = "try:\n    from no_such_module import zeros\nexcept ImportError:\n    from numpy import zeros\n"
    path = layer_file((HEAD, HEAD + text), ("np.zeros(", "zeros("))
    implementation = find(str(path), CONV)
    assert implementation.warnings == ()
    assert check(CASE, implementation).passed


@pytest.mark.parametrize(
    ("importing", "use"),
    [
        ("import no_such_module", "no_such_module.col2im(x)"),
        ("import no_such_module as m", "m.deep.col2im(x)"),
        ("from no_such_module import col2im", "col2im(x)"),
        ("from no_such_module import col2im", "col2im[0]"),
        ("from no_such_module import col2im", "x + col2im"),
        ("from no_such_module import col2im", "np.sum(col2im)"),
        ("from no_such_module import col2im", "len(col2im)"),
        ("from no_such_module import col2im", "[*col2im]"),
        ("import no_such_module as m\nTWO = 2 * m.pi", "x + TWO"),
        ("import no_such_module as m", "m.__version__[0]"),
        ("from no_such_module import col2im", "1 if col2im else 2"),
    ],
)
def test_what_is_used_is_named_with_the_line(layer_file: LayerFile, importing: str, use: str) -> None:
    path = layer_file((HEAD, f"{HEAD}{importing}\n"), ("    H, W = x.shape[2:]", f"    H, W = x.shape[2:]; {use}"))
    result = check(CASE, str(path))
    line = next(n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if use in text)
    assert result.verdict is Verdict.ERROR
    assert result.reason == f"{path} needs no_such_module, which is not installed (used at layers.py:{line})"
    assert result.traceback is not None
    assert "gradcheck_cli" not in result.traceback


@pytest.mark.parametrize(
    ("importing", "use"),
    [
        ("import no_such_module as m", "assert not isinstance(x, m.deep.T)"),
        ("import no_such_module as m", "assert m.get_array_module(x) is np"),
        ("from no_such_module import jit\n\n\n@jit\ndef twice(x):\n    return 2 * x\n", "twice(x)"),
        ("import no_such_module as nb\n\n\n@nb.njit(fastmath=True)\ndef twice(x):\n    return 2 * x\n", "twice(x)"),
    ],
)
def test_what_does_the_same_without_a_module_is_let_be(layer_file: LayerFile, importing: str, use: str) -> None:
    path = layer_file((HEAD, f"{HEAD}{importing}\n"), ("    H, W = x.shape[2:]", f"    H, W = x.shape[2:]; {use}"))
    assert check(CASE, str(path)).passed


def test_a_fallback_at_the_call_is_taken(layer_file: LayerFile) -> None:
    text = "    try:\n        col2im(x)\n    except ImportError:\n        pass\n    H, W = x.shape[2:]\n"
    path = layer_file((HEAD, f"{HEAD}from no_such_module import col2im\n"), ("    H, W = x.shape[2:]\n", text))
    assert check(CASE, str(path)).passed


def test_a_helper_that_is_broken_is_not_missing(layer_file: LayerFile, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = (\n", encoding="utf-8")
    path = layer_file((HEAD, f"{HEAD}import helper\nimport no_such_module\n"))
    with pytest.raises(ImplementationNotFoundError, match=r"helper.py:1: '\(' was never closed"):
        find(str(path), CONV)


def test_the_warning_goes_to_stderr(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file((HEAD, f"{HEAD}print('loading')\nimport no_such_module\n"))
    run = convcheck("layers.py", *SMALL, "-q")
    assert run.returncode == 0
    assert run.stdout == "pass 1/1 layers.py:conv_forward,conv_backward\n"
    said = "Warning: layers.py: `import no_such_module` failed (no such module); it goes on without."
    assert [line for line in run.stderr.splitlines() if line != "loading"] == [said]


USES = ("x * F.zero", "x + F.zero // 2", "x + (F.zero & 1)", "x + abs(F.zero)", "x + np.asarray(F.zero)", "F.zero % 2")


def test_what_is_missing_says_so_however_it_is_used(tmp_path: Path, gradcheck: Program) -> None:
    for use in USES:
        text = f"import numpy as np\nimport absent_module as F\ndef relu_forward(x):\n    return {use}, x\n"
        (tmp_path / "mine.py").write_text(f"{text}def relu_backward(dout, cache):\n    return dout\n", encoding="utf-8")
        run = gradcheck("relu", "mine.py", "--shape", "3")
        assert run.returncode == 1
        assert "mine.py needs absent_module, which is not installed" in run.stdout
        assert "_StandIn" not in run.stdout + run.stderr


def test_the_dictionary_of_parameters_is_called_dict(tmp_path: Path, gradcheck: Program) -> None:
    text = "def batchnorm_forward(x, gamma, beta, bn_param):\n    return x * bn_param.eps, None\n"
    text += "def batchnorm_backward(dout, cache):\n    return dout, None, None\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    run = gradcheck("batchnorm", "mine.py", "--N", "3")
    assert run.returncode == 1
    assert "AttributeError: 'dict' object has no attribute 'eps'" in run.stdout
    assert "Written" not in run.stdout + run.stderr
