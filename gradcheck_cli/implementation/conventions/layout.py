"""How an array lies in somebody's code: the way there, and back if it has the shape that it must have there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.numeric.arrays import Array


@dataclass(frozen=True)
class Layout:
    """Two orders of the same axes: `Layout("F C HH WW", "(C HH WW) F")`.

    A "1" is an axis of that length; axes in parentheses are merged into one.
    """

    here: str
    there: str

    @property
    def is_usual(self) -> bool:
        """Whether both are the same."""
        return self.here == self.there

    def shape(self, here: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape over there of an array that has the shape `here` here."""
        if self.is_usual:
            return here
        lengths = dict(zip(self.here.split(), here, strict=True)) | {"1": 1}
        return tuple(math.prod(lengths[axis] for axis in group) for group in self._groups)

    def give(self, array: Array) -> Array:
        """Lay an array as it lies over there; contiguous, as one that was made there would be."""
        if self.is_usual:
            return array
        return np.ascontiguousarray(array.transpose(self._order)).reshape(self.shape(array.shape))

    def take(self, array: object, here: tuple[int, ...] | None = None) -> object:
        """Bring an array back; one that does not have the shape of over there is left as it is.

        Args:
            array: whatever was returned.
            here: the shape that it must have here; None if only its axes are known, of which none are merged.
        """
        if self.is_usual or not isinstance(array, np.ndarray):
            return array
        if here is None:
            return array.transpose(np.argsort(self._order)) if array.ndim == len(self._order) else array
        if array.shape != self.shape(here):
            return array
        unmerged = array.reshape([here[axis] for axis in self._order])
        return unmerged.transpose(np.argsort(self._order))

    @cached_property
    def _groups(self) -> list[list[str]]:
        return [group.strip("()").split() for group in re.findall(r"\(.*?\)|\S+", self.there)]

    @cached_property
    def _order(self) -> list[int]:
        return [self.here.split().index(axis) for group in self._groups for axis in group if axis != "1"]


@dataclass(frozen=True)
class Blocks:
    """Another order of equal blocks along the last axis: at each place there, the number of the block here."""

    order: tuple[int, ...]

    def give(self, array: Array) -> Array:
        """Put the blocks in the order of over there."""
        return self._arranged(array, self.order)

    def take(self, array: object) -> object:
        """Put them back; what cannot be divided so is left as it is."""
        is_array = isinstance(array, np.ndarray) and array.ndim > 0 and array.shape[-1] % len(self.order) == 0
        return self._arranged(array, np.argsort(self.order)) if is_array else array  # type: ignore[arg-type]

    def _arranged(self, array: Array, order: Iterable[int]) -> Array:
        blocks = np.split(array, len(self.order), axis=-1)
        return np.concatenate([blocks[number] for number in order], axis=-1)
