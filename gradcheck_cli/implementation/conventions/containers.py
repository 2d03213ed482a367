"""Containers that code is given: a context that forward fills for backward, and dictionaries and lists of arrays.

The context of `forward(ctx, x, w)` and `backward(ctx, grad)`, or of `forward(x, w, cache)`, in which cache is a
dictionary or a list. Containers of arrays have the entries that the source of code names, or what a call asks for:
under any usual name, or in the order of the layer's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gradcheck_cli.implementation.calling import WrittenDict
from gradcheck_cli.implementation.conventions.slots import Slot, SlotKind
from gradcheck_cli.implementation.implementation import UnknownEntryError
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.problem import fresh
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.clean import clean


class Context(WrittenDict):
    """Storage that one forward call fills for its backward: attributes, entries, or items in order.

    It is used as PyTorch's context (`save_for_backward`, `saved_tensors`, `needs_input_grad`), as a dictionary, or as a
    list: `append`, `pop`, numbers as keys, and iteration over the items.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...] = ()) -> None:
        super().__init__()
        self.saved_tensors: tuple[object, ...] = ()
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *values: object) -> None:
        """Keep values as `saved_tensors`."""
        self.saved_tensors = values

    @property
    def saved_variables(self) -> tuple[object, ...]:
        """The old name of `saved_tensors`."""
        return self.saved_tensors

    saved_values = saved_variables  #: the name in small engines made for teaching

    def ignore(self, *_: object) -> None:
        """Do nothing: PyTorch's notes on inputs and outputs, and what is for forward mode, change no gradient."""

    save_for_forward = mark_dirty = mark_non_differentiable = set_materialize_grads = ignore

    def append(self, value: object) -> None:
        """Add an item at the end."""
        self[len(self)] = value  # type: ignore[index]  # numbers are the keys of a list

    def extend(self, values: Iterable[object]) -> None:
        """Add items at the end."""
        for value in values:
            self.append(value)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._place(key))

    def pop(self, key: Any = -1, *default: object) -> object:
        """Remove an item and return it: the last one, or that of a key."""
        return super().pop(self._place(key), *default)

    def __iter__(self) -> Iterator[Any]:
        keys: list[object] = list(self.keys())
        is_list = keys == list(range(len(keys)))
        return iter(self.values() if is_list else self.keys())

    def _place(self, key: Any) -> Any:
        """Count a negative number from the end, as lists do."""
        return key + len(self) if isinstance(key, int) and key < 0 <= key + len(self) else key


def named_entries(slot: Slot, inputs: Mapping[str, object], dictionary: Mapping[str, object]) -> object:
    """Return a list of inputs, or a dictionary of them, with the layer's parameters or without; or an object."""
    arrays = fresh(inputs)
    held = {key: arrays[name] for key, name in slot.entries if name in arrays}
    if all(isinstance(key, int) for key in held):
        return [*held.values()]
    named = {str(key): value for key, value in held.items()}
    found = WrittenDict({**(dictionary if slot.kind is SlotKind.DICTIONARY else {}), **named})
    vars(found).update(found)
    return found


class Entries(WrittenDict):
    """A dictionary that has an entry under each name that is asked for; before that, a list of the arrays."""

    def __init__(
        self,
        arrays: Mapping[str, Array],
        names: Mapping[str, str],
        settings: Mapping[str, object],
        spare: Callable[[str], Array | None],
    ) -> None:
        super().__init__()
        self._arrays, self._names, self._settings = arrays, names, settings
        self._spare = spare

    def __missing__(self, key: Any) -> object:
        if isinstance(key, int):
            return [*self._arrays.values()][key].copy()
        reduced = word(str(key))
        if reduced in self._names:
            value: object = self._arrays[self._names[reduced]].copy()
        elif key in self._settings:
            value = self._settings[key]
        elif (value := self._spare(reduced)) is None:
            asked = clean(repr(key), 40)
            raise UnknownEntryError(f"it asks for the parameter {asked}, of which the meaning is not known", len(self))
        self[key] = value
        return value

    def __contains__(self, key: object) -> bool:
        try:
            self[key]  # type: ignore[index]
        except UnknownEntryError:
            return False
        return True

    def get(self, key: Any, default: Any = None) -> Any:
        """Return an entry, or the default where its meaning is not known."""
        return self[key] if key in self else default  # noqa: SIM401  # it is this that `get` would call

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys()) if len(self) else (array.copy() for array in self._arrays.values())


Entries.__name__ = Entries.__qualname__ = "dict"  # as errors of user code call it
