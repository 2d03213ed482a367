"""Dropout, inverted: in training each element is kept with probability p, and divided by it, or else is zero."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase
from gradcheck_cli.layers.framework.drawing import Draw, Given, draw_independently
from gradcheck_cli.layers.framework.layer import Layer, imported
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import choice, real
from gradcheck_cli.numeric.arrays import Array

Param = dict[str, Any]

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
    def settings(self) -> Param:
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


def standard() -> tuple[DropoutCase, ...]:
    """List both modes, some p, and arrays large enough to tell p from 1 - p, of any number of axes."""
    train = [((10, 20), 0.75), ((30,), 0.5), ((4, 5, 8), 0.25), ((2, 3, 4, 5), 0.9), ((6, 7), 1.0)]
    rows = [*((shape, p, "train") for shape, p in train), ((4, 5), 0.75, "test"), ((2, 3, 4), 0.5, "test")]
    return DropoutCase.rows("shape p mode", *rows)


def _has_nonzero_gradient(case: DropoutCase) -> bool:
    """Tell whether something is kept and something dropped, whatever numbers a layer draws."""
    return case.mode == "test" or case.p == 1 or max(case.p, 1 - case.p) ** math.prod(case.shape) < _CHANCE


def _random(case: type[DropoutCase], draw: Draw, given: Given) -> dict[str, Any]:
    """Draw a geometry with as long a first axis as it takes for something to be kept, and something dropped."""
    found = draw_independently(case, draw, given)
    if "shape" not in given and found["mode"] == "train" and found["p"] < 1:
        first, *others = found["shape"]
        least = math.log(_CHANCE) / math.log(max(found["p"], 1 - found["p"]))
        found["shape"] = (first + math.floor(least / math.prod(others)), *others)
    return found


LAYER = Layer(
    case=DropoutCase,
    builtin={"inverted": (dropout_forward, dropout_backward)},
    standard=standard,
    make_problem=problem,
    scale=lambda x, param: (abs(x) / param["p"] if param["mode"] == "train" else abs(x),),
    param="dropout_param",
    probe_cases=(DropoutCase(shape=(10, 20), p=0.75),),
    **imported("elementwise.dropout_faults", "faults", "observed_faults", "forward_faults"),
    random=_random,
    has_nonzero_gradient=_has_nonzero_gradient,
)
