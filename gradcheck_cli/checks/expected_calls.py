"""The calls that a case makes if it passes: nearly all are known before the first of them.

Code in another process then makes them without being asked for each, while its answers are judged here.
"""

from __future__ import annotations

from gradcheck_cli.checks.differentiation import steps_in_wider_dtype, wide_inputs
from gradcheck_cli.checks.exactness import steps_at_integers
from gradcheck_cli.checks.other_calls import OtherCalls
from gradcheck_cli.checks.run import CaseRun, first_steps
from gradcheck_cli.checks.same_function import Line, may_be_reference, remember_reference
from gradcheck_cli.checks.small_case import is_large
from gradcheck_cli.data.frozen import replace


def expect_case(run: CaseRun) -> CaseRun:
    """Have the calls of a case made, and meanwhile differentiate the reference; return the run with these calls."""
    problem, expect = run.problem, run.calls.expect
    if expect is None or not problem.reference or problem.cache_optional or is_large(problem):
        return run
    steps, others, is_compared = first_steps(run), OtherCalls(run.problem, run.settings), may_be_reference(run)
    if is_compared:
        steps += [*steps_in_wider_dtype(run), *Line(run, wide_inputs(problem)).steps(is_curved=not run.layer.sums)]
    steps += others.steps(len(steps), only_once=False)
    if is_compared:
        steps += steps_at_integers(run, len(steps))
    expect(steps)
    if is_compared:
        remember_reference(run)
    return replace(run, others=others)
