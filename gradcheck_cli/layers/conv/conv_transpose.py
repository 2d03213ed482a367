"""Transposed convolution: each element of x is spread over a window of the output."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.conv import ConvCase, ImagesCase, convolution
from gradcheck_cli.layers.conv.fast import gather
from gradcheck_cli.layers.conv.geometry import OBLONG_IMAGE, OBLONG_WINDOW, OVERLAPS, Windows
from gradcheck_cli.layers.conv.naive import both, padded, positions
from gradcheck_cli.layers.framework.axes import COLUMN, KERNEL_COLUMN, KERNEL_ROW, OUT_COLUMN, OUT_ROW, ROW, declare
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.coupling import Relations, spread, spread_kernel
from gradcheck_cli.layers.framework.drawing import Draw, Given, draw_independently
from gradcheck_cli.layers.framework.layer import imported
from gradcheck_cli.layers.framework.parameter import pair, size
from gradcheck_cli.numeric.arrays import Array

#: Rows and columns of x are those of windows here: each element is spread over one.
_ROW, _COLUMN = ROW._replace(windows=True), COLUMN._replace(windows=True)
_OUT_ROW, _OUT_COLUMN = OUT_ROW._replace(windows=False), OUT_COLUMN._replace(windows=False)


@frozen
class ConvTransposeCase(ImagesCase):
    """A geometry: x (N, C, H, W), w (C, F, HH, WW), b (F,), out (N, F, H', W').

    H' = (H - 1) stride + HH - 2 pad, of the whole what is left after the cut.
    """

    layer = "conv-transpose"
    axes = declare(_ROW, _COLUMN, _OUT_ROW, _OUT_COLUMN, x="N C H W", w="C F HH WW", b="F", out="N F H' W'")
    passed = ("stride", "pad")

    H: int = size(3, "image height")
    W: int = size(3, "image width")
    pad: int | tuple[int, int] = pair(1, "rows and columns cut off on each side", minimum=0)

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (N, F, H', W')."""
        (sv, sh), (pv, ph) = both(self.stride), both(self.pad)
        return self.N, self.F, (self.H - 1) * sv + self.HH - 2 * pv, (self.W - 1) * sh + self.WW - 2 * ph

    @property
    def as_conv(self) -> ConvCase:
        """The convolution whose dx is the output: its windows are those over which elements are spread."""
        _, _, rows, columns = self.out_shape
        return ConvCase(**{**self.geometry, "C": self.F, "F": self.C, "H": rows, "W": columns})

    @cached_property
    def windows(self) -> tuple[Windows, ...]:
        """The windows of that convolution."""
        return self.as_conv.windows

    def impossible(self) -> str | None:
        """Say why no layer can have this geometry, or None if one can."""
        for axis, length, pad in zip(("height", "width"), self.out_shape[2:], both(self.pad), strict=True):
            if length < 1:
                return f"pad {pad} cuts off all of the output's {axis} of {length + 2 * pad}"
        return None


def conv_transpose_forward(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out, and the cache.

    Each x[n, c, i, j] w[c, f, h, k] is added to row i stride + h and column j stride + k; of each side pad rows and
    columns are cut off, and b[f] is added to what is left.
    """
    (sv, sh), (pv, ph) = both(conv_param["stride"]), both(conv_param["pad"])
    (N, C, H, W), (_, F, HH, WW) = x.shape, w.shape
    whole = np.zeros((N, F, (H - 1) * sv + HH, (W - 1) * sh + WW), x.dtype)
    for h, k, spread_to in positions(whole, (HH, WW), conv_param):
        whole[spread_to] += (w[:, :, h, k].T @ x.reshape(N, C, -1)).reshape(N, F, H, W)
    cut = whole[:, :, pv : whole.shape[2] - pv, ph : whole.shape[3] - ph]
    return cut + b[:, None, None], (x, w, conv_param)


def conv_transpose_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dw and db for dout (N, F, H', W').

    x[n, c, i, j] reaches the window of out that starts at (i, j) stride - pad, by w[c, f, h, k]. So with zeros put
    around dout where forward cut,

        dx[n, c, i, j] = sum_fhk dout_padded[n, f, i stride + h, j stride + k] w[c, f, h, k],

    which is a convolution of dout; dw[c, f, h, k] is the sum of the same with x[n, c, i, j] over n, i and j, and b[f]
    reaches all of its filter by 1. (Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016,
    section 4: forward is the transpose of a convolution, so that backward is one.)
    """
    x, w, conv_param = cache
    (N, C, H, W), F = x.shape, w.shape[1]
    windows = gather(padded(dout, conv_param), w.shape[2:], conv_param).reshape(N, -1, H * W)
    dx = (w.reshape(C, -1) @ windows).reshape(x.shape)
    dw = (x.reshape(N, C, -1) @ windows.swapaxes(1, 2)).sum(axis=0).reshape(C, F, *w.shape[2:])
    return dx, dw, dout.sum(axis=(0, 2, 3))


def _relations(case: ConvTransposeCase, _inputs: Mapping[str, object]) -> Relations:
    (sv, sh), (pv, ph), (_, _, rows, columns) = both(case.stride), both(case.pad), case.out_shape
    return {
        "x": {
            _ROW: spread(_OUT_ROW, rows, kernel=case.HH, stride=sv, pad=pv),
            _COLUMN: spread(_OUT_COLUMN, columns, kernel=case.WW, stride=sh, pad=ph),
        },
        "w": {
            KERNEL_ROW: spread_kernel(_OUT_ROW, rows, size=case.H, stride=sv, pad=pv),
            KERNEL_COLUMN: spread_kernel(_OUT_COLUMN, columns, size=case.W, stride=sh, pad=ph),
        },
    }


def _random(case: type[ConvTransposeCase], draw: Draw, given: Given) -> dict[str, Any]:
    """Draw a geometry of which the cut leaves something: by a smaller pad, or else by larger sizes, if need be."""
    found = draw_independently(case, draw, given)
    axes = tuple(zip(("H", "W"), ("HH", "WW"), both(found["stride"]), strict=True))
    if "pad" not in given:
        whole = [(found[image] - 1) * stride + found[kernel] for image, kernel, stride in axes]
        return found | {"pad": min(found["pad"], *((length - 1) // 2 for length in whole))}
    for (image, kernel, stride), pad in zip(axes, both(found["pad"]), strict=True):
        for name, step in ((image, stride), (kernel, 1)):
            lacking = 2 * pad + 1 - ((found[image] - 1) * stride + found[kernel])
            if name not in given and lacking > 0:
                found[name] += -(-lacking // step)
    return found


LAYER = convolution(
    ConvTransposeCase,
    builtin={"vectorized": (conv_transpose_forward, conv_transpose_backward)},
    # Pads and strides as of convolution; windows that overlap, touch, and leave gaps; outputs of any size.
    standard=lambda: ConvTransposeCase.rows(
        "N C H W F HH WW stride pad",
        (2, 3, 3, 3, 2, 4, 4, 2, 1),  # doubles height and width: that of most generators
        (2, 3, 4, 4, 2, 3, 3, 1, 1),  # keeps them
        (2, 2, 3, 4, 3, 3, 3, 1, 0),  # no pad
        (2, 2, 5, 4, 3, 3, 3, 1, 2),  # pad 2, an output smaller than the input
        (2, 3, 3, 4, 4, 3, 3, 2, 1),  # windows that overlap by one row
        (2, 2, 3, 2, 2, 3, 3, 3, 1),  # and that touch
        (1, 2, 3, 4, 3, 2, 3, 1, 0),  # one sample; kernel and image not square
        (2, 1, 4, 3, 2, 3, 2, 1, 1),  # one channel; the other way not square
        (2, 2, 2, 3, 1, 2, 2, 3, 0),  # one filter; gaps, where out is b
        (1, 1, 2, 2, 1, 1, 1, 1, 0),  # nothing to sum over
        (2, 2, 1, 1, 3, 3, 5, 1, 0),  # one element, spread
        (2, 2, 4, 4, 3, 1, 1, 2, 1),  # elements all of which is cut off
        (3, 2, 3, 2, 4, 4, 3, 2, 2),  # an even kernel, output not square, pad 2 at stride 2
    ),
    relations=_relations,
    random=_random,
    special_cases=(OBLONG_WINDOW, OBLONG_IMAGE, OVERLAPS),
    probe_cases=(
        ConvTransposeCase(N=3, C=2, H=3, W=5, F=4, HH=3, WW=3, stride=2, pad=1),
        ConvTransposeCase(N=3, C=2, H=3, W=5, F=4, HH=3, WW=3, stride=2, pad=0),  # for those that cannot cut
        ConvTransposeCase(N=3, C=2, H=3, W=3, F=4, HH=3, WW=3, stride=1, pad=0),  # and that know no stride
    ),
    **imported("conv.conv_transpose_faults", "faults", "forward_faults"),
)
