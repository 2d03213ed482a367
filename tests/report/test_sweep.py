"""The table of a sweep, to the letter; and what it says of single gradients."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from gradcheck_cli import ConvCase, Verdict
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.sweep import SweepReport, sentence, step_text
from gradcheck_cli.results.result import CaseResult
from gradcheck_cli.results.run import Run
from gradcheck_cli.results.step_sweep import STEPS, ErrorSource, StepError, Sweep


def difference(step: float, error: float, source: ErrorSource, slope: float | None = None) -> StepError:
    return StepError(step=step, error=error, source=source, slope=slope)


def roundoff(step: float) -> StepError:
    return difference(
        step, 3e-16 / step, ErrorSource.ROUNDOFF if step < 0.5 else ErrorSource.UNSEEN, -1.0 if step < 0.5 else None
    )


STRAIGHT = Sweep(
    errors=(difference(64, 0, ErrorSource.UNSEEN), *(roundoff(step) for step in STEPS)),
    size=300,
    sampled=300,
    unknown=0,
    steps=(64, 64, 64),
    bound=9e-16,
    affine=True,
    evaluations=1406,
)
CURVED = replace(
    STRAIGHT,
    errors=tuple(
        difference(step, step**2, ErrorSource.TRUNCATION, 2.0) if step > 1e-5 else roundoff(step) for step in STEPS
    ),
    steps=(0.0078125, 0.015625, 0.03125),
    bound=2.5e-13,
    affine=False,
)
RESULT = CaseResult(
    implementation="layers.py:f,g",
    layer="conv",
    case=ConvCase(N=2, C=3, H=7, W=7, F=4, stride=2),
    verdict=Verdict.PASS,
    reason=None,
    sweeps={"dx": CURVED, "db": STRAIGHT},
)

SCREEN = """\
layers.py:f,g
2x3x7x7 * 4x3x3x3 stride 2 pad 1, float64, seed 0
largest error of (f(x + h) - f(x - h)) / 2h, as a share of the element's scale
h          dx off  slope  due to        db off  slope  due to
───────────────────────────────────────────────────────────────
64 *                                  <9.0e-16
1         1.0e+00   +2.0  truncation  <9.0e-16
1e-1      1.0e-02   +2.0  truncation   3.0e-15   -1.0  roundoff
1e-2      1.0e-04   +2.0  truncation   3.0e-14   -1.0  roundoff
1e-3      1.0e-06   +2.0  truncation   3.0e-13   -1.0  roundoff
1e-4      1.0e-08   +2.0  truncation   3.0e-12   -1.0  roundoff
1e-5      3.0e-11   -1.0  roundoff     3.0e-11   -1.0  roundoff
1e-6      3.0e-10   -1.0  roundoff     3.0e-10   -1.0  roundoff
1e-7      3.0e-09   -1.0  roundoff     3.0e-09   -1.0  roundoff
1e-8      3.0e-08   -1.0  roundoff     3.0e-08   -1.0  roundoff
1e-9      3.0e-07   -1.0  roundoff     3.0e-07   -1.0  roundoff
1e-10     3.0e-06   -1.0  roundoff     3.0e-06   -1.0  roundoff
1e-11     3.0e-05   -1.0  roundoff     3.0e-05   -1.0  roundoff
1e-12     3.0e-04   -1.0  roundoff     3.0e-04   -1.0  roundoff

checker  <2.5e-13         h ~ 1.6e-2  <9.0e-16         h = 64
truncation: forward bends between x - h and x + h; if smoothly, slope +2 (h^2)
roundoff: rounding of forward and of x, divided by 2h; slope -1 (1/h)
<: no more than the error bound of the checker's derivative, which tells it
*: the checker's h
forward is affine in b: nothing is truncated, and a large h is best
dx: the checker extrapolates; its smallest h is 7.8e-3 to 3.1e-2, by element
h = 1e-5: dx off by 3.0e-11 of its scale; checker's h ~ 1.6e-2: < 2.5e-13
"""


RUN = Run(program="gradcheck", argv=(), seed=0, cases=1, versions={})


def printed(*results: CaseResult, width: int = 100, quiet: bool = False, verbose: bool = False) -> str:
    stream = io.StringIO()
    report = SweepReport(RUN, stream, DisplayOptions(width=width, quiet=quiet, verbose=verbose))
    for result in results:
        report.add(result)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def test_the_whole_screen() -> None:
    assert printed(RESULT) == SCREEN


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("gradients", [1, 2, 3, 5])
def test_no_row_is_wider_than_its_place_and_no_gradient_missing(width: int, gradients: int) -> None:
    names = ["dx", "dw", "db", "dgamma", "dbeta"][:gradients]
    lines = printed(replace(RESULT, sweeps=dict.fromkeys(names, CURVED)), width=width).splitlines()
    rows = [line for line in lines if line.startswith(("1e-", "checker", "h  "))]
    assert max(map(len, rows)) <= width
    heads = " ".join(row for row in rows if row.startswith("h  "))
    assert [name for name in names if f"{name} off" not in heads] == []
    assert heads.count("due to") == gradients
    assert "…" not in "".join(lines)


def test_every_line_fits_a_terminal_of_80_columns() -> None:
    sources = [difference(step, 0.5, source) for step, source in zip(STEPS[::2], [*ErrorSource] * 3, strict=False)]
    sweep = replace(CURVED, errors=tuple(sources), unknown=12)
    lines = printed(replace(RESULT, sweeps={"dx": sweep, "dw": STRAIGHT, "db": STRAIGHT}), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(
        any(line.startswith(source) for line in lines) for source in ErrorSource if source is not ErrorSource.UNSEEN
    )


def test_verbose_shows_half_decades() -> None:
    assert len(printed(RESULT, verbose=True).splitlines()) == len(SCREEN.splitlines()) + 12


def test_quiet_is_a_line_each() -> None:
    error = replace(RESULT, verdict=Verdict.ERROR, reason="f raised ValueError: no", sweeps={})
    case = "layers.py:f,g 2x3x7x7 * 4x3x3x3 stride 2 pad 1 float64"
    assert printed(RESULT, error, quiet=True).splitlines() == [
        f"{case}: h = 1e-5: dx off by 3.0e-11 of its scale; checker's h ~ 1.6e-2: < 2.5e-13",
        f"{case}: ERROR f raised ValueError: no",
    ]


def test_what_is_left_out_is_reported() -> None:
    some = replace(CURVED, size=200_704, sampled=8, unknown=3)
    none = replace(CURVED, errors=(), size=4)
    text = printed(replace(RESULT, sweeps={"dx": some, "dw": none}))
    assert "dx: 8 of 200,704 elements, drawn at random, were swept\n" in text
    assert "dx: 3 of 8 elements left out: no derivative was found there\n" in text
    assert "dw: no element reaches an output\n" in text


def test_another_dtype_of_the_checker_is_reported() -> None:
    case = replace(RESULT.case, dtype="float32")
    assert "checker: evaluates forward in float64, and not in float32 as above\n" in printed(replace(RESULT, case=case))
    assert "evaluates forward" not in printed(RESULT)


def test_an_error_shows_reason_and_traceback_and_no_table() -> None:
    error = replace(RESULT, verdict=Verdict.ERROR, reason="f raised", traceback="Traceback: [/red]", sweeps={})
    assert printed(error).splitlines() == [
        "ERROR layers.py:f,g",
        "2x3x7x7 * 4x3x3x3 stride 2 pad 1, float64, seed 0",
        "f raised",
        "Traceback: [/red]",
    ]


def test_the_sentence_is_about_the_worst_gradient() -> None:
    worse = replace(CURVED, errors=(difference(1e-5, 0.25, ErrorSource.ROUNDOFF),))
    undefined = replace(CURVED, errors=(difference(1e-5, float("inf"), ErrorSource.UNDEFINED),))
    sweeps = {"dx": CURVED, "dw": worse}
    assert sentence(replace(RESULT, sweeps=sweeps)).startswith("h = 1e-5: dw off by 2.5e-01 of its scale;")
    assert sentence(replace(RESULT, sweeps={**sweeps, "db": undefined})).startswith("h = 1e-5: db undefined;")


@pytest.mark.parametrize(
    ("step", "text"), [(64, "64"), (1, "1"), (1e-1, "1e-1"), (1e-12, "1e-12"), (10**-0.5, "3.2e-1"), (2**-6, "1.6e-2")]
)
def test_steps_are_written_as_people_do(step: float, text: str) -> None:
    assert step_text(step) == text
