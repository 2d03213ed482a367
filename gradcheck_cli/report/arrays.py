"""The table of a case: a row for each array, and as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.style import STYLES, figure, make_table, sizes, told_apart, word
from gradcheck_cli.results.result import ArrayResult, Verdict, WorstElement

#: From this width on there is room for the columns that few people need.
_WIDE = 130

_ROUNDINGS = "eps off"


class Column(NamedTuple):
    """A column of figures: `-` where an array could not be compared."""

    title: str
    in_full: str  #: the title where there is room
    cell: Callable[[ArrayResult, WorstElement], str]
    right: bool = True
    width: int = 0  #: of the console, at least
    dropped: int = 0  #: the place in the order in which columns are left out for want of room; 0 for never


COLUMNS = (
    Column("rel error", "relative error", lambda array, _: figure(array.max_rel_error or 0), dropped=2),
    Column(_ROUNDINGS, _ROUNDINGS, lambda array, _: figure(array.scaled_error or 0), dropped=1),
    Column("of", "allowed", lambda array, _: f"{array.tolerance:g}", width=_WIDE),
    Column("abs error", "absolute error", lambda array, _: figure(array.max_abs_error or 0), width=_WIDE),
    Column("worst at", "worst at", lambda _, worst: ",".join(map(str, worst.index)), right=False, dropped=4),
    Column("analytic", "analytic", lambda array, worst: _values(array, worst)[0]),
    Column("numeric", "numeric", lambda array, worst: _values(array, worst)[1]),
    Column("bound", "error bound", lambda _, worst: figure(worst.error_bound), width=_WIDE),
    Column("method", "method", lambda array, _: array.method, right=False, width=_WIDE),
    Column("forwards", "calls", lambda array, _: str(array.evaluations), width=_WIDE),
)
_SHAPE = Column("shape", "shape", lambda array, _: shape_of(array), right=False, dropped=3)


def array_table(arrays: Sequence[ArrayResult], width: int) -> tuple[Table, list[str]]:
    """Make the table, without the columns that do not fit; return it with the titles of its columns."""
    columns = [_SHAPE, *(column for column in COLUMNS if column.width <= width)]
    cells = {column.title: [column.title, *(cell(column, array) for array in arrays)] for column in columns}
    cells[_SHAPE.title] = [_SHAPE.title, *map(shape_of, arrays)]
    verdicts = [word(array.verdict) for array in arrays]
    fixed = _widest(array.name for array in arrays) + 2 + _widest([*verdicts, "verdict"])
    for column in sorted((column for column in columns if column.dropped), key=lambda column: column.dropped):
        if fixed + sum(_widest(column) + 2 for column in cells.values()) <= width:
            break
        del cells[column.title]
    table = make_table()
    table.add_column("")
    shown = [column for column in columns if column.title in cells]
    for column in shown:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    table.add_column("verdict")
    for number, array in enumerate(arrays, start=1):
        row = (cells[column.title][number] for column in shown)
        table.add_row(array.name, *row, Text(word(array.verdict), style=STYLES[array.verdict]))
    return table, [*cells]


def term(arrays: Sequence[ArrayResult], titles: Collection[str], dtype: str) -> str | None:
    """Explain the column of roundings in a sentence, if the table has it."""
    if _ROUNDINGS not in titles:
        return None
    allowed = max(array.tolerance for array in arrays)
    return f"{_ROUNDINGS}: error / (eps * sum of |terms|) with the eps of {dtype}; {allowed:g} are allowed"


def shape_of(array: ArrayResult) -> str:
    """Write the shape of an array, if it was returned."""
    return "none" if array.shape is None else sizes(array.shape)


def cell(column: Column, array: ArrayResult) -> str:
    """Write what an array has in a column."""
    return "-" if array.worst is None else column.cell(array, array.worst)


def _widest(cells: Iterable[str]) -> int:
    return max(map(len, cells))


def _values(array: ArrayResult, worst: WorstElement) -> tuple[str, str]:
    return told_apart(worst.analytic, worst.numeric, differ=array.verdict is not Verdict.PASS)
