"""One step of a recurrent layer: next_h = tanh(x Wx + prev_h Wh + b)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.recurrent.recurrent import Recurrent, StepCase
from gradcheck_cli.layers.recurrent.rnn_faults import slips

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


class Cache(NamedTuple):
    """What forward keeps for backward."""

    x: Array
    prev_h: Array
    Wx: Array
    Wh: Array
    a: Array  #: x Wx + prev_h Wh + b
    slope: Array  #: 1 - next_h^2


@frozen
class RnnStepCase(StepCase):
    """Sizes of one step: x (N, D), prev_h and next_h (N, H), Wx (D, H), Wh (H, H), b (H,)."""

    layer: ClassVar[str] = "rnn-step"


def rnn_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Cache]:
    """Return next_h = tanh(x Wx + prev_h Wh + b), and the cache."""
    a = x @ Wx + prev_h @ Wh + b
    next_h = np.tanh(a)
    return next_h, Cache(x, prev_h, Wx, Wh, a, 1 - next_h * next_h)


def rnn_step_backward(dnext_h: Array, cache: Cache) -> tuple[Array, Array, Array, Array, Array]:
    """Carry dnext_h (N, H) back.

    With a = x Wx + prev_h Wh + b, da = dnext_h (1 - next_h^2), for tanh' = 1 - tanh^2. The rest is two affine layers
    that share da: dx = da Wx', dprev_h = da Wh', dWx = x' da, dWh = prev_h' da, db = sum_n da.
    (Goodfellow, Bengio and Courville, Deep Learning, section 10.2.2.)
    """
    x, prev_h, Wx, Wh, _, slope = cache
    da = dnext_h * slope
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def absolute(cache: Cache) -> Cache:
    """Of a cache the one with which backward adds up absolute values: of 1 - h^2, 1 + h^2."""
    return Cache(*map(abs, cache))._replace(slope=2 - cache.slope)


LAYER = Recurrent(
    case=RnnStepCase,
    forward=rnn_step_forward,
    backward=rnn_step_backward,
    states=("prev_h",),
    slips=lambda _: slips(rnn_step_backward),
    outputs=("next_h",),
    gates=1,
    absolute=absolute,
).layer()
