"""How people name attention, its queries, keys and values, and how they pass a mask."""

from __future__ import annotations

import contextlib

import numpy as np

from gradcheck_cli.implementation.vocabulary.geometry import number, only
from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Sizes, Vocabulary, arranged, words
from gradcheck_cli.numeric.arrays import Array


def _seen(sizes: Sizes) -> Array:
    """Return a mask that is True where a query sees a key, in any case."""
    return np.ones((sizes["T"], sizes["S"]), bool) if sizes["mask"] is None else np.asarray(sizes["mask"])


def _is_causal(sizes: Sizes) -> bool:
    """Tell whether the mask is causal. With more keys than queries, or fewer, some causal masks begin at the first."""
    if sizes["mask"] is None:
        return False
    if sizes["T"] == sizes["S"] and (sizes["mask"] == np.tril(np.ones((sizes["T"], sizes["S"]), bool))).all():
        return True
    raise ValueError("it can only say whether the mask is causal, with as many keys as queries")


def _hides_nothing(sizes: Sizes) -> str | None:
    return None if sizes["mask"] is None else "it takes no mask"


def _always_causal(sizes: Sizes) -> str | None:
    with contextlib.suppress(ValueError):
        if _is_causal(sizes):
            return None
    return "its mask is always causal"


_MASK = {
    "mask": Argument(
        names=words("mask{,s} {attn,attention}mask"),
        forms={
            "": _seen,
            "a mask that is True where a key is hidden": lambda sizes: ~_seen(sizes),
            "a mask that is added, 0 or -inf": lambda sizes: np.where(_seen(sizes), 0.0, -np.inf),
        },
        absent={"": _hides_nothing, "always causal": _always_causal},
        unless=("causal",),
    ),
    "causal": Argument(
        names=words("causal iscausal usecausalmask"),
        forms={"": _is_causal},
        unless=("mask",),
    ),
}

#: Orders of the axes of code with an axis for heads; all in one sample, it does as it does with so many samples.
_HEADS = ("1 N T D", "1 T N D")


def _with_heads(order: str) -> dict[str, str]:
    """Return how arrays lie that have an axis for heads."""
    return {
        "q": order,
        "k": order.replace("T", "S"),
        "v": order.replace("T", "S").replace("D", "E"),
        "out": order.replace("D", "E"),
    }


ATTENTIONS = {
    "attention": Vocabulary(
        names=words("attention sdpa attend"),
        others=words("multi mha head cross block self additive bahdanau linear conv norm layer"),
        inputs={"q": words("q quer{y,ies}"), "k": words("k key{,s}"), "v": words("v value{,s}")},
        arguments={
            "scale": Argument(names=words("{softmax,sm,}scale scaling"), forms={"": lambda sizes: sizes["D"] ** -0.5}),
            "D": number("D", "d dk headdim dhead dim"),
            **_MASK,
        },
        arrangements=(
            arranged(""),
            *(arranged(f"samples as heads ({order.replace(' ', ', ')})", **_with_heads(order)) for order in _HEADS),
        ),
    ),
    "multihead-attention": Vocabulary(
        names=words("multi{_,}head{_,}attention mha multi{_,}head multi_headed_attention"),
        others=words("self cross block norm ffn"),
        inputs={
            **{name: words(f"{name} {name[0]} x{name[0]}") for name in ("query", "key", "value")},
            **{f"W{name}": words(f"w{name} {name}w w{name}weight") for name in "qkvo"},
        },
        arguments={"H": number("H", "H h heads nhead{,s} numheads", only("H", 1)), **_MASK},
    ),
}
