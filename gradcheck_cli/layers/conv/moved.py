"""A convolution whose windows can be moved: what its faults in forward and in backward are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.geometry import WindowedCase, confused_counts, plain
from gradcheck_cli.layers.framework.fault import Backward, Fault, Gradients
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

#: One for each axis along which windows lie.
Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """A convolution along any number of axes, computed by the layer's own passes."""

    case: WindowedCase

    @property
    def stride(self) -> Numbers:
        """The stride along each axis."""
        return tuple(w.stride for w in self.case.windows)

    @property
    def pad(self) -> Numbers:
        """The pad along each axis."""
        return tuple(w.pad for w in self.case.windows)

    @property
    def groups(self) -> int:
        """The groups of channels."""
        return getattr(self.case, "groups", 1)

    def backward(
        self, inputs: Gradients, cotangent: Array, *, stride: Numbers | None = None, pad: Numbers | None = None
    ) -> dict[str, Array]:
        """Compute the gradients as if output i had seen the window that starts at i * stride - pad.

        Stride and pad are the case's if they are not given. Whatever of a window lies outside of x is zero in it and
        receives nothing.
        """
        pad = pad or self.pad
        seen, param = self._seen(inputs["x"], stride or self.stride, pad, cotangent.shape[2:])
        dx, dw, db = self.gradients(cotangent, {**inputs, "x": seen}, param)
        wide = resized(dx, [before + size for before, size in zip(pad, inputs["x"].shape[2:], strict=True)])
        return {"x": wide[within(slice(before, None) for before in pad)], "w": dw, "b": db}

    def forward(
        self, inputs: Gradients, *, stride: Numbers | None = None, pad: Numbers | None = None, shape: Numbers = ()
    ) -> Array:
        """Compute out (N, F, *shape) of windows that start at i * stride - pad; outside of x there are zeros."""
        shape = shape or tuple(w.total for w in self.case.windows)
        seen, param = self._seen(inputs["x"], stride or self.stride, pad or self.pad, shape)
        out: Array = LAYERS[self.case.layer].functions[0](seen, inputs["w"], inputs["b"], param)[0]
        return out

    def uncropped(self, inputs: Gradients, cotangent: Array) -> Array:
        """Compute the gradient of the padded array."""
        wide = np.pad(inputs["x"], ((0, 0), (0, 0), *((pad, pad) for pad in self.pad)))
        return self.gradients(cotangent, {**inputs, "x": wide}, {**self.case.settings, "pad": 0})[0]

    def gradients(self, cotangent: Array, inputs: Gradients, param: dict[str, Any]) -> tuple[Array, ...]:
        """Compute dx, dw and db by the layer's own passes."""
        forward, backward = LAYERS[self.case.layer].functions
        _, cache = forward(inputs["x"], inputs["w"], inputs["b"], param)
        found: tuple[Array, ...] = backward(cotangent, cache)
        return found

    def _seen(self, x: Array, stride: Numbers, pad: Numbers, shape: Numbers) -> tuple[Array, dict[str, Any]]:
        """Return what so many windows see of x, and the parameters of the convolution that it is then."""
        wide = np.pad(x, ((0, 0), (0, 0), *((before, 0) for before in pad)))
        sizes = [s * (n - 1) + w.reach for s, n, w in zip(stride, shape, self.case.windows, strict=True)]
        return resized(wide, sizes), {**self.case.settings, "stride": plain(stride), "pad": 0}


def resized(array: Array, sizes: Sequence[int]) -> Array:
    """Cut off, or fill up with zeros, at the end of each axis but the first two: (N, C, *sizes)."""
    out = np.zeros((*array.shape[:2], *sizes), array.dtype)
    kept = first(min(size, own) for size, own in zip(sizes, array.shape[2:], strict=True))
    out[kept] = array[kept]
    return out


def only(array: Array, kept: Any) -> Array:
    """Copy an array with zeros everywhere but in `kept`."""
    out = np.zeros_like(array)
    out[kept] = array[kept]
    return out


def displaced_windows(convolution: Convolution) -> list[tuple[str, str, str, Numbers, Numbers]]:
    """List windows that start elsewhere than at i * stride - pad, the most common first.

    Each is (code, cause, remedy, wrong strides, wrong pads).
    """
    stride, pad = convolution.stride, convolution.pad
    ones, zeros = (1,) * len(stride), (0,) * len(pad)
    ignored, start = "The stride is left out of {names}: windows are taken one element apart.", "Let window i start at"
    fixed, left_out = "{names} {be} computed as if pad were 1.", "The pad is left out of {names}: the first window"
    rows = [
        ("stride-ignored", ignored, f"{start} i * stride.", ones, pad),
        ("pad-fixed-at-1", fixed, "Use the pad that forward is given.", stride, ones),
        (
            "pad-ignored",
            f"{left_out} starts where the array does.",
            f"{start} i * stride - pad: put pad zeros around the array.",
            stride,
            zeros,
        ),
    ]
    if len(stride) == 2:
        swapped, code = "In {names} the vertical and the horizontal %s are exchanged.", "height-width-confused"
        rows += [
            (code, swapped % "stride", "Step rows by the vertical stride.", stride[::-1], pad),
            (code, swapped % "pad", "Pad and crop rows by the vertical pad.", stride, pad[::-1]),
        ]
    return [row for row in rows if row[3:] != (stride, pad)]


def too_few_windows(case: WindowedCase, right: Backward) -> Iterator[Fault]:
    """Yield backward passes that miss some windows, made of the right one."""

    def fault(code: str, cause: str, remedy: str, counts: Iterable[int]) -> Fault:
        kept = first(counts)
        return Fault(code, cause, remedy, lambda inputs, cotangent: right(inputs, only(cotangent, kept)))

    windows = case.windows
    every = f"Loop over all of dout: {join_names(f'{w.total} {w.out.plural}' for w in windows)}."
    for words, counts in confused_counts(case):
        height, width = case.kernels
        remedy = f"Take rows from H and {height}, columns from W and {width}; or both from `dout.shape`."
        yield fault("size-of-wrong-axis", f"In {{names}} {words}: windows are missed.", remedy, counts)
    counted = {
        f"as many windows are taken as the input has {join_names(w.axis.plural for w in windows)}": [
            w.size for w in windows
        ],
        "windows are counted over the input without its pad": [max(w._replace(pad=0).total, 0) for w in windows],
        "windows start within the input's size, which leaves out those of the pad": [
            -(-w.size // w.stride) for w in windows
        ],
    }
    for how, fewer in counted.items():
        if any(count < w.total for count, w in zip(fewer, windows, strict=True)):
            cause = f"{{names}} {{be}} summed over the input's size instead of the output's: {how}."
            yield fault("loop-over-input-size", cause, every, fewer)


def first(counts: Iterable[int]) -> tuple[slice, ...]:
    """Return the index of the first windows or positions: so many along each axis."""
    return within(map(slice, counts))


def within(slices: Iterable[slice]) -> tuple[slice, ...]:
    """Return the index of positions, for all samples and channels."""
    return (slice(None), slice(None), *slices)
