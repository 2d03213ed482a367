"""Faults of a layer, as hypotheses to compare with what an implementation returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
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


class Overflow(NamedTuple):
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
        cause = f"exp overflows or underflows in {x.dtype}: the largest score is not subtracted."
        yield Overflow("exp-overflow", cause, f"Subtract the largest score of each sample before exp: {harmless}.")


#: Equations of a pass in their order: by the name of a value the Python expression of it, as `dx` and "dout * slope".
Equations = Mapping[str, str]

#: From inputs by name and a cotangent to the values that the equations of a backward pass start from.
Given = Callable[[Mapping[str, Array], Array], Mapping[str, Any]]


class EquationFault(NamedTuple):
    """A fault that replaces equations."""

    code: str
    cause: str  #: a sentence, as in `Fault` and `ForwardFault`
    remedy: str  #: a sentence
    equations: Equations  #: each replaces the right one of its name


def equations(text: str) -> Equations:
    """Read equations such as `dx = dout * slope`, one in each line or apart by semicolons."""
    lines = (line.strip() for line in text.replace(";", "\n").splitlines())
    return dict(line.split(" = ", 1) for line in lines if line)


def fault(code: str, words: str, remedy: str, wrong: str) -> EquationFault:
    """Return a fault whose cause begins with the gradients, or outputs, in which `words` are wrong: "In dx ..."."""
    return EquationFault(code, f"In {{names}} {words}.", remedy, equations(wrong))


def fault_table(remedy: str, *rows: tuple[str, str, str]) -> tuple[EquationFault, ...]:
    """Return faults that have one remedy: code, words and wrong equations of each."""
    return tuple(fault(code, words, remedy, wrong) for code, words, wrong in rows)


def row_sum(array: Array) -> Array:
    """Sum each row of an array (R, C), (R, 1)."""
    return np.asarray(array.sum(axis=1, keepdims=True))


_compiled = lru_cache(maxsize=None)(partial(compile, filename="<equation>", mode="eval"))


def evaluate(equations: Equations, given: Mapping[str, Any]) -> Any:
    """Evaluate equations in their order, and return all values as attributes."""
    values = {"np": np, "row_sum": row_sum, **given}
    for name, expression in equations.items():
        values[name] = eval(_compiled(expression), values)  # noqa: S307  # layers wrote it
    return SimpleNamespace(**values)


def replaced_in_backward(equations: Equations, faults: Iterable[EquationFault], given: Given) -> Iterator[Fault]:
    """Yield faults of a backward pass, in whose equations the gradient of x is called dx."""

    def gradients(wrong: Equations, inputs: Gradients, cotangent: Array) -> Gradients:
        values = vars(evaluate({**equations, **wrong}, given(inputs, cotangent)))
        return {name: values[f"d{name}"] for name in inputs if f"d{name}" in values}

    for code, cause, remedy, wrong in faults:
        yield Fault(code, cause, remedy, partial(gradients, wrong))


def replaced_in_forward(
    equations: Equations, faults: Iterable[EquationFault], given: Mapping[str, Any], outputs: Iterable[str] = ("out",)
) -> Iterator[ForwardFault]:
    """Yield faults of a forward pass, among whose equations are those of its `outputs`."""
    for code, cause, remedy, wrong in faults:
        values = vars(evaluate({**equations, **wrong}, given))
        yield ForwardFault(code, cause, remedy, {name: values[name] for name in outputs})
