"""A forward with a guard, as in log(p + 1e-12): right as it is, and with the gradient of the loss without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Subject, compare
from gradcheck_cli.checks.forward import expected_output
from gradcheck_cli.checks.reference import expected_gradient, reference_gradients, subject_of
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.result import Diagnosis, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.checks.gradients import Gradients
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.fault import Guard
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import ArrayResult


@frozen
class GuardedForward:
    """A forward that is the reference with a guard."""

    guard: Guard
    result: ArrayResult  #: the output held against the reference with the guard


#: How much nearer the output must be to the reference with a guard than without, where it is near enough to both.
_NEARER = 4.0


def find_guard(
    out: object, forward: ArrayResult | None, layer: Layer, problem: Problem, dtype: str, settings: Settings
) -> GuardedForward | None:
    """Find the guard with which the reference reproduces forward to roundoff, and better than without; None without.

    A guard of 1e-15 may disappear in the roundings of a loss, and still be seen in its derivative.
    """
    if forward is None or forward.worst is None or not isinstance(out, np.ndarray) or out.shape != ():
        return None
    whole = expected_output(problem, out)

    def apart(value: Array) -> float:
        return float(abs(out - value))

    guards: dict[str, list[Guard]] = {}
    with np.errstate(all="ignore"):
        for guard in layer.guards(problem):
            guards.setdefault(guard.code, []).append(guard)
        for alike in guards.values():  # the commonest kind that fits; where scores are far apart several do
            guard = min(alike, key=lambda one: np.nan_to_num(apart(one.out), nan=np.inf))
            subject = Subject(name=forward.name, array=out, dtype=dtype, shape=())
            result = compare(subject, replace(whole, value=guard.out), settings)
            if result.verdict is Verdict.PASS and _NEARER * apart(guard.out) < apart(whole.value):
                return GuardedForward(guard=guard, result=result)
    return None


def judge_guarded(
    found: Gradients,
    returned: Mapping[str, object],
    guarded: GuardedForward,
    layer: Layer,
    problem: Problem,
    dtype: str,
    settings: Settings,
) -> Gradients:
    """Pass gradients that are those of the forward without the guard, beside the derivatives with it.

    What is neither is held against the gradient without the guard: its causes are found there.
    """
    results, derivatives = dict(found.results), dict(found.derivatives)
    left_out = False
    reference = reference_gradients(layer, problem, dtype)
    for name, numeric in found.derivatives.items():
        if found.results[f"d{name}"].verdict is Verdict.PASS:
            continue
        other = guarded.guard.gradients.get(name)
        for value in (reference[name], *(() if other is None else (other,))):
            expected = expected_gradient(value, numeric)
            result = compare(subject_of(name, returned, problem, dtype), expected, settings)
            if result.verdict is Verdict.PASS:
                left_out = True
                results[f"d{name}"], derivatives[name] = result, expected
                break
        else:
            if found.results[f"d{name}"].verdict is Verdict.FAIL:
                expected = expected_gradient(reference[name], numeric)
                result = compare(subject_of(name, returned, problem, dtype), expected, settings)
                results[f"d{name}"], derivatives[name] = result, expected
    guard = guarded.guard
    gradient = ", which the gradient leaves out." if left_out else "."
    remark = Diagnosis(code=guard.code, text=f"{guard.cause}{gradient} {guard.remedy}")
    # Where the guard caps every loss, forward does not depend on the scores; that is in the remark.
    return replace(found, results=results, derivatives=derivatives, ignored=(), remarks=(remark,))
