"""The verdict on a gradient that was compared along random directions, and in some elements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Subject, doubt, judge_elements, noisy, unravel, with_numbers
from gradcheck_cli.checks.where import place
from gradcheck_cli.numeric.rounding import root_mean_square
from gradcheck_cli.results.result import Verdict, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.checks.comparison import Elements
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.numeric.projected import Projection
    from gradcheck_cli.results.result import ArrayResult


def compare_projection(subject: Subject, projection: Projection, settings: Settings) -> ArrayResult:
    """Judge a gradient of the right form by its projection.

    It is wrong if a single element is found to be wrong. It is right if it agrees along all directions and an error as
    large as a typical element would have shown in them.
    """
    gradient = np.asarray(subject.array)
    expected = replace(projection.estimate, doubt=noisy(projection.estimate.noise))
    analytic = gradient.reshape(-1)[projection.elements].astype(expected.value.dtype)
    found = judge_elements(analytic, expected, subject.dtype, settings)
    size = root_mean_square(gradient)
    verdict, reason, wrong = _verdict(subject, projection, found, size, doubt(expected, settings))
    return with_numbers(
        subject,
        expected,
        settings,
        found,
        verdict=verdict,
        reason=reason,
        index=unravel(int(projection.elements[found.worst]), gradient.shape),
        wrong=wrong,
        floor=projection.floor,
    )


def _verdict(
    subject: Subject, projection: Projection, found: Elements, size: float, doubt: str
) -> tuple[Verdict, str | None, WrongElements]:
    name, of = subject.name, int(np.prod(subject.shape))
    drawn, count = int(found.wrong[: projection.sampled].sum()), len(set(projection.elements[found.wrong].tolist()))
    nothing = WrongElements(count=0, of=of, where=None)
    if count:
        where = _where(subject, projection, found, drawn)
        if 2 * drawn >= projection.sampled:
            share = f"{drawn} of {projection.sampled} elements drawn at random"
        else:
            share = f"{count if projection.all_located else f'at least {count}'} of {of} elements"
        reason = f"{name} is wrong in {share}" + (f": {where}" if where else "")
        return Verdict.FAIL, reason, WrongElements(count=count, of=of, where=where)
    if not projection.agrees:
        reason = f"{name} disagrees with derivatives along random directions, but in no single element that was found"
        return Verdict.INCONCLUSIVE, reason, nothing
    if found.undecided.any():
        return Verdict.INCONCLUSIVE, f"{name} could not be decided: {doubt}", nothing
    if not projection.floor <= size:
        reason = (
            f"{name} agrees along random directions, in which a lost element need not show; --method colored sees all"
        )
        return Verdict.INCONCLUSIVE, reason, nothing
    return Verdict.PASS, None, nothing


def _where(subject: Subject, projection: Projection, found: Elements, drawn: int) -> str | None:
    if drawn == projection.sampled:
        return "everywhere"
    if projection.all_located and len(set(projection.elements[found.wrong].tolist())) == 1:
        return f"at {place(unravel(int(projection.elements[found.wrong][0]), subject.shape))}"
    if projection.common_slice:
        return f"in [{', '.join(':' if index is None else str(index) for index in projection.common_slice)}]"
    first = unravel(int(projection.elements[found.wrong][0]), subject.shape)
    return f"{place(first)} among them"
