"""An element that is off by far more than the others of its gradient, though by no more than roundings may be.

A fault that is smaller than the tolerance looks like that, and so does an accident of roundings. With other inputs of
the same case, a fault is in its place again.
"""

from __future__ import annotations

from collections.abc import Callable

from gradcheck_cli.checks.comparison import Comparison
from gradcheck_cli.checks.diagnosis.codes import explanation
from gradcheck_cli.checks.run import CaseRun, RunStoppedError, call_passes, make_run
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.results.result import Verdict

#: How many times other inputs are drawn, and by how much their seeds differ.
_TIMES, _APART = 2, 1_000_003


def look_again(run: CaseRun, comparison: Comparison, compared: Callable[[CaseRun], Comparison]) -> Comparison:
    """Check a case with other inputs where an element stands out, and mention one that stands out each time.

    Args:
        run: of which everything passed.
        comparison: its gradients.
        compared: compares those of another run.
    """
    found = _outliers(comparison)
    for time in range(1, _TIMES + 1):
        if not found or run.implementation.given:  # or inputs are those of one call, and no others
            return comparison
        other = replace(run.case, seed=run.case.seed + time * _APART)
        try:
            again = compared(call_passes(make_run(other, run.layer, run.implementation, run.settings)))
        except (RunStoppedError, ImplementationError, NotExpressibleError):
            return comparison
        found &= _outliers(again)
    if not found:
        return comparison
    places = ", ".join(f"{name}{place(index)}" for name, index in sorted(found))
    return replace(comparison, remarks=(*comparison.remarks, explanation("outlier", places=places).diagnosis()))


def _outliers(comparison: Comparison) -> set[tuple[str, tuple[int, ...]]]:
    """Name the elements that stand out of gradients that pass."""
    return {
        (name, result.worst.index)
        for name, result in comparison.gradients.items()
        if result.stands_out and result.worst and result.verdict is Verdict.PASS
    }
