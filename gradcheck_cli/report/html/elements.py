"""HTML as text: elements, and the document of one file that needs nothing else, and may load nothing else.

What is not `Html` already is escaped, so that no text of user code becomes markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable
from importlib.resources import files

from gradcheck_cli.text.clean import MOST_CHARACTERS, escaped

#: Elements without content, which have no closing tag.
_VOID = frozenset({"meta", "link"})

#: Characters that one character becomes at most, such as `\U000e0001`.
_WIDEST = 10


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


def el(name: str, /, *children: str | None, **attributes: str | float | bool | None) -> Html:
    """Make an element.

    Args:
        name: such as `td`.
        children: its content; text is escaped, None and "" add nothing.
        attributes: `class_` stands for what Python reserves, `data_value` for `data-value`. None and False leave an
            attribute out; True is an attribute without a value.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        escaped_value = value if isinstance(value, Html | int | float) else text(value, limit=None)
        words.append(attribute if value is True else f'{attribute}="{escaped_value}"')
    start = f"<{' '.join(words)}>"
    return Html(start if name in _VOID else f"{start}{join(children)}</{name}>")


def join(parts: Iterable[str | None], between: str = "") -> Html:
    """Put parts one after the other; text is escaped."""
    return Html(between.join(part if isinstance(part, Html) else text(part) for part in parts if part))


def text(value: str, *, limit: int | None = MOST_CHARACTERS) -> Html:
    """Escape a text. Control characters, marks that reorder text and lone surrogates are written out.

    Args:
        value: any text; its lines stay lines.
        limit: characters of a line; None for any number.
    """
    if value.isprintable() and (limit is None or len(value) <= limit):  # as nearly all are; it saves half of the time
        return Html(html.escape(value))
    lines = (line.expandtabs(4) for line in value.split("\n"))
    return Html(
        html.escape("\n".join(escaped(line, _WIDEST * len(line) if limit is None else limit) for line in lines))
    )


#: A dot as the icon of the tab: without one a browser asks the server for a file.
_ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='3' fill='%23{color}'/%3E%3C/svg%3E"  # noqa: E501


def style() -> Html:
    """Return the style sheet, for pages and notebooks."""
    return _asset("style.css")


def page(title: str, body: Iterable[Html | None], *, good: bool) -> Html:
    """Make the document.

    Args:
        title: of the window.
        body: what it shows.
        good: whether the icon is green.
    """
    sheet, script = style(), _asset("script.js")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(sheet)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", rel="icon", href=_ICON.format(color="2da44e" if good else "cf222e")),
        el("style", sheet),
    )
    content = el("body", el("main", *body, class_="gradcheck"), el("script", script))
    return join([Html("<!DOCTYPE html>\n"), el("html", head, "\n", content, lang="en", class_="gradcheck-page"), "\n"])


def _asset(name: str) -> Html:
    return Html(files("gradcheck_cli.report.html").joinpath(name).read_text(encoding="utf-8"))


def _hash(content: str) -> str:
    """Return what a Content-Security-Policy calls an inline style or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
