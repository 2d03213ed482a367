"""A recurrent layer over a sequence: h[t] = tanh(x[t] Wx + h[t - 1] Wh + b), back through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, SequenceCase, declare_axes
from gradcheck_cli.layers.recurrent.rnn_step import CELL, rnn_step_backward, rnn_step_forward
from gradcheck_cli.layers.recurrent.time import over_time, through_time

if TYPE_CHECKING:
    from gradcheck_cli.layers.recurrent.rnn_step import RnnCache
    from gradcheck_cli.numeric.arrays import Array


@frozen
class RnnCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, H), Wh (H, H), b (H,), h (N, T, H)."""

    layer: ClassVar[str] = "rnn"
    axes = declare_axes("N T D", ("h0",), ("h",), gates=1)


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[RnnCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(rnn_step_forward, x, [h0], Wx, Wh, b)


def rnn_backward(dh: Array, caches: list[RnnCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation."""
    return through_time(rnn_step_backward, dh, caches)


LAYER = Recurrent(case=RnnCase, cell=CELL, forward=rnn_forward, backward=rnn_backward).layer()
