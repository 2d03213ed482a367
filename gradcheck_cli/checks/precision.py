"""The dtype that code computes in, whatever it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.form import dtype_name
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.numeric.arrays import DTYPES, Array, epsilon

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

#: Bits that values must have lost for it to be no accident that all are numbers of a narrower dtype.
_ENOUGH_BITS = 24.0


def kernel_dtype(out: object, gradients: Mapping[str, object], dtype: str) -> str | None:
    """Name the narrower dtype in which forward computes; None if it keeps the dtype under test.

    That is the dtype of its output; or that of all gradients, where the output is a number of that dtype in a wider
    one, as a loss is that is returned as a float.
    """
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        return None
    own = dtype_name(out.dtype)
    if own in narrower_dtypes(dtype):
        return own
    found = {dtype_name(array.dtype) for array in gradients.values() if isinstance(array, np.ndarray)}
    inside = next(iter(found)) if len(found) == 1 else own
    return inside if inside in narrower_dtypes(dtype) and consists_of(out, inside, dtype) else None


def kernel_reason(inside: str, dtype: str) -> str:
    """Say what to do with code that computes in a narrower dtype than it is given."""
    return (
        f"forward computes in {inside} where its inputs are {dtype}: check it with --dtype {inside}, or let it keep "
        "the dtype of its inputs"
    )


def accepted_dtype(case: Case, layer: Layer, implementation: Implementation) -> str | None:
    """Name a narrower dtype in which forward runs, where it raises in that of the case; None if there is none."""
    for dtype in narrower_dtypes(case.dtype):
        problem = layer.problem_without(replace(case, dtype=dtype), implementation.absent)
        try:
            out, _ = pack_outputs(implementation, problem).forward(problem.inputs, problem.parameters)
        except (ImplementationError, NotExpressibleError):
            continue
        if isinstance(out, np.ndarray):
            return dtype
    return None


def narrowest_rounding(arrays: Iterable[object], dtype: str) -> str:
    """Name the narrowest dtype that can represent all values of one of the arrays, whatever dtype holds them."""
    found = dtype
    for array in arrays:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            inside = next((name for name in narrower_dtypes(dtype) if consists_of(array, name, dtype)), dtype)
            found = max(found, inside, key=epsilon)
    return found


def narrower_dtypes(dtype: str) -> Iterator[str]:
    """List the dtypes that are narrower than this one, the widest of them first."""
    return (name for name in reversed(DTYPES) if epsilon(name) > epsilon(dtype))


def consists_of(array: Array, inside: str, dtype: str) -> bool:
    """Tell whether all values are numbers of a narrower dtype: an accident in one of 2^(bits lost) for each."""
    values = array[np.isfinite(array) & (array != 0)]
    bits = values.size * np.log2(epsilon(inside) / epsilon(dtype))
    with np.errstate(over="ignore"):
        return bool(bits >= _ENOUGH_BITS and (values.astype(inside).astype(values.dtype) == values).all())
