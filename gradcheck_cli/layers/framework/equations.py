"""Faults as equations: a pass is a sequence of named equations, and a fault replaces some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
from gradcheck_cli.numeric.arrays import Array

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


def backward_faults(equations: Equations, faults: Iterable[EquationFault], given: Given) -> Iterator[Fault]:
    """Yield faults of a backward pass, in whose equations the gradient of x is called dx."""
    for fault in faults:

        def gradients(
            inputs: Mapping[str, Array], cotangent: Array, changed: Equations = fault.equations
        ) -> Mapping[str, Array]:
            values = evaluate({**equations, **changed}, given(inputs, cotangent))
            return {name: getattr(values, f"d{name}") for name in inputs if hasattr(values, f"d{name}")}

        yield Fault(fault.code, fault.cause, fault.remedy, gradients)


def forward_faults(
    equations: Equations, faults: Iterable[EquationFault], given: Mapping[str, Any], outputs: Iterable[str]
) -> Iterator[ForwardFault]:
    """Yield faults of a forward pass, among whose equations are those of its `outputs`."""
    for fault in faults:
        values = evaluate({**equations, **fault.equations}, given)
        found = {name: getattr(values, name) for name in outputs}
        yield ForwardFault(fault.code, fault.cause, fault.remedy, found)
