"""A context object: forward fills it, and backward receives it, as in engines with static passes.

`forward(ctx, x, w)` and `backward(ctx, grad)`; or `forward(x, w, cache)`, in which cache is a dictionary.
"""

from __future__ import annotations

from gradcheck_cli.implementation.calling import WrittenDict


class Context(WrittenDict):
    """Storage that one forward call fills for its backward: attributes, or entries.

    It is used as PyTorch's context (`save_for_backward`, `saved_tensors`, `needs_input_grad`) or as a dictionary.
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
    def saved_values(self) -> tuple[object, ...]:
        """What small engines made for teaching call `saved_tensors`."""
        return self.saved_tensors

    def ignore(self, *_: object) -> None:
        """Do nothing: PyTorch's notes on inputs and outputs change no gradient."""

    mark_dirty = mark_non_differentiable = set_materialize_grads = ignore
