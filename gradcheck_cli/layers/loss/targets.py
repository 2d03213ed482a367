"""Shared by losses that compare x with targets y element by element: a sum of terms, divided by a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random
from typing import Any, ClassVar

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.arrays import draw_inputs
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Guard
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.layers.loss.guarded import GUARDS
from gradcheck_cli.numeric.arrays import Array

Param = Mapping[str, Any]
#: (x, y, parameters) -> an array like x.
Terms = Callable[[Array, Array, Param], Array]


@frozen
class DividedCase(Case):
    """A loss over samples that is a sum, divided by a number."""

    passed: ClassVar[tuple[str, ...]] = ("divisor",)

    N: int = size(4, "samples")
    divisor: str = choice("N", "by which the sum is divided", "1")


@frozen
class TargetsCase(DividedCase):
    """Sizes of a loss: x and its targets y (N, D)."""

    axes = declare(x="N D", y="N D", out="")

    D: int = size(3, "numbers of a sample")


def draw_probabilities(source: Random, shape: tuple[int, int]) -> Array:
    """Draw rows whose sums are 1, and of which no number is far smaller than the others."""
    weights = drawn(source, shape, (0.3, 1.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def divisor_of(x: Array, param: Param) -> Any:
    """Return the number that a sum over elements of x is divided by, in its dtype."""
    return x.dtype.type(_divisors(x)[param["divisor"]])


def _divisors(x: Array) -> dict[str, int]:
    return {"ND": x.size, "NC": x.size, "N": len(x), "2ND": 2 * x.size, "2N": 2 * len(x), "1": 1, "2": 2}


@frozen
class TargetLoss:
    """A loss that is a sum of terms, one for each element of x."""

    case: type[Case]
    function: Callable[..., tuple[Any, Array]]  #: (x, y, parameters) -> (loss, dx)
    standard: tuple[Case, ...]
    terms: Terms
    slopes: tuple[tuple[str, str, Terms], ...]  #: wrong ones: code, words, and the slope
    remedy: str  #: for each of them
    losses: Mapping[str, Terms]  #: wrong terms, by what "the loss" does, a verb first
    definition: str  #: of the loss, a sentence
    #: (x, y, parameters, e) -> terms with a logarithm that is guarded by e, and their slope.
    guarded: Callable[[Array, Array, Param, float], tuple[list[Array], list[Array]]] | None = None
    draw: Callable[[Any, Random], Mapping[str, Array]] = draw_inputs
    probe_cases: tuple[Case, ...] = ()

    def faults(self, case: Case, _problem: Problem) -> Iterator[Fault]:
        """Yield wrong slopes."""
        for code, words, slope in self.slopes:
            yield Fault(code, f"In {{names}} {words}.", self.remedy, partial(_with_slope, slope, case.settings))

    def forward_faults(self, case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
        """Yield wrong losses: divided by another number, and those of the layer."""
        x, y = problem.inputs.values()
        right, total = divisor_of(x, case.settings), self.terms(x, y, case.settings).sum()
        for name, number in _divisors(x).items():
            if number not in {1, right} and name != ("ND" if "C" in case.geometry else "NC"):
                cause = f"The loss is divided by {name} = {number}, not by {case.settings['divisor']} = {right:g}."
                yield ForwardFault("loss-wrong", cause, self.definition, {"out": np.asarray(total / number)})
        wrong = (
            {"is a sum: it is not divided": lambda *_: self.terms(x, y, case.settings) * right} if right != 1 else {}
        )
        for words, terms in {**wrong, **self.losses}.items():
            out = np.asarray(terms(x, y, case.settings).sum() / right)
            yield ForwardFault("loss-wrong", f"The loss {words}.", self.definition, {"out": out})

    def guards(self, problem: Problem) -> Iterator[Guard]:
        """Yield the loss with a guarded logarithm."""
        param, dtype = problem.parameters or {}, problem.inputs["x"].dtype
        x, y = (v.astype(problem.expected.dtype) if v.dtype.kind == "f" else v for v in problem.inputs.values())
        count = divisor_of(x, param)
        for guard in GUARDS if self.guarded else ():
            e = float(dtype.type(guard))
            if not e or not self.guarded:
                continue  # it disappears in this dtype
            several, slopes = self.guarded(x, y, param, e)
            for terms in several:
                yield Guard(
                    code="guarded-logarithm",
                    cause=f"Forward guards its logarithm by {guard:g}",
                    remedy="It bounds the loss, and the slope where a probability is near 0.",
                    out=np.asarray(terms.sum() / count),
                    gradients={"x": [slope / count for slope in slopes]},
                )

    def layer(self) -> Layer:
        """Make the layer."""
        return Layer(
            case=self.case,
            builtin={"vectorized": (self.function,)},
            standard=lambda: self.standard,
            param="loss_param",
            loss=True,
            constants=("y",),
            draw=self.draw,
            sums=False,
            probe_cases=self.probe_cases,
            faults=self.faults,
            forward_faults=self.forward_faults,
            guards=self.guards,
        )


def _with_slope(slope: Terms, param: Param, inputs: Mapping[str, Array], _: Array) -> dict[str, Array]:
    x, y = inputs.values()
    return {"x": np.asarray(slope(x, y, param) / divisor_of(x, param))}
