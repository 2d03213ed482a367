"""Ten convolutions with a fault that only some geometries show, and the flags without which it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv.naive import both, conv_backward_naive, conv_forward_naive
from tests.faults.conv import FAULTS

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from tests.faults.conv import Change, Gradients, Inputs, Param


def unseen_rows_left_out(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Takes the image to end where the last window does."""
    _, w, _ = inputs
    rows, columns = (
        (count - 1) * stride + kernel - pad
        for count, stride, kernel, pad in zip(
            dout.shape[2:], both(conv_param["stride"]), w.shape[2:], both(conv_param["pad"]), strict=True
        )
    )
    return grads["dx"][:, :, :rows, :columns], grads["dw"], grads["db"]


def batch_of_one_squeezed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"][0] if len(dout) == 1 else grads["dx"], grads["dw"], grads["db"]


def cropped_by_the_kernel_at_most(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Takes no window to lie wholly on the pad."""
    x, w, _ = inputs
    (pv, ph), (HH, WW), (H, W) = both(conv_param["pad"]), w.shape[2:], x.shape[2:]
    padded = np.pad(grads["dx"], ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    top, left = min(pv, HH - 1), min(ph, WW - 1)
    return padded[:, :, top : top + H, left : left + W], grads["dw"], grads["db"]


def dilation_ignored(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    (sv, sh), (pv, ph) = both(conv_param["stride"]), both(conv_param["pad"])
    dx = np.zeros_like(x)
    for i, j, h, k in np.ndindex(*dout.shape[2:], *w.shape[2:]):
        row, column = i * sv + h - pv, j * sh + k - ph
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            dx[:, :, row, column] += dout[:, :, i, j] @ w[:, :, h, k]
    return dx, grads["dw"], grads["db"]


def groups_ignored(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, b = inputs
    repeated = np.tile(w, (1, conv_param.get("groups", 1), 1, 1))
    dx, _, _ = conv_backward_naive(dout, (x, repeated, b, {**conv_param, "groups": 1}))
    return dx, grads["dw"], grads["db"]


#: By what it takes to show them: the fault, and the values that flags give.
CORNERS: dict[str, tuple[Change, dict[str, tuple[Any, ...]]]] = {
    "pad 0": (FAULTS["empty_crop"], {}),
    "stride": (FAULTS["stride_ignored_in_dx"], {}),
    "not square": (FAULTS["cropped_square"], {}),
    "not dividing evenly": (unseen_rows_left_out, {}),
    "kernel larger than the stride": (FAULTS["assigned_instead_of_accumulated"], {}),
    "last filter": (FAULTS["assigned_over_filters_in_dx"], {}),
    "one sample": (batch_of_one_squeezed, {}),
    "pad above the kernel": (cropped_by_the_kernel_at_most, {}),
    "dilation": (dilation_ignored, {"dilation": ((1, 1), (2, 2))}),
    "groups": (groups_ignored, {"groups": (1, 2)}),
}


def with_change(fault: Change) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return forward, and a backward with that fault."""

    def backward(dout: Array, cache: Any) -> Any:
        x, w, b, conv_param = cache
        return fault(
            dict(zip(("dx", "dw", "db"), conv_backward_naive(dout, cache), strict=True)), dout, (x, w, b), conv_param
        )

    return conv_forward_naive, backward
