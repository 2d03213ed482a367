"""Dropout, inverted: in training each element is kept with probability p, and divided by it, or else is zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.drawing import Draw, Given, draw_independently
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Observed
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import choice, real
from gradcheck_cli.numeric.arrays import Array

#: How seldom the share of elements that a right layer keeps may be so far from p that it is taken for a wrong one.
#: Of 200 elements, it is when the share is off by 0.23 or more.
_CHANCE = 1e-9

#: Share of x / p by which an element that is kept is wrong, and not rounded: four roundings of float16.
_WRONG = 2.0**-8


@frozen
class DropoutCase(ElementwiseCase):
    """Shape and settings of dropout: x and out of any shape."""

    layer = "dropout"
    passed = ("p", "mode")

    p: float = real(0.75, "probability of keeping an element", 0.25, 0.5, 1.0, low=0.01, high=1.0)
    mode: str = choice("train", "drops, or hands x on as it is", "test")

    @property
    def settings(self) -> dict[str, Any]:
        """The dictionary of parameters that forward takes."""
        return {**super().settings, "seed": self.seed % 2**32}


def dropout_forward(x: Array, dropout_param: Param) -> tuple[Array, Any]:
    """Return in mode "train" x / p where a number drawn from [0, 1) is below p, else 0; in "test" x; and the cache.

    The numbers are those of `np.random.rand` after `np.random.seed(dropout_param["seed"])`.
    """
    if dropout_param["mode"] == "test":
        return x, None
    p = dropout_param["p"]
    mask = (np.random.RandomState(dropout_param["seed"]).rand(*x.shape) < p) / x.dtype.type(p)
    return x * mask, mask


def dropout_backward(dout: Array, mask: Any) -> Array:
    """Return dx.

    Once the mask is drawn, out = x mask element by element, and it is a constant: dx = dout mask. In test mode out = x,
    and dx = dout. (Srivastava et al., 2014; divided by p in training, so that the expectation of out is x in both.)
    """
    return dout if mask is None else dout * mask


def problem(case: DropoutCase) -> Problem:
    """Draw a case's arrays. What a layer drops is its own choice: each element is right as x / p and as 0."""
    drawn = replace(LAYER, make_problem=None).problem(case)
    if case.mode == "test" or case.p == 1:  # nothing to choose
        return drawn
    whole = drawn.inputs["x"].astype(drawn.expected.dtype) / case.p
    telling = whole != 0  # of an x of 0 nobody can tell whether it was dropped

    def kept(out: Array) -> Array:
        return np.asarray(abs(out - whole) < abs(out))

    def expected_for_draws(out: Array) -> Array:
        right = np.where(kept(out), whole, 0)
        # Elements that are dropped rightly do not count as wrong beside others whose values are.
        wrong = (abs(out - right) > _WRONG * abs(whole)).any()
        return right if wrong or plausible(kept(out)[telling], case.p) else drawn.expected

    def gradients_for_draws(out: Array, dout: Array) -> dict[str, Array]:
        return {"x": np.where(telling, dout * kept(out) / case.p, np.nan)}

    def vacuous(out: Array) -> str | None:
        dropped = ~kept(out)[telling]
        if dropped.any() and not dropped.all():
            return None
        what = "everything" if dropped.any() else "nothing"
        return f"{what} was dropped, so that a wrong mask could not be seen: try more elements, or another --seed"

    return replace(
        drawn,
        expected_scale=abs(whole),
        expected_for_draws=expected_for_draws,
        gradients_for_draws=gradients_for_draws,
        vacuous=vacuous,
        draws=case.settings["seed"],
    )


def plausible(kept: Array, p: float) -> bool:
    """Tell whether a right layer, which keeps each element with probability p, would have kept these."""
    if not kept.size:
        return True
    if p in {0, 1}:
        return bool((kept == p).all())
    # Hoeffding, 1963: the chance that a mean of n draws is off by t or more is below 2 exp(-2 n t^2).
    return bool(abs(kept.mean() - p) <= math.sqrt(math.log(2 / _CHANCE) / (2 * kept.size)))


def _random(case: type[DropoutCase], draw: Draw, given: Given) -> dict[str, Any]:
    """Draw a geometry with as long a first axis as it takes for something to be kept, and something dropped."""
    found = draw_independently(case, draw, given)
    if "shape" not in given and found["mode"] == "train" and found["p"] < 1:
        first, *others = found["shape"]
        least = math.log(_CHANCE) / math.log(max(found["p"], 1 - found["p"]))
        found["shape"] = (first + math.floor(least / math.prod(others)), *others)
    return found


_KEEP = "Keep the mask of forward in the cache, and return dout times the mask, divided by p as in forward."


def faults(case: DropoutCase, _: Problem) -> Iterator[Fault]:
    """Yield gradients of elements that were dropped."""
    for what, divisor in (("dout", 1.0), ("dout / p", case.p)) if case.mode == "train" else ():
        cause = f"{{names}} {{have}} no mask: every element is that of {what}."
        yield _masked("mask-ignored", cause, _KEEP, np.ones((), bool), 1 / divisor)


def observed_faults(case: DropoutCase, problem: Problem, observed: Observed) -> Iterator[Fault]:
    """Yield gradients with the mask inverted, drawn again, or scaled otherwise than in forward.

    The mask of forward is read off the derivative, which is zero where an element was dropped and nowhere else: the
    output is zero where x is, too.
    """
    if case.mode != "train" or "x" not in observed.derivatives:
        return
    kept = observed.derivatives["x"] != 0
    remedy = "Multiply dout by what forward multiplied x by: 1 / p where an element is kept, 0 elsewhere."
    for scale, words in wrong_scales(case.p):
        yield _masked("dropout-scale", f"{{names}} {{have}} the mask of forward, but{words}.", remedy, kept, scale)
    if kept.all() or not kept.any():
        return
    inverted = "In {names} the mask is inverted: the gradient goes to the elements that forward dropped"
    remedy = "Use the mask as forward does: it is True, or not 0, where an element is kept."
    yield _masked("mask-inverted", f"{inverted}.", remedy, ~kept, 1 / case.p)
    for scale, words in wrong_scales(case.p):
        yield _masked("mask-inverted", f"{inverted},{words}.", remedy, ~kept, scale)
    if "x" not in observed.gradients or observed.gradients["x"].shape != kept.shape:
        return
    for scale in (1 / case.p, 1.0):
        own = abs(observed.gradients["x"]) > abs(problem.cotangent.astype(observed.out.dtype)) * scale / 2
        if plausible(own, case.p) and (own != kept).any() and not own.all():
            cause = "{names} {have} another mask than forward: it is drawn again in backward."
            yield _masked("mask-redrawn", cause, _KEEP, own, scale)


def _masked(code: str, cause: str, remedy: str, kept: Array, scale: float) -> Fault:
    """Make the fault whose dx is dout times a scale where an element is kept."""
    return Fault(code, cause, remedy, lambda _, dout: {"x": dout * kept * dout.dtype.type(scale)})


def wrong_scales(p: float) -> Iterator[tuple[float, str]]:
    """Yield what is taken for 1 / p: factors that differ from it and from each other, and what is wrong with each."""
    seen = [1 / p]
    for scale, words in (
        (1.0, " without its 1 / p"),
        (p, " multiplied by p rather than by 1 / p"),
        (1 / p**2, " divided by p twice"),
        (1 / (1 - p) if p < 1 else 1, " divided by 1 - p rather than by p"),
        (1 - p if p < 1 else 1, " multiplied by 1 - p rather than by 1 / p"),
    ):
        if not np.isclose(scale, seen).any():
            seen.append(scale)
            yield scale, words


def forward_faults(case: DropoutCase, problem: Problem, out: Array) -> Iterator[ForwardFault]:
    """Yield outputs with another scale than 1 / p, or whose elements are kept with another probability than p."""
    rows = _in_test_mode if case.mode == "test" else _in_training
    for code, cause, remedy, output in rows(case.p, problem.inputs["x"], out):
        yield ForwardFault(code, cause, remedy, {"out": output})


def _in_test_mode(p: float, x: Array, out: Array) -> Iterator[tuple[str, str, str, Array]]:
    remedy = "Return x as it is in test mode: dropout is inverted, training divides by p already."
    for scale, words in ((p, "p"), (1 / p, "1 / p"), (1 - p, "1 - p")):
        if scale not in {0, 1}:
            yield "dropout-scale", f"In test mode {{names}} {{be}} x times {words}.", remedy, x * scale
    if (out == 0).any():
        dropped = "In test mode {names} {have} elements that are dropped, as in training."
        yield "mode-ignored", dropped, "Return x as it is in test mode.", np.where(out != 0, x / p, 0)


def _in_training(p: float, x: Array, out: Array) -> Iterator[tuple[str, str, str, Array]]:
    kept, seen = (out != 0) | (x == 0), out[x != 0] != 0
    if plausible(seen, p):
        remedy = "Divide by p, the probability of keeping: then test mode needs no factor."
        for scale, words in wrong_scales(p):
            cause = f"{{names}} {{be}} x where an element is kept,{words}."
            yield "dropout-scale", cause, remedy, np.where(kept, x * scale, 0)
    elif plausible(seen, 1 - p):
        remedy = "Keep an element where `np.random.rand(*x.shape) < p`, and divide by p: p is that of keeping."
        for scale, words in [(1 / p, ""), *wrong_scales(p)]:
            cause = (
                "In {names} an element is dropped with probability p, where p is the probability of keeping: "
                f"{np.count_nonzero(out)} of {out.size} are kept, at p = {p:g}{words and ','}{words}."
            )
            yield "drop-probability", cause, remedy, np.where(kept, x * scale, 0)


LAYER = Layer(
    case=DropoutCase,
    builtin={"inverted": (dropout_forward, dropout_backward)},
    # Both modes, some p, and arrays large enough to tell p from 1 - p, of any number of axes.
    standard=lambda: DropoutCase.rows(
        "shape p mode",
        *(((10, 20), 0.75, "train"), ((30,), 0.5, "train"), ((4, 5, 8), 0.25, "train"), ((2, 3, 4, 5), 0.9, "train")),
        *(((6, 7), 1.0, "train"), ((4, 5), 0.75, "test"), ((2, 3, 4), 0.5, "test")),
    ),
    make_problem=problem,
    param="dropout_param",
    probe_cases=(DropoutCase(shape=(10, 20), p=0.75),),
    faults=faults,
    observed_faults=observed_faults,
    forward_faults=forward_faults,
    random=_random,
    # Something is kept and something dropped, whatever numbers a layer draws.
    has_nonzero_gradient=lambda case: (
        case.mode == "test" or case.p == 1 or max(case.p, 1 - case.p) ** math.prod(case.shape) < _CHANCE
    ),
)
