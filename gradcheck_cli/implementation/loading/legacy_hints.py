"""Code written for Python 2 or an old NumPy: what its line does today, and what to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.implementation.loading.packages import in_library
from gradcheck_cli.text.clean import clean, text_of, type_name

if TYPE_CHECKING:
    import traceback


class _Hint(NamedTuple):
    """Applies where all three patterns are found; `{0}` in the text is what the message's group matched."""

    error: str
    message: str
    line: str
    text: str


def _table(text: str) -> dict[str, str]:
    return dict(pair.split(":", 1) for pair in text.split())


#: The names of modules that Python 3 renamed.
_MODULES = _table(
    "cPickle:pickle cStringIO:io StringIO:io Queue:queue ConfigParser:configparser Tkinter:tkinter "
    "__builtin__:builtins urllib2:urllib.request urlparse:urllib.parse commands:subprocess copy_reg:copyreg "
    "SocketServer:socketserver"
)
#: The names of Python 2's built-in functions and types.
_NAMES = _table(
    "xrange:range raw_input:input unicode:str basestring:str long:int unichr:chr reduce:functools.reduce izip:zip "
    "reload:importlib.reload execfile:exec(open(...).read())"
)
#: What NumPy 1.24 and 2.0 removed.
_NUMPY = _table(
    "int:int float:float bool:bool complex:complex object:object str:str long:int float_:np.float64 "
    "complex_:np.complex128 Inf:np.inf infty:np.inf NaN:np.nan product:np.prod cumproduct:np.cumprod sometrue:np.any "
    "alltrue:np.all asscalar:array.item() row_stack:np.vstack in1d:np.isin trapz:np.trapezoid rank:np.ndim"
) | {"msort": "np.sort(a, axis=0)"}

_DIVISION = "Python 2's `/` made an integer of two integers, today it makes a float; write `//`"
_FLOAT_SIZE = (
    "a size is a float, mostly because of a `/` before this line, which in Python 2 made an integer; write `//`"
)
_FLOAT_INDEX = "indices or counts are floats; write `//` where they come from a `/`, and compare where they are a mask"
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

_HINTS = (
    _Hint("SyntaxError", r"call to '(print|exec)'", "", "Python 2's {0}; it is a function now"),
    _Hint("SyntaxError", "", r"^\s*raise\s+[\w.]+\s*,", 'Python 2\'s way to raise; write raise ValueError("...")'),
    _Hint("SyntaxError", "", r"^\s*except\s+[^:]+,\s*\w+\s*:", "Python 2's way to catch; write except Error as error:"),
    _Hint("SyntaxError", "", r"<>", "Python 2's `<>`; write !="),
    _Hint("SyntaxError", "", r"\b\d+[lL]\b", "Python 2's long integers; leave the L away"),
    _Hint("SyntaxError", "", r"\b0\d+\b", "Python 2's octal numbers; write 0o17 for 017"),
    _Hint("SyntaxError", "", r"\bprint\s+[\"'\w]|\bprint\s*>>", "Python 2's print; write print(...)"),
    _Hint("SyntaxError", "", r"`[^`]+`", "Python 2's backquotes; write repr(...)"),
    _Hint("TabError", "", "", "Python 2 took a tab for eight blanks; indent with blanks only"),
    _Hint("TypeError|IndexError|ValueError", _FLOAT_FOR_INTEGER, r"(?<!/)/(?!/)", _DIVISION),
    _Hint("TypeError|IndexError|ValueError", _FLOAT_FOR_INTEGER, "", _FLOAT_SIZE),
    _Hint("TypeError|IndexError|ValueError", _FLOAT_INDICES, r"(?<!/)/(?!/)", _DIVISION),
    _Hint("TypeError|IndexError|ValueError", _FLOAT_INDICES, "", _FLOAT_INDEX),
    _Hint("TypeError", r"'(dict_\w+|map|filter|zip)' object is not subscriptable", "", "write list(...) around it"),
    _Hint("TypeError", r"object of type '(map|filter|zip)' has no len", "", "lazy since Python 3; write list(...)"),
    _Hint("TypeError", r"'(range)' object does not support item assignment", "", "write list(range(...))"),
    _Hint("AttributeError", "'dict' object has no attribute 'has_key'", "", "gone in Python 3; write key in d"),
    _Hint("AttributeError", r"'dict' object has no attribute '(?:iter|view)(\w+)'", "", "write .{0}()"),
    _Hint("AttributeError", r"object has no attribute 'next'", "", "gone in Python 3; write next(iterator)"),
    _Hint("AttributeError", r"'str' object has no attribute 'decode'", "", "text is Unicode since Python 3"),
    _Hint("AttributeError", r"module 'time' has no attribute 'clock'", "", "gone; write time.perf_counter()"),
    _Hint("AttributeError", r"module 'collections' has no attribute '(\w+)'", "", "write collections.abc.{0}"),
    _Hint("AttributeError", r"module 'itertools' has no attribute 'i(\w+)'", "", "gone in Python 3; write {0}"),
    _Hint("ImportError", r"cannot import name 'i(\w+)' from 'itertools'", "", "gone in Python 3; write {0}"),
    _Hint("ImportError", r"cannot import name 'im\w+' from 'scipy.misc'", "", "gone from SciPy; use imageio or Pillow"),
    _Hint("ValueError", "inhomogeneous shape", "", "NumPy 1.24 no longer makes ragged arrays; pass dtype=object"),
    _Hint(
        r"\w*TypeError",
        r"[Cc]annot cast ufunc '\w+' output from dtype\('float\d+'\) to dtype\('u?int\d*'\)",
        "",
        "NumPy no longer writes floats into an integer array; make it of floats",
    ),
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
    text = _renamed(error) or _found(error, source)
    return f" ({text})" if text else ""


def _renamed(error: BaseException) -> str | None:
    message = clean(error)
    missing = text_of(error.name) if isinstance(error, ModuleNotFoundError | NameError) else ""
    if isinstance(error, ModuleNotFoundError) and missing in _MODULES:
        return f"Python 2's {missing}; write import {_MODULES[missing]}"
    if isinstance(error, NameError) and missing in _NAMES and not isinstance(error, UnboundLocalError):
        return f"Python 2's {missing}; write {_NAMES[missing]}"
    if found := re.match(r"module 'numpy' has no attribute '(\w+)'", message) or re.match(r"`np\.(\w+)` was", message):
        name = found[1]
        return f"NumPy no longer has np.{name}; write {_NUMPY[name]}" if name in _NUMPY else None
    return None


def _found(error: BaseException, source: str) -> str | None:
    message = clean(error)
    for hint in _HINTS:
        matched = re.search(hint.message, message)
        if matched and re.fullmatch(hint.error, type_name(error)) and re.search(hint.line, source):
            return hint.text.format(*matched.groups())
    return None
