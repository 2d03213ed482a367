"""The arrays that backward has written in an instance, where gradients may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import Wanted, gradient_places
from gradcheck_cli.implementation.conventions.inside import arrays_in, value_at
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.implementation.conventions.inside import Path
    from gradcheck_cli.numeric.arrays import Array


#: What a gradient and a numerical derivative may differ by.
CLOSE = 1e-5


class WrittenArrays:
    """The arrays that backward has written in an instance, where gradients may be."""

    def __init__(self, before: object, after: object, kept: Mapping[str, tuple[Path, ...]]) -> None:
        self._after, old = after, arrays_in(before)
        self._all = {path: np.asarray(value) for path, value in arrays_in(after).items()}
        self._new = [p for p, value in self._all.items() if p not in old or not is_equal(value, np.asarray(old[p]))]
        self.claimed = {path for paths in kept.values() for path in paths}

    def by_name(self, path: Path, shape: tuple[int, ...]) -> Path | None:
        """Return where a gradient is left near to a parameter, under a name made of its own."""
        for depth in reversed(range(len(path))):
            collection, key = value_at(self._after, path[:depth]), path[depth]
            count = len(value_at(self._after, path[:-1]) or ()) if isinstance(path[-1], int) else 0
            number = path[-1] if isinstance(path[-1], int) else -1
            wanted = Wanted((word(str(path[-1])), word(str(key))) if number < 0 else (), number, count)
            found = [place.get() for place in gradient_places(collection, wanted)]
            for one, value in self._all.items():
                if any(value_at(self._after, one) is place for place in found) and value.shape == shape:
                    return one
        return None

    def by_value(self, slope: Array) -> Path | None:
        """Return where an array is that equals a derivative."""
        near = [path for path in self._open(slope.shape) if _is_near(self._all[path], slope)]
        return near[0] if near and slope.any() else None

    def by_shape(self, shape: tuple[int, ...]) -> Path | None:
        """Return the one array of a shape that backward has written."""
        found = self._open(shape)
        return found[0] if len({id(value_at(self._after, path)) for path in found}) == 1 else None

    def _open(self, shape: tuple[int, ...]) -> list[Path]:
        return [path for path in self._new if self._all[path].shape == shape and path not in self.claimed]


def _is_near(gradient: Array, slope: Array) -> bool:
    return bool((abs(gradient - slope) <= CLOSE * max(abs(slope).max(initial=0), 1e-3)).all())


def is_equal(one: Array, two: Array) -> bool:
    """Tell whether arrays are the same, NaN where NaN is."""
    return one.shape == two.shape and np.array_equal(one, two, equal_nan=True)
