"""The verdict on a gradient that was compared along random directions, and in some elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Elements, figures, judge_elements, uncompared, unravel, why_undecided
from gradcheck_cli.checks.form import Subject
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.rounding import root_mean_square
from gradcheck_cli.results.result import ArrayResult, Verdict, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.numeric.projected import Projection


def compare_projection(
    subject: Subject, projection: Projection, settings: Settings, *, exact: bool = False
) -> ArrayResult:
    """Judge a gradient of the right form by its projection.

    It is wrong if a single element is found to be wrong. It is right if it agrees along all directions and an error as
    large as a typical element would have shown in them, or would have shown at small integers, where it is exact.
    """
    gradient, expected = np.asarray(subject.array), projection.estimate
    analytic = gradient.reshape(-1)[projection.elements].astype(expected.value.dtype)
    elements = judge_elements(analytic, expected, subject.dtype, settings)
    drawn = int(elements.wrong[: projection.sampled].sum())
    located = sorted(set(projection.elements[elements.wrong].tolist()))
    wrong_at = _place(subject, projection, elements, drawn) if located else None
    if located:
        share = _count(subject, projection, drawn, len(located))
        reason: str | None = f"is wrong in {share}" + (f": {wrong_at}" if wrong_at else "")
    else:
        reason = _doubt(projection, elements, gradient, why_undecided(expected, settings), exact=exact)
    verdict = Verdict.FAIL if located else Verdict.INCONCLUSIVE if reason else Verdict.PASS
    return replace(
        uncompared(subject, settings, verdict, reason and f"{subject.name} {reason}", expected),
        **figures(gradient, expected, elements, unravel(int(projection.elements[elements.worst]), gradient.shape)),
        floor=projection.floor,
        wrong=WrongElements(count=len(located), of=gradient.size, where=wrong_at),
    )


def _count(subject: Subject, projection: Projection, drawn: int, located: int) -> str:
    """Say how many elements are wrong, as far as that is known."""
    if 2 * drawn >= projection.sampled:
        return f"{drawn} of {projection.sampled} elements drawn at random"
    return f"{'' if projection.all_located else 'at least '}{located} of {int(np.prod(subject.shape))} elements"


def _doubt(projection: Projection, elements: Elements, gradient: Array, undecided: str, *, exact: bool) -> str | None:
    """Say why a gradient without a wrong element may be wrong, or None."""
    if not projection.agrees:
        return "disagrees with derivatives along random directions, but in no single element that was found"
    if elements.undecided.any():
        return f"could not be decided: {undecided}"
    if not (exact or projection.floor <= root_mean_square(gradient)):
        return "agrees along random directions, in which a lost element need not show; --method colored sees all"
    return None


def _place(subject: Subject, projection: Projection, elements: Elements, drawn: int) -> str | None:
    if drawn == projection.sampled:
        return "everywhere"
    first, *others = projection.elements[elements.wrong]
    at = place(unravel(int(first), subject.shape))
    if projection.all_located and set(others) <= {first}:
        return f"at {at}"
    if projection.common_slice:
        return f"in [{', '.join(':' if index is None else str(index) for index in projection.common_slice)}]"
    return f"{at} among them"
