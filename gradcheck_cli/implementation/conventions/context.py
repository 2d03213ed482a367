"""A context object: forward fills it, and backward receives it, as in engines with static passes.

`forward(ctx, x, w)` and `backward(ctx, grad)`; or `forward(x, w, cache)`, in which cache is a dictionary or a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gradcheck_cli.implementation.calling import WrittenDict


class Context(WrittenDict):
    """Storage that one forward call fills for its backward: attributes, entries, or items in order.

    It is used as PyTorch's context (`save_for_backward`, `saved_tensors`, `needs_input_grad`), as a dictionary, or as a
    list: `append`, `pop`, numbers as keys, and iteration over the items.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...] = ()) -> None:
        super().__init__()
        self.saved_tensors: tuple[object, ...] = ()
        self.needs_input_grad = needs_input_grad

    @property
    def is_filled(self) -> bool:
        """Whether anything was put into it."""
        return len(self) > 0 or len(vars(self)) > 2 or len(self.saved_tensors) > 0

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
