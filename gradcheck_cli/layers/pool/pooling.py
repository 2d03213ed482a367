"""What max and average pooling have in common: windows over each channel of an image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.fast import gather
from gradcheck_cli.layers.conv.random_geometry import random_geometry
from gradcheck_cli.layers.framework.axes import COLUMN, OUT_COLUMN, OUT_ROW, ROW, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.windows import window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Pair = tuple[Callable[..., Any], Callable[..., Any]]
    Param = Mapping[str, int]
    Backward = Callable[[Array, Any], Array]


@frozen
class PoolCase(Case):
    """A geometry of pooling: x (N, C, H, W), out (N, C, H', W')."""

    layer: ClassVar[str]

    N: int = size(2, "samples")
    C: int = size(3, "channels")
    H: int = size(6, "image height")
    W: int = size(6, "image width")
    pool_height: int = size(2, "height of a window")
    pool_width: int = size(2, "width of a window")
    stride: int = size(2, "step from window to window")

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """Shape of the output, (N, C, H', W')."""
        rows, columns = 1 + (self.H - self.pool_height) // self.stride, 1 + (self.W - self.pool_width) // self.stride
        return self.N, self.C, rows, columns

    def impossible(self) -> str | None:
        """Say why no pooling can have this geometry, or None if one can."""
        for axis, pool, length in (("height", self.pool_height, self.H), ("width", self.pool_width, self.W)):
            if pool > length:
                return f"the window's {axis} of {pool} does not fit into the image's {axis} of {length}"
        return None

    def label(self) -> str:
        """Name the geometry: `2x3x6x6 by 2x2 stride 2`."""
        return f"{self.N}x{self.C}x{self.H}x{self.W} by {self.pool_height}x{self.pool_width} stride {self.stride}"


def windows(x: Array, pool_param: Param) -> Array:
    """View every window of x at once: (N, C, pool_height, pool_width, H', W')."""
    pool = pool_param["pool_height"], pool_param["pool_width"]
    return gather(np.ascontiguousarray(x), pool, {"stride": pool_param["stride"]})


def spread(dout: Array, shape: tuple[int, ...], pool_param: Param) -> Array:
    """Add each element of dout to all elements of its window, in an image of `shape`."""
    height, width, stride = (pool_param[name] for name in ("pool_height", "pool_width", "stride"))
    rows, columns = stride * (dout.shape[2] - 1) + 1, stride * (dout.shape[3] - 1) + 1
    dx = np.zeros(shape, dout.dtype)
    for h in range(height):
        for k in range(width):
            dx[:, :, h : h + rows : stride, k : k + columns : stride] += dout
    return dx


_AXES = declare(x="N C H W", out="N C H' W'")


#: Windows that overlap, and that leave gaps; rows that none sees; one window.
_CORNERS: tuple[Callable[[PoolCase], bool], ...] = (
    lambda case: case.pool_height != case.pool_width,
    lambda case: case.stride < min(case.pool_height, case.pool_width),
    lambda case: case.stride > max(case.pool_height, case.pool_width),
    lambda case: (case.H - case.pool_height) % case.stride > 0,
    lambda case: (case.pool_height, case.pool_width) == (case.H, case.W),
)

#: H, W, pool_height, pool_width, stride: one of each fixed window and stride, beside one in which all differ.
_TRIALS = (
    *((5, 7, 3, 2, 2), (6, 6, 2, 2, 2), (6, 9, 3, 3, 3), (7, 5, 3, 3, 2), (5, 4, 2, 2, 1), (5, 6, 3, 3, 1)),
    *((8, 12, 4, 4, 4), (5, 8, 2, 2, 3)),
)


def _backward(backward: Backward, cache: Any, _: Mapping[str, Array], dout: Array) -> dict[str, Array]:
    return {"x": backward(dout, cache)}


def _missed(case: PoolCase, right: Callable[[Mapping[str, Array], Array], Mapping[str, Array]]) -> Iterator[Fault]:
    """Yield loops that end before all windows are taken."""
    _, _, rows, columns = case.out_shape
    swapped_rows = max((case.H - case.pool_width) // case.stride + 1, 0)
    swapped_columns = max((case.W - case.pool_height) // case.stride + 1, 0)
    every = f"Loop over all of dout: {rows} rows and {columns} columns."
    size = "In {names} %s: windows are missed."
    for code, cause, kept in (
        ("size-of-wrong-axis", size % "W' is computed from the window's height", (rows, min(columns, swapped_columns))),
        ("size-of-wrong-axis", size % "H' is computed from the window's width", (min(rows, swapped_rows), columns)),
    ):

        def gradients(inputs: Mapping[str, Array], g: Array, kept: tuple[int, int] = kept) -> Mapping[str, Array]:
            part = np.zeros_like(g)
            part[:, :, : kept[0], : kept[1]] = g[:, :, : kept[0], : kept[1]]
            return right(inputs, part)

        yield Fault(code=code, cause=cause, remedy=every, gradients=gradients)


def pooling(
    case: type[PoolCase],
    pair: Pair,
    *,
    assigned: tuple[Backward, ...],
    unmasked: Backward | None = None,
) -> Layer:
    """Make the layer of a pooling.

    Args:
        case: its geometry.
        pair: its forward and backward pass.
        assigned: its backward pass with each window's share written over those of the windows before it, in each way in
            which that is written.
        unmasked: its backward pass with the share for every element of the window, where not all have one.
    """

    def problem(case: PoolCase) -> Problem:
        source = case.source()
        count = case.N * case.C * case.H * case.W
        # Every two are an eighth apart at least: no ties, and no small step makes one.
        x = (np.array(source.sample(range(count), count), float) - count // 2) / 8 + 1 / 16
        settings = ("pool_height", "pool_width", "stride")
        _, _, rows, columns = case.out_shape
        return make_problem(
            case,
            axes=_AXES,
            inputs={"x": x.reshape(case.N, case.C, case.H, case.W)},
            source=source,
            parameters={name: getattr(case, name) for name in settings},
            reference=pair,
            relations={
                "x": {
                    ROW: window(OUT_ROW, rows, kernel=case.pool_height, stride=case.stride),
                    COLUMN: window(OUT_COLUMN, columns, kernel=case.pool_width, stride=case.stride),
                }
            },
            zeros=() if unmasked else ("x",),  # two zeros in a window are a tie
        )

    def faults(case: PoolCase, problem: Problem) -> Iterator[Fault]:
        _, cache = pair[0](problem.inputs["x"], problem.parameters)  # absolute values have their maxima elsewhere

        def fault(code: str, cause: str, remedy: str, backward: Backward) -> Fault:
            return Fault(code=code, cause=cause, remedy=remedy, gradients=lambda _, dout: {"x": backward(dout, cache)})

        if unmasked:
            yield fault(
                "mask-ignored",
                "In {names} the mask is left out: every element of a window has its dout.",
                "Give dout to the largest element of its window alone.",
                unmasked,
            )
        yield from _missed(case, partial(_backward, pair[1], cache))
        for backward in assigned if case.stride < max(case.pool_height, case.pool_width) else ():
            yield fault(
                "assigned-not-accumulated",
                "{names} {be} assigned where contributions are to be summed: of each element the last window's share "
                "is left.",
                "Windows overlap: write `+=`, not `=`, in the loop.",
                backward,
            )

    def standard() -> tuple[PoolCase, ...]:
        rows = [
            # N  C  H  W  pool stride
            (2, 3, 6, 6, 2, 2, 2),  # that of most notebooks
            (2, 2, 5, 6, 3, 2, 1),  # windows that overlap
            (1, 2, 7, 5, 3, 3, 2),  # and those that overlap by one row
            (2, 1, 7, 8, 2, 3, 3),  # windows with gaps, and an edge that none sees
            (1, 1, 3, 4, 3, 4, 1),  # one window
            (2, 2, 3, 3, 1, 1, 1),  # windows of one element
            (1, 3, 4, 6, 2, 2, 1),  # not square
        ]
        return tuple(
            case(N=N, C=C, H=H, W=W, pool_height=height, pool_width=width, stride=stride)
            for N, C, H, W, height, width, stride in rows
        )

    return Layer(
        case=case,
        inputs=("x",),
        make_problem=problem,
        standard=standard,
        builtin={"vectorized": pair},
        probe_cases=tuple(
            case(N=2, C=3, H=H, W=W, pool_height=height, pool_width=width, stride=stride)
            for H, W, height, width, stride in _TRIALS
        ),
        faults=faults,
        random=partial(random_geometry, names={"pool_height": "HH", "pool_width": "WW"}),
        special_cases=_CORNERS,
        param="pool_param",
    )
