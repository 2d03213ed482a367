"""Rows that end in a name and a reason, both of them long, to be read at any width."""

from __future__ import annotations

import re
from itertools import zip_longest

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.report.style import STYLES, word
from gradcheck_cli.results.result import Verdict

#: Columns that a reason needs beside the name, if it is longer; with fewer it goes below the row. Most have 30 to 90
#: letters: up to three lines.
_ROOM = 30

#: Blanks between two columns, and before a reason that stands below.
_GAP, _INDENT = 2, 6


@frozen
class Row:
    """One row."""

    verdict: Verdict
    cells: tuple[str, ...]  #: what is short: a figure, and words
    name: str
    why: str


@frozen
class Rows:
    """A table of rows, as wide as it needs to be and may be."""

    heads: tuple[str, ...]  #: of the cells, of the name and of the reason
    rows: list[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print the rows, with the reasons beside the names or below them."""
        short = [("", *self.heads[:-2]), *((word(row.verdict), *row.cells) for row in self.rows)]
        widths = [max(map(cell_len, column)) for column in zip(*short, strict=True)]
        name, why = self._share_out(options.max_width - sum(width + _GAP for width in widths))
        widths += [name, *([why] if why else [])]
        yield _line(("", *self.heads[: len(widths) - 1]), widths)
        yield Text(("-" if options.ascii_only else "─") * (sum(widths) + _GAP * (len(widths) - 1)))
        for row in self.rows:
            first: tuple[Text | str, ...] = (Text(word(row.verdict), style=STYLES[row.verdict]), *row.cells)
            reason = [*Text(row.why).wrap(console, why)] if why else []
            for part, words in zip_longest(_broken(row.name, name), reason, fillvalue=""):
                yield _line((*first, part, words), widths)
                first = ("",) * len(first)
            if row.why and not why:
                yield Padding(Text(row.why), (0, 0, 0, _INDENT))

    def _share_out(self, room: int) -> tuple[int, int]:
        """Share columns out among names and reasons; with none the reasons go below.

        Names have at least half, and enough to be broken only where they are best broken.
        """
        names = max(map(cell_len, [self.heads[-2], *(row.name for row in self.rows)]))
        reasons = max(map(cell_len, [self.heads[-1], *(row.why for row in self.rows)]))
        part = max(cell_len(part) for row in self.rows for part in _parts(row.name, ",:"))
        name = min(names, max(room - _GAP - reasons, (room - _GAP) // 2, part))
        reason = min(reasons, room - _GAP - name)
        return (name, reason) if reason >= min(reasons, _ROOM) else (max(1, min(names, room)), 0)


def _broken(name: str, width: int) -> list[str]:
    """Break a name into lines: after a comma or colon, and what is too long for that after `/` or `_`, or anywhere."""
    lines = [""]
    for part in _parts(name, ",:"):
        for smaller in [part] if cell_len(part) <= width else _parts(part, "/_"):
            for piece in chop_cells(smaller, width):
                if cell_len(lines[-1] + piece) <= width:
                    lines[-1] += piece
                else:
                    lines.append(piece)
    return lines


def _parts(name: str, after: str) -> list[str]:
    return re.split(f"(?<=[{after}])(?=.)", name)


def _line(cells: tuple[Text | str, ...], widths: list[int]) -> Text:
    """Put cells side by side, the second, which is a figure, to the right."""
    line = Text()
    for number, (cell, width) in enumerate(zip(cells, widths, strict=False)):
        text = cell.copy() if isinstance(cell, Text) else Text(cell)
        text.align("right" if number == 1 else "left", width)
        line.append_text(text).append(" " * _GAP)
    line.rstrip()
    return line
