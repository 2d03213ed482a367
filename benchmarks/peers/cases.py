"""What every tool is given: a geometry's arrays, a forward that counts its calls, a backward, and faults to plant."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import ConvCase
from gradcheck_cli.layers.conv.conv import LAYER

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

Backward = Callable[["Array", Any], "tuple[Array, Array, Array]"]

CASES = (
    ConvCase(N=4, C=3, H=5, W=5, F=2),  # what notebooks check the backward pass with
    ConvCase(N=2, C=3, H=7, W=7, F=4, stride=2),  # a stride that leaves columns of the Jacobian unlike each other
    ConvCase(N=2, C=3, H=16, W=16, F=8),  # the largest of which a dense Jacobian is still comfortable: 50 MB
    ConvCase(N=4, C=3, H=32, W=32, F=8),  # a small batch of CIFAR-10; a dense Jacobian is 3 GB
    ConvCase(N=1, C=64, H=56, W=56, F=64),  # a layer of ResNet; a dense Jacobian is 320 GB
)

#: To warm up with.
TINY = ConvCase(N=1, C=1, H=2, W=2, F=1, HH=1, WW=1, pad=0)

#: The case of the closing comparison: the largest that tools of each kind finish.
COMPARED = 3


class Layer:
    """The convolution under test, at one geometry. Calls of its two functions are counted."""

    def __init__(self, case: ConvCase) -> None:
        self.case = case
        posed = LAYER.problem(case)
        self.inputs: dict[str, Array] = dict(posed.inputs)
        self.cotangent = posed.cotangent
        self._forward, self._backward = LAYER.builtin["fast"]
        self.forward_calls = self.backward_calls = 0
        _, cache = self.forward(*self.inputs.values())
        self._dx_is_zero = self.backward(self.cotangent, cache)[0] == 0

    def convolve(self, x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> tuple[Array, Any]:
        """Convolve, as this project's convention has it."""
        self.forward_calls += 1
        out, cache = self._forward(x, w, b, conv_param)
        return out, cache

    def forward(self, *inputs: Array) -> tuple[Array, Any]:
        """Convolve at the case's stride and pad."""
        x, w, b = inputs
        return self.convolve(x, w, b, self.case.settings)

    def output(self, **moved: Array) -> Array:
        """Evaluate at the case's inputs, but for those given."""
        return self.forward(*{**self.inputs, **moved}.values())[0]

    def backward(self, cotangent: Array, cache: Any) -> tuple[Array, Array, Array]:
        """Carry a cotangent back."""
        self.backward_calls += 1
        dx, dw, db = self._backward(cotangent, cache)
        return dx, dw, db

    def gradients(self, backward: Backward) -> dict[str, Array]:
        """Return what `backward` makes of the case's cotangent, by the input's name."""
        _, cache = self.forward(*self.inputs.values())
        return dict(zip(self.inputs, backward(self.cotangent, cache), strict=True))

    def faulty(self, seed: int, share: float) -> Backward:
        """Return a backward that is off by `share` in one element of dx, not a zero, another for each seed."""
        # The standard library draws the same on every machine; NumPy's generators promise that for one version only.
        # Seeded by a word: seeded by 3, it would draw the very element that convcheck's own sample begins with.
        source = random.Random(f"fault {seed}")  # noqa: S311  # an index, not a secret
        flat = source.choice(np.flatnonzero(~self._dx_is_zero).tolist())
        index = np.unravel_index(flat, self._dx_is_zero.shape)

        def backward(cotangent: Array, cache: Any) -> tuple[Array, Array, Array]:
            dx, dw, db = self.backward(cotangent, cache)
            dx = dx.copy()
            dx[index] *= 1 + share
            return dx, dw, db

        return backward
