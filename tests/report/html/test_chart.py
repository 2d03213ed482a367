"""Charts of plain differences against the step, read by the labels of their axes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gradcheck_cli import Verdict
from gradcheck_cli.report.html.chart import charts
from gradcheck_cli.results.result import WorstElement
from gradcheck_cli.results.step_sweep import ErrorSource, StepError, Sweep
from tests.report.course import made
from tests.report.html.document import Element, parse

ERRORS = {1.0: 1e-1, 1e-2: 1e-5, 1e-4: 1e-9, 1e-6: 3e-11, 1e-8: 2e-9, 1e-10: 1e-7, 1e-12: math.inf}
SWEEP = Sweep(
    errors=tuple(
        StepError(step=step, error=error, source=ErrorSource.TRUNCATION, slope=None) for step, error in ERRORS.items()
    ),
    size=9,
    sampled=1,
    unknown=0,
    steps=(1e-3, 1e-3, 1e-3),
    bound=1e-14,
    affine=False,
    evaluations=14,
)


def drawn(sweep: Sweep = SWEEP, scaled_error: float = 1e14) -> list[Element]:
    result = made(Verdict.FAIL, "layers.py:f,g")
    worst = WorstElement(index=(4,), analytic=1.0, numeric=2.0, error_bound=0.0)
    array = replace(result.gradients["dw"], worst=worst, scaled_error=scaled_error)
    return [parse(one) for one in charts(replace(result, gradients={"dw": array}, sweeps={"dw": sweep}))]


def scale_of(labels: list[tuple[float, float]]) -> tuple[float, float]:
    """Return offset and slope of the logarithm along an axis, by two of its labels."""
    (at, first), *_, (to, last) = labels
    slope = (math.log10(last) - math.log10(first)) / (to - at)
    return math.log10(first) - slope * at, slope


def test_points_and_lines_are_where_the_axes_say() -> None:
    (figure,) = drawn()
    labels = [text for text in figure.all("text") if text.text.startswith("1")]

    def along(axis: str, class_: str) -> tuple[float, float]:
        own = [one for one in labels if one.attributes["class"] == class_]
        return scale_of([(float(one.attributes[axis]), float(one.text)) for one in own])

    (x0, x1), (y0, y1) = along("x", "middle"), along("y", "end")
    # A label of the vertical axis is 3.5 pixels lower than its line.
    points = [[float(k) for k in one.split(",")] for one in figure.one("polyline").attributes["points"].split()]
    read = {round(x0 + x1 * x, 1): y0 + y1 * (y + 3.5) for x, y in points}
    finite = {math.log10(step): math.log10(error) for step, error in ERRORS.items() if math.isfinite(error)}
    assert read == pytest.approx(finite, abs=0.1)
    for kind, error in (("returned", 1e14 * 2.0**-52), ("allowed", 100 * 2.0**-52)):
        line = figure.one("line", kind)
        assert y0 + y1 * (float(line.attributes["y1"]) + 3.5) == pytest.approx(math.log10(error), abs=0.1)


def test_the_sentence_names_the_best_step_and_the_element() -> None:
    (figure,) = drawn()
    assert figure.one("b").text == "dw[4]"
    assert figure.one("span", "note").text == (
        "With h = 1e-6 the difference is off by 3.0e-11 of the element's scale; "
        "dw as it was returned is off by 2.2e-02."
    )


def test_a_sweep_of_a_whole_array_and_one_without_a_finite_difference() -> None:
    assert drawn(replace(SWEEP, sampled=9)) == []
    assert drawn(replace(SWEEP, errors=())) == []
    lost = tuple(replace(one, error=math.inf) for one in SWEEP.errors)
    (figure,) = drawn(replace(SWEEP, errors=lost), math.inf)
    assert figure.one("span", "note").text == "No difference is finite."
