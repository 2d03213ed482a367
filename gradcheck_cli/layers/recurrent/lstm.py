"""An LSTM over a sequence, from a cell state of zeros, back through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.recurrent.lstm_step import CELL, lstm_step_backward, lstm_step_forward
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, SequenceCase, declare_axes
from gradcheck_cli.layers.recurrent.time import over_time, through_time

if TYPE_CHECKING:
    from gradcheck_cli.layers.recurrent.lstm_step import LstmCache
    from gradcheck_cli.numeric.arrays import Array


@frozen
class LstmCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,), h (N, T, H)."""

    layer: ClassVar[str] = "lstm"
    axes = declare_axes("N T D", ("h0",), ("h",), gates=4)


def lstm_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[LstmCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(lstm_step_forward, x, [h0, np.zeros_like(h0)], Wx, Wh, b)


def lstm_backward(dh: Array, caches: list[LstmCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation.

    Two states go from step to step, of which the cell state is no output. (Greff et al., LSTM: A Search Space Odyssey,
    section II.)
    """
    return through_time(lstm_step_backward, dh, caches, (1.0, 1.0))


LAYER = Recurrent(case=LstmCase, cell=CELL, forward=lstm_forward, backward=lstm_backward).layer()
