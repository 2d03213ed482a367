"""Convolutions that are computed as that of images: along one axis, along three, and of each channel alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.conv import convolution
from gradcheck_cli.layers.conv.conv import standard as convolutions
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.geometry import OBLONG_IMAGE, OBLONG_WINDOW, WindowedCase
from gradcheck_cli.layers.framework.axes import Axis, declare
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.parameter import pair, size
from gradcheck_cli.numeric.arrays import Array


@frozen
class Conv1dCase(WindowedCase):
    """A geometry: x (N, C, W), w (F, C, WW), b (F,), out (N, F, W')."""

    layer = "conv1d"
    axes = declare(x="N C W", w="F C WW", b="F", out="N F W'")
    passed = ("stride", "pad")
    kernels = ("WW",)

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


SEQUENCES = convolution(
    Conv1dCase,
    builtin={"vectorized": (conv1d_forward, conv1d_backward)},
    standard=lambda: Conv1dCase.rows(
        "N C W F WW stride pad",
        (2, 3, 6, 2, 3, 1, 1),
        (2, 2, 7, 3, 3, 1, 0),
        (3, 2, 6, 3, 3, 2, 1),  # one column unseen
        (2, 1, 8, 2, 2, 3, 2),  # a stride larger than the kernel
        (1, 2, 5, 1, 5, 1, 0),  # one output
        (1, 1, 4, 1, 1, 1, 0),  # nothing to sum over
    ),
    probe_cases=(
        Conv1dCase(N=2, C=3, W=7, F=4, WW=3, pad=1),  # "same"
        Conv1dCase(N=2, C=3, W=7, F=4, WW=3, pad=0),  # for those that cannot pad
    ),
)


PLANE = Axis(name="plane", letter="l", size="D", spatial=True)
_KERNEL_PLANE = Axis(name="kernel plane", letter="q", size="DD", spatial=True)
OUT_PLANE = Axis(name="plane", letter="l", size="D'", spatial=True, windows=True)


@frozen
class Conv3dCase(WindowedCase):
    """A geometry: x (N, C, D, H, W), w (F, C, DD, HH, WW), b (F,), out (N, F, D', H', W')."""

    layer = "conv3d"
    axes = declare(*(PLANE, _KERNEL_PLANE, OUT_PLANE), x="N C D H W", w="F C DD HH WW", b="F", out="N F D' H' W'")
    passed = ("stride", "pad")
    kernels = ("DD", "HH", "WW")

    N: int = size(2, "samples")
    C: int = size(2, "channels")
    D: int = size(4, "depth")
    H: int = size(4, "height")
    W: int = size(4, "width")
    F: int = size(2, "filters")
    DD: int = size(2, "kernel depth")
    HH: int = size(3, "kernel height")
    WW: int = size(3, "kernel width")
    stride: int = size(1, "step from window to window")
    pad: int = size(1, "zeros added on each side", minimum=0)


def conv3d_forward(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out, with s the stride, and the cache that backward needs.

    out[n, f, l, i, j] = b[f] + sum_cqhk x_padded[n, c, l s + q, i s + h, j s + k] w[f, c, q, h, k].

    Plane l of the output of a sample is a convolution of images, whose channels are the C channels of the DD planes
    that its windows see.
    """
    stride, pad = conv_param["stride"], conv_param["pad"]
    (N, C, D, H, W), (F, _, DD, HH, WW) = x.shape, w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (0, 0), (0, 0)))
    planes = stride * np.arange((D + 2 * pad - DD) // stride + 1)[:, None] + np.arange(DD)  # (D', DD)
    images = padded[:, :, planes].transpose(0, 2, 1, 3, 4, 5).reshape(-1, C * DD, H, W)
    out, cache = conv_forward_fast(images, w.reshape(F, C * DD, HH, WW), b, conv_param)
    return out.reshape(N, -1, *out.shape[1:]).swapaxes(1, 2), (x.shape, w.shape, planes, pad, cache)


def conv3d_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dw and db for dout (N, F, D', H', W').

    `conv_backward_naive` has the derivation for the images of which forward is a convolution; dw and db are summed over
    all of them there. A plane of x is seen by several of them, and its gradient is the sum of theirs. (Ji, Xu, Yang and
    Yu, 3D convolutional neural networks for human action recognition, 2013, equation 2.)
    """
    (N, C, D, H, W), w_shape, planes, pad, images = cache
    dimages, dw, db = conv_backward_fast(dout.swapaxes(1, 2).reshape(-1, w_shape[0], *dout.shape[3:]), images)
    shares = dimages.reshape(N, len(planes), C, -1, H, W).transpose(0, 2, 1, 3, 4, 5)
    dpadded = np.zeros((N, C, D + 2 * pad, H, W), dout.dtype)
    for q, seen in enumerate(planes.T):
        dpadded[:, :, seen] += shares[:, :, :, q]
    return dpadded[:, :, pad : pad + D], dw.reshape(w_shape), db


VOLUMES = convolution(
    Conv3dCase,
    builtin={"planes": (conv3d_forward, conv3d_backward)},
    standard=lambda: Conv3dCase.rows(
        "N C D H W F DD HH WW stride pad",
        (2, 2, 3, 4, 3, 2, 3, 3, 3, 1, 1),  # that of most notebooks
        (1, 2, 3, 4, 5, 3, 2, 3, 2, 1, 0),  # no two sizes equal, no pad
        (2, 1, 2, 3, 3, 2, 2, 2, 3, 1, 2),  # pad 2
        (2, 2, 4, 5, 4, 1, 3, 3, 2, 2, 1),  # stride 2, planes and rows even, columns not
        (1, 1, 3, 2, 3, 1, 1, 1, 1, 1, 0),  # nothing to sum over
        (2, 2, 2, 3, 4, 2, 2, 3, 4, 1, 0),  # a kernel as large as x
        (1, 2, 5, 4, 5, 2, 2, 1, 2, 3, 0),  # a stride larger than the kernel
    ),
    probe_cases=(
        Conv3dCase(N=2, C=3, D=4, H=5, W=6, F=4, DD=3, HH=3, WW=3, pad=1),  # "same"
        Conv3dCase(N=2, C=3, D=4, H=5, W=6, F=4, DD=2, HH=3, WW=3, pad=0),  # for those that cannot pad
    ),
)


@frozen
class DepthwiseConvCase(WindowedCase):
    """A geometry: x (N, C, H, W), w (C, HH, WW), b (C,), out (N, C, H', W')."""

    layer = "depthwise-conv"
    axes = declare(x="N C H W", w="C HH WW", b="C", out="N C H' W'")
    passed = ("stride", "pad")

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


_NUMBERS = [parameter.name for parameter in DepthwiseConvCase.parameters()]
DEPTHWISE = convolution(
    DepthwiseConvCase,
    builtin={"groups": (depthwise_conv_forward, depthwise_conv_backward)},
    # Those of convolution, of which each number but that of filters matters here as it does there.
    standard=lambda: [DepthwiseConvCase(**{name: case.geometry[name] for name in _NUMBERS}) for case in convolutions()],
    special_cases=(OBLONG_WINDOW, OBLONG_IMAGE),
    probe_cases=(
        DepthwiseConvCase(N=4, C=2, H=5, W=6, HH=3, WW=3, stride=1, pad=1),
        DepthwiseConvCase(N=4, C=2, H=5, W=6, HH=3, WW=3, stride=1, pad=0),
        DepthwiseConvCase(N=4, C=2, H=5, W=5, HH=3, WW=3, stride=1, pad=1),
    ),
)
