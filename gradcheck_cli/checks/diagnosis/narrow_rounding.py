"""Whether an array was computed in a narrower dtype than it is returned in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from gradcheck_cli.checks.comparison import floored
from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis
from gradcheck_cli.checks.precision import consists_of, narrower_dtypes
from gradcheck_cli.numeric.arrays import Array, epsilon
from gradcheck_cli.numeric.estimate import Estimate

#: The largest error of a sum in the narrower dtype, in its roundings: measured 2 for direct sums, 5 for FFT.
_ROUNDINGS = 8.0

#: Where values are not themselves of float32, because its sums were added up in float64, roundings show in the errors:
#: none is larger than those of direct sums, at least half of this many elements have one, and they are of both signs,
#: each in this share. (A factor near 1 has errors of the values' signs.) Errors of float16 are too large to be known
#: by their size: any noise of a thousandth would pass for them.
_LARGEST, _ELEMENTS, _SHARE = 2.0, 12, 0.2


def narrower(array: Array, right: Estimate, dtype: str) -> Explanation | None:
    """Name the dtype whose roundings are the only fault of an array, if there is one."""
    if array.shape != right.value.shape:
        return None
    scale = floored(right.scale)
    with np.errstate(all="ignore"):
        error = array - right.value
        for inside in reversed([*narrower_dtypes(dtype)]):
            small = bool((abs(error) <= _ROUNDINGS * epsilon(inside) * scale + right.error_bound).all())
            seen = array[abs(array) > epsilon(inside) * scale]  # what cancels to less has few bits in any dtype
            if small and (consists_of(seen, inside, dtype) or _is_rounded(error, right, inside)):
                return explanation("{dtype}-inside", dtype=inside, right=dtype)
    return None


def narrower_gradients(evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield the dtype whose roundings are the only fault of a gradient."""
    for name in evidence.failing:
        if cause := narrower(evidence.returned[name], evidence.right(name), evidence.dtype):
            yield Hypothesis(explanation=cause, names=frozenset({name}))


def _is_rounded(error: Array, right: Estimate, inside: str) -> bool:
    """Tell whether errors are scattered as roundings are, and of their size."""
    unit, relative = epsilon(inside) * floored(right.scale), (error / right.value)[right.value != 0]
    seen = (abs(error) > right.error_bound) & (abs(error) >= unit / 64)
    if inside == "float16" or error.size < _ELEMENTS or 2 * seen.sum() < error.size:
        return False
    return bool((abs(error) <= _LARGEST * unit).all() and _SHARE <= (relative > 0).mean() <= 1 - _SHARE)


def rounded_inputs(evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield the arrays that were rounded to a narrower dtype before anything was computed from them."""
    names = (*evidence.problem.differentiable, "dout")
    for inside in reversed([*narrower_dtypes(evidence.dtype)]):
        for rounded in (*((name,) for name in names), names):
            what = f"{rounded[0]} is" if len(rounded) == 1 else "all that it is computed from is"
            cause = explanation("{dtype}-inside/rounded", what=what, dtype=inside, right=evidence.dtype)
            explained = evidence.explained_by(partial(_from_rounded, evidence, rounded, inside))
            yield Hypothesis(explanation=cause, names=explained)


def _from_rounded(
    evidence: Evidence, names: tuple[str, ...], inside: str, inputs: Mapping[str, Array], cotangent: Array
) -> Mapping[str, Array]:
    arrays = {**inputs, "dout": cotangent}
    for name in names:
        arrays[name] = arrays[name].astype(inside).astype(cotangent.dtype)
    dout = arrays.pop("dout")
    return evidence.run.layer.gradients(evidence.problem, arrays, dout)
