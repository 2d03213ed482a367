"""The cases of convolutions: what can be computed as a convolution of images, and a convolution of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.geometry import WindowedCase, Windows
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.axes import COLUMN, OUT_COLUMN, OUT_ROW, ROW, declare
from gradcheck_cli.layers.framework.parameter import pair, size

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConvolutionCase(WindowedCase):
    """A geometry that can be computed as a convolution of images."""

    #: The place of an axis of length 1 that makes images of an array.
    inserted: ClassVar[Mapping[str, int]] = {}
    spatial: ClassVar[tuple[int, ...]] = (0, 1)  #: of rows (0) and columns (1) those that there are

    @property
    def as_conv(self) -> ConvCase:
        """The same, as a convolution of images."""
        raise NotImplementedError

    @property
    def windows(self) -> tuple[Windows, ...]:
        """The windows along each spatial axis of x, in its order."""
        return tuple(self.as_conv.windows[axis] for axis in self.spatial)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of forward: one number for an even pair."""
        return {name: plain(getattr(self, name)) for name in ("stride", "pad")}


def plain(value: int | tuple[int, int]) -> int | tuple[int, int]:
    """Return one number for an even pair."""
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else value


@frozen
class ConvCase(ConvolutionCase):
    """A geometry of convolution: x (N, C, H, W), w (F, C / groups, HH, WW), b (F,), out (N, F, H', W').

    `stride`, `pad` and `dilation` take one number or a pair (vertical, horizontal), and are kept as pairs.
    """

    layer: ClassVar[str] = "conv"
    axes = declare(x="N C H W", w="F C HH WW", b="F", out="N F H' W'")

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
    def as_conv(self) -> ConvCase:
        """The case itself."""
        return self

    @property
    def windows(self) -> tuple[Windows, ...]:
        """The windows along rows and columns."""
        (sv, sh), (pv, ph), (dv, dh) = both(self.stride), both(self.pad), both(self.dilation)
        return (
            Windows("height", ROW, OUT_ROW, self.H, self.HH, sv, pv, dv),
            Windows("width", COLUMN, OUT_COLUMN, self.W, self.WW, sh, ph, dh),
        )

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
        names = ["stride", "pad", *(name for name in ("dilation", "groups") if getattr(self, name) not in (1, (1, 1)))]
        return {name: plain(getattr(self, name)) for name in names}

    def impossible(self) -> str | None:
        """Say why no convolution can have this geometry, or None if one can."""
        if self.C % self.groups or self.F % self.groups:
            return f"groups {self.groups} must divide both C {self.C} and F {self.F}"
        return super().impossible()
