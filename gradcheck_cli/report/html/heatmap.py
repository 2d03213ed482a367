"""Heat maps of errors, as SVG without colours of its own: the style sheet has them, for light and dark."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.report.html.cells import LEVELS, NOT_FINITE, Cells, make_cells
from gradcheck_cli.report.html.elements import Html, el
from gradcheck_cli.report.style import figure, sizes
from gradcheck_cli.results.result import ArrayResult

#: Pixels that a map has across at most, and pixels of a cell at most.
_WIDTH, _CELL = 520, 18

#: Cells between two slices.
_GAP = 0.5

#: Digits of the values of a cell, and of its error.
_DIGITS, _ERROR_DIGITS = 6, 2


def heat_map(array: ArrayResult, axes: tuple[Axis, ...], *, numbers: bool = True) -> Html | None:
    """Draw the errors of an array; None where there is nothing to draw.

    Args:
        array: the array, with its elements.
        axes: what its axes are called, if that is known.
        numbers: whether the values of all cells are in it, for a script to show.
    """
    if array.arrays is None or array.worst is None or not array.arrays.wrong.any():
        return None
    shape = array.arrays.wrong.shape
    worst = int(np.ravel_multi_index(array.worst.index, shape)) if shape else 0
    cells = make_cells(array.arrays, worst)
    if cells is None:
        return None
    about = _description(array, cells, axes)
    return el(
        "figure",
        el("figcaption", el("b", array.name), f" {sizes(shape)}", el("span", about, class_="note")),
        _svg(cells, f"Heat map of the error of {array.name}. {about}", _values(array, cells) if numbers else {}),
        class_="map",
    )


def legend() -> Html:
    """Explain the colours of all maps."""
    steps = [el("span", class_=f"swatch level-{level}") for level in range(1, LEVELS + 1)]
    return el(
        "p",
        el("span", class_="swatch level-0"),
        "right",
        el("span", class_="space"),
        "wrong, by its share of the largest error: ",
        el("span", f"1e-{LEVELS - 1} ", *steps, " 1", class_="scale"),
        el("span", class_="space"),
        el("span", class_=f"swatch level-{NOT_FINITE}"),
        "not finite",
        class_="legend",
    )


def _description(array: ArrayResult, cells: Cells, axes: tuple[Axis, ...]) -> str:
    """Say what is drawn, in a sentence or two."""
    shape = array.expected_shape
    named = axes if len(axes) == len(shape) else ()
    words = []
    if cells.slice is not None:
        words.append(f"the slice [{', '.join(map(str, cells.slice))}], which has the worst element")
    elif cells.at.shape[0] * cells.at.shape[1] > 1:
        each = " and ".join(axis.name for axis in named[:-2]) or "index along the first axes"
        words.append(f"a square for each {each}")
    elif len(shape) == 1 and (first := int(cells.at.flat[0])) + (cells.at >= 0).sum() < shape[0]:
        words.append(f"elements {first} to {int(cells.at.max())}")
    if cells.block != (1, 1):
        words.append(f"a cell for {cells.block[0]} x {cells.block[1]} elements, with the worst of them")
    if cells.largest:
        words.append(f"largest error {figure(cells.largest)}")
    return "; ".join(words)


def _values(array: ArrayResult, cells: Cells) -> dict[str, str | None]:
    """Return what is in each cell, as attributes: the shape, and for each cell index, values and error."""
    assert array.arrays is not None
    flat, there = cells.at.reshape(-1), cells.at.reshape(-1) >= 0
    analytic, numeric = array.arrays.analytic.reshape(-1), array.arrays.numeric.reshape(-1)
    with np.errstate(all="ignore"):
        error = np.abs(analytic - numeric)
    in_order = (flat[there] == np.arange(there.sum())).all() and there[: there.sum()].all()
    return {
        "data_name": array.name,
        "data_shape": " ".join(map(str, array.expected_shape)),
        "data_grid": " ".join(map(str, cells.at.shape)),
        "data_at": None if in_order else " ".join(map(str, flat.tolist())),
        "data_analytic": _written(analytic, flat, _DIGITS),
        "data_numeric": _written(numeric, flat, _DIGITS),
        "data_error": _written(error, flat, _ERROR_DIGITS),
    }


def _written(values: Array, flat: Array, digits: int) -> Html:
    return Html(" ".join(f"{value:.{digits}g}" for value in values[flat[flat >= 0]].tolist()))


def _svg(cells: Cells, label: str, values: dict[str, str | None]) -> Html:
    down, across, rows, columns = cells.at.shape
    width, height = across * (columns + _GAP) - _GAP, down * (rows + _GAP) - _GAP
    cell = min(_CELL, _WIDTH / width)
    paths = [el("path", class_=f"level-{level}", d=d) for level, d in sorted(_outlines(cells).items())]
    return el(
        "svg",
        *paths,
        el("path", class_="lines", d=_lines(cells.at.shape)),
        class_="cells",
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width * cell:.0f}",
        height=f"{height * cell:.0f}",
        role="img",
        aria_label=label,
        data_gap=f"{_GAP:g}" if values else None,
        **values,
    )


def _outlines(cells: Cells) -> dict[int, Html]:
    """Return the outline of all cells of each level: of one run of cells in a row after the other."""
    found: dict[int, list[str]] = {}
    levels = np.where(cells.at < 0, -1, cells.level).tolist()
    for a, slices in enumerate(levels):
        for b, rows in enumerate(slices):
            for i, row in enumerate(rows):
                x = b * (len(row) + _GAP)
                for level, run in groupby(row):
                    length = len([*run])
                    found.setdefault(level, []).append(f"M{x:g} {a * (len(rows) + _GAP) + i:g}h{length}v1h-{length}z")
                    x += length
    found.pop(-1, None)
    return {level: Html("".join(runs)) for level, runs in found.items()}


def _lines(shape: tuple[int, ...]) -> Html:
    """Return the lines between the cells of each slice."""
    down, across, rows, columns = shape
    found = []
    for a, b in np.ndindex(down, across):
        y, x = a * (rows + _GAP), b * (columns + _GAP)
        found += [f"M{x:g} {y + i:g}h{columns}" for i in range(1, rows)]
        found += [f"M{x + j:g} {y:g}v{rows}" for j in range(1, columns)]
    return Html("".join(found))


def maps(drawn: list[Html]) -> Html | None:
    """Put maps side by side, with their legend."""
    return el("div", el("div", *drawn, class_="figures"), legend(), class_="maps") if drawn else None
