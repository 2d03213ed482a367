"""Faults in one step of a gated recurrent unit: terms that are missing, wrong slopes, and gates in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.framework.equations import fault
from gradcheck_cli.layers.recurrent.gates import gate_faults

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.equations import Equations
    from gradcheck_cli.numeric.arrays import Array


def _rest(v: Any) -> Array:
    """Return the columns of Wh for n."""
    return np.asarray(v.Wh[:, 2 * v.n.shape[1] :])


def _sign(v: Any) -> float:
    """Return 1 where z is the share of prev_h that is kept, -1 where it is replaced."""
    return 1.0 if np.array_equal(v.of_h, v.z) else -1.0


#: Those of `gru_step_backward`, whose names they have; `reset` is r, with a name for each place where it is used.
EQUATIONS: Equations = {
    "kept": lambda v: v.of_h,
    "replaced": lambda v: v.of_n,
    "in_z": lambda v: v.of_z,
    "gate_slopes": lambda v: np.split(v.slopes, 3, axis=1),
    "da_n": lambda v: v.dnext_h * v.replaced * v.gate_slopes[2],
    "at_product": lambda v: v.before,
    "reset_of_h": lambda v: v.r,
    "reset_of_W": lambda v: v.r,
    "in_r": lambda v: v.prev_h if v.at_product else v.m,
    "dr": lambda v: (v.da_n @ _rest(v).T if v.at_product else v.da_n) * v.in_r,
    "through_n": lambda v: v.da_n @ _rest(v).T * v.reset_of_h if v.at_product else v.da_n * v.reset_of_h @ _rest(v).T,
    "state": lambda v: v.prev_h,
    "dW_n": lambda v: (v.reset_of_W * v.state).T @ v.da_n if v.at_product else v.state.T @ (v.reset_of_W * v.da_n),
    "da_r": lambda v: v.dr * v.gate_slopes[0],
    "da_z": lambda v: v.dnext_h * v.in_z * v.gate_slopes[1],
    "gates": lambda v: np.hstack([v.da_r, v.da_z]),
    "order": (0, 1, 2),
    "da": lambda v: np.hstack([(v.da_r, v.da_z, v.da_n)[k] for k in v.order]),
    "through_gates": lambda v: v.gates @ v.Wh[:, : v.gates.shape[1]].T,
    "direct": lambda v: v.dnext_h * v.kept,
    "dx": lambda v: v.da @ v.Wx.T,
    "dprev_h": lambda v: v.direct + v.through_n + v.through_gates,
    "dWx": lambda v: v.x.T @ v.da,
    "blocks": lambda v: [*np.split(v.state.T @ v.gates, 2, axis=1), v.dW_n],
    "dWh": lambda v: np.hstack([v.blocks[k] for k in v.order]),
    "db": lambda v: v.da.sum(axis=0),
}

_STATE = "prev_h reaches next_h by its share in it, by n, and by both gates: dprev_h is the sum of three terms."
_UPDATE = "next_h = z prev_h + (1 - z) n: dz = dnext_h (prev_h - n) and dn = dnext_h (1 - z); or z and 1 - z exchanged."
_RESET = (
    "Before the product n has (r prev_h) W, so dr = prev_h (da_n W'); after it r (prev_h W), so dr = (prev_h W) da_n."
)
_GATE = "Multiply dr and dz by s (1 - s), each with its own s, and dn by 1 - n^2."


FAULTS = (
    fault("state-path", "the share of prev_h in next_h is missing from dprev_h", _STATE, direct=0.0),
    fault("state-path", "the term through n is missing from dprev_h", _STATE, through_n=0.0),
    fault("state-path", "the term through the gates is missing from dprev_h", _STATE, through_gates=0.0),
    fault("state-path", "only the share of prev_h in next_h is in dprev_h", _STATE, through_n=0.0, through_gates=0.0),
    fault("update-gate", "z and 1 - z are exchanged", _UPDATE, kept=lambda v: v.of_n, replaced=lambda v: v.of_h),
    fault("update-gate", "z and 1 - z are exchanged in dn", _UPDATE, replaced=lambda v: v.of_h),
    fault("update-gate", "z and 1 - z are exchanged in dprev_h", _UPDATE, kept=lambda v: v.of_n),
    fault("update-gate", "the share of n is missing from dn", _UPDATE, replaced=1.0),
    fault("update-gate", "dz has the wrong sign", _UPDATE, in_z=lambda v: -v.of_z),
    fault("update-gate", "prev_h is missing from dz", _UPDATE, in_z=lambda v: v.of_z + _sign(v) * -v.prev_h),
    fault("update-gate", "n is missing from dz", _UPDATE, in_z=lambda v: v.of_z + _sign(v) * v.n),
    fault("reset-gate", "dr lacks its factor, prev_h or prev_h W", _RESET, in_r=1.0),
    fault("reset-gate", "r is missing on the way through n to prev_h", _RESET, reset_of_h=1.0),
    fault("reset-gate", "r is missing from the columns of dWh for n", _RESET, reset_of_W=1.0),
    fault(
        "reset-gate",
        "r is missing from dprev_h and from the columns of dWh for n",
        _RESET,
        reset_of_h=1.0,
        reset_of_W=1.0,
    ),
    fault("reset-gate", "the gradient of the reset gate is missing", _RESET, dr=lambda v: 0 * v.r),
    fault(
        "reset-gate", "the reset gate is on the other side of the product", _RESET, at_product=lambda v: not v.before
    ),
    fault(
        "state-of-other-step",
        "next_h is used in place of prev_h",
        "dWh takes the state that the step was given.",
        state=lambda v: v.next_h,
    ),
    *gate_faults("rz", "n", _GATE),
)
