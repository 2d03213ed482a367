"""Convolution along one axis: that of an image of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.conv import convolution
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.geometry import WindowedCase
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.parameter import size

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


@frozen
class Conv1dCase(WindowedCase):
    """A geometry: x (N, C, W), w (F, C, WW), b (F,), out (N, F, W')."""

    layer: ClassVar[str] = "conv1d"
    axes = declare(x="N C W", w="F C WW", b="F", out="N F W'")
    passed: ClassVar = ("stride", "pad")
    kernels: ClassVar = ("WW",)

    N: int = size(4, "samples")
    C: int = size(3, "channels")
    W: int = size(6, "length")
    F: int = size(2, "filters")
    WW: int = size(3, "kernel length")
    stride: int = size(1, "step from window to window")
    pad: int = size(1, "zeros added on each side", minimum=0)


def conv1d_forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
    """Return out[n, f, j] = b[f] + sum_ck x_padded[n, c, j stride + k] w[f, c, k], and the cache."""
    param = {"stride": (1, conv_param["stride"]), "pad": (0, conv_param["pad"])}
    out, cache = conv_forward_fast(x[:, :, None], w[:, :, None], b, param)
    return out[:, :, 0], cache


def conv1d_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return dx, dw and db for dout (N, F, W').

    A sequence is an image of one row, and a kernel too: the derivation is that of `conv_backward_naive`, of which here
    one of the two spatial sums has one term.
    """
    dx, dw, db = conv_backward_fast(dout[:, :, None], cache)
    return dx[:, :, 0], dw[:, :, 0], db


def standard() -> tuple[Conv1dCase, ...]:
    """List pads and strides as of images, a size of 1 each, and a kernel as long as the sequence."""
    return Conv1dCase.rows(
        "N C W F WW stride pad",
        (2, 3, 6, 2, 3, 1, 1),
        (2, 2, 7, 3, 3, 1, 0),
        (3, 2, 6, 3, 3, 2, 1),  # one column unseen
        (2, 1, 8, 2, 2, 3, 2),  # a stride larger than the kernel
        (1, 2, 5, 1, 5, 1, 0),  # one output
        (1, 1, 4, 1, 1, 1, 0),
    )


LAYER = convolution(
    Conv1dCase,
    builtin={"vectorized": (conv1d_forward, conv1d_backward)},
    standard=standard,
    probe_cases=(
        Conv1dCase(N=2, C=3, W=7, F=4, WW=3, pad=1),  # "same"
        Conv1dCase(N=2, C=3, W=7, F=4, WW=3, pad=0),  # for those that cannot pad
    ),
)
