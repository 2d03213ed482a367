"""The picture of a sweep: what is in it, and that the same figures make the same file."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from gradcheck_cli.results.step_sweep import ErrorSource
from tests.report.test_sweep import CURVED, RESULT, STRAIGHT, difference

if TYPE_CHECKING:
    from gradcheck_cli.results.result import CaseResult


def drawn(result: CaseResult, kind: str = "svg") -> bytes:
    stream = io.BytesIO()
    from gradcheck_cli.report.plot import draw  # here, because Matplotlib takes half a second

    draw(result, stream, kind)
    return stream.getvalue()


def texts(svg: bytes) -> list[str]:
    """List what is written in it: the writer leaves each text as a comment beside its outline."""
    return re.findall(r"<!-- (.*?) -->", svg.decode())


@pytest.mark.long
def test_the_same_figures_make_the_same_svg() -> None:
    svg = drawn(RESULT)
    ET.fromstring(svg)
    assert b"<dc:date>" not in svg
    assert svg == drawn(RESULT)
    assert svg != drawn(replace(RESULT, sweeps={"dx": replace(CURVED, bound=1e-12)}))


def test_everything_in_it_has_its_name() -> None:
    written = texts(drawn(RESULT))
    for text in (
        "2x3x7x7 * 4x3x3x3 stride 2 pad 1, float64",
        "step h, in units of the input",
        "dx",
        "db",
        "h = 1e-5",
        "h ~ 1.6e-2",
        "eps of float64, 2.2e-16",
        "truncation, slope 2",
        "roundoff, slope -1",
        "the checker's h and error bound",
        "no more than that bound",
    ):
        assert text in written, text


def test_nothing_is_drawn_that_is_not_there() -> None:
    written = texts(drawn(replace(RESULT, sweeps={"dw": STRAIGHT, "db": replace(STRAIGHT, errors=())})))
    assert "roundoff, slope -1" in written
    assert "h = 64" in written
    for text in ("truncation, slope 2", "x + h rounds to x", "dx", "db"):
        assert text not in written, text


def test_lost_steps_are_named_undefined_ones_left_out_and_gradients_may_be_more_than_colours() -> None:
    steps = (
        difference(1, float("inf"), ErrorSource.UNDEFINED),
        difference(1e-1, 1e-2, ErrorSource.TRUNCATION),
        difference(1e-8, 1, ErrorSource.LOST),
        difference(1e-9, 1, ErrorSource.LOST),
    )
    names = [f"d{number}" for number in range(9)]
    written = texts(drawn(replace(RESULT, sweeps=dict.fromkeys(names, replace(CURVED, errors=steps)))))
    assert set(names) <= set(written)
    assert "x + h rounds to x" in written
    assert "truncation, slope 2" not in written  # of one point


def test_a_slope_that_the_points_do_not_have_is_not_drawn() -> None:
    kink = tuple(replace(d, slope=0.3) if d.source is ErrorSource.TRUNCATION else d for d in CURVED.errors)
    written = texts(drawn(replace(RESULT, sweeps={"dx": replace(CURVED, errors=kink)})))
    assert "truncation, slope 2" not in written
    assert "roundoff, slope -1" in written


@pytest.mark.long
def test_no_display_is_asked_for() -> None:
    code = (
        "import io, sys; from gradcheck_cli.report.plot import draw; from tests.report.test_sweep import RESULT;"
        "[draw(RESULT, io.BytesIO(), kind) for kind in ('png', 'svg')];"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
