"""A gated recurrent unit, with its gates in the order r, z, n along the last axis: one step, and a sequence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward
from gradcheck_cli.layers.framework.case import Case, Param
from gradcheck_cli.layers.framework.fault import fault, fault_table
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.layers.recurrent.recurrent import Cell, gate_faults, recurrent_layer
from gradcheck_cli.layers.recurrent.time import over_time, through_time
from gradcheck_cli.numeric.arrays import Array


@frozen
class VariantsCase(Case):
    """What a gated recurrent unit may compute."""

    passed = ("reset", "update")

    reset: str = choice(
        "before", "the reset gate multiplies prev_h before the product with Wh, or the product", "after"
    )
    update: str = choice("keep", "the update gate is the share of prev_h that is kept, or is replaced", "replace")


class GruCache(NamedTuple):
    """The arrays that forward keeps for backward."""

    x: Array
    prev_h: Array
    Wx: Array
    Wh: Array
    a: Array  #: what the gates are functions of, (N, 3H)
    r: Array
    z: Array
    n: Array
    next_h: Array
    before: bool  #: whether the reset gate multiplies prev_h
    keeps: bool  #: whether z is the share of prev_h in next_h, and not that of n


def gru_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, gru_param: Param
) -> tuple[Array, GruCache]:
    """Return next_h (N, H), and the cache.

    With three blocks of columns, r and z = sigmoid(x Wx + prev_h Wh + b), and n = tanh(x Wx + b + (r prev_h) Wh), or
    tanh(x Wx + b + r (prev_h Wh)) where "reset" is "after". next_h = z prev_h + (1 - z) n, or with z and 1 - z
    exchanged where "update" is "replace".
    """
    H, before, keeps = prev_h.shape[1], gru_param["reset"] == "before", gru_param["update"] == "keep"
    of_x, of_n = x @ Wx + b, Wh[:, 2 * H :]
    a_gates = of_x[:, : 2 * H] + prev_h @ Wh[:, : 2 * H]
    gates, _ = sigmoid_forward(a_gates)
    r, z = gates[:, :H], gates[:, H:]
    a_n = of_x[:, 2 * H :] + ((r * prev_h) @ of_n if before else r * (prev_h @ of_n))
    n = np.tanh(a_n)
    next_h = z * prev_h + (1 - z) * n if keeps else (1 - z) * prev_h + z * n
    return next_h, GruCache(x, prev_h, Wx, Wh, np.hstack([a_gates, a_n]), r, z, n, next_h, before, keeps)


def gru_step_backward(dnext_h: Array, cache: GruCache) -> tuple[Array, ...]:
    """Return dx, dprev_h, dWx, dWh and db for dnext_h (N, H).

    From next_h = z prev_h + (1 - z) n: dz = dnext_h (prev_h - n), dn = dnext_h (1 - z), and z dnext_h goes to prev_h.
    Through the gates, da_z = dz z (1 - z) and da_n = dn (1 - n^2). With the columns W of Wh for n, the reset gate
    before the product has dr = prev_h (da_n W'), and after it dr = (prev_h W) da_n; da_r = dr r (1 - r). The rest is
    affine layers that share da. (Cho et al., Learning phrase representations, 2014, equations 5 to 8, which has the
    reset gate before the product; Chung et al., 2014, exchanges z and 1 - z.)
    """
    c, H = cache, cache.prev_h.shape[1]
    of_gates, of_n = c.Wh[:, : 2 * H], c.Wh[:, 2 * H :]
    of_h, in_z = (c.z, c.prev_h - c.n) if c.keeps else (1 - c.z, c.n - c.prev_h)
    da_n = dnext_h * (1 - of_h) * (1 - c.n * c.n)
    if c.before:
        dq = da_n @ of_n.T
        dr, through_n, dW_n = dq * c.prev_h, dq * c.r, (c.r * c.prev_h).T @ da_n
    else:
        dm = da_n * c.r
        dr, through_n, dW_n = da_n * (c.prev_h @ of_n), dm @ of_n.T, c.prev_h.T @ dm
    gates = np.hstack([dr * c.r * (1 - c.r), dnext_h * in_z * c.z * (1 - c.z)])
    da = np.hstack([gates, da_n])
    dprev_h = dnext_h * of_h + through_n + gates @ of_gates.T
    return da @ c.Wx.T, dprev_h, c.x.T @ da, np.hstack([c.prev_h.T @ gates, dW_n]), da.sum(axis=0)


#: The equations of `gru_step_backward`, whose names they have; r has one for each place where it is used, and W are the
#: columns of Wh for n.
FORMULAS = """
    W = Wh[:, 2 * n.shape[1] :]
    of_h = z if keeps else 1 - z
    of_n = 1 - of_h
    of_z = prev_h - n if keeps else n - prev_h
    kept = of_h
    replaced = of_n
    in_z = of_z
    sums = np.split(a, 3, axis=1)
    right = np.split(np.hstack([r * (1 - r), z * (1 - z), 1 - n * n]), 3, axis=1)
    gate_slopes = right
    da_n = dnext_h * replaced * gate_slopes[2]
    at_product = before
    reset_of_h = r
    reset_of_W = r
    in_r = prev_h if at_product else prev_h @ W
    dr = (da_n @ W.T if at_product else da_n) * in_r
    through_n = da_n @ W.T * reset_of_h if at_product else da_n * reset_of_h @ W.T
    state = prev_h
    dW_n = (reset_of_W * state).T @ da_n if at_product else state.T @ (reset_of_W * da_n)
    da_r = dr * gate_slopes[0]
    da_z = dnext_h * in_z * gate_slopes[1]
    gates = np.hstack([da_r, da_z])
    order = (0, 1, 2)
    da = np.hstack([(da_r, da_z, da_n)[k] for k in order])
    through_gates = gates @ Wh[:, : gates.shape[1]].T
    direct = dnext_h * kept
    dx = da @ Wx.T
    dprev_h = direct + through_n + through_gates
    dWx = x.T @ da
    blocks = [*np.split(state.T @ gates, 2, axis=1), dW_n]
    dWh = np.hstack([blocks[k] for k in order])
    db = da.sum(axis=0)
"""

_UPDATE = "next_h = z prev_h + (1 - z) n: dz = dnext_h (prev_h - n) and dn = dnext_h (1 - z); or z and 1 - z exchanged."
_RESET = (
    "Before the product n has (r prev_h) W, so dr = prev_h (da_n W'); after it r (prev_h W), so dr = (prev_h W) da_n."
)

FAULTS = (
    *fault_table(
        "prev_h reaches next_h by its share in it, by n, and by both gates: dprev_h is the sum of three terms.",
        ("state-path", "the share of prev_h in next_h is missing from dprev_h", "direct = 0.0"),
        ("state-path", "the term through n is missing from dprev_h", "through_n = 0.0"),
        ("state-path", "the term through the gates is missing from dprev_h", "through_gates = 0.0"),
        ("state-path", "only the share of prev_h in next_h is in dprev_h", "through_n = 0.0; through_gates = 0.0"),
    ),
    *fault_table(
        _UPDATE,
        ("update-gate", "z and 1 - z are exchanged", "kept = of_n; replaced = of_h"),
        ("update-gate", "z and 1 - z are exchanged in dn", "replaced = of_h"),
        ("update-gate", "z and 1 - z are exchanged in dprev_h", "kept = of_n"),
        ("update-gate", "the share of n is missing from dn", "replaced = 1.0"),
        ("update-gate", "dz has the wrong sign", "in_z = -of_z"),
        ("update-gate", "prev_h is missing from dz", "in_z = -n if keeps else n"),
        ("update-gate", "n is missing from dz", "in_z = prev_h if keeps else -prev_h"),
    ),
    *fault_table(
        _RESET,
        ("reset-gate", "dr lacks its factor, prev_h or prev_h W", "in_r = 1.0"),
        ("reset-gate", "r is missing on the way through n to prev_h", "reset_of_h = 1.0"),
        ("reset-gate", "r is missing from the columns of dWh for n", "reset_of_W = 1.0"),
        (
            "reset-gate",
            "r is missing from dprev_h and from the columns of dWh for n",
            "reset_of_h = 1.0; reset_of_W = 1.0",
        ),
        ("reset-gate", "the gradient of the reset gate is missing", "dr = 0 * r"),
        ("reset-gate", "the reset gate is on the other side of the product", "at_product = not before"),
    ),
    fault(
        "state-of-other-step",
        "next_h is used in place of prev_h",
        "dWh takes the state that the step was given.",
        "state = next_h",
    ),
    *gate_faults("rz", "n", "Multiply dr and dz by s (1 - s), each with its own s, and dn by 1 - n^2."),
)

CELL = Cell(
    states=("h",),
    gates=3,
    backward=gru_step_backward,
    formulas=FORMULAS,
    faults=FAULTS,
    units_meet=lambda settings: settings["reset"] == "before",
    param="gru_param",
    settings=(VariantsCase,),
    # Both positions of the reset gate, and both meanings of the update gate.
    variants=tuple(
        {"reset": reset, "update": update} for reset in ("before", "after") for update in ("keep", "replace")
    ),
)
STEP = recurrent_layer("gru-step", CELL, gru_step_forward, gru_step_backward)


def gru_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, gru_param: Param) -> tuple[Array, list[GruCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(gru_step_forward, x, [h0], Wx, Wh, b, gru_param)


def gru_backward(dh: Array, caches: list[GruCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation."""
    return through_time(gru_step_backward, dh, caches)


LAYER = recurrent_layer("gru", CELL, gru_forward, gru_backward)
