"""Text made by user code: what is shown of it has no control characters, is short, and is there whatever it does."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from gradcheck_cli.text.clean import clean, clean_lines, escaped, object_name, text_of, type_name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shapes (2,3) and (3,) differ", "shapes (2,3) and (3,) differ"),
        ("two\nlines\tand  blanks ", "two lines and blanks"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("a\x1bb\x00c\x08d\x7fe\x85f", "a b c d e f"),
        ("right \u202eot tfel\u202c", "right ot tfel"),
        ("byte \udcff", "byte \ufffd"),
        ("Größe ≠ 3", "Größe ≠ 3"),
        ("", ""),
    ],
)
def test_one_line_without_control_characters(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_no_control_character_is_left_of_all_there_are() -> None:
    every = "".join(map(chr, range(0x11000)))
    for shown in (clean(every, len(every)), clean_lines(every, 10, len(every)).replace("\n", "")):
        assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
        assert not {unicodedata.bidirectional(c) for c in shown} & {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI"}
        shown.encode()


def test_a_long_text_says_how_much_is_left_out() -> None:
    assert clean("x" * 2000) == "x" * 2000
    shown = clean("x" * 41_000)
    assert len(shown) <= 2000
    kept = len(shown.partition(" ")[0])
    assert shown == "x" * kept + f" ... {41_000 - kept:,} characters left out"
    assert kept > 1900
    assert len(clean("ab" * 10**7, 100)) <= 100


@pytest.mark.parametrize("text", ["x" * 10**5, "x y\n" * 10**5, "\x1b[31m" + "a\tb" * 999, " " * 10**6 + "end"])
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    for lines in (2, 5, 20):
        shown = clean_lines(text, lines, 100)
        assert shown.count("\n") < lines
        assert max(map(len, shown.split("\n"))) <= 100
        assert clean_lines(shown, lines, 100) == shown


@pytest.mark.parametrize("unit", [" ", "\x1b[", "\x1b]", "\x1b", "\n", "\t", "\udcff", "a "])
def test_a_long_text_of_one_kind_is_cleaned_whole(unit: str) -> None:
    """Time that grows with the square of the length would be minutes here."""
    text = f"begin{unit * 200_000}end"
    for shown in clean(text, len(text)), clean_lines(text, len(text), len(text)):
        assert shown.startswith("begin")
        assert len(shown) <= len(text)
    assert len(clean(text)) <= 2000
    assert clean_lines(text).startswith("begin")


def test_names_that_differ_stay_different() -> None:
    assert escaped("dir name/größe.py:f,g") == "dir name/größe.py:f,g"
    assert escaped("a\x1b[2J.py") == "a\\x1b[2J.py" != escaped("a.py")
    assert escaped("a\udcff\u202e\n.py") == "a\\udcff\\u202e\\n.py"
    assert len(escaped("x" * 1000, 100)) <= 100
    assert escaped("x" * 1000, 100).endswith("characters left out")


def test_lines_keep_their_indentation_and_both_ends() -> None:
    assert clean_lines("a\n  b\n\tc") == "a\n  b\n    c"
    assert clean_lines("10 %\r20 %\r\ndone") == "10 %\n20 %\ndone"
    shown = clean_lines("\n".join(map(str, range(100))), 8).split("\n")
    assert shown == ["0", "1", "... 93 lines left out", *map(str, range(95, 100))]
    assert clean_lines("y" * 300).endswith("y ... 138 characters left out")


class Raises:
    def __str__(self) -> str:
        raise KeyboardInterrupt


class NoText:
    def __str__(self) -> Any:
        return 5  # noqa: PLE0307


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self

    def __getitem__(self, key: Any) -> str:
        raise RuntimeError


class Meta(type):
    @property
    def __name__(cls) -> Any:  # type: ignore[override]
        raise RuntimeError


class Nameless(metaclass=Meta):
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError


class Numbered:
    __name__ = 5


def test_an_object_that_cannot_be_printed_says_so() -> None:
    assert text_of(Raises()) == "(its __str__ raised KeyboardInterrupt)"
    assert text_of(NoText()) == "(its __str__ raised TypeError)"
    assert text_of(NoText) == str(NoText)
    assert clean(Loud("loud")) == "loud"
    assert type(text_of(Loud("loud"))) is str


def test_names_are_found_past_what_raises() -> None:
    assert object_name(clean) == "clean"
    assert object_name(Nameless) == type_name(Nameless()) == object_name(Nameless()) == "Nameless"
    assert object_name(Numbered()) == "Numbered"
    assert object_name(type("\x1b[2Jpass 13/13", (), {})) == "pass 13/13"
    assert object_name(type("x" * 1000, (), {})).endswith("characters left out")
