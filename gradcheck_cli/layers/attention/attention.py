"""Scaled dot-product attention: out = softmax(q k' / sqrt(D)) v, over the keys that a query sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.attention.core import (
    AttentionCache,
    attend,
    attend_backward,
    mask,
    mask_of,
    some_query_sees_several,
)
from gradcheck_cli.layers.framework.axes import Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer, imported
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.numeric.arrays import Array

Param = Mapping[str, Any]

QUERY = Axis(name="query", index="t", size="T")
KEY = Axis(name="key", index="s", size="S")
_VALUE_FEATURE = Axis(name="value feature", index="e", size="E")


@frozen
class AttentionCase(Case):
    """Sizes of attention: queries q (N, T, D), keys k (N, S, D), values v (N, S, E), out (N, T, E)."""

    layer = "attention"
    axes = declare(QUERY, KEY, _VALUE_FEATURE, q="N T D", k="N S D", v="N S E", out="N T E")

    N: int = size(2, "samples")
    T: int = size(3, "queries")
    S: int = size(4, "keys, and values", minimum=2)
    D: int = size(5, "features of a query, and of a key")
    E: int = size(2, "features of a value")
    mask: str = mask()

    @property
    def settings(self) -> dict[str, Any]:
        """The dictionary of parameters that forward takes."""
        return {"mask": mask_of(self.mask, self.T, self.S, self.seed)}


def attention_forward(q: Array, k: Array, v: Array, attn_param: Param) -> tuple[Array, AttentionCache]:
    """Return out = softmax(q k' / sqrt(D)) v, and the cache; "mask" (T, S) is True where a query sees a key."""
    return attend(q, k, v, attn_param["mask"])


def attention_backward(dout: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """Return dq, dk and dv for dout (N, T, E); `attend_backward` has the derivation.

    (Vaswani et al., Attention is all you need, 2017, section 3.2.1.)
    """
    return attend_backward(dout, cache)


LAYER = Layer(
    case=AttentionCase,
    builtin={"matrix": (attention_forward, attention_backward)},
    # No two sizes equal; as many queries as keys, with each mask; a size of 1 each.
    standard=lambda: AttentionCase.rows(
        "N T S D E mask",
        *((2, 3, 4, 5, 1, "none"), (2, 3, 3, 4, 4, "none"), (2, 3, 3, 4, 2, "causal"), (2, 3, 4, 2, 3, "drawn")),
        *((1, 4, 2, 3, 5, "none"), (3, 1, 3, 2, 4, "none"), (2, 2, 3, 1, 2, "none"), (2, 3, 2, 1, 3, "causal")),
    ),
    param="attn_param",
    sums=False,
    zeros=("q", "v"),
    probe_cases=AttentionCase.rows(
        "N T S D E mask", (2, 3, 4, 5, 6, "none"), (2, 3, 4, 5, 6, "drawn"), (2, 4, 4, 5, 6, "causal")
    ),
    has_nonzero_gradient=some_query_sees_several,
    **imported("attention.faults", "faults", "forward_faults"),
)
