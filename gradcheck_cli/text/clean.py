"""Text made by user code, made safe to show: no control characters, and a limited length.

User code can put anything into a message, a name or a file name: escape sequences that redraw the terminal, megabytes,
characters that no encoding has, or a `__str__` that raises. Nothing here raises, and all of it takes linear time.
"""

from __future__ import annotations

import re

#: Characters of a reason or another sentence, and lines and characters per line of a traceback or an output.
MOST_CHARACTERS = 2000
MOST_LINES = 20
LONGEST_LINE = 200

#: Longest name of a function, class, module or file: a file system allows 255 bytes.
LONGEST_NAME = 256

#: A longer text is read up to this many times the limit, because runs of blanks shrink to one.
_LOOKED_AT = 64

#: Characters of the note that up to ten billion characters are left out.
_NOTE = len(" ... 9,999,999,999 characters left out")

#: Whole escape sequences of a terminal: colours and cursor movements, then titles and links.
_SEQUENCES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?")

_CONTROLS = [*range(0x20), 0x7F, *range(0x80, 0xA0)]  # C0, DEL and C1
_SEPARATORS = [0x2028, 0x2029]  # of lines and paragraphs
#: Marks that reorder text, so that it reads differently from what is there (Unicode Technical Report 36).
_BIDIRECTIONAL = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_BLANKS = dict.fromkeys([*_CONTROLS, *_SEPARATORS], " ") | dict.fromkeys(_BIDIRECTIONAL)
#: Lone surrogates, such as the undecodable bytes of a file name, cannot be encoded.
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: object, limit: int = MOST_CHARACTERS) -> str:
    """Return a text as one line, in which runs of white space are one blank.

    Cleaning the line again does not change it.

    Args:
        text: any object, of which `text_of` is used.
        limit: characters of the line, with a note on how many are left out.
    """
    whole = text_of(text)
    looked_at = whole[: _LOOKED_AT * limit]
    return _cut(" ".join(_printable(looked_at).split()), limit, len(whole) - len(looked_at))


def escaped(text: str, limit: int = MOST_CHARACTERS) -> str:
    """Return a name as one line, with control characters escaped: different names stay different."""
    if _printable(text) != text:
        text = "".join(c if _printable(c) == c else repr(c)[1:-1] for c in text[: limit + 1])
    return _cut(text, limit)


def clean_lines(text: object, lines: int = MOST_LINES, width: int = LONGEST_LINE) -> str:
    """Return at most `lines` lines (two or more) of at most `width` characters, with notes on what is left out.

    Indentation is kept. If there are too many lines, the first quarter and the last three quarters of the limit are
    kept: a traceback ends with what happened. Cleaning the lines again does not change them.
    """
    whole = text_of(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(whole) > lines:
        head, tail = lines // 4, lines - lines // 4 - 1
        note = f"... {len(whole) - head - tail:,} lines left out"
        whole = [*whole[:head], note, *whole[-tail:]]
    return "\n".join(_clean_line(line, width) for line in whole)


def text_of(value: object) -> str:
    """Return `str(value)`, or in parentheses the exception that its `__str__` raised."""
    try:
        return str.__str__(str(value))  # an instance of `str` itself: a subclass brings its own methods
    except BaseException as error:  # noqa: BLE001  # user code, of which no exception may pass
        return f"(its __str__ raised {type_name(error)})"


def type_name(value: object) -> str:
    """Return the name of the class of an object, without calling methods of the class."""
    return _of_class(type(value))


def object_name(value: object) -> str:
    """Return the name of a function or class; for another object that of its class."""
    if issubclass(type(value), type):
        return _of_class(value)
    try:
        name = value.__name__  # type: ignore[attr-defined]
    except BaseException:  # noqa: BLE001  # user code, of which no exception may pass
        return type_name(value)
    return clean(name, LONGEST_NAME) if issubclass(type(name), str) else type_name(value)


def _of_class(cls: object) -> str:
    return clean(type.__dict__["__name__"].__get__(cls), LONGEST_NAME)


def _clean_line(line: str, width: int) -> str:
    looked_at = line[: _LOOKED_AT * width]
    return _cut(_printable(looked_at.expandtabs(4)).rstrip(), width, len(line) - len(looked_at))


def _cut(line: str, limit: int, left_out: int = 0) -> str:
    """Shorten a line to a limit, and note how much is left out, including what was left out before."""
    if not left_out and len(line) <= limit:
        return line
    kept = line[: max(0, limit - _NOTE)].rstrip()
    note = f"... {left_out + len(line) - len(kept):,} characters left out"
    return f"{kept} {note}" if kept else note


def _printable(text: str) -> str:
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCES.sub("", text).translate(_BLANKS))
