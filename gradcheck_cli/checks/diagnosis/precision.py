"""Was a gradient computed in a narrower dtype than it is returned in?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import floored
from gradcheck_cli.checks.diagnosis.evidence import ENOUGH_BITS, Explanation
from gradcheck_cli.numeric.arrays import DTYPES, epsilon

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.checks.comparison import Expected
    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.numeric.arrays import Array

#: Roundings of the narrower dtype that a sum in it is off at the most: measured 2 for direct sums, 5 for FFT.
_ROUNDINGS = 8.0


#: Where values are not themselves of float32, because its sums were added up in float64, roundings show in the errors:
#: none is larger than those of direct sums, at least half of this many elements have one, and they are of both signs,
#: each in this share. (A factor near 1 has errors of the values' signs.) Errors of float16 are too large to be known
#: by their size: any noise of a thousandth would pass for them.
_LARGEST, _ELEMENTS, _SHARE = 2.0, 12, 0.2


def narrower(array: Array, right: Expected, dtype: str) -> Explanation | None:
    """Name the dtype whose roundings are the only fault of an array, if there is one."""
    if array.shape != right.value.shape:
        return None
    scale = floored(right.scale)
    with np.errstate(all="ignore"):
        error = array - right.value
        for inside in DTYPES:
            if epsilon(inside) <= epsilon(dtype):
                return None
            small = bool((abs(error) <= _ROUNDINGS * epsilon(inside) * scale + right.error_bound).all())
            seen = array[abs(array) > epsilon(inside) * scale]  # what cancels to less has few bits in any dtype
            if small and (_representable(seen, inside, dtype) or _rounded(error, right, inside)):
                return Explanation(
                    code=f"{inside}-inside",
                    cause=f"{{names}} {{be}} computed in {inside}: off by its roundings, in an array of {dtype}.",
                    remedy=f"Make the arrays of intermediate results of {dtype} too, by `dtype=x.dtype`.",
                )
    return None


def _representable(array: Array, inside: str, dtype: str) -> bool:
    """Tell whether all values are numbers of a narrower dtype: an accident in one of 2^(bits lost) for each."""
    values = array[array != 0]
    bits = values.size * np.log2(epsilon(inside) / epsilon(dtype))
    return bool(bits >= ENOUGH_BITS and (values.astype(inside).astype(array.dtype) == values).all())


def _rounded(error: Array, right: Expected, inside: str) -> bool:
    """Tell whether errors are scattered as roundings are, and of their size."""
    unit, relative = epsilon(inside) * floored(right.scale), (error / right.value)[right.value != 0]
    seen = (abs(error) > right.error_bound) & (abs(error) >= unit / 64)
    if inside == "float16" or error.size < _ELEMENTS or 2 * seen.sum() < error.size:
        return False
    return bool((abs(error) <= _LARGEST * unit).all() and _SHARE <= (relative > 0).mean() <= 1 - _SHARE)


def rounded_arrays(evidence: Evidence) -> Iterator[tuple[Explanation, set[str]]]:
    """Yield the arrays that were rounded to a narrower dtype before anything was computed from them."""
    names = (*evidence.problem.differentiable, "dout")
    for inside in DTYPES:
        if epsilon(inside) <= epsilon(evidence.case.dtype):
            return
        for rounded in (*((name,) for name in names), names):
            what = f"{rounded[0]} is" if len(rounded) == 1 else "all that it is computed from is"
            explanation = Explanation(
                code=f"{inside}-inside",
                cause=f"In {{names}} {what} rounded to {inside} first.",
                remedy=f"Keep every array in {evidence.case.dtype}.",
            )
            yield explanation, evidence.fitting(partial(_from_rounded, evidence, rounded, inside))


def _from_rounded(
    evidence: Evidence, names: tuple[str, ...], inside: str, inputs: Mapping[str, Array], cotangent: Array
) -> Mapping[str, Array]:
    arrays = {**inputs, "dout": cotangent}
    for name in names:
        arrays[name] = arrays[name].astype(inside).astype(cotangent.dtype)
    dout = arrays.pop("dout")
    return evidence.layer.gradients(evidence.problem, arrays, dout)
