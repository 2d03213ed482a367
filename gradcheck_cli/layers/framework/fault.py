"""Faults of a layer, as hypotheses to compare with what an implementation returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.numeric.arrays import Array

#: Arrays by the name of the input that they are, or whose gradients they are.
Gradients = Mapping[str, Array]
#: (inputs, cotangent) -> gradients.
Backward = Callable[[Gradients, Array], Gradients]


class Fault(NamedTuple):
    """A fault of a backward pass."""

    code: str  #: in kebab-case; `causes.toml` describes them all
    cause: str  #: a sentence about {names}, which {be} as they are
    remedy: str  #: a sentence
    #: Returns the gradients with the fault, in whatever shape they have. Every element is a sum of products, each with
    #: the factor 1, so that of absolute values it is the scale of roundoff.
    gradients: Backward


class ForwardFault(NamedTuple):
    """A fault of a forward pass."""

    code: str  #: in kebab-case; `causes.toml` describes them all
    cause: str  #: a sentence about {names}, the outputs that it explains, which {be} as they are
    remedy: str  #: a sentence
    outputs: Mapping[str, Array]  #: with the fault, by name; those that it does not reach are left out


@frozen
class Observed:
    """The outputs and gradients of an implementation in a case, in the working dtype."""

    out: Array
    derivatives: Mapping[str, Array]  #: of its own forward, where they were computed, by the input's name
    gradients: Mapping[str, Array]  #: that its backward returned, by the input's name


@frozen
class Guard:
    """A small number that keeps forward where it is defined, as in log(p + 1e-12)."""

    code: str  #: in kebab-case; `causes.toml` describes them all
    cause: str  #: what forward does, a sentence without its end
    remedy: str  #: a sentence
    out: Array  #: what forward returns with it
    #: What backward may also return, beside the derivatives with it and without it.
    gradients: Mapping[str, Sequence[Array]]


@frozen
class Overflow:
    """Why an output is infinite or NaN, though the right one is finite."""

    code: str  #: in kebab-case; `causes.toml` describes them all
    cause: str  #: a sentence
    remedy: str  #: a sentence


def exp_overflow(x: Array, harmless: str) -> Iterator[Overflow]:
    """Yield the cause if exp of some scores is infinite, or 0 for all scores of a row.

    Args:
        x: scores (R, C) in the dtype under test.
        harmless: what subtracting the largest score of a row leaves as it is, as the end of a sentence.
    """
    with np.errstate(all="ignore"):
        exps = np.exp(x)
        overflows = np.isinf(exps).any() or (exps.sum(axis=1) == 0).any()
    if overflows:
        yield Overflow(
            code="exp-overflow",
            cause=f"exp overflows or underflows in {x.dtype}: the largest score is not subtracted.",
            remedy=f"Subtract the largest score of each sample before exp: {harmless}.",
        )


#: From the values that are given, and those of the equations before it, to a value.
Formula = Callable[[Any], Any]
Equation = Formula | float | tuple[Any, ...]
Equations = Mapping[str, Equation]

#: From inputs by name and a cotangent to the values that the equations of a backward pass start from.
Given = Callable[[Mapping[str, "Array"], "Array"], Mapping[str, Any]]


@dataclass(frozen=True)
class EquationFault:
    """A fault that replaces equations."""

    code: str
    cause: str  #: a sentence, as in `Fault` and `ForwardFault`
    remedy: str  #: a sentence
    equations: Equations  #: each replaces the right one of its name


def fault(code: str, words: str, remedy: str, **equations: Equation) -> EquationFault:
    """Return a fault whose cause begins with the gradients, or outputs, in which `words` are wrong: "In dx ..."."""
    return EquationFault(code, f"In {{names}} {words}.", remedy, equations)


def evaluate(equations: Equations, given: Mapping[str, Any]) -> Any:
    """Evaluate equations in their order, and return all values as attributes."""
    values = SimpleNamespace(**given)
    for name, equation in equations.items():
        setattr(values, name, equation(values) if callable(equation) else equation)
    return values


def replaced_in_backward(equations: Equations, faults: Iterable[EquationFault], given: Given) -> Iterator[Fault]:
    """Yield faults of a backward pass, in whose equations the gradient of x is called dx."""
    for fault in faults:

        def gradients(
            inputs: Mapping[str, Array], cotangent: Array, changed: Equations = fault.equations
        ) -> Mapping[str, Array]:
            values = evaluate({**equations, **changed}, given(inputs, cotangent))
            return {name: getattr(values, f"d{name}") for name in inputs if hasattr(values, f"d{name}")}

        yield Fault(fault.code, fault.cause, fault.remedy, gradients)


def replaced_in_forward(
    equations: Equations, faults: Iterable[EquationFault], given: Mapping[str, Any], outputs: Iterable[str]
) -> Iterator[ForwardFault]:
    """Yield faults of a forward pass, among whose equations are those of its `outputs`."""
    for fault in faults:
        values = evaluate({**equations, **fault.equations}, given)
        found = {name: getattr(values, name) for name in outputs}
        yield ForwardFault(fault.code, fault.cause, fault.remedy, found)
