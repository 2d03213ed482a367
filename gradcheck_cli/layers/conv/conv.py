"""Convolution: its geometry, the problem that a geometry poses, and the geometries that are tried by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.naive import both, conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.conv.random_geometry import CORNERS, has_nonzero_gradient, random_geometry
from gradcheck_cli.layers.framework.axes import CHANNEL, COLUMN, FILTER, OUT_COLUMN, OUT_ROW, ROW, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import group
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import pair, size
from gradcheck_cli.layers.framework.windows import window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.coupling import Relation
    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

AXES = declare(x="N C H W", w="F C HH WW", b="F", out="N F H' W'")


@frozen
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
    return make_problem(
        case,
        axes=AXES,
        shapes={"w": (case.F, case.C // case.groups, case.HH, case.WW)},
        parameters=case.conv_param,
        reference=(conv_forward_naive, conv_backward_naive),
        relations={"x": image_relations(case)},
        scale=lambda x, w, b, param: (conv_forward_fast(abs(x), abs(w), abs(b), param)[0],),  # need not be independent
    )


def image_relations(case: ConvCase) -> dict[Axis, Relation]:
    """How channels, rows and columns of x reach the output.

    With one channel of a group at a time, that makes C / groups * HH * WW colours, for all samples and groups together.
    """
    (sv, sh), (pv, ph), (dv, dh) = both(case.stride), both(case.pad), both(case.dilation)
    _, _, rows, columns = case.out_shape
    return {
        CHANNEL: group(FILTER, case.groups, case.F),
        ROW: window(OUT_ROW, rows, kernel=case.HH, stride=sv, dilation=dv, pad=pv),
        COLUMN: window(OUT_COLUMN, columns, kernel=case.WW, stride=sh, dilation=dh, pad=ph),
    }


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
    from gradcheck_cli.layers.conv.faults import faults  # only a case that fails needs it

    return faults(case, problem)


def _forward_faults(case: ConvCase, problem: Problem, _out: Array) -> Iterable[ForwardFault]:
    from gradcheck_cli.layers.conv.forward_faults import forward_faults

    return forward_faults(case, problem.inputs)


LAYER = Layer(
    program="convcheck",
    case=ConvCase,
    inputs=("x", "w", "b"),
    make_problem=problem,
    standard=standard,
    builtin={
        "fast": (conv_forward_fast, conv_backward_fast),
        "naive": (conv_forward_naive, conv_backward_naive),
    },
    probe_cases=(
        ConvCase(N=3, C=2, H=5, W=6, F=4, HH=3, WW=3, stride=1, pad=1),  # "same"
        ConvCase(N=3, C=2, H=5, W=6, F=4, HH=3, WW=3, stride=1, pad=0),  # for those that cannot pad
        ConvCase(N=3, C=2, H=5, W=5, F=4, HH=3, WW=3, stride=1, pad=1),  # for those that take square images only
    ),
    faults=_faults,
    forward_faults=_forward_faults,
    random=random_geometry,
    has_nonzero_gradient=has_nonzero_gradient,
    special_cases=CORNERS,
    param="conv_param",
)
