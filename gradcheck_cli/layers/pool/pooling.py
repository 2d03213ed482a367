"""Shared by max and average pooling: windows over each channel of a sequence or an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv import geometry
from gradcheck_cli.layers.conv.geometry import WindowedCase, random_geometry, window_relations
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


class AnyPoolCase(WindowedCase):
    """A geometry of pooling; a subclass lists its standard cases and its probes."""

    names: ClassVar[str]  #: of the numbers of a row below
    sizes: ClassVar[tuple[tuple[int, ...], ...]]  #: of the standard cases
    probed: ClassVar[tuple[tuple[int, ...], ...]]  #: fixed windows and strides that people have, for two samples

    def label(self) -> str:
        """Name the geometry: `2x3x6x6 by 2x2 stride 2`."""
        x, window = ("x".join(map(str, sizes)) for sizes in (self.shapes["x"], [w.kernel for w in self.windows]))
        return f"{x} by {window} stride {self.geometry['stride']}"


@frozen
class PoolCase(AnyPoolCase):
    """A geometry of pooling: x (N, C, H, W), out (N, C, H', W')."""

    axes = declare(x="N C H W", out="N C H' W'")
    passed = ("pool_height", "pool_width", "stride")
    kernels = ("pool_height", "pool_width")
    names = "N C H W pool_height pool_width stride"
    sizes = (
        (2, 3, 6, 6, 2, 2, 2),  # that of most notebooks
        (2, 2, 5, 6, 3, 2, 1),  # windows that overlap
        (1, 2, 7, 5, 3, 3, 2),  # and those that overlap by one row
        (2, 1, 7, 8, 2, 3, 3),  # windows with gaps, and an edge that none sees
        (1, 1, 3, 4, 3, 4, 1),  # one window
        (2, 2, 3, 3, 1, 1, 1),  # windows of one element
        (1, 3, 4, 6, 2, 2, 1),  # not square
    )
    probed = (
        *((3, 5, 7, 3, 2, 2), (3, 6, 6, 2, 2, 2), (3, 6, 9, 3, 3, 3), (3, 7, 5, 3, 3, 2), (3, 5, 4, 2, 2, 1)),
        *((3, 5, 6, 3, 3, 1), (3, 8, 12, 4, 4, 4), (3, 5, 8, 2, 2, 3)),
    )

    N: int = size(2, "samples")
    C: int = size(3, "channels")
    H: int = size(6, "image height")
    W: int = size(6, "image width")
    pool_height: int = size(2, "height of a window")
    pool_width: int = size(2, "width of a window")
    stride: int = size(2, "step from window to window")


@frozen
class Pool1dCase(AnyPoolCase):
    """A geometry of pooling: x (N, C, W), out (N, C, W')."""

    axes = declare(x="N C W", out="N C W'")
    passed = ("pool_width", "stride")
    kernels = ("pool_width",)
    names = "N C W pool_width stride"
    # Windows that touch, overlap and leave gaps; one window; windows of one element.
    sizes = ((2, 3, 6, 2, 2), (2, 2, 7, 3, 1), (1, 2, 7, 3, 2), (2, 1, 8, 2, 3), (1, 1, 4, 4, 1), (2, 2, 3, 1, 1))
    probed = ((3, 7, 3, 2), (3, 6, 2, 2), (3, 9, 3, 3), (3, 5, 2, 1), (3, 8, 4, 4))

    N: int = size(2, "samples")
    C: int = size(3, "channels")
    W: int = size(6, "length")
    pool_width: int = size(2, "length of a window")
    stride: int = size(2, "step from window to window")


def window_of(pool_param: Param) -> tuple[int, ...]:
    """Return the sizes of a window: its height, if it has one, and its width."""
    return tuple(pool_param[name] for name in ("pool_height", "pool_width") if name in pool_param)


def windows(x: Array, pool_param: Param) -> Array:
    """View every window of x at once, such as (N, C, pool_height, pool_width, H', W')."""
    window, stride, x = window_of(pool_param), pool_param["stride"], np.ascontiguousarray(x)
    counts = [(size - length) // stride + 1 for size, length in zip(x.shape[2:], window, strict=True)]
    strides = (*x.strides, *(stride * step for step in x.strides[2:]))
    return np.ndarray((*x.shape[:2], *window, *counts), x.dtype, x, 0, strides)  # as `gather` of a convolution


def spread(dout: Array, shape: tuple[int, ...], pool_param: Param) -> Array:
    """Add each element of dout to all elements of its window, in an array of `shape`."""
    dx, stride = np.zeros(shape, dout.dtype), pool_param["stride"]
    for position in np.ndindex(window_of(pool_param)):
        seen = (slice(k, k + stride * (n - 1) + 1, stride) for k, n in zip(position, dout.shape[2:], strict=True))
        dx[(slice(None), slice(None), *seen)] += dout
    return dx


def draw(case: WindowedCase, source: Any) -> dict[str, Array]:
    """Draw x of which every two elements are an eighth apart at least: no ties, and no small step makes one."""
    shape = case.shapes["x"]
    count = int(np.prod(shape))
    x = (np.array(source.sample(range(count), count), float) - count // 2) / 8 + 1 / 16
    return {"x": x.reshape(shape)}


def pooling(
    case: type[AnyPoolCase],
    pair: tuple[Callable[..., Any], Callable[[Array, Any], Array]],
    faults: Callable[[Any], Iterable[Fault]] = lambda _: (),
    **declared: Any,
) -> Layer:
    """Declare the layer of a pooling; `faults` takes the cache of forward to what people get wrong in it alone."""

    def all_faults(given: WindowedCase, problem: Problem) -> Iterator[Fault]:
        from gradcheck_cli.layers.conv.moved import too_few_windows  # only a case that fails needs it

        _, cache = pair[0](problem.inputs["x"], problem.parameters)  # absolute values have their maxima elsewhere
        yield from faults(cache)
        yield from too_few_windows(given, lambda _, dout: {"x": pair[1](dout, cache)})

    return Layer(
        case=case,
        builtin={"vectorized": pair},
        standard=lambda: case.rows(case.names, *case.sizes),
        probe_cases=case.rows(case.names, *((2, *numbers) for numbers in case.probed)),
        param="pool_param",
        draw=draw,
        relations=window_relations,
        random=partial(random_geometry, names={"pool_height": "HH", "pool_width": "WW"}),
        special_cases=(
            *([geometry.OBLONG_WINDOW] if len(case.kernels) > 1 else []),
            *(geometry.OVERLAPS, geometry.GAPS, geometry.UNEVEN, geometry.ONE_WINDOW),
        ),
        faults=all_faults,
        **declared,
    )
