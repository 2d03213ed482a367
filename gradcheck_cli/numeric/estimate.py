"""Values that are known up to an error bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gradcheck_cli.data.frozen import frozen, replace

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import BlackBox


class Leak(NamedTuple):
    """An output that depends on an input element which, by the coupling, should not reach it.

    Both are None where no single pair was located.
    """

    element: int | None  #: flat index of the input
    output: int | None  #: flat index of the output


@frozen
class Estimate:
    """An array that is known up to an error bound, such as sum_o cotangent_o J[o, p] for the elements p of an input.

    The arrays have one shape, and the working dtype or bool. Those with a default are scalars where the values do not
    come from differences.
    """

    value: Array  #: NaN where the function gave nothing finite
    scale: Array  #: sum_o |cotangent_o J[o, p]|, to which the roundoff of any such sum is proportional
    error_bound: Array  #: how far `value` may be from the truth
    #: The smallest step that `value` rests on; extrapolation uses larger ones too.
    step: Array = field(default_factory=lambda: np.full((), np.nan))
    #: sum_o |cotangent_o (f+ - 2 f + f-)_o| / 2h, with the last step taken: curvature, or rounding if f is affine.
    second_difference: Array = field(default_factory=lambda: np.zeros(()))
    #: Where there is no derivative: differences to both sides disagree, however small the step.
    kinks: Array = field(default_factory=lambda: np.zeros((), bool))
    affine: bool = False  #: whether the function was found to be affine in x
    noise: float = 0.0  #: root mean square difference of two evaluations at x; 0 for a deterministic function
    leak: Leak | None = None  #: where the function is less local than its coupling states
    method: str = ""  #: how the values were obtained: dense, colored, projected, reference
    evaluations: int = 0  #: calls of the function
    doubt: str | None = None  #: why the error bound may be large, if that is known

    def reshape(self, shape: tuple[int, ...]) -> Estimate:
        """Return the estimate with arrays of another shape."""
        return self._map(lambda array: array.reshape(shape))

    def broadcast_to(self, shape: tuple[int, ...]) -> Estimate:
        """Return the estimate with all its arrays in one shape, those too that are scalars."""
        return self._map(lambda array: np.broadcast_to(array, shape))

    def take(self, elements: Array) -> Estimate:
        """Return the estimate of some elements of a flat one, by indices or a mask."""
        return self._map(lambda array: array[elements])

    def with_elements(self, elements: Array, other: Estimate) -> Estimate:
        """Return a flat estimate with those of `elements`, flat indices, replaced by the entries of `other`."""

        def replaced(array: Array, values: Array) -> Array:
            copy = array.copy()
            copy[elements] = values
            return copy

        return self._map(replaced, other)

    def join(self, other: Estimate) -> Estimate:
        """Return a flat estimate with the entries of another one appended."""
        return self._map(lambda *arrays: np.concatenate(arrays), other)

    def _map(self, function: Callable[..., Array], *others: Estimate) -> Estimate:
        """Apply a function to each array, and to the same array of the others."""
        names = ("value", "scale", "error_bound", "step", "second_difference", "kinks")
        arrays: dict[str, Any] = {n: function(getattr(self, n), *(getattr(o, n) for o in others)) for n in names}
        return replace(self, **arrays)


class Scheme(Protocol):
    """A way to take differences of a black box at its point.

    The error bounds of its estimates cover rounding. Truncation, of which an affine function has none, is for the
    caller to bound.
    """

    method: str
    box: BlackBox

    def central_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return (f(x + h) - f(x - h)) / 2h in some elements.

        Args:
            elements: flat indices of x.
            steps: h, one for each element.
        """

    def affine_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return the differences of a function that was found to be affine, for which one side may be enough."""
