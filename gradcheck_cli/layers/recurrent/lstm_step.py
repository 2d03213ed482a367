"""One step of an LSTM, its gates in the order i, f, o, g along the last axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward
from gradcheck_cli.layers.recurrent.lstm_faults import slips
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, StepCase

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


class Cache(NamedTuple):
    """What forward keeps for backward: inputs, gates, and slopes."""

    x: Array
    prev_h: Array
    prev_c: Array
    Wx: Array
    Wh: Array
    i: Array
    f: Array
    o: Array
    g: Array
    squashed: Array  #: tanh(next_c)
    sums: Array  #: x Wx + prev_h Wh + b, (N, 4H)
    slopes: Array  #: of the gates, (N, 4H)
    slope: Array  #: 1 - tanh(next_c)^2


@frozen
class LstmStepCase(StepCase):
    """Sizes of one step: x (N, D), prev_h, prev_c, next_h and next_c (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,)."""

    layer: ClassVar[str] = "lstm-step"


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, Cache]:
    """Return next_h and next_c (N, H), and the cache.

    With the four blocks a_i, a_f, a_o, a_g of x Wx + prev_h Wh + b, and i, f, o = sigmoid of the first three, g = tanh
    a_g: next_c = f prev_c + i g, next_h = o tanh(next_c).
    """
    sums = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    ifo, g = sigmoid_forward(sums[:, : 3 * H])[0], np.tanh(sums[:, 3 * H :])
    i, f, o = np.split(ifo, 3, axis=1)
    next_c = f * prev_c + i * g
    squashed = np.tanh(next_c)
    slopes = np.hstack([ifo * (1 - ifo), 1 - g * g])
    cache = Cache(x, prev_h, prev_c, Wx, Wh, i, f, o, g, squashed, sums, slopes, 1 - squashed * squashed)
    return o * squashed, next_c, cache


def lstm_step_backward(dnext_h: Array, dnext_c: Array, cache: Cache) -> tuple[Array, ...]:
    """Carry dnext_h and dnext_c (N, H) back.

    next_c reaches the loss by itself and by next_h = o tanh(next_c): dc = dnext_c + dnext_h o (1 - tanh(next_c)^2).
    From next_c = f prev_c + i g: di = dc g, df = dc prev_c, dg = dc i, dprev_c = dc f; and do = dnext_h tanh(next_c).
    Through the gates, sigmoid' = s (1 - s) and tanh' = 1 - tanh^2: da_i = di i (1 - i), and so on. The rest is two
    affine layers that share da. (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers, Schmidhuber and
    Cummins, 2000; the derivation by the chain rule, as in Greff et al., LSTM: A Search Space Odyssey, section II.)
    """
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, squashed, _, slopes, slope = cache
    dc = dnext_c + dnext_h * o * slope
    da = np.hstack([dc * g, dc * prev_c, dnext_h * squashed, dc * i]) * slopes
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def absolute(cache: Cache) -> Cache:
    """Of a cache the one with which backward adds up absolute values: s + s^2 of s - s^2, 1 + h^2 of 1 - h^2."""
    slopes = [s + s * s for s in (cache.i, cache.f, cache.o)] + [1 + cache.g * cache.g]
    return Cache(*map(abs, cache))._replace(slopes=np.hstack(slopes), slope=2 - cache.slope)


LAYER = Recurrent(
    case=LstmStepCase,
    forward=lstm_step_forward,
    backward=lstm_step_backward,
    states=("prev_h", "prev_c"),
    slips=lambda _: slips(),
    outputs=("next_h", "next_c"),
    gates=4,
    absolute=absolute,
).layer()
