"""Cases times implementations, to a stream of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.sweep import sweep_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.layer import Case
    from gradcheck_cli.result import CaseResult, StepSweep


def run(cases: Iterable[Case], implementations: Sequence[Implementation], settings: Settings) -> Iterator[CaseResult]:
    """Check every case of every implementation, each result as soon as it is there.

    Args:
        cases: gone through once for each implementation.
        implementations: whose code is checked.
        settings: how strictly and by which method.
    """
    for implementation in implementations:
        for case in cases:
            yield check_case(case, implementation, settings)


def sweep(cases: Iterable[Case], implementations: Sequence[Implementation], settings: Settings) -> Iterator[StepSweep]:
    """Sweep every case of every implementation through the steps of differences, as `run` checks them."""
    for implementation in implementations:
        for case in cases:
            yield sweep_case(case, implementation, settings)
