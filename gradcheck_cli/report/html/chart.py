"""The error of plain differences of an element against the step, as a chart."""

from __future__ import annotations

import math
from collections.abc import Callable

from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.report.html.elements import Html, el
from gradcheck_cli.report.style import figure
from gradcheck_cli.results.result import ArrayResult, CaseResult
from gradcheck_cli.results.step_sweep import ErrorSource, Sweep

#: The picture, and what is left free around the plot for labels.
_WIDTH, _HEIGHT = 400, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 38

#: Where an error is too small to be drawn.
_LEAST = 1e-20


def charts(result: CaseResult) -> list[Html]:
    """Draw the sweep of the worst element of each wrong gradient for which there is one."""
    eps = epsilon(result.case.dtype)
    return [
        _figure(result.gradients[name], sweep, eps)
        for name, sweep in result.sweeps.items()
        if name in result.gradients and (sweep.sampled == 1 and sweep.errors)
    ]


def _figure(array: ArrayResult, sweep: Sweep, eps: float) -> Html:
    index = ", ".join(map(str, array.worst.index)) if array.worst else ""
    usable = [each for each in sweep.errors if math.isfinite(each.error) and each.source is not ErrorSource.LOST]
    lines = {"allowed": array.tolerance * eps, "returned": (array.scaled_error or 0.0) * eps}
    about = "No difference is finite."
    if usable:
        best = min(usable, key=lambda each: each.error)
        about = (
            f"With h = {_short(best.step)} the difference is off by {figure(max(best.error, sweep.bound))} of the "
            f"element's scale; {array.name} as it was returned is off by {figure(lines['returned'])}."
        )
    return el(
        "figure",
        el("figcaption", el("b", f"{array.name}[{index}]"), el("span", about, class_="note")),
        _svg(array.name, sweep, lines, f"Error of plain differences against the step h. {about}"),
        class_="chart",
    )


def _short(step: float) -> str:
    return f"{step:.2g}".replace("e-0", "e-")


def _svg(name: str, sweep: Sweep, lines: dict[str, float], label: str) -> Html:
    points = [
        (each.step, max(each.error, sweep.bound, _LEAST))
        for each in sweep.errors
        if math.isfinite(each.error) and each.source is not ErrorSource.LOST
    ]
    heights = [error for _, error in points] + [value for value in lines.values() if _LEAST < value < math.inf]
    low, high = math.floor(math.log10(min(heights))), math.ceil(math.log10(max(heights)) + 0.3)
    steps = [math.log10(each.step) for each in sweep.errors]
    left, right = math.floor(min(steps)), math.ceil(max(steps))

    def x(step: float) -> float:
        return _LEFT + (math.log10(step) - left) / max(1, right - left) * (_WIDTH - _LEFT - _RIGHT)

    def y(error: float) -> float:
        return _TOP + (high - math.log10(error)) / max(1, high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [*_horizontal(low, high, y), *_vertical(left, right, x)]
    for kind, value in lines.items():
        if _LEAST < value < math.inf:
            at, words = f"{y(value):.1f}", f"{name} as returned" if kind == "returned" else "allowed"
            parts.append(el("line", class_=kind, x1=_LEFT, x2=_WIDTH - _RIGHT, y1=at, y2=at))
            parts.append(el("text", words, class_=f"{kind} end", x=_WIDTH - _RIGHT - 4, y=f"{y(value) - 5:.1f}"))
    parts.append(el("polyline", class_="errors", points=" ".join(f"{x(h):.1f},{y(e):.1f}" for h, e in points)))
    parts += [el("circle", class_="errors", cx=f"{x(h):.1f}", cy=f"{y(e):.1f}", r=2.5) for h, e in points]
    parts.append(el("text", "step h", class_="middle", x=(_LEFT + _WIDTH - _RIGHT) // 2, y=_HEIGHT - 4))
    size = f"0 0 {_WIDTH} {_HEIGHT}"
    return el("svg", *parts, class_="plot", viewBox=size, width=_WIDTH, height=_HEIGHT, role="img", aria_label=label)


def _horizontal(low: int, high: int, y: Callable[[float], float]) -> list[Html]:
    """Draw a line and a label for about five powers of ten."""
    found: list[Html] = []
    for power in range(low, high + 1, max(1, math.ceil((high - low) / 5))):
        at = y(10.0**power)
        found.append(el("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=f"{at:.1f}", y2=f"{at:.1f}"))
        found.append(el("text", f"1e{power}" if power else "1", class_="end", x=_LEFT - 6, y=f"{at + 3.5:.1f}"))
    return found


def _vertical(left: int, right: int, x: Callable[[float], float]) -> list[Html]:
    found: list[Html] = []
    for power in range(left, right + 1, 3):
        at = x(10.0**power)
        found.append(el("line", class_="grid", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=_TOP, y2=_HEIGHT - _BOTTOM))
        words = f"1e{power}" if power else "1"
        found.append(el("text", words, class_="middle", x=f"{at:.1f}", y=_HEIGHT - _BOTTOM + 17))
    return found
