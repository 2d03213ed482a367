"""Shared by losses: a sum of terms, each with a weight, and the gradient of x, a slope with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gradcheck_cli.layers.framework.arrays import as_dtype
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.equations import (
    EquationFault,
    Equations,
    Formula,
    backward_faults,
    evaluate,
    fault,
)
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Guard, Overflow
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: Numbers that people add to a probability, or replace smaller ones by. Larger ones make another loss.
GUARDS = (
    *(float(f"1e-{digits}") for digits in range(5, 21)),
    *(1e-30, 1e-37, 1e-38, 1e-45, 1e-100, 1e-300, 1e-308),
    *(float(number) for kind in (np.float32, np.float64) for number in (np.finfo(kind).eps, np.finfo(kind).tiny)),
)

#: (inputs, parameters) -> what equations start from: x, y, and
#: weights: of the terms; mask: which of them count; divisor: the name of the number that their sum is divided by;
#: divisors: other numbers by name; shape: of dx.
Given = Callable[[Mapping[str, Array], Mapping[str, Any]], dict[str, Any]]


class GuardedTerms(NamedTuple):
    """A loss with a guard, as people write it in several ways."""

    code: str
    cause: str  #: what forward does, with {guard} for the number
    remedy: str
    terms: list[Array]
    slopes: list[Array]  #: that backward may have for each of these terms


#: From the values of equations and a guard.
Guarded = Callable[[Any, float], Iterable[GuardedTerms]]

#: From the values of equations in the dtype under test, and the gradient that was returned, None if it is not finite.
Overflows = Callable[[Any, "Array | None"], Iterable[Overflow]]


def wrong_slopes(remedy: str, *rows: tuple[str, str, Formula]) -> tuple[EquationFault, ...]:
    """Return faults in the slope: code, words and what it is taken for."""
    return tuple(fault(code, words, remedy, slope=slope) for code, words, slope in rows)


def loss_layer(
    case: type[Case],
    function: Callable[..., tuple[Any, Array]],
    *,
    standard: tuple[Case, ...],
    given: Given,
    equations: Equations,
    faults: tuple[EquationFault, ...],
    definition: str,
    loss_faults: Mapping[str, Formula],
    guarded: Guarded = lambda _values, _guard: (),
    overflows: Overflows = lambda _values, _dx: (),
    **declared: Any,
) -> Layer:
    """Declare the layer of a loss.

    Args:
        case: its sizes.
        function: from inputs, and parameters if there are any, to (loss, dx).
        standard: its standard cases.
        given: what equations start from.
        equations: among them `terms`, and `slope` like x.
        faults: in backward.
        definition: of the loss, a sentence.
        loss_faults: wrong losses, by what "the loss" does, a verb first.
        guarded: the loss with a guarded logarithm.
        overflows: why it is infinite or NaN.
        declared: further fields of the layer.
    """
    whole: Equations = {
        "weights": lambda v: v.weights,  # for faults to replace
        **equations,
        "out": lambda v: (v.terms * v.weights).sum(),
        "weighted": lambda v: v.slope * v.weights,
        "dx": lambda v: v.weighted.reshape(v.shape),
    }

    def values(problem: Problem, dtype: Any = None) -> Any:
        inputs = {name: as_dtype(value, dtype) if dtype else value for name, value in problem.inputs.items()}
        return evaluate(whole, given(inputs, problem.parameters or {}))

    def in_backward(_case: Case, problem: Problem) -> Iterator[Fault]:
        return backward_faults(whole, faults, lambda inputs, _: given(inputs, problem.parameters or {}))

    def in_forward(_case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
        v = values(problem)
        total, right = (v.terms * v.mask).sum(), v.divisors[v.divisor]
        wrong = {} if right == 1 else {f"is a sum: it is not divided by {v.divisor}": total}
        for number in dict.fromkeys(v.divisors.values()):
            names = " or ".join(name for name, own in v.divisors.items() if own == number)
            if number not in {1, right}:
                wrong[f"is divided by {names} = {number}, not by {v.divisor}"] = total / number
        for words, out in (wrong | {words: formula(v) for words, formula in loss_faults.items()}).items():
            yield ForwardFault("loss-wrong", f"The loss {words}.", definition, {"out": np.asarray(out)})

    def guards(problem: Problem) -> Iterator[Guard]:
        rounded, v = problem.inputs["x"].dtype.type, values(problem, problem.expected.dtype)
        for guard in GUARDS:
            if not (e := float(rounded(guard))):
                continue  # it disappears in this dtype
            with np.errstate(divide="ignore"):
                found = [*guarded(v, e)]
            for code, cause, remedy, several, slopes in found:
                gradients = {"x": [(slope * v.weights).reshape(v.shape) for slope in slopes]}
                for terms in several:
                    out = np.asarray((np.where(v.mask, terms, 0) * v.weights).sum())
                    text = cause.format(guard=f"{guard:g}")
                    yield Guard(code=code, cause=text, remedy=remedy, out=out, gradients=gradients)

    return Layer(
        case=case,
        builtin={"vectorized": (function,)},
        standard=lambda: standard,
        loss=True,
        sums=False,
        faults=in_backward,
        forward_faults=in_forward,
        guards=guards,
        overflows=lambda problem, gradients: overflows(values(problem), gradients.get("x")),
        **declared,
    )
