"""A convolution of images whose windows can be moved: what its faults in forward and in backward are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.geometry import confused_counts
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from gradcheck_cli.layers.conv.case import ConvCase
    from gradcheck_cli.layers.conv.geometry import WindowedCase
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


class Displaced(NamedTuple):
    """Windows that start elsewhere than at i * stride - pad, and what is wrong with them."""

    code: str
    cause: str
    remedy: str
    stride: Pair
    pad: Pair


def displaced_windows(images: Images) -> Iterator[Displaced]:
    """Yield the wrong strides and pads that make a difference, the most common first."""
    stride, pad = images.stride, images.pad

    def wrong(code: str, cause: str, remedy: str, strides: Pair = stride, pads: Pair = pad) -> Iterator[Displaced]:
        if (strides, pads) != (stride, pad):
            yield Displaced(code, cause, remedy, strides, pads)

    ignored, start = "The stride is left out of {names}: windows are taken one element apart.", "Let window i start at"
    yield from wrong("stride-ignored", ignored, f"{start} i * stride.", strides=images.with_value(stride, 1))
    fixed = "{names} {be} computed as if pad were 1."
    yield from wrong("pad-fixed-at-1", fixed, "Use the pad that forward is given.", pads=images.with_value(pad, 1))
    left_out = "The pad is left out of {names}: the first window starts where the array does."
    remedy = f"{start} i * stride - pad: put pad zeros around the array."
    yield from wrong("pad-ignored", left_out, remedy, pads=images.with_value(pad, 0))
    if len(images.spatial) == 2:
        swapped = "In {names} the vertical and the horizontal %s are exchanged."
        code = "height-width-confused"
        yield from wrong(code, swapped % "stride", "Step rows by the vertical stride.", strides=stride[::-1])
        yield from wrong(code, swapped % "pad", "Pad and crop rows by the vertical pad.", pads=pad[::-1])


def too_few_windows(
    case: WindowedCase, kernels: tuple[str, str] = ("HH", "WW")
) -> Iterator[tuple[str, str, str, tuple[slice, ...]]]:
    """Yield (code, cause, remedy, index of the windows that are left) of backward passes that miss some.

    Args:
        case: the case.
        kernels: what the height and the width of a window are called.
    """
    windows = case.windows
    right = tuple(w.total for w in windows)
    every = f"Loop over all of dout: {join_names(f'{w.total} {w.out.plural}' for w in windows)}."
    for words, *counts in confused_counts(case, kernels):
        remedy = f"Take rows from H and {kernels[0]}, columns from W and {kernels[1]}; or both from `dout.shape`."
        yield "size-of-wrong-axis", f"In {{names}} {words}: windows are missed.", remedy, _kept(counts)
    counted = {
        f"as many windows are taken as the input has {join_names(w.axis.plural for w in windows)}": [
            w.size for w in windows
        ],
        "windows are counted over the input without its pad": [max(w._replace(pad=0).total, 0) for w in windows],
        "windows start within the input's size, which leaves out those of the pad": [
            -(-w.size // w.stride) for w in windows
        ],
    }
    for how, counts in counted.items():
        if any(count < full for count, full in zip(counts, right, strict=True)):
            cause = f"{{names}} {{be}} summed over the input's size instead of the output's: {how}."
            yield "loop-over-input-size", cause, every, _kept(counts)


def _kept(counts: list[int]) -> tuple[slice, ...]:
    return (slice(None), slice(None), *map(slice, counts))
