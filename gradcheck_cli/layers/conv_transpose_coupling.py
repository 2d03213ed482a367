"""Which elements of a transposed convolution reach no output together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv_naive import both
from gradcheck_cli.numeric.colored import Coupling

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.conv_transpose import ConvTransposeCase


@dataclass(frozen=True, kw_only=True)
class _Overlap:
    """Which rows of x, by which rows of the kernel, reach each row of the output; or columns.

    Row i of the output is row i + pad = q stride + r of the whole. Row a of x reaches it by row h = (q - a) stride + r
    of the kernel: with m = q - a, all the a from `first` to `last`, and as many m, one after the other.
    """

    quotient: Array
    rest: Array
    first: Array
    last: Array
    stride: int
    colors: int  #: as many as there are a, or m, that reach one row at the most

    @classmethod
    def of(cls, case: ConvTransposeCase, axis: int) -> _Overlap:
        """Work it out along one axis."""
        (size, kernel), stride = ((case.H, case.HH), (case.W, case.WW))[axis], both(case.stride)[axis]
        quotient, rest = np.divmod(np.arange(case.out_shape[2 + axis]) + both(case.pad)[axis], stride)
        most = (kernel - 1 - rest) // stride  # the last m; -1 where the kernel is narrower than the stride
        first, last = np.maximum(quotient - most, 0), np.minimum(quotient, size - 1)
        colors = min(-(-kernel // stride), size)
        return cls(quotient=quotient, rest=rest, first=first, last=last, stride=stride, colors=colors)

    def of_x(self, color: int) -> Array:
        """Return the row of x of that colour, the numbers of which are equal modulo the colours; -1 for none."""
        row = self.first + (color - self.first) % self.colors
        return np.where(row <= self.last, row, -1)

    def of_kernel(self, color: int) -> Array:
        """Return the row of the kernel of that colour, which is that of m; -1 for none."""
        first = self.quotient - self.last
        m = first + (color - first) % self.colors
        return np.where(m <= self.quotient - self.first, m * self.stride + self.rest, -1)


def coupling(case: ConvTransposeCase) -> dict[str, Coupling]:
    """State which elements reach no output together.

    Each row of the output is reached by ceil(HH / stride) rows of x at the most, one after the other, and by as many
    rows of the kernel, a stride apart: modulo that number they are all different. With columns, and one channel at a
    time, so many are the colours of x, and those of w; that many elements reach one output, so it takes no fewer.
    """
    vertical, horizontal = _Overlap.of(case, 0), _Overlap.of(case, 1)
    samples, filters = np.arange(case.N)[:, None, None, None], np.arange(case.F)[:, None, None]

    def split(color: int) -> tuple[int, int, int]:
        color, k = divmod(color, horizontal.colors)
        return *divmod(color, vertical.colors), k

    def owner_of_x(color: int) -> Array:
        c, h, k = split(color)
        i, j = vertical.of_x(h)[:, None], horizontal.of_x(k)
        return np.where((i >= 0) & (j >= 0), ((samples * case.C + c) * case.H + i) * case.W + j, -1)

    def owner_of_w(color: int) -> Array:
        c, h, k = split(color)
        i, j = vertical.of_kernel(h)[:, None], horizontal.of_kernel(k)
        return np.where((i >= 0) & (j >= 0), ((c * case.F + filters) * case.HH + i) * case.WW + j, -1)[None]

    colors = case.C * vertical.colors * horizontal.colors
    return {
        "x": Coupling(colors=colors, owner=owner_of_x),
        "w": Coupling(colors=colors, owner=owner_of_w),
        "b": Coupling(colors=1, owner=lambda _: filters[None]),
    }
