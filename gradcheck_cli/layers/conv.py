"""Convolution: its geometry, the problem that a geometry poses, and the geometries that are tried by default."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.arrays import signed_uniform, with_zeros, working_dtype
from gradcheck_cli.layers.conv_fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv_naive import both, conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.conv_random import CORNERS, random_geometry, shows
from gradcheck_cli.layers.conv_words import WORDS
from gradcheck_cli.layers.coupling import Windows
from gradcheck_cli.layers.layer import Axis, Case, Layer, Problem
from gradcheck_cli.layers.parameter import pair, size
from gradcheck_cli.numeric.colored import Coupling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.layer import Fault, ForwardFault

_SAMPLE = Axis(name="sample", index="n", size="N")
_CHANNEL = Axis(name="channel", index="c", size="C")
_FILTER = Axis(name="filter", index="f", size="F")
_AXES = {
    "x": (
        _SAMPLE,
        _CHANNEL,
        Axis(name="row", index="i", size="H", spatial=True),
        Axis(name="column", index="j", size="W", spatial=True),
    ),
    "w": (
        _FILTER,
        _CHANNEL,
        Axis(name="kernel row", index="h", size="HH", spatial=True),
        Axis(name="kernel column", index="k", size="WW", spatial=True),
    ),
    "b": (_FILTER,),
    "out": (
        _SAMPLE,
        _FILTER,
        Axis(name="row", index="i", size="H'", spatial=True),
        Axis(name="column", index="j", size="W'", spatial=True),
    ),
}


@dataclass(frozen=True, kw_only=True)
class ConvCase(Case):
    """A geometry of convolution: x (N, C, H, W), w (F, C / groups, HH, WW), b (F,), out (N, F, H', W').

    `stride`, `pad` and `dilation` take one number or a pair (vertical, horizontal), and are kept as pairs.
    """

    layer: ClassVar[str] = "conv"

    N: int = size(4, "samples")
    C: int = size(3, "channels")
    H: int = size(5, "image height")
    W: int = size(5, "image width")
    F: int = size(2, "filters")
    HH: int = size(3, "kernel height")
    WW: int = size(3, "kernel width")
    stride: int | tuple[int, int] = pair(1, "step from window to window")
    pad: int | tuple[int, int] = pair(1, "zeros added on each side", minimum=0)
    dilation: int | tuple[int, int] = pair(1, "step within a window")
    groups: int = size(1, "groups of channels")

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that one window spans: dilation (HH - 1) + 1."""
        (dv, dh) = both(self.dilation)
        return dv * (self.HH - 1) + 1, dh * (self.WW - 1) + 1

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width of the padded image."""
        (pv, ph) = both(self.pad)
        return self.H + 2 * pv, self.W + 2 * ph

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (N, F, H', W')."""
        rows, columns = (
            1 + (padded - reach) // stride
            for padded, reach, stride in zip(self.padded_size, self.reach, both(self.stride), strict=True)
        )
        return self.N, self.F, rows, columns

    @property
    def conv_param(self) -> dict[str, Any]:
        """What forward takes beside arrays: one number for an even pair; dilation and groups unless 1."""
        names = ["stride", "pad", *(name for name in ("dilation", "groups") if self.geometry[name] not in (1, (1, 1)))]
        return {name: plain(self.geometry[name]) for name in names}

    def impossible(self) -> str | None:
        """Say why no convolution can have this geometry, or None if one can."""
        if self.C % self.groups or self.F % self.groups:
            return f"groups {self.groups} must divide both C {self.C} and F {self.F}"
        for axis, reach, padded in zip(("height", "width"), self.reach, self.padded_size, strict=True):
            if reach > padded:
                return f"the kernel's {axis} of {reach} does not fit into the padded {axis} of {padded}"
        return None

    def label(self) -> str:
        """Name the geometry: `2x3x7x7 * 4x3x3x3 stride 2 pad 1`."""
        shapes = f"{self.N}x{self.C}x{self.H}x{self.W} * {self.F}x{self.C // self.groups}x{self.HH}x{self.WW}"
        return f"{shapes} {spoken(self.conv_param)}"


def plain(value: int | tuple[int, int]) -> int | tuple[int, int]:
    """Return one number for an even pair."""
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else value


def spoken(conv_param: Mapping[str, Any]) -> str:
    """Write parameters in a line: `stride 2x1 pad 1`."""
    return " ".join(
        f"{name} {'x'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in conv_param.items()
    )


def problem(case: ConvCase) -> Problem:
    """Draw a case's inputs and cotangent, and compute what forward should make of them."""
    source = random.Random(case.seed)  # noqa: S311  # arrays to compute with, not secrets
    shapes = {
        "x": (case.N, case.C, case.H, case.W),
        "w": (case.F, case.C // case.groups, case.HH, case.WW),
        "b": (case.F,),
    }
    drawn = {name: signed_uniform(source, shape) for name, shape in shapes.items()}
    drawn["x"] = with_zeros(drawn["x"], case.seed)
    inputs = {name: value.astype(case.dtype) for name, value in drawn.items()}
    cotangent = signed_uniform(source, case.out_shape).astype(case.dtype)
    x, w, b = (value.astype(working_dtype(case.dtype)) for value in inputs.values())
    expected, _ = conv_forward_naive(x, w, b, case.conv_param)
    expected_scale, _ = conv_forward_fast(abs(x), abs(w), abs(b), case.conv_param)  # a scale need not be independent
    return Problem(
        inputs=inputs,
        parameters=case.conv_param,
        cotangent=cotangent,
        expected=expected,
        expected_scale=expected_scale,
        coupling=coupling(case),
        axes=_AXES,
    )


def coupling(case: ConvCase) -> dict[str, Coupling]:
    """State which elements reach no output together: what lets a whole colour be differentiated in two evaluations.

    A window sees HH rows of the padded image, dilation apart: rows i * stride + h * dilation. Divided by the dilation
    and rounded down these are HH consecutive numbers, so modulo HH they are all different. Rows and columns alike,
    and channels of one group one at a time, that makes C / groups * HH * WW colours of x, for all samples and groups
    together. It cannot be done with fewer: so many elements reach one output. Of w, each place in the kernel is one
    colour, for all filters together; b is one.
    """
    channels, vertical, horizontal = case.C // case.groups, _windows(case, 0), _windows(case, 1)
    samples, filters = np.arange(case.N)[:, None, None, None], np.arange(case.F)[None, :, None, None]
    # One group is one owner for all filters.
    group = filters // (case.F // case.groups) if case.groups > 1 else np.zeros((1, 1, 1, 1), int)

    nowhere = -case.N * case.C * case.H * case.W  # plus any index it is negative
    rows, columns = (
        [np.where(row >= 0, row * step, nowhere) for row in map(axis.seen, range(axis.colors))]
        for axis, step in ((vertical, case.W), (horizontal, 1))
    )
    image = (samples * case.C + group * channels) * (case.H * case.W)

    def owner_of_x(color: int) -> Array:
        color, k = divmod(color, horizontal.colors)
        c, h = divmod(color, vertical.colors)
        element: Array = image + (rows[h][:, None] + (columns[k] + c * case.H * case.W))
        return np.maximum(element, -1)

    def owner_of_w(color: int) -> Array:
        return filters * (channels * case.HH * case.WW) + color

    return {
        "x": Coupling(colors=channels * vertical.colors * horizontal.colors, owner=owner_of_x),
        "w": Coupling(colors=channels * case.HH * case.WW, owner=owner_of_w),
        "b": Coupling(colors=1, owner=lambda _: filters),
    }


def _windows(case: ConvCase, axis: int) -> Windows:
    kernel, size = ((case.HH, case.H), (case.WW, case.W))[axis]
    stride, dilation, pad = (both(number)[axis] for number in (case.stride, case.dilation, case.pad))
    starts = np.arange(case.out_shape[2 + axis]) * stride
    return Windows(starts=starts, kernel=kernel, dilation=dilation, pad=pad, size=size)


def standard() -> tuple[ConvCase, ...]:
    """The geometries tried when none is given: of each known kind of fault, at least one of them fails.

    Only square strides and pads, no dilation, no groups: what every convolution written for a course can be asked.
    """
    rows = [
        # N  C  H  W  F  HH WW stride pad
        (2, 3, 5, 5, 2, 3, 3, 1, 1),  # the geometry of most notebooks, with one that differs in every size
        (2, 2, 5, 6, 3, 3, 3, 1, 0),  # no pad: a crop `[pad:-pad]` is empty
        (2, 2, 4, 5, 3, 3, 3, 1, 2),  # pad 2: a crop fixed at `[1:-1]`, an output larger than the input
        (2, 3, 7, 7, 4, 3, 3, 2, 1),  # stride 2 that divides evenly
        (2, 2, 6, 6, 3, 3, 3, 2, 1),  # stride 2 that leaves a row and a column unseen
        (2, 2, 8, 7, 2, 3, 3, 3, 1),  # stride 3, evenly across but not down
        (1, 2, 5, 6, 3, 2, 3, 1, 0),  # one sample; kernel and image not square
        (2, 1, 6, 4, 2, 3, 2, 1, 1),  # one channel; the other way not square
        (2, 2, 5, 7, 1, 2, 2, 3, 0),  # one filter; a stride larger than the kernel
        (1, 1, 4, 4, 1, 1, 1, 1, 0),  # nothing to sum over: every gradient is a single product
        (2, 2, 3, 5, 3, 3, 5, 1, 0),  # a kernel as large as the image: one output
        (2, 2, 4, 4, 3, 1, 1, 2, 1),  # windows that see nothing but pad
        (3, 2, 7, 5, 4, 4, 3, 2, 2),  # an even kernel, output not square, pad 2 at stride 2
    ]
    return tuple(
        ConvCase(N=N, C=C, H=H, W=W, F=F, HH=HH, WW=WW, stride=stride, pad=pad)
        for N, C, H, W, F, HH, WW, stride, pad in rows
    )


def _faults(case: ConvCase, problem: Problem) -> Iterable[Fault]:
    from gradcheck_cli.layers.conv_faults import faults  # only a case that fails needs it

    return faults(case, problem)


def _forward_faults(case: ConvCase, problem: Problem, _out: Array) -> Iterable[ForwardFault]:
    from gradcheck_cli.layers.conv_forward_faults import forward_faults

    return forward_faults(case, problem.inputs)


LAYER = Layer(
    name="conv",
    title="convolution",
    command="convcheck",
    case=ConvCase,
    inputs=("x", "w", "b"),
    problem=problem,
    standard=standard,
    builtin={
        "fast": (conv_forward_fast, conv_backward_fast),
        "naive": (conv_forward_naive, conv_backward_naive),
    },
    vocabulary=WORDS,
    trials=(
        ConvCase(N=3, C=2, H=5, W=6, F=4, HH=3, WW=3, stride=1, pad=1),  # "same"
        ConvCase(N=3, C=2, H=5, W=6, F=4, HH=3, WW=3, stride=1, pad=0),  # for those that cannot pad
        ConvCase(N=3, C=2, H=5, W=5, F=4, HH=3, WW=3, stride=1, pad=1),  # for those that take square images only
    ),
    faults=_faults,
    forward_faults=_forward_faults,
    random=random_geometry,
    shows=shows,
    corners=CORNERS,
    param="conv_param",
)
