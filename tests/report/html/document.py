"""A document, read by the standard library's parser, which builds a tree and refuses what is not closed in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "wbr", "input"}


@dataclass
class Element:
    """An element, with texts and elements in it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Element]:
        """Go through this element and all in it, in the order of the document."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    def all(self, name: str, class_: str | None = None) -> list[Element]:
        """Return the elements of a name, and of a class."""
        return [
            one
            for one in self
            if one.name == name and (not class_ or class_ in one.attributes.get("class", "").split())
        ]

    def one(self, name: str, class_: str | None = None) -> Element:
        """Return the only one of these."""
        (found,) = self.all(name, class_)
        return found

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def rows(self) -> list[list[str]]:
        """Return the texts of the cells of each row of a table's body."""
        cells = [[cell for cell in row.children if isinstance(cell, Element)] for row in self.one("tbody").all("tr")]
        return [[cell.text for cell in row] for row in cells]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("document")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        closed = self.open.pop()
        assert closed.name == tag, f"</{tag}> closes <{closed.name}>"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(text: str) -> Element:
    """Read a document or a part of one."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    (document,) = parser.open
    return document
