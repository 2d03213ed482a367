"""Faults that any layer can have are named in all of them: loops over samples and steps, sums, and reshapes.

The faulty code loops over slices of the arrays, as people write it, and calls the right pair on each. Nothing of the
diagnosis is used: neither axes nor masks of the cotangent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case

#: Layers that treat samples apart, with the number of inputs, the first ones, that are of samples.
BY_SAMPLE = {
    "conv": 1,
    "conv1d": 1,
    "conv-transpose": 1,
    "depthwise-conv": 1,
    "affine": 1,
    "temporal-affine": 1,
    "layernorm": 1,
    "groupnorm": 1,
    "word-embedding": 1,
    "rnn-step": 2,
    "rnn": 2,
}

#: And those that treat steps apart.
BY_STEP = {"temporal-affine": 1, "word-embedding": 1}


@dataclass(frozen=True)
class Loop:
    """A pair that calls the right one for each slice along an axis, and adds up the gradients of all else."""

    layer: str
    sliced: int  #: how many inputs have the axis
    axis: int
    kept: Callable[[int], range] = range  #: from how many slices there are to those that are looped over
    accumulate: bool = True

    def pair(self) -> tuple[Any, Any]:
        forward, backward = LAYERS[self.layer].functions

        def ahead(*given: Any) -> tuple[Any, Any]:
            return forward(*given)[0], given

        def back(dout: Any, given: Any) -> Any:
            count = dout.shape[self.axis]
            slices: dict[int, Any] = {}
            others: Any = None
            for k in self.kept(count):
                part = [a.take([k], self.axis) for a in given[: self.sliced]]
                *_, cache = forward(*part, *given[self.sliced :])
                found = backward(dout.take([k], self.axis), cache)
                found = [found] if isinstance(found, np.ndarray) else list(found)
                own = len(found) - self._others(given)
                slices[k], shares = found[:own], found[own:]
                others = [a + b for a, b in zip(others, shares, strict=True)] if others and self.accumulate else shares
            zeros = [np.zeros_like(a) for a in slices[0]]
            whole = [
                np.concatenate([slices.get(k, zeros)[i] for k in range(count)], self.axis) for i in range(len(zeros))
            ]
            return (*whole, *others) if len(whole) + len(others) > 1 else (*whole, *others)[0]

        return ahead, back

    def _others(self, given: Any) -> int:
        return sum(isinstance(a, np.ndarray) for a in given[self.sliced :])


def case_of(layer: str) -> Case:
    """Return the smallest case of at least 3 samples whose other sizes are more than 1, as far as there is one."""

    def suitability(case: Case) -> tuple[bool, bool, int]:
        return case.geometry["N"] >= 3, min(_sizes(case)) > 1, -sum(_sizes(case))

    return max(LAYERS[layer].standard(), key=suitability)


def _sizes(case: Case) -> list[int]:
    return [value for name, value in case.geometry.items() if isinstance(value, int) and name.isupper()]


def codes(layer: str, pair: Any) -> set[str]:
    result = check(case_of(layer), pair)
    assert result.verdict is Verdict.FAIL, layer
    return {cause.code for cause in result.diagnosis}


@in_parts(3)
def test_loops_over_samples_and_steps(part: int) -> None:
    loops = [*((layer, 1, "step") for layer in BY_STEP), *((layer, 0, "sample") for layer in BY_SAMPLE)]
    for layer, axis, name in loops[part::3]:
        sliced = (BY_STEP if axis else BY_SAMPLE)[layer]
        assert check(case_of(layer), Loop(layer, sliced, axis).pair()).passed, layer
        missed = Loop(layer, sliced, axis, kept=lambda count: range(count - 1)).pair()
        assert f"last-{name}-missed" in codes(layer, missed), layer
        for order in (range, lambda count: reversed(range(count))):
            assigned = Loop(layer, sliced, axis, kept=order, accumulate=False).pair()  # type: ignore[arg-type]
            assert codes(layer, assigned) == {"assigned-not-accumulated"}, layer


def replaced(layer: str, name: str, wrong: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Return a pair of which one gradient is (right gradient, dout) -> another."""
    forward, backward = LAYERS[layer].functions
    place = LAYERS[layer].differentiable.index(name)

    def back(dout: Any, cache: Any) -> Any:
        found = list(backward(dout, cache))
        found[place] = wrong(found[place], dout)
        return tuple(found)

    return forward, back


@in_parts(4)
def test_sums_over_the_wrong_axes(part: int) -> None:
    layers = ("conv", "conv1d", "conv-transpose", "depthwise-conv", "layernorm", "groupnorm", "affine")
    for layer, name, own in (
        *((layer, LAYERS[layer].inputs[-1], 1) for layer in layers[part::4]),
        *((("temporal-affine", "b", 2),) if part == 0 else ()),
    ):

        def over_all(right: Any, dout: Any) -> Any:
            total = 0.0
            for value in dout.flat:
                total += value
            return np.full_like(right, total)

        def first_sample(right: Any, dout: Any, own: int = own) -> Any:
            found = np.zeros_like(right)
            for index in np.ndindex(dout.shape):
                if index[0] == 0:
                    found[index[own]] += dout[index]
            return found

        def not_over_samples(_: Any, dout: Any, own: int = own) -> Any:
            found = np.zeros((len(dout), dout.shape[own]))
            for index in np.ndindex(dout.shape):
                found[index[0], index[own]] += dout[index]
            return found

        for wrong in (over_all, first_sample, not_over_samples):
            assert codes(layer, replaced(layer, name, wrong)) == {"bias-axes"}, (layer, wrong)


@pytest.mark.parametrize("layer", ["layernorm", "groupnorm"])
def test_products_that_are_summed_over_the_wrong_axes(layer: str) -> None:
    forward, backward = LAYERS[layer].functions

    def ahead(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = forward(x, gamma, beta, param)
        lie = (-1, *[1] * (x.ndim - 2))
        return out, (cache, (out - beta.reshape(lie)) / gamma.reshape(lie))

    def back(dout: Any, kept: Any) -> Any:
        dx, _, dbeta = backward(dout, kept[0])
        dgamma = (dout * kept[1])[0]
        return dx, dgamma.sum(axis=tuple(range(1, dgamma.ndim))), dbeta

    assert codes(layer, (ahead, back)) == {"summed-axes"}


@in_parts(4)
def test_a_reshape_where_a_transpose_is_due(part: int) -> None:
    layers = ("conv", "conv1d", "depthwise-conv", "conv-transpose", "temporal-affine", "avgpool", "groupnorm", "rnn")
    for layer in layers[part::4]:
        forward, backward = LAYERS[layer].functions

        def back(dout: Any, cache: Any, backward: Any = backward) -> Any:
            swapped = dout.swapaxes(0, 1).shape
            return backward(np.ascontiguousarray(dout.reshape(swapped).swapaxes(0, 1)), cache)

        assert "reshaped-not-transposed" in codes(layer, (forward, back)), layer
