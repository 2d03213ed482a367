"""The picture of a step sweep: error against h, both logarithmic, with what it ought to teach marked in it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradcheck_cli.numeric.arrays import Array, epsilon
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.sweep import HABITUAL, chosen, step_text
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.results.step_sweep import ErrorSource, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that differ in lightness too, and to those who tell red from green badly (Okabe and Ito, 2008).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_GREY = "#666666"

#: Matplotlib's own look whatever a user's configuration says, and the same SVG from the same figures.
_STYLE = {
    "svg.hashsalt": "convcheck",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.columnspacing": 1.5,
}

#: Guide lines run beside the points that they explain, this factor above.
_ABOVE = 6.0

#: Entries of the key that a row holds.
_ENTRIES = 5

#: Points that make a slope worth a line, and how near their own slope must be to it: across a kink there is none.
_FEWEST = 3
_LIKE = 0.5


class PlotReport:
    """Draws a sweep, if it has any figures."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._stream = stream

    def add(self, result: CaseResult) -> None:
        """Draw a sweep."""
        if result.verdict is Verdict.PASS:
            drawn = io.BytesIO()
            draw(result, drawn, self._stream.name.lower()[-3:])
            self._stream.buffer.write(drawn.getbuffer())

    def finish(self, summary: Summary) -> None:
        """Do nothing: the picture is drawn."""


def draw(result: CaseResult, stream: BinaryIO, kind: str) -> None:
    """Draw a sweep.

    Args:
        result: the sweep; it has figures of at least one gradient.
        stream: where the picture is written to.
        kind: "png" or "svg".
    """
    sweeps = {name: sweep for name, sweep in result.sweeps.items() if sweep.errors}
    with matplotlib.style.context(["default", _STYLE]):
        chart = Figure(figsize=(9, 5.6), layout="constrained")
        axes = chart.add_subplot(xscale="log", yscale="log")
        for number, (name, sweep) in enumerate(sweeps.items()):
            _line(axes, name, sweep, _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)])
        _frame(axes, result)
        _name_steps(axes, list(sweeps.values()))
        _key(chart, axes, list(sweeps.values()))
        _guides(chart, axes, list(sweeps.values()))
        # No date, so that the same figures make the same file.
        chart.savefig(stream, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)


def _line(axes: Axes, name: str, sweep: Sweep, color: str, marker: str) -> None:
    """Draw one gradient: filled where the error was seen, hollow where only a bound of it is; and the checker's h."""
    finite = [found for found in sweep.errors if np.isfinite(found.error)]
    points = np.array([(found.step, max(found.error, sweep.bound)) for found in finite])
    unseen = np.array([found.source is ErrorSource.UNSEEN for found in finite])
    axes.plot(*points.T, marker=marker, color=color, markersize=5, linewidth=1.5, zorder=2, label=name)
    axes.plot(*points[unseen].T, marker, color=color, markerfacecolor="white", markersize=5, zorder=3)
    least, median, largest = sweep.steps
    axes.plot([least, largest], [sweep.bound] * 2, color=color, linewidth=4, alpha=0.4, solid_capstyle="round")
    axes.plot(median, sweep.bound, "*", color=color, markersize=15, markeredgecolor="black", zorder=4)


def _frame(axes: Axes, result: CaseResult) -> None:
    """Name the axes and the case, and mark the habitual step and the rounding of the dtype."""
    axes.set_title(f"{result.case.label()}, {result.case.dtype}")
    axes.set_xlabel("step h, in units of the input")
    axes.set_ylabel("largest error of a central difference,\nas a share of the gradient's scale")
    axes.axvline(HABITUAL, color=_GREY, linewidth=1, alpha=0.5)
    _write(axes, f"h = {step_text(HABITUAL)}", (HABITUAL, 1), (4, 0), xycoords=("data", "axes fraction"), va="top")
    eps = epsilon(result.case.dtype)
    axes.axhline(eps, color=_GREY, linewidth=1, linestyle=":")
    _write(axes, f"eps of {result.case.dtype}, {eps:.1e}", (0, eps), (4, 3), xycoords=("axes fraction", "data"))


def _name_steps(axes: Axes, sweeps: list[Sweep]) -> None:
    """Write the checker's step beside its worst star, and above the steps that are lost why they are."""
    worst = max(sweeps, key=lambda sweep: sweep.bound)
    background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}  # the line of eps may run there
    star = (worst.steps[1], worst.bound)
    _write(axes, chosen(worst), star, (-9, 7), color="black", ha="right", bbox=background)
    lost = np.array([(f.step, f.error) for sweep in sweeps for f in sweep.errors if f.source is ErrorSource.LOST])
    if lost.size and np.isfinite(lost).all():
        middle = np.sqrt(lost[:, 0].min() * lost[:, 0].max()), lost[:, 1].max()
        _write(axes, "x + h rounds to x", middle, (0, 6), ha="center")


def _write(axes: Axes, text: str, point: tuple[float, float], offset: tuple[int, int], **how: Any) -> None:
    """Write a text beside a point, so many points on paper from it."""
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **{"color": _GREY, **how})


def _key(chart: Figure, axes: Axes, sweeps: list[Sweep]) -> None:
    star = Line2D([], [], marker="*", linestyle="", color="white", markeredgecolor="black", markersize=13)
    hollow = Line2D([], [], marker="o", linestyle="", color=_GREY, markerfacecolor="white", markersize=5)
    handles, labels = axes.get_legend_handles_labels()
    handles, labels = [*handles, star], [*labels, "the checker's h and error bound"]
    if any(found.source is ErrorSource.UNSEEN for sweep in sweeps for found in sweep.errors):
        handles, labels = [*handles, hollow], [*labels, "no more than that bound"]
    # Outside of the axes, where it can hide no point.
    chart.legend(handles, labels, loc="outside lower center", ncols=min(len(handles), _ENTRIES))


def _guides(chart: Figure, axes: Axes, sweeps: list[Sweep]) -> None:
    """Draw the slopes that theory has, above the points that have them. The last to be drawn: it needs the limits."""
    lines = []
    for source, slope, text in (
        (ErrorSource.TRUNCATION, 2, "truncation, slope 2"),
        (ErrorSource.ROUNDOFF, -1, "roundoff, slope -1"),
    ):
        found = [(f, f.slope) for sweep in sweeps for f in sweep.errors if f.source is source]
        points = [(f.step, f.error) for f, own in found if own is not None and abs(own - slope) < _LIKE]
        if len(points) < _FEWEST:
            continue
        steps, errors = np.array(points).T
        ends = np.array([steps.min(), steps.max()])
        level = _ABOVE * (errors / steps**slope).max() * ends**slope
        axes.plot(ends, level, "--", color=_GREY, linewidth=1, zorder=1)
        lines.append((ends, level, text))
    chart.draw_without_rendering()  # after which the axes have their place, and a line its angle on paper
    for ends, level, text in lines:
        _write_along(axes, ends, level, text)


def _write_along(axes: Axes, steps: Array, errors: Array, text: str) -> None:
    (left, low), (right, high) = axes.transData.transform(np.stack([steps, errors], axis=1))
    angle = np.degrees(np.arctan2(high - low, right - left))
    middle = np.sqrt(steps.prod()), np.sqrt(errors.prod())
    _write(axes, text, middle, (0, 4), rotation=angle, rotation_mode="anchor", ha="center", va="bottom")
