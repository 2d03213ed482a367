"""The contribution of each index of an axis to the gradients of a layer, computed by its reference.

A backward pass is linear in the cotangent: the gradients of a cotangent that is zero outside of some indices are what
these indices contribute. Along an axis that the output lacks, the gradients themselves are cut.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.coupling import Relation, relate
from gradcheck_cli.layers.framework.fault import Backward, Gradients
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: (all indices of an axis, how many there are) -> which of them are kept.
Kept = Callable[[Array, int], Array]

#: Terms of a sum that are computed one by one, at the most; each takes an evaluation of the reference.
_MOST_TERMS = 64


@dataclass(frozen=True)
class Contributions:
    """The gradients of a layer's reference in a case, split by indices."""

    layer: Layer
    problem: Problem

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that have a cotangent."""
        return (tuple(self.problem.outputs) or ("out",))[: self.problem.cotangents]

    @cached_property
    def loops(self) -> tuple[Axis, ...]:
        """The axes over which people loop to add up gradients: of outputs, and of windows in place of rows."""
        axes = self.problem.axes
        output = [axis for name in self.outputs for axis in axes[name]]
        arrays = (*self.outputs, *self.problem.differentiable)
        windows = [axis for name in arrays for axis in axes[name] if axis.windows]
        return tuple(dict.fromkeys([*(axis for axis in output if not (windows and axis.spatial)), *windows]))

    @cached_property
    def contracted(self) -> tuple[Axis, ...]:
        """The axes of inputs that forward sums over, such as the channels of a convolution."""
        return tuple(
            dict.fromkeys(
                axis
                for name in self.problem.differentiable
                for axis, relation in zip(self.problem.axes[name], self._relations(name), strict=True)
                if not (relation.axes or axis.windows or self._in_output(axis))
            )
        )

    @cached_property
    def sizes(self) -> dict[Axis, int]:
        """How many indices each axis has; where some array has several groups of them, those of a group."""
        arrays = {**self.problem.inputs, **self.problem.parts(self.problem.cotangent)}
        found: dict[Axis, int] = {}
        for name, array in arrays.items():
            for axis, size in zip(self.problem.axes[name], array.shape, strict=True):
                found[axis] = min(size, found.get(axis, size))
        return found

    def summed(self, name: str) -> tuple[Axis, ...]:
        """List the axes of loops in each step of which something is added to a gradient."""
        own = self.problem.axes[name]
        blocks = {  # of which each index reaches one index of the output: nothing is added up
            axis
            for relation, size in zip(self._relations(name), self.problem.inputs[name].shape, strict=True)
            for axis in relation.axes
            if len({*(owners := relation.owners(size)).flat}) == owners.size  # np.unique imports numpy.ma
        }
        return tuple(axis for axis in self.loops if axis not in own and axis not in blocks)

    def array_with(self, axis: Axis) -> str:
        """Name the array over which a loop along an axis goes, such as dout."""
        if self._in_output(axis):
            return "dout"
        return next(name for name in self.problem.differentiable if axis in self.problem.axes[name])

    def gradients(self, inputs: Gradients, cotangent: Array) -> dict[str, Array]:
        """Return the gradients of the reference by the input's name."""
        return self.layer.gradients(self.problem, inputs, cotangent)

    def of(self, kept: Mapping[Axis, Kept]) -> Backward:
        """Make the backward pass of some indices alone, along each of these axes."""
        inner = {axis: keep for axis, keep in kept.items() if not self._in_output(axis)}
        # What several inputs share is one sum: its indices contribute to gradients of their own.
        own = {axis: keep for axis, keep in inner.items() if self._inputs_with(axis) == 1}

        def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
            part = cotangent.copy()
            for name in self.outputs:
                found = self.problem.parts(part)[name]
                found[...] = self._cut(name, found, kept)
            seen = {name: self._cut(name, value, own) for name, value in inputs.items()}
            return {name: self._cut(name, value, inner) for name, value in self.gradients(seen, part).items()}

        return gradients

    def end(self, axes: tuple[Axis, ...], *, first: bool) -> Backward:
        """Make the backward pass of the first index of each of these axes, or of the last."""
        return self.of(dict.fromkeys(axes, lambda index, size: index == (0 if first else size - 1)))

    def linked(self, name: str, axes: tuple[Axis, ...]) -> list[int]:
        """List the axes of an input of which each index reaches some indices of the output's axes, and not others."""
        return [k for k, relation in enumerate(self._relations(name)) if set(relation.axes) & set(axes)]

    def share(self, name: str, axes: tuple[Axis, ...], *, first: bool) -> Backward:
        """Make the backward pass that keeps in each element of a gradient the first or last share that it has.

        Args:
            name: the input; some of its axes are linked to `axes`.
            axes: over which shares are added up, in `summed`.
            first: whether the first share is kept, or the last.
        """
        relations, shape = self._relations(name), self.problem.inputs[name].shape
        linked = self.linked(name, axes)
        elsewhere = tuple(set(axes) - {axis for k in linked for axis in relations[k].axes})
        of_end = self.end(elsewhere, first=first)
        output = self.problem.axes[self.outputs[0]]
        choices = [list(_chosen(relations[k], shape[k], axes, first=first)) for k in linked]

        def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
            total = np.zeros(shape, cotangent.dtype)
            for choice in itertools.product(*choices):  # elements of one colour share no output
                part, mask = cotangent.copy(), np.ones((), bool)
                found = self.problem.parts(part)[self.outputs[0]]
                for k, (kept, elements) in zip(linked, choice, strict=True):
                    found[...] = found * kept.reshape([_size(axis, relations[k], kept) for axis in output])
                    mask = mask & elements.reshape([-1 if axis == k else 1 for axis in range(len(shape))])
                total += of_end(inputs, part)[name] * mask
            return {name: total}

        return gradients

    def terms(self, name: str) -> Backward | None:
        """Make the backward pass that leaves the terms of a gradient apart, in the shape of the only output.

        None where there are too many.
        """
        (out,), own = self.outputs, self.problem.axes[name]
        shape = self.problem.parts(self.problem.cotangent)[out].shape
        over = [size if axis not in own else 1 for axis, size in zip(self.problem.axes[out], shape, strict=True)]
        if math.prod(over) > _MOST_TERMS:
            return None

        def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
            terms = np.zeros(shape, cotangent.dtype)
            for index in np.ndindex(*over):
                position = tuple(slice(k, k + 1) if n > 1 else slice(None) for k, n in zip(index, over, strict=True))
                part = np.zeros_like(cotangent)
                self.problem.parts(part)[out][position] = self.problem.parts(cotangent)[out][position]
                found = self.gradients(inputs, part)[name]
                terms[position] = found.reshape(terms[position].shape)
            return {name: terms}

        return gradients

    def _relations(self, name: str) -> list[Relation]:
        return relate(self.problem.axes, name, self.outputs, self.problem.relations)

    def _in_output(self, axis: Axis) -> bool:
        return any(axis in self.problem.axes[name] for name in self.outputs)

    def _inputs_with(self, axis: Axis) -> int:
        return sum(axis in self.problem.axes[name] for name in self.problem.differentiable)

    def _cut(self, name: str, array: Array, kept: Mapping[Axis, Kept]) -> Array:
        """Return an array that is zero outside of what is kept of its axes."""
        axes = self.problem.axes[name]
        for k, axis in enumerate(axes):
            if axis in kept:
                index = np.arange(array.shape[k]) % self.sizes[axis]
                mask = kept[axis](index, self.sizes[axis])
                array = array * mask.reshape([-1 if other == k else 1 for other in range(len(axes))])
        return array


def _size(axis: Axis, relation: Relation, kept: Array) -> int:
    return kept.shape[relation.axes.index(axis)] if axis in relation.axes else 1


def _chosen(relation: Relation, size: int, axes: tuple[Axis, ...], *, first: bool) -> Iterator[tuple[Array, Array]]:
    """Yield for each colour of an axis the outputs of which the share is kept, and the elements of that colour."""
    along = [k for k, axis in enumerate(relation.axes) if axis in axes]
    for owners in relation.owners(size):
        end: dict[tuple[int, ...], tuple[int, ...]] = {}
        for position in np.ndindex(owners.shape):
            others = tuple(0 if k in along else i for k, i in enumerate(position))
            key = (int(owners[position]), *others)
            if not (first and key in end):
                end[key] = position
        kept, elements = np.zeros(owners.shape, bool), np.zeros(size, bool)
        for (element, *_), position in end.items():
            if element >= 0:
                kept[position], elements[element] = True, True
        yield kept, elements
