"""Convolution by its definition: a loop over every index, nothing shared with what is tested."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.numeric.arrays import Array

    Term = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def terms(case: ConvCase) -> Iterator[Term]:
    """Yield the indices (of out, of x, of w) of every product that is summed; those that fall on pad are left out."""
    (sv, sh), (pv, ph), (dv, dh) = (case.geometry[name] for name in ("stride", "pad", "dilation"))
    channels, filters = case.C // case.groups, case.F // case.groups
    rows = (case.H + 2 * pv - dv * (case.HH - 1) - 1) // sv + 1
    columns = (case.W + 2 * ph - dh * (case.WW - 1) - 1) // sh + 1
    sizes = (case.N, case.F, rows, columns, channels, case.HH, case.WW)
    for n, f, i, j, c, h, k in itertools.product(*map(range, sizes)):
        row, column = i * sv + h * dv - pv, j * sh + k * dh - ph
        if 0 <= row < case.H and 0 <= column < case.W:
            yield (n, f, i, j), (n, f // filters * channels + c, row, column), (f, c, h, k)


def forward(case: ConvCase, x: Array, w: Array, b: Array) -> Array:
    out = np.zeros(case.out_shape, np.longdouble) + b.astype(np.longdouble)[:, None, None]
    for o, p, q in terms(case):
        out[o] += x[p].astype(np.longdouble) * w[q]
    return out


def backward(case: ConvCase, dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    dx, dw = np.zeros(x.shape, np.longdouble), np.zeros(w.shape, np.longdouble)
    db = np.zeros(case.F, np.longdouble)
    for o, p, q in terms(case):
        dx[p] += dout[o].astype(np.longdouble) * w[q]
        dw[q] += dout[o].astype(np.longdouble) * x[p]
    for n, f, i, j in np.ndindex(dout.shape):
        db[f] += dout[n, f, i, j]
    return dx, dw, db
