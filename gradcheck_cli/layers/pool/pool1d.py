"""Shared by one-dimensional poolings: windows along a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.geometry import GAPS, ONE_WINDOW, OVERLAPS, WindowedCase, uneven
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.pool.pooling import pooling

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.pool.pooling import Pair


@frozen
class Pool1dCase(WindowedCase):
    """A geometry of pooling: x (N, C, W), out (N, C, W')."""

    layer: ClassVar[str]
    axes = declare(x="N C W", out="N C W'")
    passed: ClassVar = ("pool_width", "stride")
    kernels: ClassVar = ("pool_width",)

    N: int = size(2, "samples")
    C: int = size(3, "channels")
    W: int = size(6, "length")
    pool_width: int = size(2, "length of a window")
    stride: int = size(2, "step from window to window")

    def label(self) -> str:
        """Name the geometry: `2x3x6 by 2 stride 2`."""
        return f"{self.N}x{self.C}x{self.W} by {self.pool_width} stride {self.stride}"


def pooling1d(case: type[Pool1dCase], pair: Pair, **declared: Any) -> Layer:
    """Declare the layer of a one-dimensional pooling, as `pooling` does."""
    return pooling(
        case,
        pair,
        # Windows that touch, overlap and leave gaps; one window; windows of one element.
        standard=lambda: case.rows(
            "N C W pool_width stride",
            *((2, 3, 6, 2, 2), (2, 2, 7, 3, 1), (1, 2, 7, 3, 2), (2, 1, 8, 2, 3), (1, 1, 4, 4, 1), (2, 2, 3, 1, 1)),
        ),
        probe_cases=case.rows(
            "C W pool_width stride", *((3, 7, 3, 2), (3, 6, 2, 2), (3, 9, 3, 3), (3, 5, 2, 1), (3, 8, 4, 4))
        ),
        special_cases=(OVERLAPS, GAPS, uneven, ONE_WINDOW),
        **declared,
    )
