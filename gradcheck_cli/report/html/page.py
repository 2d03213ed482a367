"""The HTML document around the report: one file that needs nothing else, and may load nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from gradcheck_cli.report.html.elements import Html, el, join

if TYPE_CHECKING:
    from collections.abc import Iterable

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
