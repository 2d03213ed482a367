"""Shared by losses: a sum of terms, each with a weight, and the gradient of x, a slope with the same weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, NamedTuple, Self

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import (
    EquationFault,
    Fault,
    ForwardFault,
    Guard,
    Overflow,
    equations,
    evaluate,
    fault_table,
    replaced_in_backward,
)
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem, as_dtype
from gradcheck_cli.layers.framework.text_parameters import real
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
    """A loss with a guard, as people write it in several ways: two expressions of lists, in which `e` is the guard."""

    terms: str
    slopes: str  #: that backward may have for each of these terms
    code: str = "guarded-logarithm"
    cause: str = "Forward guards its logarithm by {guard}"
    remedy: str = "It bounds the loss, and the slope where a probability is near 0."  #: {bound} is -log e


#: From the values of equations in the dtype under test, and the gradient that was returned, None if it is not finite.
Overflows = Callable[[Any, "Array | None"], Iterable[Overflow]]


def wrong_slopes(remedy: str, *rows: tuple[str, str, str]) -> tuple[EquationFault, ...]:
    """Return faults in the slope: code, words and what it is taken for."""
    return fault_table(remedy, *((code, words, f"slope = {slope}") for code, words, slope in rows))


def loss_layer(
    case: type[Case],
    function: Callable[..., tuple[Any, Array]],
    *,
    standard: tuple[Case, ...],
    given: Given,
    formulas: str,
    faults: tuple[EquationFault, ...],
    definition: str,
    loss_faults: Mapping[str, str],
    guarded: tuple[GuardedTerms, ...] = (),
    overflows: Overflows = lambda _values, _dx: (),
    **declared: Any,
) -> Layer:
    """Declare the layer of a loss.

    Args:
        case: its sizes.
        function: from inputs, and parameters if there are any, to (loss, dx).
        standard: its standard cases.
        given: what equations start from.
        formulas: equations, among them `terms`, and `slope` like x.
        faults: in backward.
        definition: of the loss, a sentence.
        loss_faults: wrong losses, by what "the loss" does, a verb first.
        guarded: the loss with a guarded logarithm.
        overflows: why it is infinite or NaN.
        declared: further fields of the layer.
    """
    whole = equations(f"""
        weights = weights
        {formulas}
        out = (terms * weights).sum()
        weighted = slope * weights
        dx = weighted.reshape(shape)
    """)

    def values(problem: Problem, dtype: Any = None) -> Any:
        inputs = {name: as_dtype(value, dtype) if dtype else value for name, value in problem.inputs.items()}
        return evaluate(whole, given(inputs, problem.parameters or {}))

    def in_backward(_case: Case, problem: Problem) -> Iterator[Fault]:
        return replaced_in_backward(whole, faults, lambda inputs, _: given(inputs, problem.parameters or {}))

    def in_forward(_case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
        for words, out in _wrong_losses(values(problem), loss_faults).items():
            yield ForwardFault("loss-wrong", f"The loss {words}.", definition, {"out": np.asarray(out)})

    def guards(problem: Problem) -> Iterator[Guard]:
        rounded, v = problem.inputs["x"].dtype.type, values(problem, problem.expected.dtype)
        for guard in GUARDS:
            if e := float(rounded(guard)):  # else it disappears in this dtype
                yield from (found for one in guarded for found in _guards(v, one, e, f"{guard:g}"))

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


def _wrong_losses(v: Any, loss_faults: Mapping[str, str]) -> dict[str, Any]:
    """Return wrong losses by what "the loss" does: sign, divisor, and those of the layer."""
    total, right = (v.terms * v.mask).sum(), v.divisors[v.divisor]
    wrong = {} if right == 1 else {f"is a sum: it is not divided by {v.divisor}": total}
    for number in dict.fromkeys(n for n in v.divisors.values() if n not in {1, right}):
        names = " or ".join(name for name, own in v.divisors.items() if own == number)
        wrong[f"is divided by {names} = {number}, not by {v.divisor}"] = total / number
    wrong["has the wrong sign"] = -v.out
    return wrong | {words: evaluate({"loss": loss}, vars(v)).loss for words, loss in loss_faults.items()}


def _guards(v: Any, guarded: GuardedTerms, e: float, number: str) -> Iterator[Guard]:
    with np.errstate(divide="ignore"):
        found = evaluate({"terms": guarded.terms, "slopes": guarded.slopes}, {**vars(v), "e": e})
    gradients = {"x": [(slope * v.weights).reshape(v.shape) for slope in found.slopes]}
    cause, remedy = guarded.cause.format(guard=number), guarded.remedy.format(bound=-np.log(e))
    for terms in found.terms:
        out = np.asarray((np.where(v.mask, terms, 0) * v.weights).sum())
        yield Guard(code=guarded.code, cause=cause, remedy=remedy, out=out, gradients=gradients)


#: How near to a kink no margin is, as a share of the scale: ten roundings of the largest scores in float16.
_KINK = 0.01


@frozen
class ScoresCase(Case):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    axes = declare(CLASS, x="N C", y="N", out="")

    N: int = size(5, "samples")
    C: int = size(4, "classes", minimum=2)
    scale: float = real(1.0, "factor on the scores: 1000 shows what overflows", 10.0, 1000.0, low=1e-3)

    @classmethod
    def standard(cls) -> tuple[Self, ...]:
        """One sample, two classes, and scores that are far apart."""
        return cls.rows("N C scale", (5, 4, 1), (3, 5, 1), (1, 3, 1), (4, 2, 1), (2, 6, 1), (6, 3, 10), (4, 5, 1000))


def label_scores(x: Array, y: Array) -> Array:
    """Return the score of each row's label, (R, 1), of scores (R, C) and labels (R,)."""
    return np.asarray(x[np.arange(len(y)), y][:, None])


def one_hot(x: Array, y: Array) -> Array:
    """Return 1 where a score is that of its row's label, else 0: (R, C)."""
    return np.asarray(np.arange(x.shape[1]) == y[:, None], x.dtype)


def draw(case: Case, source: Random) -> dict[str, Array]:
    """Draw a case's arrays: scores, labels and, of a temporal loss, which steps count."""
    numbers = case.geometry
    shape = case.shapes["x"]
    rows, scale, shift = math.prod(shape[:-1]), numbers["scale"], numbers.get("shift", 0.0)
    # Two scores differ by a multiple of 0.4, give or take 0.1: never by 1, where a hinge has its kink.
    drawn = [0.4 * source.randrange(-4, 5) + source.uniform(-0.05, 0.05) for _ in range(math.prod(shape))]
    x, y = np.reshape(drawn, (rows, -1)), np.array([source.randrange(shape[-1]) for _ in range(rows)])
    y[0] = x[0].argmin()  # at least one label is unlikely, and its margin missed: else there is no gradient
    # Nor do those that are scaled up: such as differ by nearly 1 then are moved, to where the margin is missed.
    near = abs(x - label_scores(x, y) + 1 / scale) < _KINK
    x = (x + 2 * _KINK * near * (1 - one_hot(x, y))) * scale + shift
    inputs = {"x": x.reshape(shape), "y": y.reshape(shape[:-1])}
    if "mask" in case.axes:  # one step counts, and wherever there are several, one does not
        mask = [True, False, *(source.random() < 0.7 for _ in range(rows - 2))][:rows]
        inputs["mask"] = np.reshape(mask, shape[:-1])
    return inputs


def scores_loss(case: type[Case], function: Any, *, standard: tuple[Case, ...], **declared: Any) -> Layer:
    """Declare a loss over scores: a mean over samples, as `loss_layer` does; the first standard case is probed.

    Its equations are of rows: x (R, C), label (R, C), which is one-hot, and N.
    """

    def given(inputs: Mapping[str, Array], _: Mapping[str, Any]) -> dict[str, Any]:
        x, y = inputs["x"], inputs["y"]
        rows, labels, N = x.reshape(-1, x.shape[-1]), y.reshape(-1), x.dtype.type(len(x))
        counted = inputs["mask"].reshape(-1, 1) if "mask" in inputs else np.ones((y.size, 1), bool)
        divisors = {"the number of steps that count": int(counted.sum())} if "mask" in inputs else {}
        for name, array in (("y", y), ("x", x)):
            axes = case.axes[name]
            divisors[" ".join(axis.size for axis in axes)] = array.size
            divisors |= {axis.size: length for axis, length in zip(axes, array.shape, strict=True)}
        rest = {"N": N, "weights": counted / N, "shape": x.shape, "divisor": "N", "divisors": divisors}
        rows_of = {"x": rows, "y": labels, "label": one_hot(rows, labels), "mask": counted}
        return {**rows_of, **rest, "label_scores": label_scores}

    return loss_layer(case, function, standard=standard, probe_cases=standard[:1], given=given, draw=draw, **declared)
