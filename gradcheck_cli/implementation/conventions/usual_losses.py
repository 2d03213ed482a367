"""The usual losses of an output and its targets, for networks that have none: their backward pass is that of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.step import Role, Step
from gradcheck_cli.numeric.arrays import Array

_SUMS: Mapping[str, Callable[[Array, Array], Any]] = {
    "half the squared error": lambda p, t: ((p - t) ** 2).sum() / 2,
    "the squared error": lambda p, t: ((p - t) ** 2).sum(),
    "the binary cross-entropy": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(),
    "the cross-entropy": lambda p, t: -(t * np.log(p)).sum(),
}
_DIVISORS: Mapping[str, Callable[[Array], int]] = {
    "": lambda _: 1,
    " divided by the number of rows": len,
    " divided by the number of columns": lambda p: np.shape(p)[-1],
    " divided by the number of elements": np.size,
}
_LAID = ("", " of columns")  #: how the samples lie, where labels are whole numbers


def usual_losses(target: inspect.Parameter) -> dict[str, Step]:
    """Return steps that compute a loss of the output of a network, by what each is in words.

    Args:
        target: the argument for the targets.
    """
    output = inspect.Parameter(f"output_of_{target.name}", target.POSITIONAL_OR_KEYWORD)
    roles = {output.name: Role.OUTPUT, target.name: Role.TARGETS}
    return {
        f"{of}{laid}{divided}": Step(
            function=partial(_loss, output.name, total, divisor, laid),
            roles=roles,
            parameters=(output, target),
            is_method=False,
        )
        for of, total in _SUMS.items()
        for divided, divisor in _DIVISORS.items()
        for laid in _LAID
        if not laid or (of == "the cross-entropy" and "rows" not in divided)
    }


def _loss(
    output: str, total: Callable[[Array, Array], Any], divisor: Callable[[Array], int], laid: str, **given: Any
) -> Any:
    p, t = _stacked(given.pop(output)), np.asarray(*given.values())
    if t.dtype.kind in "iu" and t.ndim == p.ndim - 2 and p.shape[-1] == 1:  # columns, one for each step
        p = p[..., 0]
    if t.dtype.kind in "iu" and t.ndim == p.ndim - 1 and p.shape[-1] > 1:
        t = np.eye(len(p))[:, t] if laid else np.eye(p.shape[-1])[t]
    if t.size != p.size:
        raise ValueError(f"there are {t.size} targets for {p.size} outputs")
    return total(p, t.reshape(p.shape)) / divisor(p)


def _stacked(output: Any) -> Array:
    """Return the outputs of all steps as one array; their state before the first has the key -1."""
    steps = isinstance(output, dict) and {key: value for key, value in output.items() if key != -1}
    return np.stack([steps[key] for key in sorted(steps)]) if steps else np.asarray(output)
