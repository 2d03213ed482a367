"""HTML elements as text. What is not `Html` already is escaped, so that no text of user code becomes markup."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from gradcheck_cli.text.clean import MOST_CHARACTERS, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

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
