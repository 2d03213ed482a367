"""Convolution of images: the geometries that are tried by default, and what all convolutions declare."""

from __future__ import annotations

from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv import geometry
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.geometry import WindowedCase, random_geometry, window_relations
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.framework.axes import CHANNEL, FILTER, declare
from gradcheck_cli.layers.framework.coupling import group
from gradcheck_cli.layers.framework.layer import Layer, imported
from gradcheck_cli.layers.framework.parameter import pair, size


@frozen
class ImagesCase(WindowedCase):
    """A geometry of images x (N, C, H, W), windows (HH, WW) and F filters.

    `stride`, `pad` and `dilation` take one number or a pair (vertical, horizontal), and are kept as pairs.
    """

    N: int = size(4, "samples")
    C: int = size(3, "channels")
    H: int = size(5, "image height")
    W: int = size(5, "image width")
    F: int = size(2, "filters")
    HH: int = size(3, "kernel height")
    WW: int = size(3, "kernel width")
    stride: int | tuple[int, int] = pair(1, "step from window to window")
    pad: int | tuple[int, int] = pair(1, "zeros added on each side", minimum=0)


@frozen
class ConvCase(ImagesCase):
    """A geometry of convolution: x (N, C, H, W), w (F, C / groups, HH, WW), b (F,), out (N, F, H', W')."""

    layer = "conv"
    axes = declare(x="N C H W", w="F C HH WW", b="F", out="N F H' W'")
    passed = ("stride", "pad", "dilation", "groups")

    dilation: int | tuple[int, int] = pair(1, "step within a window")
    groups: int = size(1, "groups of channels")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs."""
        return {**super().shapes, "w": (self.F, self.C // self.groups, self.HH, self.WW)}

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (N, F, H', W')."""
        rows, columns = (w.total for w in self.windows)
        return self.N, self.F, rows, columns

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of forward: one number for an even pair; dilation and groups unless 1."""
        return {name: value for name, value in super().settings.items() if value != 1 or name in ("stride", "pad")}

    def impossible(self) -> str | None:
        """Say why no convolution can have this geometry, or None if one can."""
        if self.C % self.groups or self.F % self.groups:
            return f"groups {self.groups} must divide both C {self.C} and F {self.F}"
        return super().impossible()


def convolution(case: type[WindowedCase], *, special_cases: tuple[Any, ...] = (), **declared: Any) -> Layer:
    """Declare a layer that is a convolution; `special_cases` are kinds beside those that all have."""
    shared: dict[str, Any] = {
        "relations": window_relations,
        "param": "conv_param",
        "random": random_geometry,
        "has_nonzero_gradient": geometry.HAS_GRADIENT,
        **imported("conv.faults", "faults", "forward_faults"),
    }
    kinds = (*special_cases, geometry.UNEVEN, geometry.ONE_WINDOW, geometry.GAPS, geometry.ON_THE_PAD)
    return Layer(case=case, special_cases=kinds, **{**shared, **declared})


def standard() -> tuple[ConvCase, ...]:
    """List the geometries that are tried when none is given: of each known kind of fault, at least one of them fails.

    Only square strides and pads, no dilation, no groups: what every convolution written for a course can be asked.
    """
    return ConvCase.rows(
        "N C H W F HH WW stride pad",
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
    )


LAYER = convolution(
    ConvCase,
    program="convcheck",
    builtin={
        "fast": (conv_forward_fast, conv_backward_fast),
        "naive": (conv_forward_naive, conv_backward_naive),
    },
    standard=standard,
    # With one channel of a group at a time, that makes C / groups * HH * WW colours for all samples and groups.
    relations=lambda case, inputs: {
        "x": {CHANNEL: group(FILTER, case.groups, case.F), **window_relations(case, inputs)["x"]}
    },
    special_cases=(geometry.OBLONG_WINDOW, geometry.OBLONG_IMAGE),
    probe_cases=(
        ConvCase(N=3, C=2, H=5, W=6, F=4, HH=3, WW=3, stride=1, pad=1),  # "same"
        ConvCase(N=3, C=2, H=5, W=6, F=4, HH=3, WW=3, stride=1, pad=0),  # for those that cannot pad
        ConvCase(N=3, C=2, H=5, W=5, F=4, HH=3, WW=3, stride=1, pad=1),  # for those that take square images only
    ),
)
