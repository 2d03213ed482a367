"""A convolution of images whose windows can be moved: of what its faults are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.naive import both

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.numeric.arrays import Array

    Gradients = Mapping[str, Array]
    Pair = tuple[int, int]


@dataclass(frozen=True)
class Images:
    """A convolution of images, as which the case of a layer is computed."""

    case: ConvCase
    spatial: tuple[int, ...] = (0, 1)  #: of rows (0) and columns (1) those that the layer has

    @property
    def stride(self) -> Pair:
        """The vertical and the horizontal stride."""
        return both(self.case.stride)

    @property
    def pad(self) -> Pair:
        """The vertical and the horizontal pad."""
        return both(self.case.pad)

    def with_value(self, pair: Pair, value: int) -> Pair:
        """Return a pair that has a value along each spatial axis of the layer."""
        vertical, horizontal = (value if axis in self.spatial else own for axis, own in enumerate(pair))
        return vertical, horizontal

    def backward(
        self, inputs: Gradients, cotangent: Array, *, stride: Pair | None = None, pad: Pair | None = None
    ) -> dict[str, Array]:
        """Compute the gradients as if output (i, j) had seen the window that starts at (i, j) * stride - pad.

        Stride and pad are the case's if they are not given. Whatever of a window lies outside of the image is zero in
        it and receives nothing.
        """
        seen, param = self._seen(inputs["x"], stride or self.stride, pad or self.pad, cotangent.shape[2:])
        _, cache = conv_forward_fast(seen, inputs["w"], inputs["b"], param)
        dx, dw, db = conv_backward_fast(cotangent, cache)
        (pv, ph), (height, width) = pad or self.pad, inputs["x"].shape[2:]
        return {"x": resized(dx, pv + height, ph + width)[:, :, pv:, ph:], "w": dw, "b": db}

    def forward(
        self, inputs: Gradients, *, stride: Pair | None = None, pad: Pair | None = None, shape: Pair | None = None
    ) -> Array:
        """Compute out (N, F, *shape) of windows that start at (i, j) * stride - pad; outside of x there are zeros."""
        shape = shape or self.case.out_shape[2:]
        seen, param = self._seen(inputs["x"], stride or self.stride, pad or self.pad, shape)
        return conv_forward_fast(seen, inputs["w"], inputs["b"], param)[0]

    def uncropped(self, inputs: Gradients, cotangent: Array) -> Array:
        """Compute the gradient of the padded image, (N, C, H + 2 pad, W + 2 pad)."""
        (pv, ph), param = self.pad, {**self.case.settings, "pad": 0}
        wide = np.pad(inputs["x"], ((0, 0), (0, 0), (pv, pv), (ph, ph)))
        return conv_backward_fast(cotangent, conv_forward_fast(wide, inputs["w"], inputs["b"], param)[1])[0]

    def _seen(self, x: Array, stride: Pair, pad: Pair, shape: tuple[int, ...]) -> tuple[Array, dict[str, Any]]:
        """Return what so many windows see of x, and the parameters of the convolution that it is then."""
        wide = np.pad(x, ((0, 0), (0, 0), (pad[0], 0), (pad[1], 0)))
        rows, columns = (s * (n - 1) + w.reach for s, n, w in zip(stride, shape, self.case.windows, strict=True))
        return resized(wide, rows, columns), {**self.case.settings, "stride": stride, "pad": 0}


def resized(array: Array, rows: int, columns: int) -> Array:
    """Cut off, or fill up with zeros, at the bottom and on the right: (N, C, rows, columns)."""
    out = np.zeros((*array.shape[:2], rows, columns), array.dtype)
    kept = np.s_[:, :, : min(rows, array.shape[2]), : min(columns, array.shape[3])]
    out[kept] = array[kept]
    return out


def only(array: Array, kept: Any) -> Array:
    """Copy an array with zeros everywhere but in `kept`."""
    out = np.zeros_like(array)
    out[kept] = array[kept]
    return out
