"""Finds the gradients of named arrays: in what was returned, in an object, or in how much parameters have changed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import (
    Place,
    Wanted,
    gradient_places,
    is_gradient_name,
    newest,
    snapshot,
)
from gradcheck_cli.implementation.conventions.returned import as_array, entry_at
from gradcheck_cli.implementation.conventions.slots import LEARNING_RATE
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from gradcheck_cli.numeric.arrays import Array


class NamedGradients:
    """The gradients of named arrays, of which the earlier values are remembered.

    Args:
        holder: what keeps some of them, or gradients.
        places: where, by path.
        kept: the values of those.
        given: the other arrays.
        optional: those of them that need have no gradient, such as data.
        rate: by which what is subtracted from parameters is the gradient.
    """

    def __init__(
        self,
        holder: object,
        places: Mapping[str, list[Place]],
        kept: Mapping[str, Array],
        given: Mapping[str, Array],
        optional: Container[str],
        rate: float = LEARNING_RATE,
    ) -> None:
        self._holder, self._places, self._given, self._rate = holder, places, given, rate
        self._values = {**kept, **{name: value for name, value in given.items() if name not in optional}}
        self._before = {path: snapshot(self._candidates(path)) for path in self._values}

    def found(self, parts: Sequence[object], function: Callable[..., Any]) -> dict[str, object]:
        """Find them.

        Args:
            parts: what was returned beside a loss.
            function: that returned it: the names in its last `return` tell which is which.
        """
        parts, names = list(_opened(parts)), returned_names(function)
        labels = names[-len(parts) :] if len(names) >= len(parts) else ()
        found: dict[str, object] = {}
        for path in {**self._given, **self._values}:
            value = self._named(path, parts, labels)
            if value is None and path in self._before and (places := self._candidates(path)):
                value = newest(places, self._before[path])
            if value is not None:
                found[path] = as_array(value)
        if self._values.keys() & found.keys():
            return found
        return self._in_order(parts, self._values) or self._in_order(parts, self._given) or self._updates()

    def _named(self, path: str, parts: Sequence[object], labels: Sequence[str]) -> object:
        """Return the entry of a returned dictionary, or what is returned under the name of its gradient."""
        for part in (part for part in parts if isinstance(part, dict)):
            if (value := entry_at(path.split("."), part)) is not None:
                return value
        return next((part for part, label in zip(parts, labels, strict=False) if is_gradient_name(label, path)), None)

    def _candidates(self, path: str) -> list[Place]:
        """List where the gradient may be kept: beside the array, or in a collection of the same object."""
        *above, last = path.split(".")
        owners = [self._holder, *(place.owner for place in self._places.get(path, ()))]
        paths = list(self._values)
        wanted = Wanted((word(last),), paths.index(path), len(paths))
        if above and last.isdecimal():  # one of a list: its gradient is one of a list too
            lists = [place.get() for place in gradient_places(self._holder, Wanted((word(above[-1]),)))]
            return [Place(one, int(last)) for one in lists if isinstance(one, list) and int(last) < len(one)]
        objects = [owner for owner in owners if not isinstance(owner, dict | list)]
        return [place for owner in objects for place in gradient_places(owner, wanted)]

    def _in_order(self, parts: Sequence[object], values: Mapping[str, Array]) -> dict[str, object]:
        """Match arrays in the order of the parameters, or lists of them in any order, by their shapes."""
        for ordered in itertools.permutations(parts) if len(parts) < 4 else [tuple(parts)]:
            arrays = list(_flattened(ordered))
            if [np.shape(array) for array in arrays] == [value.shape for value in values.values()]:
                return dict(zip(values, map(as_array, arrays), strict=True))
        return {}

    def _updates(self) -> dict[str, object]:
        """Read gradients off what was subtracted from the parameters, times a learning rate."""
        found: dict[str, object] = {}
        for path, value in self._values.items():
            after = [place.get() for place in self._places.get(path, ())]
            changed = [now for now in after if np.shape(now) == value.shape and not np.array_equal(now, value)]
            if changed:
                found[path] = (value - changed[0]) / value.dtype.type(self._rate)
        return found


def _opened(parts: Iterable[object]) -> Iterable[object]:
    """Yield what tuples hold; a list may be that of a list of parameters."""
    for part in parts:
        yield from _opened(part) if isinstance(part, tuple) else [part]


def _flattened(parts: Iterable[object]) -> Iterable[Any]:
    for part in parts:
        if isinstance(part, list | tuple):
            yield from _flattened(part)
        elif isinstance(part, np.ndarray | float):
            yield part
