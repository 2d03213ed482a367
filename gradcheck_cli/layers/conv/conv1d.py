"""Convolution along one axis: that of an image of one row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.conv import ConvCase
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.random_geometry import has_nonzero_gradient, random_geometry
from gradcheck_cli.layers.framework.axes import COLUMN, OUT_COLUMN, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.windows import window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class Conv1dCase(Case):
    """A geometry: x (N, C, W), w (F, C, WW), b (F,), out (N, F, W')."""

    layer: ClassVar[str] = "conv1d"

    N: int = size(4, "samples")
    C: int = size(3, "channels")
    W: int = size(6, "length")
    F: int = size(2, "filters")
    WW: int = size(3, "kernel length")
    stride: int = size(1, "step from window to window")
    pad: int = size(1, "zeros added on each side", minimum=0)

    @property
    def as_image(self) -> ConvCase:
        """The same, of images of one row."""
        stride, pad = (1, self.stride), (0, self.pad)
        return ConvCase(N=self.N, C=self.C, H=1, W=self.W, F=self.F, HH=1, WW=self.WW, stride=stride, pad=pad)

    def impossible(self) -> str | None:
        """Say why no convolution can have this geometry, or None if one can."""
        if self.W + 2 * self.pad < self.WW:
            return f"the kernel's length of {self.WW} does not fit into the padded length of {self.W + 2 * self.pad}"
        return None

    def label(self) -> str:
        """Name the geometry: `4x3x6 * 2x3x3 stride 1 pad 1`."""
        return f"{self.N}x{self.C}x{self.W} * {self.F}x{self.C}x{self.WW} stride {self.stride} pad {self.pad}"


def conv1d_forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
    """Return out[n, f, j] = b[f] + sum_ck x_padded[n, c, j stride + k] w[f, c, k], and the cache."""
    param = {"stride": (1, conv_param["stride"]), "pad": (0, conv_param["pad"])}
    out, cache = conv_forward_fast(x[:, :, None], w[:, :, None], b, param)
    return out[:, :, 0], cache


def conv1d_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Carry dout (N, F, W') back.

    A sequence is an image of one row, and a kernel too: the derivation is that of `conv_backward_naive`, of which here
    one of the two spatial sums has one term.
    """
    dx, dw, db = conv_backward_fast(dout[:, :, None], cache)
    return dx[:, :, 0], dw[:, :, 0], db


AXES = declare(x="N C W", w="F C WW", b="F", out="N F W'")


def problem(case: Conv1dCase) -> Problem:
    """Draw a case's arrays."""
    *_, columns = case.as_image.out_shape
    return make_problem(
        case,
        axes=AXES,
        parameters={"stride": case.stride, "pad": case.pad},
        reference=(conv1d_forward, conv1d_backward),
        relations={"x": {COLUMN: window(OUT_COLUMN, columns, kernel=case.WW, stride=case.stride, pad=case.pad)}},
    )


def standard() -> tuple[Conv1dCase, ...]:
    """Pads and strides as of images; one of each; a kernel as long as the sequence."""
    rows = [
        # N  C  W  F  WW stride pad
        (2, 3, 6, 2, 3, 1, 1),
        (2, 2, 7, 3, 3, 1, 0),
        (3, 2, 6, 3, 3, 2, 1),  # one column unseen
        (2, 1, 8, 2, 2, 3, 2),  # a stride larger than the kernel
        (1, 2, 5, 1, 5, 1, 0),  # one output
        (1, 1, 4, 1, 1, 1, 0),
    ]
    return tuple(Conv1dCase(N=N, C=C, W=W, F=F, WW=WW, stride=stride, pad=pad) for N, C, W, F, WW, stride, pad in rows)


def _faults(case: Conv1dCase, problem: Problem) -> Iterable[Fault]:
    from gradcheck_cli.layers.conv.conv1d_faults import faults  # only a case that fails needs it

    return faults(case, problem)


def _forward_faults(case: Conv1dCase, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
    """Yield those of images of one row."""
    from gradcheck_cli.layers.conv.forward_faults import forward_faults

    images = {name: problem.inputs[name][:, :, None] for name in ("x", "w")}
    for fault in forward_faults(case.as_image, {**images, "b": problem.inputs["b"]}, rows=False):
        yield replace(fault, outputs={"out": fault.outputs["out"][:, :, 0]})


LAYER = Layer(
    case=Conv1dCase,
    inputs=("x", "w", "b"),
    make_problem=problem,
    standard=standard,
    builtin={"vectorized": (conv1d_forward, conv1d_backward)},
    probe_cases=(
        Conv1dCase(N=2, C=3, W=7, F=4, WW=3, pad=1),  # "same"
        Conv1dCase(N=2, C=3, W=7, F=4, WW=3, pad=0),  # for those that cannot pad
    ),
    faults=_faults,
    forward_faults=_forward_faults,
    random=random_geometry,
    has_nonzero_gradient=lambda case: has_nonzero_gradient(case.as_image),
    param="conv_param",
)
