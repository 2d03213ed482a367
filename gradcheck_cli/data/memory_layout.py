"""How the elements of an array lie in memory: in which order its axes do, and which of them run backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class MemoryLayout(NamedTuple):
    """A layout for arrays of some number of axes."""

    order: tuple[int, ...]  #: the axes, from the one with the largest distance between neighbours to the least
    backward: tuple[bool, ...]  #: of each axis, whether later elements lie before earlier ones

    @classmethod
    def of(cls, array: Array) -> MemoryLayout:
        """Return the layout that an array has."""
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        return cls(tuple(order), tuple(stride < 0 for stride in array.strides))

    def base(self, array: Array) -> Array:
        """Return the view that is in C order where the array has this layout."""
        return array[self._flips].transpose(self.order)

    def view(self, base: Array) -> Array:
        """Return the array of which `base` is the base."""
        return base.transpose([self.order.index(axis) for axis in range(base.ndim)])[self._flips]

    def copy(self, array: Array) -> Array:
        """Copy an array into this layout.

        Where axes run backward, as many elements follow in memory: code that takes the first element's address for the
        beginning of all, as compiled code may, reads these, and not what is beyond.
        """
        base = self.base(array)
        room = np.zeros((1 + any(self.backward)) * base.size, array.dtype)
        place = room[: base.size].reshape(base.shape)
        place[...] = base
        return self.view(place)

    @property
    def _flips(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if backward else 1) for backward in self.backward)


def copy_as_is(array: Array) -> Array:
    """Copy an array with its layout."""
    return array.copy() if array.flags.c_contiguous else MemoryLayout.of(array).copy(array)
