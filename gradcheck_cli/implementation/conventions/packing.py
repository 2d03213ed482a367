"""Divides a layer's inputs into the arrays that somebody's code takes, and puts their gradients together again.

Each array is linear in the layer's inputs, so that the chain rule gives the gradients of these: `take` is the adjoint
of `give`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from gradcheck_cli.implementation.implementation import Backward, Forward, Misshapen, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.geometry import sizes_from
from gradcheck_cli.implementation.vocabulary.vocabulary import Packing, Part, Vocabulary
from gradcheck_cli.numeric.arrays import Array


def packed(vocabulary: Vocabulary, packing: Packing) -> Vocabulary:
    """Return the words for the arrays of a packing."""
    return replace(
        vocabulary,
        inputs={name: part.names for name, part in packing.parts.items()},
        parameters=tuple(name for name, part in packing.parts.items() if part.blocks),
        optional=packing.optional,
        axes=packing.axes,
        sizes=partial(sizes_from, packing.axes),
        arrangements=packing.arrangements,
        packing=packing,
    )


def reordered(packing: Packing) -> Iterator[Packing]:
    """Yield the same with the blocks in each other order, if code may have them so."""
    for order in permutations(range(len(packing.letters))):
        if list(order) != sorted(order):
            title = f"gates in the order {', '.join(packing.letters[k] for k in order)}"
            parts = {
                name: part._replace(blocks=order, shares=tuple(part.shares[k] for k in order if part.shares))
                if part.blocks
                else part
                for name, part in packing.parts.items()
            }
            yield replace(packing, title=", ".join(filter(None, (packing.title, title))), parts=parts)


def origins(packing: Packing | None, absent: Iterable[str]) -> tuple[str, ...]:
    """Name the layer's inputs of which all that they are divided into is absent."""
    absent = tuple(absent)
    if packing is None:
        return absent
    kept = {
        origin
        for n, part in packing.parts.items()
        if n not in absent and any(part.shares or [1])
        for origin in part.stacked
    }
    return tuple(dict.fromkeys(o for name in absent for o in packing.parts[name].stacked if o not in kept))


def left_at_zero(packing: Packing | None, absent: Iterable[str]) -> list[str]:
    """Name the parameters of the code of which the layer knows nothing, such as a second bias of one gate."""
    if packing is None:
        return []
    given = (name for name in packing.parts if name not in [*absent])
    return [name for name in given if packing.parts[name].blocks and 0 in packing.parts[name].shares]


def called(packing: Packing) -> dict[str, tuple[str, ...]]:
    """Return what people call the arrays that each of the layer's inputs is in."""
    found: dict[str, tuple[str, ...]] = {}
    for part in packing.parts.values():
        found |= {origin: (*found.get(origin, ()), *part.names) for origin in part.stacked}
    return found


@dataclass(frozen=True)
class Packed:
    """Passes that take arrays of a packing, as passes of the layer's inputs."""

    run_forward: Forward
    run_backward: Backward
    packing: Packing
    absent: tuple[str, ...]  #: arrays that the code does not have

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward with the arrays of the packing.

        Raises:
            NotExpressibleError: see `Packing.longer`.
        """
        for name, (longer, axis, why) in self.packing.longer.items():
            if name in self.absent and inputs[longer].shape[axis] < 2:
                raise NotExpressibleError(why)
        arrays = divide(self.packing, inputs)
        out, cache = self.run_forward(arrays, parameters)
        return out, (cache, inputs, arrays)

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward, and add up what the gradients of the arrays say of the layer's inputs."""
        assert isinstance(cache, tuple)
        inner, inputs, arrays = cache
        wanted = tuple(
            name
            for name, part in self.packing.parts.items()
            if name not in self.absent and any(part.shares or [1]) and set(part.stacked) & set(names)
        )
        found = self.run_backward(cotangent, inner, wanted)
        return {name: self._joined(name, inputs, arrays, {key: found.get(key) for key in wanted}) for name in names}

    def _joined(
        self, name: str, inputs: Mapping[str, Array], arrays: Mapping[str, Array], found: Mapping[str, object]
    ) -> object:
        """Return the gradient of an input; where an array has none that fits, what it has instead."""
        shares: list[Array] = []
        for key, gradient in found.items():
            part = self.packing.parts[key]
            if name not in part.stacked:
                continue
            if not isinstance(gradient, np.ndarray) or gradient.dtype.kind != "f":
                return gradient
            if gradient.shape != arrays[key].shape:
                return Misshapen(gradient, arrays[key].shape)
            shares.append(self._share(part, name, gradient, inputs))
        return sum(shares[1:], shares[0]) if shares else None

    def _share(self, part: Part, name: str, gradient: Array, inputs: Mapping[str, Array]) -> Array:
        """Return what the gradient of an array contributes to that of an input: the adjoint of `_array`."""
        here = inputs[name]
        if not part.blocks:
            return gradient
        rows = [1 if inputs[one].ndim == 1 else len(inputs[one]) for one in part.stacked]
        first = sum(rows[: part.stacked.index(name)])
        own = gradient.reshape(sum(rows), -1)[first : first + rows[part.stacked.index(name)]]
        total = np.zeros((len(own), here.shape[-1]), gradient.dtype)
        width = own.shape[-1] // len(part.blocks)
        for place, block in enumerate(part.blocks):
            piece = own[:, place * width : (place + 1) * width]
            total[:, block * width : (block + 1) * width] = piece * _factor(part, place, piece)
        return total.reshape(here.shape)


def divide(packing: Packing, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of a packing."""
    count = 1 + max(max(part.blocks, default=0) for part in packing.parts.values())
    return {name: _array(part, inputs, count) for name, part in packing.parts.items()}


def _array(part: Part, inputs: Mapping[str, Array], count: int) -> Array:
    stacked = [inputs[name] for name in part.stacked]
    whole = stacked[0] if len(stacked) == 1 else np.concatenate([np.atleast_2d(array) for array in stacked])
    if not part.shares and part.blocks in ((), tuple(range(count))):
        return whole
    width = whole.shape[-1] // count
    blocks = [whole[..., k * width : (k + 1) * width] for k in part.blocks] or [whole]
    blocks = [block * _factor(part, place, block) for place, block in enumerate(blocks)] if part.shares else blocks
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=-1)


def _factor(part: Part, place: int, array: Array) -> Any:
    """Return what a block is multiplied by, in the dtype of the array."""
    return array.dtype.type(part.shares[place] if part.shares else 1)
