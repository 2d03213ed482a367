"""How rows and columns reach an output through windows: of a convolution or a pooling, and of a transposed convolution.

A window sees `kernel` places, `dilation` apart, and starts `stride` after the one before it; the first starts `pad`
places before the image. Rows and columns are alike, so a place stands for either here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.framework.coupling import Relation

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.numeric.arrays import Array


def window(axis: Axis, windows: int, *, kernel: int, stride: int, dilation: int = 1, pad: int = 0) -> Relation:
    """A place reaches the windows that see it, which lie along `axis` of the output.

    The places that a window sees, divided by the dilation and rounded down, are consecutive numbers: modulo `kernel`
    they are all different, so that there are as many colours as a window sees places. Fewer cannot be.
    """

    def owners(size: int) -> Array:
        starts = np.arange(windows) * stride
        color = np.arange(min(kernel, size))[:, None]
        if size < kernel:  # a colour for each place
            h, between = np.divmod(color + pad - starts, dilation)
            return np.where((between == 0) & (h >= 0) & (h < kernel), color, -1)
        place = starts + (color - starts // dilation) % kernel * dilation - pad
        return np.where((place >= 0) & (place < size), place, -1)

    return Relation((axis,), owners)


def spread(axis: Axis, outputs: int, *, kernel: int, stride: int, pad: int) -> Relation:
    """A place is spread over a window of the `outputs` along `axis`, as by a transposed convolution.

    At most ceil(kernel / stride) places reach an output, one after the other: modulo that number they are all
    different.
    """

    def owners(size: int) -> Array:
        _, _, first, last = _reach(outputs, size, kernel, stride, pad)
        color = np.arange(min(-(-kernel // stride), size))[:, None]
        place = first + (color - first) % len(color)
        return np.where(place <= last, place, -1)

    return Relation((axis,), owners)


def spread_kernel(axis: Axis, outputs: int, *, size: int, stride: int, pad: int) -> Relation:
    """A place in the kernel by which `size` places of an image are spread over the `outputs` along `axis`.

    Those that reach one output lie a stride apart, and each belongs to one place of the image.
    """

    def owners(kernel: int) -> Array:
        quotient, rest, first, last = _reach(outputs, size, kernel, stride, pad)
        color = np.arange(min(-(-kernel // stride), size))[:, None]
        m = quotient - last + (color - quotient + last) % len(color)
        return np.where(m <= quotient - first, m * stride + rest, -1)

    return Relation((axis,), owners)


def _reach(outputs: int, size: int, kernel: int, stride: int, pad: int) -> tuple[Array, Array, Array, Array]:
    """Return quotient, rest, and the first and the last place of the image that reaches each output.

    Output i is place i + pad = quotient * stride + rest of the whole, before it is cut. Place a of the image reaches it
    by place m * stride + rest of the kernel, with m = quotient - a.
    """
    quotient, rest = np.divmod(np.arange(outputs) + pad, stride)
    most = (kernel - 1 - rest) // stride  # the last m; -1 where the kernel is narrower than the stride
    return quotient, rest, np.maximum(quotient - most, 0), np.minimum(quotient, size - 1)
