"""Elements as text: what is text stays text."""

from __future__ import annotations

from gradcheck_cli.report.html.elements import Html, el, join, text
from tests.report.html.document import parse

NASTY = "</td><script>alert('&amp;')</script>\" onclick=x"


def test_text_comes_back_as_it_was_in_content_and_attributes() -> None:
    for value in (NASTY, "a\nb", "", "naïve \N{GRINNING FACE}", "&lt;"):
        element = parse(el("td", value, title=value, data_value=3, hidden=True, id=None, open=False)).one("td")
        assert element.text == value
        assert element.attributes == {"title": value, "data-value": "3", "hidden": ""}


def test_html_is_kept_and_joined() -> None:
    assert el("p", "a<", Html("<b>b</b>"), None, "") == "<p>a&lt;<b>b</b></p>"
    assert join(["a", None, Html("<wbr>"), "&"], ", ") == "a, <wbr>, &amp;"
    assert el("meta", charset="utf-8", http_equiv="x") == '<meta charset="utf-8" http-equiv="x">'


def test_what_acts_on_a_screen_or_is_no_character_is_written_out() -> None:
    assert text("a\x1b[31m\u202eb\ud800\x00") == "a\\x1b[31m\\u202eb\\ud800\\x00"
    assert text("\tx") == "    x"
    long = text("x" * 10_000)
    assert len(long) < 2100
    assert "characters left out" in long
    assert text("x" * 10_000, limit=None) == "x" * 10_000
