"""A context object: forward fills it, and backward receives it, as in engines with static passes.

`forward(ctx, x, w)` and `backward(ctx, grad)`; or `forward(x, w, cache)`, in which cache is a dictionary or a list.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.implementation import Written, name_of
from gradcheck_cli.implementation.signature import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Context(Written):
    """What one forward call leaves for its backward: attributes, entries, or items in order.

    It is used as PyTorch's context (`save_for_backward`, `saved_tensors`, `needs_input_grad`), as a dictionary, or as a
    list: `append`, `pop`, numbers as keys, and iteration over the items.
    """

    def __init__(self, arguments: int = 0) -> None:
        super().__init__()
        self.saved_tensors: tuple[object, ...] = ()
        self.needs_input_grad = (True,) * arguments

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

    @property
    def saved_values(self) -> tuple[object, ...]:
        """The name of `saved_tensors` in small engines made for teaching."""
        return self.saved_tensors

    def mark_dirty(self, *_: object) -> None:
        """Do nothing: PyTorch's note on inputs that are written into."""

    def mark_non_differentiable(self, *_: object) -> None:
        """Do nothing: PyTorch's note on outputs without a gradient."""

    def set_materialize_grads(self, _: object) -> None:
        """Do nothing: PyTorch's setting for gradients that are None."""

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


def output_and_cache(returned: object, context: Context | None, *, shared: bool) -> tuple[object, object]:
    """Tell the output of a forward call from its cache.

    Args:
        returned: what forward returned: (out, cache), or the output alone.
        context: what forward was given to fill, if anything.
        shared: whether backward takes the context under the name that it has in forward.
    """
    is_pair = isinstance(returned, tuple | list) and len(returned) == 2
    out, cache = returned if isinstance(returned, tuple | list) and is_pair else (returned, None)
    if context is None or (is_pair and not (shared and context.is_filled)):
        return out, cache
    return out, context


def by_place(
    forward: Callable[..., Any], backward: Callable[..., Any], outputs: int, is_context: Callable[[str], bool]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Make passes that take a context somewhere ones that return it and take it as a cache, at the end.

    Args:
        forward: the forward pass.
        backward: the backward pass.
        outputs: how many outputs forward returns, besides a cache.
        is_context: tells by its name whether an argument is a context or a cache.

    Returns:
        The same functions where forward takes no context and backward takes the cache last.
    """
    ahead, back = _place(forward, is_context), _place(backward, is_context)

    def run_forward(*arguments: object) -> object:
        context = Context(len(arguments))
        returned = forward(*arguments[:ahead], context, *arguments[ahead:])
        several = returned if isinstance(returned, tuple | list) else (returned,)
        return returned if len(several) == outputs + 1 else (*several, context)

    def run_backward(*arguments: object) -> object:
        *cotangents, cache = arguments
        return backward(*cotangents[:back], cache, *cotangents[back:])

    return (
        forward if ahead is None else _described_as(run_forward, forward, ahead, []),
        backward if back is None else _described_as(run_backward, backward, back, ["cache"]),
    )


def _place(function: Callable[..., Any], is_context: Callable[[str], bool]) -> int | None:
    """Return the place of the one argument that is a context and has no default; None if there is none."""
    signature = signature_of(function)
    parameters = list(signature.parameters.values()) if signature else []
    plain = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    found = [n for n, p in enumerate(parameters) if p.default is p.empty and p.kind in plain and is_context(p.name)]
    return found[0] if len(found) == 1 else None


def _described_as(
    wrapper: Callable[..., Any], function: Callable[..., Any], context: int, last: list[str]
) -> Callable[..., Any]:
    """Give a wrapper the name of a function, and its arguments without the context, then those of `last`."""
    signature = inspect.signature(function)
    parameters = [p for number, p in enumerate(signature.parameters.values()) if number != context]
    parameters += [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in last]
    wrapper.__name__ = name_of(function)
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapper
