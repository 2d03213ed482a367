"""The case of a convolution of images."""

from __future__ import annotations

from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.geometry import WindowedCase
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.parameter import pair, size


@frozen
class ConvCase(WindowedCase):
    """A geometry of convolution: x (N, C, H, W), w (F, C / groups, HH, WW), b (F,), out (N, F, H', W').

    `stride`, `pad` and `dilation` take one number or a pair (vertical, horizontal), and are kept as pairs.
    """

    layer = "conv"
    axes = declare(x="N C H W", w="F C HH WW", b="F", out="N F H' W'")
    passed = ("stride", "pad", "dilation", "groups")

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
