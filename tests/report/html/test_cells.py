"""What a heat map shows, compared with loops over the elements; and the picture as it is drawn."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli.layers.framework.axes import CHANNEL, COLUMN, ROW, SAMPLE
from gradcheck_cli.report.html.cells import NOT_FINITE, make_cells
from gradcheck_cli.report.html.heatmap import heat_map
from gradcheck_cli.results.result import ArrayResult, Arrays, Verdict, WorstElement
from tests.report.html.document import parse

if TYPE_CHECKING:
    from gradcheck_cli.report.html.cells import Cells

SHAPES = [(2,), (30,), (100,), (3000,), (4, 7), (40, 100), (3, 4, 5), (2, 3, 4, 5), (60, 2, 2), (9, 9, 9, 9), (2,) * 6]
SHAPES += [(1, 1, 200, 300), (0, 3), (1,), ()]


def random_arrays(shape: tuple[int, ...], seed: int = 0) -> Arrays:
    source = np.random.default_rng([seed, *shape])
    numeric = source.normal(size=shape)
    wrong = np.asarray(source.random(shape) < 0.1)
    if wrong.size:
        wrong.flat[source.integers(wrong.size)] = True
    error = np.where(wrong, 10.0 ** source.uniform(-9, 3, shape), 0.0)
    return Arrays(analytic=numeric + error, numeric=numeric, error_bound=np.zeros(shape), wrong=wrong)


def errors_of(arrays: Arrays) -> list[float]:
    pairs = zip(arrays.analytic.flat, arrays.numeric.flat, arrays.wrong.flat, strict=True)
    return [abs(float(a) - float(n)) if wrong else -1.0 for a, n, wrong in pairs]


def cells_of(shape: tuple[int, ...]) -> tuple[Arrays, Cells]:
    arrays = random_arrays(shape)
    cells = make_cells(arrays, int(np.argmax(errors_of(arrays))))
    assert cells is not None
    return arrays, cells


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_cell_shows_the_worst_of_its_elements(shape: tuple[int, ...]) -> None:
    if math.prod(shape) < 2:
        assert make_cells(random_arrays(shape), 0) is None
        return
    arrays, cells = cells_of(shape)
    errors, shown = errors_of(arrays), cells.at[cells.at >= 0]
    assert len(set(shown.tolist())) == shown.size <= 2048
    assert max(errors[k] for k in shown) == max(errors)
    if math.prod(shape) <= 1024 and cells.block == (1, 1):
        assert sorted(shown.tolist()) == list(range(math.prod(shape)))
    for index in product(*map(range, cells.at.shape)):
        at = int(cells.at[index])
        if at >= 0:
            share = errors[at] / cells.largest
            decades = [level for level in range(1, 8) if level == 1 or share >= 10.0 ** (level - 8)]
            assert cells.level[index] == (max(decades) if errors[at] >= 0 else 0)


@pytest.mark.parametrize(
    "shape", [(4, 7), (2, 3, 4, 5), (3, 4, 5), (60, 2, 2), (9, 9, 9, 9), (1, 1, 200, 300), (40, 100)]
)
def test_neighbours_in_a_slice_are_neighbours_in_its_picture(shape: tuple[int, ...]) -> None:
    arrays, cells = cells_of(shape)
    errors = np.array(errors_of(arrays)).reshape(shape)
    down, across, rows, columns = cells.at.shape
    for a, b in product(range(down), range(across)):
        if cells.at[a, b, 0, 0] < 0:
            continue
        lead = np.unravel_index(cells.at[a, b, 0, 0], shape)[:-2]
        if len(shape) == 4 and cells.slice is None and down * across == shape[0] * shape[1]:
            assert lead == (a, b)
        for i, j in product(range(rows), range(columns)):
            block = np.s_[i * cells.block[0] : (i + 1) * cells.block[0], j * cells.block[1] : (j + 1) * cells.block[1]]
            assert errors.flat[cells.at[a, b, i, j]] == errors[lead][block].max()
            assert np.unravel_index(cells.at[a, b, i, j], shape)[:-2] == lead


def test_what_is_not_finite_has_a_level_of_its_own_and_does_not_set_the_scale() -> None:
    numeric = np.ones(5)
    wrong = np.array([True, True, True, True, False])
    arrays = Arrays(
        analytic=np.array([np.nan, np.inf, 3.0, 1.1, 1.0]), numeric=numeric, error_bound=numeric, wrong=wrong
    )
    cells = make_cells(arrays, 0)
    assert cells is not None
    assert cells.largest == 2
    assert cells.level.ravel().tolist() == [NOT_FINITE, NOT_FINITE, 7, 6, 0]
    nothing = make_cells(Arrays(analytic=numeric * np.nan, numeric=numeric, error_bound=numeric, wrong=numeric > 0), 0)
    assert nothing is not None
    assert set(nothing.level.flat) == {NOT_FINITE}
    assert nothing.largest == 0


def result_of(arrays: Arrays, worst: tuple[int, ...]) -> ArrayResult:
    found = WorstElement(index=worst, analytic=1.0, numeric=2.0, error_bound=0.0)
    shape = arrays.wrong.shape
    return ArrayResult(
        name="dx", verdict=Verdict.FAIL, reason="wrong", shape=shape, expected_shape=shape, dtype="float64",
        tolerance=100.0, worst=found, arrays=arrays,
    )  # fmt: skip


def test_the_picture_covers_each_cell_once_in_the_colour_of_its_level() -> None:
    arrays, cells = cells_of((2, 3, 4, 5))
    drawn = heat_map(result_of(arrays, (0, 0, 0, 0)), (SAMPLE, CHANNEL, ROW, COLUMN))
    assert drawn is not None
    svg = parse(drawn).one("svg")
    covered = {}
    for path in svg.all("path"):
        if level := re.fullmatch(r"level-(\d)", path.attributes["class"]):
            for x, y, length in re.findall(r"M([\d.]+) ([\d.]+)h(\d+)v1h-\d+z", path.attributes["d"]):
                for j in range(int(length)):
                    assert (float(x) + j, float(y)) not in covered
                    covered[float(x) + j, float(y)] = int(level[1])
    expected = {
        (b * 5.5 + j, a * 4.5 + i): int(cells.level[a, b, i, j])
        for a, b, i, j in product(range(2), range(3), range(4), range(5))
    }
    assert covered == expected
    assert "a square for each sample and channel" in svg.attributes["aria-label"]
    values = [svg.attributes[f"data-{name}"].split() for name in ("analytic", "numeric", "error")]
    for given, array in zip(values[:2], (arrays.analytic, arrays.numeric), strict=True):
        assert [float(one) for one in given] == pytest.approx(array.ravel().tolist(), rel=1e-5)
    assert svg.attributes["data-shape"] == "2 3 4 5"


def test_what_is_right_is_not_drawn() -> None:
    right = Arrays(analytic=np.ones(3), numeric=np.ones(3), error_bound=np.zeros(3), wrong=np.zeros(3, bool))
    assert heat_map(result_of(right, (0,)), ()) is None
