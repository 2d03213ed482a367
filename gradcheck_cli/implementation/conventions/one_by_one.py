"""Calls code that takes a single sample once for each sample of a batch, and joins what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck_cli.implementation.implementation import Backward, Forward
from gradcheck_cli.numeric.arrays import Array

#: The letter of the axis of samples.
SAMPLES = "N"


@dataclass(frozen=True)
class OneByOne:
    """Passes of a single sample, as passes of a batch: a layer in which no sample depends on another."""

    run_forward: Forward
    run_backward: Backward
    axes: Mapping[str, str]  #: of inputs and outputs
    outputs: tuple[str, ...]
    average: bool  #: whether the output is a mean over samples, as a loss is

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward for each sample, and put the outputs together."""
        count = max(
            value.shape[place] for name, value in inputs.items() if (place := _place(self.axes, name)) is not None
        )
        found = [
            self.run_forward({n: sample(self.axes, n, v, k) for n, v in inputs.items()}, parameters)
            for k in range(count)
        ]
        several = [out if isinstance(out, tuple) else (out,) for out, _ in found]
        joined = [
            self._join(name, list(parts)) for name, parts in zip(self.outputs, zip(*several, strict=True), strict=True)
        ]
        return tuple(joined) if len(joined) > 1 else joined[0], [cache for _, cache in found]

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward for each sample; sum the gradients of what is the same for all, and join the others."""
        assert isinstance(cache, list)
        whole = cotangent if isinstance(cotangent, tuple) else (cotangent,)
        weight = 1 / len(cache) if self.average else 1
        found: list[Mapping[str, object]] = []
        for k, one in enumerate(cache):
            parts = [sample(self.axes, name, part * weight, k) for name, part in zip(self.outputs, whole, strict=False)]
            found.append(self.run_backward(tuple(parts) if len(parts) > 1 else parts[0], one, names))
        return {
            name: self._join(name, [each.get(name) for each in found], add=True) for name in names if name in found[0]
        }

    def _join(self, name: str, parts: list[Any], *, add: bool = False) -> object:
        """Join arrays; if one has a shape that cannot be joined, return that one as it is."""
        place = _place(self.axes, name)
        shapes = {np.shape(part) if isinstance(part, np.ndarray | float) else None for part in parts}
        if len(shapes) > 1 or None in shapes or (place is not None and len(next(iter(shapes)) or ()) <= place):
            return next((part for part in parts if not isinstance(part, np.ndarray)), parts[0])
        if place is None:
            total = np.asarray(sum(parts[1:], parts[0]))
            return total if add else np.asarray(total / total.dtype.type(len(parts)))
        return np.concatenate(parts, axis=place)


def sample(axes: Mapping[str, str], name: str, value: Array, k: int) -> Array:
    """Return the sample k of an input or output, in a batch of one; of what is the same for all, itself."""
    place = _place(axes, name)
    return value if place is None else value[(slice(None),) * place + (slice(k, k + 1),)]


def _place(axes: Mapping[str, str], name: str) -> int | None:
    letters = axes.get(name, "").split()
    return letters.index(SAMPLES) if SAMPLES in letters else None
