"""Faults of multi-head attention: those of attention in each head, and of the heads and projections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.layers.attention.faults import BACKWARD, FORWARD, backward_rows, forward_rows
from gradcheck_cli.layers.attention.multihead_attention import (
    MultiheadAttentionCase,
    join_heads,
    product_of_steps,
    split_heads,
)
from gradcheck_cli.layers.framework import equations
from gradcheck_cli.layers.framework.equations import EquationFault, Equations, fault
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Observed
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


def _reshaped(x: Array, heads: int) -> Array:
    """Return the heads of an array that is reshaped, where they are to be split first."""
    N, T, D = x.shape
    return x.reshape(N * heads, T, D // heads)


_AHEAD: Equations = {
    "split": lambda _: split_heads,
    "q": lambda v: v.split(v.query @ v.Wq, v.H),
    "k": lambda v: v.split(v.key @ v.Wk, v.H),
    "v": lambda v: v.split(v.value @ v.Wv, v.H),
}
_OF_HEADS = {name: equation for name, equation in FORWARD.items() if name != "out"}
_FORWARD: Equations = {
    **_AHEAD,
    **_OF_HEADS,
    "heads": lambda v: v.p @ v.v,
    "join": lambda _: join_heads,
    "joined": lambda v: v.join(v.heads, v.H),
    "out": lambda v: v.joined @ v.Wo,
}
_BACKWARD: Equations = {
    **_FORWARD,
    "dsplit": lambda _: split_heads,
    "through_Wo": lambda v: v.g @ v.Wo.T,
    "dout": lambda v: v.dsplit(v.through_Wo, v.H),
    **{name: equation for name, equation in BACKWARD.items() if name not in FORWARD},
    "djoin": lambda _: join_heads,
    "columns": lambda v: [v.djoin(array, v.H) for array in (v.dq, v.dk, v.dv)],
    "dquery": lambda v: v.columns[0] @ v.Wq.T,
    "dkey": lambda v: v.columns[1] @ v.Wk.T,
    "dvalue": lambda v: v.columns[2] @ v.Wv.T,
    "dWq": lambda v: product_of_steps(v.query, v.columns[0]),
    "dWk": lambda v: product_of_steps(v.key, v.columns[1]),
    "dWv": lambda v: product_of_steps(v.value, v.columns[2]),
    "dWo": lambda v: product_of_steps(v.joined, v.g),
}

_HEADS = "Reshape to (N, T, H, D / H) and transpose to (N, H, T, D / H); on the way back the other way round."
_ROOT = "Divide by the root of the features of a head, D / H."


def _join_reshaped(x: Array, heads: int) -> Array:
    """Return what a reshape makes of the heads, where they are to be joined."""
    _, T, d = x.shape
    return x.reshape(-1, T, heads * d)


def _whole_root(v: Any) -> Any:
    return np.sqrt(v.query.dtype.type(v.query.shape[2]))


def _of_heads(case: MultiheadAttentionCase) -> Iterator[EquationFault]:
    if case.H > 1 and case.T > 1:
        words = "the heads are split by a reshape without a transpose"
        yield fault("reshaped-not-transposed", words, _HEADS, dsplit=lambda _: _reshaped)
        words = "the heads are joined by a reshape without a transpose"
        yield fault("reshaped-not-transposed", words, _HEADS, djoin=lambda _: _join_reshaped)
    straight = "the product with the transpose of the weights."
    for name in ("Wq", "Wk", "Wv"):
        x = {"Wq": "query", "Wk": "key", "Wv": "value"}[name]
        position = ("Wq", "Wk", "Wv").index(name)
        yield fault(
            "matrix-not-transposed",
            f"{name} is not transposed",
            f"d{x} is {straight}",
            **{f"d{x}": partial(_straight, name, position)},
        )
    yield fault(
        "matrix-not-transposed",
        "Wo is not transposed",
        f"The heads get dout Wo', {straight}",
        through_Wo=lambda v: v.g @ v.Wo,
    )


def _straight(name: str, position: int, v: Any) -> Array:
    return np.asarray(v.columns[position] @ getattr(v, name))


def _of_scale(case: MultiheadAttentionCase) -> Iterator[EquationFault]:
    if case.D > case.H:
        yield fault("scale-missing", "the division by sqrt(D / H) is missing", _ROOT, root_in_backward=1.0)
    if case.H > 1:
        words = "scores are divided by sqrt(D), not by sqrt(D / H)"
        yield fault("scale-missing", words, _ROOT, root_in_backward=_whole_root)


def observed_faults(case: MultiheadAttentionCase, _problem: Problem, _observed: Observed) -> Iterator[Fault]:
    """Yield other divisions by a root, which look like constant factors that may equal another root."""
    return equations.backward_faults(_BACKWARD, _of_scale(case), partial(_given, case.settings))


def faults(case: MultiheadAttentionCase, _: Problem) -> Iterator[Fault]:
    """Yield the faults of backward in a case."""
    rows = [*_of_heads(case), *backward_rows(square=case.T == case.S, masked=case.mask != "none")]
    return equations.backward_faults(_BACKWARD, rows, partial(_given, case.settings))


def _given(settings: Mapping[str, Any], inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Any]:
    return {**inputs, **settings, "g": cotangent}


def forward_faults(case: MultiheadAttentionCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults of forward in a case."""
    rows = [*forward_rows(masked=case.mask != "none")]
    if case.H > 1:
        rows.append(
            fault("scale-missing", "scores are divided by sqrt(D), not by sqrt(D / H)", _ROOT, root=_whole_root)
        )
        words = "the heads are split by a reshape without a transpose"
        rows.append(fault("reshaped-not-transposed", words, _HEADS, split=lambda _: _reshaped))
        rows.append(
            fault(
                "reshaped-not-transposed",
                f"{words}, and joined so",
                _HEADS,
                split=lambda _: _reshaped,
                join=lambda _: _join_reshaped,
            )
        )
    return equations.forward_faults(_FORWARD, rows, {**problem.inputs, **case.settings}, ["out"])
