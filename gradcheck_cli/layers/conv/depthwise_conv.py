"""Depthwise convolution: of each channel with a kernel of its own, as the first half of a separable convolution."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.conv import ConvCase, image_relations, plain, spoken
from gradcheck_cli.layers.conv.conv import standard as convolutions
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.random_geometry import CORNERS, has_nonzero_gradient, random_geometry
from gradcheck_cli.layers.framework.axes import CHANNEL, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import same
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import pair, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Param = Mapping[str, Any]


@frozen
class DepthwiseConvCase(Case):
    """A geometry: x (N, C, H, W), w (C, HH, WW), b (C,), out (N, C, H', W')."""

    layer: ClassVar[str] = "depthwise-conv"

    N: int = size(4, "samples")
    C: int = size(3, "channels")
    H: int = size(5, "image height")
    W: int = size(5, "image width")
    HH: int = size(3, "kernel height")
    WW: int = size(3, "kernel width")
    stride: int | tuple[int, int] = pair(1, "step from window to window")
    pad: int | tuple[int, int] = pair(1, "zeros added on each side", minimum=0)

    @property
    def as_groups(self) -> ConvCase:
        """The same, as a convolution with a group and a filter for each channel."""
        return ConvCase(**self.geometry, F=self.C, groups=self.C)

    @property
    def conv_param(self) -> dict[str, Any]:
        """What forward takes beside arrays: one number for an even pair."""
        return {"stride": plain(self.stride), "pad": plain(self.pad)}

    def impossible(self) -> str | None:
        """Say why no convolution can have this geometry, or None if one can."""
        return self.as_groups.impossible()

    def label(self) -> str:
        """Name the geometry: `2x3x7x7 * 3x3x3 stride 2 pad 1`."""
        shapes = f"{self.N}x{self.C}x{self.H}x{self.W} * {self.C}x{self.HH}x{self.WW}"
        return f"{shapes} {spoken(self.conv_param)}"


def depthwise_conv_forward(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, Any]:
    """Return out[n, c, i, j] = b[c] + sum_hk x_padded[n, c, i stride + h, j stride + k] w[c, h, k], and the cache."""
    return conv_forward_fast(x, w[:, None], b, {**conv_param, "groups": w.shape[0]})


def depthwise_conv_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Carry dout (N, C, H', W') back.

    It is a convolution of which each channel is a group with one filter, and that one sees nothing else: the derivation
    is that of `conv_backward_naive`, without the sum over filters in dx. (Chollet, Xception, 2017.)
    """
    dx, dw, db = conv_backward_fast(dout, cache)
    return dx, dw[:, 0], db


AXES = declare(x="N C H W", w="C HH WW", b="C", out="N C H' W'")


def problem(case: DepthwiseConvCase) -> Problem:
    """Draw a case's arrays."""
    return make_problem(
        case,
        axes=AXES,
        parameters=case.conv_param,
        reference=(depthwise_conv_forward, depthwise_conv_backward),
        relations={"x": image_relations(case.as_groups) | {CHANNEL: same(CHANNEL)}},
    )


def standard() -> tuple[DepthwiseConvCase, ...]:
    """Those of convolution, of which each number but that of filters matters here as it does there."""
    names = [parameter.name for parameter in DepthwiseConvCase.parameters()]
    return tuple(DepthwiseConvCase(**{name: case.geometry[name] for name in names}) for case in convolutions())


def _faults(case: DepthwiseConvCase, problem: Problem) -> Iterator[Fault]:
    """Yield those of convolution, with w (C, 1, HH, WW)."""
    from gradcheck_cli.layers.conv.faults import faults  # only a case that fails needs it

    for fault in faults(case.as_groups, problem, ("(channel, kernel row, kernel column)", "(C, HH, WW)")):

        def gradients(inputs: Mapping[str, Array], dout: Array, fault: Fault = fault) -> Mapping[str, Array]:
            found = fault.gradients({**inputs, "w": inputs["w"][:, None]}, dout)
            return {name: value[:, 0] if name == "w" else value for name, value in found.items()}

        yield replace(fault, gradients=gradients)


def _forward_faults(case: DepthwiseConvCase, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
    """Yield those of convolution, with w (C, 1, HH, WW)."""
    from gradcheck_cli.layers.conv.forward_faults import forward_faults

    return forward_faults(case.as_groups, {**problem.inputs, "w": problem.inputs["w"][:, None]})


def _of_groups(corner: Callable[[ConvCase], bool]) -> Callable[[DepthwiseConvCase], bool]:
    return lambda case: corner(case.as_groups)


LAYER = Layer(
    case=DepthwiseConvCase,
    inputs=("x", "w", "b"),
    make_problem=problem,
    standard=standard,
    builtin={"groups": (depthwise_conv_forward, depthwise_conv_backward)},
    probe_cases=(
        DepthwiseConvCase(N=4, C=2, H=5, W=6, HH=3, WW=3, stride=1, pad=1),
        DepthwiseConvCase(N=4, C=2, H=5, W=6, HH=3, WW=3, stride=1, pad=0),
        DepthwiseConvCase(N=4, C=2, H=5, W=5, HH=3, WW=3, stride=1, pad=1),
    ),
    faults=_faults,
    forward_faults=_forward_faults,
    random=random_geometry,
    has_nonzero_gradient=lambda case: has_nonzero_gradient(case.as_groups),
    special_cases=tuple(_of_groups(corner) for corner in CORNERS),
    param="conv_param",
)
