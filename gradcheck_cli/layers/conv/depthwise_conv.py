"""Depthwise convolution: of each channel with a kernel of its own, as the first half of a separable convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.conv import convolution
from gradcheck_cli.layers.conv.conv import standard as convolutions
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.geometry import WindowedCase, different_kernels, different_sizes
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.parameter import pair, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.numeric.arrays import Array


@frozen
class DepthwiseConvCase(WindowedCase):
    """A geometry: x (N, C, H, W), w (C, HH, WW), b (C,), out (N, C, H', W')."""

    layer: ClassVar[str] = "depthwise-conv"
    axes = declare(x="N C H W", w="C HH WW", b="C", out="N C H' W'")
    passed: ClassVar = ("stride", "pad")

    N: int = size(4, "samples")
    C: int = size(3, "channels")
    H: int = size(5, "image height")
    W: int = size(5, "image width")
    HH: int = size(3, "kernel height")
    WW: int = size(3, "kernel width")
    stride: int | tuple[int, int] = pair(1, "step from window to window")
    pad: int | tuple[int, int] = pair(1, "zeros added on each side", minimum=0)


def depthwise_conv_forward(x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> tuple[Array, Any]:
    """Return out[n, c, i, j] = b[c] + sum_hk x_padded[n, c, i stride + h, j stride + k] w[c, h, k], and the cache."""
    return conv_forward_fast(x, w[:, None], b, {**conv_param, "groups": w.shape[0]})


def depthwise_conv_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Return dx, dw and db for dout (N, C, H', W').

    It is a convolution of which each channel is a group with one filter, and that one sees nothing else: the derivation
    is that of `conv_backward_naive`, without the sum over filters in dx. (Chollet, Xception, 2017.)
    """
    dx, dw, db = conv_backward_fast(dout, cache)
    return dx, dw[:, 0], db


def standard() -> tuple[DepthwiseConvCase, ...]:
    """List those of convolution, of which each number but that of filters matters here as it does there."""
    names = [parameter.name for parameter in DepthwiseConvCase.parameters()]
    return tuple(DepthwiseConvCase(**{name: case.geometry[name] for name in names}) for case in convolutions())


LAYER = convolution(
    DepthwiseConvCase,
    builtin={"groups": (depthwise_conv_forward, depthwise_conv_backward)},
    standard=standard,
    special_cases=(different_kernels, different_sizes),
    probe_cases=(
        DepthwiseConvCase(N=4, C=2, H=5, W=6, HH=3, WW=3, stride=1, pad=1),
        DepthwiseConvCase(N=4, C=2, H=5, W=6, HH=3, WW=3, stride=1, pad=0),
        DepthwiseConvCase(N=4, C=2, H=5, W=5, HH=3, WW=3, stride=1, pad=1),
    ),
)
