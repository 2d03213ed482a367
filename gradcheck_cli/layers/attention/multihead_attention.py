"""Multi-head attention: several attentions, each of its own projections, joined and projected again."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar, NamedTuple

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.attention.attention import (
    KEY,
    QUERY,
    AttentionCache,
    attention_backward,
    attention_forward,
    mask,
    mask_of,
    some_query_sees_several,
)
from gradcheck_cli.layers.framework.axes import FEATURE, SAMPLE, Axis
from gradcheck_cli.layers.framework.case import Case, Param
from gradcheck_cli.layers.framework.layer import Layer, imported
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.numeric.arrays import Array

#: The columns of projections, which the heads share out, and the features of the output.
_COLUMN = Axis(name="column", letter="j", size="D")
_OUT = Axis(name="output feature", letter="e", size="D")


@frozen
class MultiheadAttentionCase(Case):
    """Sizes: query and out (N, T, D), key and value (N, S, D), the weights Wq, Wk, Wv and Wo (D, D)."""

    layer = "multihead-attention"
    divides: ClassVar = {"H": ("D", 2)}  # weights (D, D) are many numbers soon
    axes: ClassVar = {
        "query": (SAMPLE, QUERY, FEATURE),
        "key": (SAMPLE, KEY, FEATURE),
        "value": (SAMPLE, KEY, FEATURE),
        **dict.fromkeys(("Wq", "Wk", "Wv"), (FEATURE, _COLUMN)),
        "Wo": (_COLUMN, _OUT),
        "out": (SAMPLE, QUERY, _OUT),
    }

    N: int = size(2, "samples")
    T: int = size(3, "queries")
    S: int = size(4, "keys, and values", minimum=2)
    D: int = size(4, "features")
    H: int = size(2, "heads, each of D / H features")
    mask: str = mask()

    @property
    def settings(self) -> dict[str, Any]:
        """The dictionary of parameters that forward takes."""
        return {"H": self.H, "mask": mask_of(self.mask, self.T, self.S, self.seed)}

    def label(self) -> str:
        """Name the geometry: `N 2 T 3 S 4 D 4 H 2 mask none`."""
        return " ".join(f"{name} {value}" for name, value in self.geometry.items())


class MultiheadCache(NamedTuple):
    """The arrays that forward keeps for backward."""

    inputs: tuple[Array, Array, Array]  #: query, key and value
    weights: tuple[Array, Array, Array, Array]
    heads: AttentionCache  #: of the attention of N H samples
    joined: Array  #: the outputs of the heads side by side, (N, T, D)


def split_heads(x: Array, heads: int) -> Array:
    """Make of (N, T, D) arrays (N H, T, D / H), the heads of one sample after another."""
    N, T, D = x.shape
    return x.reshape(N, T, heads, D // heads).swapaxes(1, 2).reshape(N * heads, T, D // heads)


def join_heads(x: Array, heads: int) -> Array:
    """Undo `split_heads`."""
    _, T, d = x.shape
    return x.reshape(-1, heads, T, d).swapaxes(1, 2).reshape(-1, T, heads * d)


def multihead_attention_forward(
    query: Array, key: Array, value: Array, Wq: Array, Wk: Array, Wv: Array, Wo: Array, mha_param: Param
) -> tuple[Array, MultiheadCache]:
    """Return out = (heads side by side) Wo, and the cache.

    Head h is the attention of the columns h D / H to (h + 1) D / H of query Wq, key Wk and value Wv.
    """
    q, k, v = (split_heads(x @ W, mha_param["H"]) for x, W in ((query, Wq), (key, Wk), (value, Wv)))
    out, heads = attention_forward(q, k, v, mha_param)
    joined = join_heads(out, mha_param["H"])
    return joined @ Wo, MultiheadCache((query, key, value), (Wq, Wk, Wv, Wo), heads, joined)


def multihead_attention_backward(dout: Array, cache: MultiheadCache) -> tuple[Array, ...]:
    """Return dquery, dkey, dvalue, dWq, dWk, dWv and dWo for dout (N, T, D).

    Four affine layers without a bias, over all samples and steps, and between them the attention of N H samples:
    `attention_backward` has its derivation. (Vaswani et al., Attention is all you need, 2017, section 3.2.2.)
    """
    *W, Wo = cache.weights
    heads = len(cache.heads.q) // len(dout)
    gradients = attention_backward(split_heads(dout @ Wo.T, heads), cache.heads)
    columns = [join_heads(gradient, heads) for gradient in gradients]
    dx = [d @ w.T for d, w in zip(columns, W, strict=True)]
    dW = [product_of_steps(x, d) for x, d in zip(cache.inputs, columns, strict=True)]
    return *dx, *dW, product_of_steps(cache.joined, dout)


def product_of_steps(x: Array, dout: Array) -> Array:
    """Return x' dout, over samples and steps."""
    return x.reshape(-1, x.shape[-1]).T @ dout.reshape(-1, dout.shape[-1])


def draw(case: MultiheadAttentionCase, source: Random) -> dict[str, Array]:
    """Draw the inputs, with weights as at the start of training: no key has all the weight."""
    inputs = {name: signed_uniform(source, shape) for name, shape in case.shapes.items()}
    return {name: array / case.D**0.5 if name.startswith("W") else array for name, array in inputs.items()}


LAYER = Layer(
    case=MultiheadAttentionCase,
    builtin={"matrix": (multihead_attention_forward, multihead_attention_backward)},
    # Heads of several features, of one, and one head; as many queries as keys, with each mask; a size of 1 each.
    standard=lambda: MultiheadAttentionCase.rows(
        "N T S D H mask",
        *((2, 3, 5, 4, 2, "none"), (2, 3, 3, 4, 2, "causal"), (1, 2, 4, 3, 3, "drawn"), (2, 4, 2, 3, 1, "none")),
        *((3, 1, 2, 4, 2, "none"), (2, 3, 3, 6, 3, "none")),
    ),
    param="mha_param",
    draw=draw,
    sums=False,
    zeros=("query", "value"),
    probe_cases=MultiheadAttentionCase.rows(
        "N T S D H mask", (2, 3, 5, 4, 2, "none"), (2, 4, 3, 6, 2, "drawn"), (2, 4, 4, 6, 3, "causal")
    ),
    has_nonzero_gradient=some_query_sees_several,
    **imported("attention.faults", "faults", "observed_faults", "forward_faults"),
)
