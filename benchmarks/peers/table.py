"""The figures as a table, and the two sentences that they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.peers.child import SEEDS
from benchmarks.peers.tools import FAIL, OURS, PASS, SLOW

if TYPE_CHECKING:
    from benchmarks.peers.parent import Outcome

NOTES = """\
memory: the peak, above what one forward and one backward pass hold. forward, backward: calls in one check.
smallest fault: 1e-k if dx off by that share in one element is caught in every element tried, and 1e-(k+1) is not.
at 1e-3: in how many elements, of those tried, that fault is caught. false alarm: the right gradients are rejected.
gradcheck slow compares the Jacobian, the other tools its product with one cotangent."""

HEADER = ("tool", "coverage", "time", "x ours", "memory", "forward", "backward", "smallest fault", "at 1e-3")


def table(outcomes: Sequence[Outcome]) -> str:
    """Lay out the outcomes of one case."""
    ours = next((o.figures.seconds for o in outcomes if o.tool == OURS and o.figures), None)
    rows = [HEADER, *(_row(outcome, ours) for outcome in outcomes)]
    # A failure stands alone in its line and may run over the columns.
    full = [row for row in rows if len(row) == len(HEADER)]
    widths = [max(len(row[column]) for row in full) for column in range(len(HEADER))]
    widths[0] = max(len(row[0]) for row in rows)
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    words = zip(row, widths, strict=False)
    return "  ".join(
        word.ljust(width) if i < 2 else word.rjust(width) for i, (word, width) in enumerate(words)
    ).rstrip()


def _row(outcome: Outcome, ours: float | None) -> tuple[str, ...]:
    figures = outcome.figures
    if figures is None:
        return outcome.tool, outcome.failure or "ended without a word"
    return (
        outcome.tool,
        figures.coverage,
        _seconds(figures.seconds),
        _ratio(figures.seconds / ours) if ours else "-",
        f"{figures.memory / 2**20:.1f} MB",
        f"{figures.forward_calls:,}",
        f"{figures.backward_calls:,}",
        _smallest(outcome),
        "-" if figures.common is None else f"{figures.common} of {figures.seeds}",
    )


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def _smallest(outcome: Outcome) -> str:
    figures = outcome.figures
    assert figures is not None
    if figures.verdict == FAIL:
        return "false alarm"
    if figures.smallest is None:
        return outcome.failure or "-"
    word = f"1e-{figures.smallest}" if figures.smallest else "over 1e-1"
    word += "" if figures.seeds == SEEDS else f" ({figures.seeds} seed{'s' * (figures.seeds > 1)})"
    return word if figures.verdict == PASS else f"{word}, {figures.verdict}"


def sentences(outcomes: Sequence[Outcome], label: str) -> str:
    """Compare convcheck with gradcheck's slow mode, which sees every element too."""
    ours, slow = (next((o for o in outcomes if o.tool == tool), None) for tool in (OURS, SLOW))
    if ours is None or slow is None or ours.figures is None or slow.figures is None:
        return f"Not compared: {OURS} and {SLOW} did not both finish {label}."
    times = _ratio(slow.figures.seconds / ours.figures.seconds)
    return (
        f"At {label}, {OURS} checks every element in {_seconds(ours.figures.seconds)} and {SLOW} in "
        f"{_seconds(slow.figures.seconds)}: {times} times faster at equal coverage.\n"
        f"The smallest relative fault in a single element that is caught there is {_smallest(ours)} for {OURS} and "
        f"{_smallest(slow)} for {SLOW}."
    )
