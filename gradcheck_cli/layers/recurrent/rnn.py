"""A recurrent layer over a sequence: h[t] = tanh(x[t] Wx + h[t - 1] Wh + b), back through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, SequenceCase, through_time
from gradcheck_cli.layers.recurrent.rnn_faults import slips
from gradcheck_cli.layers.recurrent.rnn_step import absolute, rnn_step_backward, rnn_step_forward
from gradcheck_cli.layers.recurrent.time_faults import in_each_step, time_slips

if TYPE_CHECKING:
    from gradcheck_cli.layers.recurrent.rnn_step import Cache
    from gradcheck_cli.numeric.arrays import Array


@frozen
class RnnCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, H), Wh (H, H), b (H,), h (N, T, H)."""

    layer: ClassVar[str] = "rnn"


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[Cache]]:
    """Return the hidden states after each step, (N, T, H), and the cache."""
    h, states, caches = h0, [], []
    for t in range(x.shape[1]):
        h, cache = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), caches


def rnn_backward(dh: Array, caches: list[Cache]) -> tuple[Array, ...]:
    """Carry dh (N, T, H) back through time.

    h[t] reaches the loss by itself and by h[t + 1]: what goes into step t is dh[:, t] plus the dprev_h of step t + 1.
    The weights are the same at each step, so their gradients are summed over steps. (Goodfellow, Bengio and Courville,
    Deep Learning, section 10.2.2.)
    """
    return through_time(rnn_step_backward, dh, caches)


LAYER = Recurrent(
    case=RnnCase,
    forward=rnn_forward,
    backward=rnn_backward,
    states=("h0",),
    outputs=("h",),
    slips=lambda case: (*time_slips(rnn_step_backward, 1, case), *in_each_step(slips(rnn_step_backward), 1)),
    gates=1,
    absolute=lambda caches: [absolute(cache) for cache in caches],
).layer()
