"""Faults of a convolution along three axes: crops, windows elsewhere, turned kernels."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.conv3d import conv3d_backward, conv3d_forward
from gradcheck_cli.layers.conv.images import only, too_few_windows
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.conv.conv3d import Conv3dCase
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Gradients = Mapping[str, Array]

_SPATIAL = (2, 3, 4)
_CROP = "Crop by `[:, :, pad:pad + D, pad:pad + H, pad:pad + W]`."
_AS_IT_IS = "Forward multiplies windows by w as it is."


def faults(case: Conv3dCase, _: Problem) -> Iterator[Fault]:
    """Yield the faults of backward that make a difference in a case, the most common first."""
    yield from _crops(case)
    for words, axes in _turns():
        gradients = partial(_with_turned_kernel, case, axes)
        yield Fault(_code(axes), f"In {{names}} {words}.", _AS_IT_IS, gradients)
    for code, cause, remedy, stride, pad in _displaced(case):
        yield Fault(code, cause, remedy, partial(backward, case, stride=stride, pad=pad))
    for code, cause, remedy, kept in too_few_windows(case):
        yield Fault(code, cause, remedy, lambda inputs, g, kept=kept: backward(case, inputs, only(g, kept)))  # type: ignore[misc]


def forward_faults(case: Conv3dCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults that make a difference to the output of a case, the most common first."""
    for code, cause, remedy, stride, pad in _displaced(case):
        shape = tuple(w._replace(stride=stride, pad=pad).total for w in case.windows)
        right = tuple(w.total for w in case.windows)
        for each in dict.fromkeys([right, shape]):
            if min(each) > 0:
                out = forward(case, problem.inputs, stride=stride, pad=pad, shape=each)
                yield ForwardFault(code, cause, remedy, {"out": out})
    x, w, b = problem.inputs.values()
    right_out = conv3d_forward(x, w, b, case.settings)[0]
    for missed in (*((axis,) for axis in _SPATIAL), _SPATIAL):
        kept = tuple(slice(None, -1) if axis in missed else slice(None) for axis in range(5))
        words = join_names(f"last {case.windows[axis - 2].out.name}" for axis in missed)
        cause = f"In {{names}} the {words} of windows {'are' if len(missed) > 1 else 'is'} missed."
        remedy = "D' is 1 + (D + 2 pad - DD) // stride, and H' and W' likewise."
        yield ForwardFault("last-windows-missed", cause, remedy, {"out": right_out[kept]})
        yield ForwardFault("last-windows-missed", cause, remedy, {"out": only(right_out, kept)})
    for words, axes in _turns():
        turned = np.flip(w, axes)
        if (turned != w).any():
            out = conv3d_forward(x, turned, b, case.settings)[0]
            yield ForwardFault(_code(axes), f"In {{names}} {words}.", _AS_IT_IS, {"out": out})
    without = conv3d_forward(x, w, np.zeros_like(b), case.settings)[0]
    remedy = "Add b[f] to every element of filter f."
    yield ForwardFault("bias-missing", "In {names} the bias is left out.", remedy, {"out": without})


def _crops(case: Conv3dCase) -> Iterator[Fault]:
    pad, sizes = case.pad, (case.D, case.H, case.W)

    def crop(code: str, cause: str, *cuts: slice) -> Fault:
        index = (slice(None), slice(None), *cuts)
        return Fault(
            code, f"{{names}} {{be}} {cause}.", _CROP, lambda inputs, g: {"x": _uncropped(case, inputs, g)[index]}
        )

    if not pad:
        yield crop("crop-empty", "empty: `[pad:-pad]` is an empty slice at pad 0", *[slice(0, 0)] * 3)
    else:
        yield crop("crop-missing", "returned with the pad around it")
        side = "cropped on the wrong side: all of the pad is cut off at the"
        yield crop("crop-wrong-side", f"{side} end of each axis", *(slice(size) for size in sizes))
        yield crop("crop-wrong-side", f"{side} start of each axis", *[slice(2 * pad, None)] * 3)
    if pad != 1:
        yield crop("crop-fixed", "cropped by `[1:-1]`, whatever the pad", *[slice(1, -1)] * 3)


def _turns() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield wrong kernels: in words, and the axes of w that are reversed."""
    yield "the kernel is reversed along all three axes", _SPATIAL
    names = dict(zip(_SPATIAL, ("planes", "rows", "columns"), strict=True))
    for axes in itertools.chain(itertools.combinations(_SPATIAL, 1), itertools.combinations(_SPATIAL, 2)):
        yield f"the {join_names(names[axis] for axis in axes)} of the kernel are reversed", axes


def _code(axes: tuple[int, ...]) -> str:
    return "kernel-rotated" if axes == _SPATIAL else "kernel-flipped"


def _displaced(case: Conv3dCase) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield code, cause and remedy of windows elsewhere, and the wrong stride and pad."""
    start = "Let window i start at"
    if case.stride != 1:
        ignored = "The stride is left out of {names}: windows are taken one element apart."
        yield "stride-ignored", ignored, f"{start} i * stride.", 1, case.pad
    if case.pad != 1:
        fixed = "{names} {be} computed as if pad were 1."
        yield "pad-fixed-at-1", fixed, "Use the pad that forward is given.", case.stride, 1
    if case.pad != 0:
        left_out = "The pad is left out of {names}: the first window starts where the array does."
        remedy = f"{start} i * stride - pad: put pad zeros around the array."
        yield "pad-ignored", left_out, remedy, case.stride, 0


def _with_turned_kernel(case: Conv3dCase, axes: tuple[int, ...], inputs: Gradients, g: Array) -> Gradients:
    turned = backward(case, {**inputs, "w": np.flip(inputs["w"], axes)}, g)
    return {"x": turned["x"], "w": np.flip(turned["w"], axes)}


def _uncropped(case: Conv3dCase, inputs: Gradients, g: Array) -> Array:
    wide = np.pad(inputs["x"], ((0, 0), (0, 0), *[(case.pad, case.pad)] * 3))
    _, cache = conv3d_forward(wide, inputs["w"], inputs["b"], {**case.settings, "pad": 0})
    return conv3d_backward(g, cache)[0]


def _seen(case: Conv3dCase, x: Array, stride: int, pad: int, shape: tuple[int, ...]) -> Array:
    """Return what windows see that start at i * stride - pad; outside of x there are zeros."""
    wide = np.pad(x, ((0, 0), (0, 0), *[(pad, 0)] * 3))
    reach = [stride * (count - 1) + w.kernel for count, w in zip(shape, case.windows, strict=True)]
    seen = np.zeros((*x.shape[:2], *reach), x.dtype)
    kept = (slice(None), slice(None), *(slice(min(a, b)) for a, b in zip(reach, wide.shape[2:], strict=True)))
    seen[kept] = wide[kept]
    return seen


def forward(case: Conv3dCase, inputs: Gradients, *, stride: int, pad: int, shape: tuple[int, ...]) -> Array:
    """Compute out (N, F, *shape) of windows that start at i * stride - pad."""
    seen = _seen(case, inputs["x"], stride, pad, shape)
    return conv3d_forward(seen, inputs["w"], inputs["b"], {"stride": stride, "pad": 0})[0]


def backward(
    case: Conv3dCase, inputs: Gradients, g: Array, *, stride: int | None = None, pad: int | None = None
) -> dict[str, Array]:
    """Compute the gradients as if output i had seen the window that starts at i * stride - pad."""
    stride, pad = case.stride if stride is None else stride, case.pad if pad is None else pad
    seen = _seen(case, inputs["x"], stride, pad, g.shape[2:])
    _, cache = conv3d_forward(seen, inputs["w"], inputs["b"], {"stride": stride, "pad": 0})
    dseen, dw, db = conv3d_backward(g, cache)
    dx = np.zeros((*inputs["x"].shape[:2], *(pad + size for size in inputs["x"].shape[2:])), g.dtype)
    kept = (slice(None), slice(None), *(slice(min(a, b)) for a, b in zip(dx.shape[2:], dseen.shape[2:], strict=True)))
    dx[kept] = dseen[kept]
    return {"x": dx[:, :, pad:, pad:, pad:], "w": dw, "b": db}
