"""Code written for Python 2 or an old NumPy: what its line does today, and what to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.implementation.loading.imports import in_library
from gradcheck_cli.text.clean import clean, text_of, type_name

if TYPE_CHECKING:
    import traceback


class _Hint(NamedTuple):
    """Applies where all three patterns are found; `{0}` in the text is what the message's group matched."""

    error: str
    message: str
    line: str
    text: str


_MODULES = (
    "cPickle:pickle cStringIO:io StringIO:io Queue:queue ConfigParser:configparser Tkinter:tkinter "
    "__builtin__:builtins urllib2:urllib.request urlparse:urllib.parse copy_reg:copyreg"
)
_BUILT_IN = (
    "xrange:range raw_input:input unicode:str basestring:str long:int unichr:chr reduce:functools.reduce "
    "izip:zip reload:importlib.reload"
)
_NUMPY = (
    "int:int float:float bool:bool complex:complex object:object str:str long:int float_:np.float64 "
    "complex_:np.complex128 Inf:np.inf NaN:np.nan product:np.prod cumproduct:np.cumprod sometrue:np.any "
    "alltrue:np.all asscalar:array.item() row_stack:np.vstack in1d:np.isin trapz:np.trapezoid msort:np.sort"
)
#: By the message that a name is not there, what the hint says, and what became of which names.
_RENAMED = {
    r"No module named '(\w+)'": ("Python 2's {0}; write import {1}", _MODULES),
    r"name '(\w+)' is not defined": ("Python 2's {0}; write {1}", _BUILT_IN),
    r"(?:module 'numpy' has no attribute '|`np\.)(\w+)": ("NumPy no longer has np.{0}; write {1}", _NUMPY),
}

_TYPES = "TypeError|IndexError|ValueError"
_DIVISION = "Python 2's `/` made an integer of two integers, today it makes a float; write `//`"
_FLOAT_FOR_INTEGER = (
    r"'(?:numpy\.)?float\d*' object cannot be interpreted as an integer|slice indices must be integers|"
    r"integer argument expected, got float|only integers, slices|`pad_width` must be of integral type|"
    r"expected a sequence of integers or a single integer, got '(?:np\.float|\d*\.\d)|"
    r"can't multiply sequence by non-int of type '(?:numpy\.)?float|list indices must be integers.*not float"
)
#: The same of an array of indices, which may also be a mask.
_FLOAT_INDICES = (
    r"Cannot cast array data from dtype\('float\d+'\) to dtype\('u?int\d+'\) according to the rule|"
    r"arrays used as indices must be of integer|`indices` must be an integer array|only int indices permitted"
)
_OLD_SYNTAX = r"^\s*raise\s+[\w.]+\s*,|^\s*except\s+[^:]+,\s*\w+\s*:|<>|\b\d+[lL]\b|\b0\d+\b|`[^`]+`|\bprint\s*>>"

_HINTS = (
    _Hint("SyntaxError", r"call to '(print|exec)'", "", "Python 2's {0}; it is a function now"),
    _Hint("SyntaxError", "", r"\bprint\s+[\"'\w]", "Python 2's print; it is a function now"),
    _Hint("SyntaxError", "", _OLD_SYNTAX, "this is Python 2; write it in Python 3"),
    _Hint(_TYPES, f"{_FLOAT_FOR_INTEGER}|{_FLOAT_INDICES}", r"(?<!/)/(?!/)", _DIVISION),
    _Hint(_TYPES, _FLOAT_FOR_INTEGER, "", "a size is a float, mostly because of a `/` before this line; write `//`"),
    _Hint(_TYPES, _FLOAT_INDICES, "", "indices or counts are floats; write `//` for `/`, or compare for a mask"),
    _Hint("ValueError", "inhomogeneous shape", "", "NumPy 1.24 no longer makes ragged arrays; pass dtype=object"),
    _Hint(r"\w*TypeError", "annot cast ufunc '.*float.*int", "", "NumPy no longer writes floats into an integer array"),
)


def legacy_hint(error: BaseException, stack: Sequence[traceback.FrameSummary]) -> str:
    """Say what a line of old code does today and what to write, to be appended to the error's message.

    Args:
        error: what was raised.
        stack: the frames of the user's code that it passed, the last one innermost.

    Returns:
        " (...)", or nothing if the error is none of the known ones.
    """
    lines = [frame.line or "" for frame in stack if not in_library(frame.filename)]
    source = text_of(error.text or "") if isinstance(error, SyntaxError) else lines[-1] if lines else ""
    text = _renamed(clean(error)) or _found(type_name(error), clean(error), source)
    return f" ({text})" if text else ""


def _renamed(message: str) -> str:
    for pattern, (text, pairs) in _RENAMED.items():
        names = dict(pair.split(":") for pair in pairs.split())
        if (found := re.match(pattern, message)) and found[1] in names:
            return text.format(found[1], names[found[1]])
    return ""


def _found(error: str, message: str, source: str) -> str:
    for hint in _HINTS:
        matched = re.search(hint.message, message)
        if matched and re.fullmatch(hint.error, error) and re.search(hint.line, source):
            return hint.text.format(*matched.groups())
    return ""
