"""A gated recurrent unit over a sequence, back through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.recurrent.gru_step import CELL, gru_step_backward, gru_step_forward, reset, update
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, SequenceCase, declare_axes
from gradcheck_cli.layers.recurrent.time import over_time, through_time

if TYPE_CHECKING:
    from gradcheck_cli.layers.recurrent.gru_step import GruCache, Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class GruCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, 3H), Wh (H, 3H), b (3H,), h (N, T, H)."""

    layer: ClassVar[str] = "gru"
    axes = declare_axes("N T D", ("h0",), ("h",), gates=3)
    passed: ClassVar = ("reset", "update")

    reset: str = reset()
    update: str = update()


def gru_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, gru_param: Param) -> tuple[Array, list[GruCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(gru_step_forward, x, [h0], Wx, Wh, b, gru_param)


def gru_backward(dh: Array, caches: list[GruCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation."""
    return through_time(gru_step_backward, dh, caches)


LAYER = Recurrent(case=GruCase, cell=CELL, forward=gru_forward, backward=gru_backward).layer()
