"""An LSTM over a sequence, from a cell state of zeros, back through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.recurrent.lstm_faults import slips
from gradcheck_cli.layers.recurrent.lstm_step import absolute, lstm_step_backward, lstm_step_forward
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, SequenceCase, through_time
from gradcheck_cli.layers.recurrent.time_faults import in_each_step, time_slips

if TYPE_CHECKING:
    from gradcheck_cli.layers.recurrent.lstm_step import Cache
    from gradcheck_cli.numeric.arrays import Array


@frozen
class LstmCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,), h (N, T, H)."""

    layer: ClassVar[str] = "lstm"


def lstm_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[Cache]]:
    """Return the hidden states after each step, (N, T, H), and the cache. The cell state starts at zero."""
    h, c, states, caches = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), caches


def lstm_backward(dh: Array, caches: list[Cache]) -> tuple[Array, ...]:
    """Carry dh (N, T, H) back through time.

    Two states go from step to step. h[t] reaches the loss by itself and by step t + 1, the cell state by step t + 1
    alone: into step t go dh[:, t] plus the dprev_h of step t + 1, and its dprev_c; into the last, dh and zero. The
    weights' gradients are summed over steps. (Greff et al., LSTM: A Search Space Odyssey, section II.)
    """
    return through_time(lstm_step_backward, dh, caches, (1.0, 1.0))


LAYER = Recurrent(
    case=LstmCase,
    forward=lstm_forward,
    backward=lstm_backward,
    states=("h0",),
    outputs=("h",),
    slips=lambda case: (*time_slips(lstm_step_backward, 2, case), *in_each_step(slips(), 2)),
    gates=4,
    absolute=lambda caches: [absolute(cache) for cache in caches],
).layer()
