"""Old code is not rewritten: the error says what its line does today, and what to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.legacy_hints import legacy_hint
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from tests.conftest import LayerFile

CASE = ConvCase(N=1, C=1, H=3, W=3, F=1)
HEAD = "import numpy as np\n"
PYTHON_2 = "this is Python 2; write it in Python 3"
DIVISION = "Python 2's `/` made an integer of two integers, today it makes a float; write `//`"
EARLIER = "a size is a float, mostly because of a `/` before this line; write `//`"

INDICES = "indices or counts are floats; write `//` for `/`, or compare for a mask"

#: Lines that are no Python any more.
UNREADABLE = {
    'print "x"': "Python 2's print; it is a function now",
    "print x, y": "Python 2's print; it is a function now",
    'exec "x"': "Python 2's exec; it is a function now",
    'raise ValueError, "x"': PYTHON_2,
    "try: pass\nexcept ValueError, e: pass": PYTHON_2,
    "a <> b": PYTHON_2,
    "x = 10L": PYTHON_2,
    "x = 017": PYTHON_2,
    "x = `y`": PYTHON_2,
}

#: Lines that raise in a call.
RAISING = {
    "for i in xrange(3): pass": "Python 2's xrange; write range",
    "unicode(3)": "Python 2's unicode; write str",
    "range(4 / 2)": DIVISION,
    "x[:, :, 0 : 4 / 2]": DIVISION,
    "x[4 / 2]": DIVISION,
    "np.zeros((2, 4 / 2))": DIVISION,
    "np.zeros(4 / 2)": DIVISION,
    "x.reshape(1, 18 / 2)": DIVISION,
    "[0] * (4 / 2)": DIVISION,
    "np.pad(x, 2 / 2)": DIVISION,
    "np.take(x, np.arange(2) / 1, axis=3)": DIVISION,
    "np.repeat(x, np.array([4 / 2]), axis=3)": DIVISION,
    "np.repeat(x, np.array([2.0]), axis=3)": INDICES,
    "x[:, :, (x > 0)[0, 0, 0] * 1.0]": INDICES,
    "rows = 4 / 2; np.zeros((rows // 1, 2))": EARLIER,
    "np.int(1)": "NumPy no longer has np.int; write int",
    "np.float(1)": "NumPy no longer has np.float; write float",
    "np.product(x)": "NumPy no longer has np.product; write np.prod",
    "np.array([[1], [1, 2]])": "NumPy 1.24 no longer makes ragged arrays; pass dtype=object",
    "n = np.arange(3); n += 0.5": "NumPy no longer writes floats into an integer array",
    "import cPickle": "Python 2's cPickle; write import pickle",
}


@pytest.mark.parametrize(("line", "said"), UNREADABLE.items())
def test_a_line_that_is_no_python_any_more(layer_file: LayerFile, line: str, said: str) -> None:
    path = layer_file((HEAD, f"{HEAD}{line}\n"))
    with pytest.raises(ImplementationNotFoundError) as caught:
        find(str(path), LAYERS["conv"])
    assert str(caught.value).endswith(f" ({said})")


@pytest.mark.parametrize(("line", "said"), RAISING.items())
def test_a_line_that_raises(layer_file: LayerFile, line: str, said: str) -> None:
    if line.startswith("rows ="):
        line = "rows = 4 / 2\n    np.zeros((rows, 2))"
    path = layer_file(("    H, W = x.shape[2:]\n", f"    H, W = x.shape[2:]\n    {line}\n"))
    result = check(CASE, str(path))
    assert result.verdict is Verdict.ERROR
    assert (result.reason or "").endswith(f" ({said})")


def test_an_import_of_old(layer_file: LayerFile) -> None:
    path = layer_file((HEAD, f"{HEAD}import cPickle\nimport urllib2\n"))
    assert find(str(path), LAYERS["conv"]).warnings == (
        f"{path}: `import cPickle` failed (Python 2's cPickle; write import pickle); it goes on without",
        f"{path}: `import urllib2` failed (Python 2's urllib2; write import urllib.request); it goes on without",
    )


def test_names_that_numpy_took_and_gave_again() -> None:
    gone = AttributeError("module 'numpy' has no attribute 'bool'.\n`np.bool` was a deprecated alias")
    assert legacy_hint(gone, []) == " (NumPy no longer has np.bool; write bool)"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast together with shapes (3,) (4,)"),
        TypeError("'NoneType' object is not subscriptable"),
        NameError("name 'padded' is not defined", name="padded"),
        AttributeError("module 'numpy' has no attribute 'convolve2d'"),
        AttributeError("'dict' object has no attribute 'stride'"),
        IndexError("index 5 is out of bounds for axis 0 with size 5"),
        ModuleNotFoundError("No module named 'helper'", name="helper"),
        np.linalg.LinAlgError("Singular matrix"),
        SyntaxError("'(' was never closed", ("f.py", 1, 1, "x = (a, 0.5\n", 1, 1)),
        SyntaxError("invalid syntax", ("f.py", 1, 1, "raise ValueError(a, 100) if b else\n", 1, 1)),
    ],
    ids=repr,
)
def test_other_mistakes_are_not_called_old(error: Exception) -> None:
    assert legacy_hint(error, []) == ""
