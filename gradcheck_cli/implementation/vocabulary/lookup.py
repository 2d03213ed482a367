"""The vocabulary of a layer: what is known of other people's names for it, completed by what the layer says itself."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.vocabulary.conv import CONVOLUTIONS
from gradcheck_cli.implementation.vocabulary.layers import INPUTS, SMALL_LAYERS
from gradcheck_cli.implementation.vocabulary.pool import POOLINGS
from gradcheck_cli.implementation.vocabulary.vocabulary import Arrangement, Vocabulary, word
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.layer import Layer

_KNOWN = {**CONVOLUTIONS, **POOLINGS, **SMALL_LAYERS}


def vocabulary_of(layer: Layer) -> Vocabulary:
    """Return the words that people use for a layer, and for its inputs, sizes and axes."""
    return _vocabulary(layer.name)


@cache
def _vocabulary(name: str) -> Vocabulary:
    layer, known = LAYERS[name], _KNOWN.get(name, Vocabulary())
    named = name.replace("-", "_")
    axes = {key: " ".join(axis.size for axis in axes) for key, axes in _axes(layer).items()}
    return replace(
        known,
        names=known.names or tuple(dict.fromkeys((named, named.replace("_", "")))),
        inputs={key: known.inputs.get(key) or INPUTS.get(key) or (word(key),) for key in layer.inputs},
        arrangements=known.arrangements or (Arrangement(title="", axes=axes),),
    )


def _axes(layer: Layer) -> Mapping[str, tuple[Axis, ...]]:
    return layer.problem(layer.probe_cases[0]).axes if layer.probe_cases else {}


def expected_signature(layer: Layer) -> str:
    """Describe the functions that are looked for in a file, in the names of the literature."""
    if not layer.reference:
        return "function with its gradient, such as f(x, w) and f_grad(dout, x, w)"
    stem, called = vocabulary_of(layer).names[0], ", ".join(layer.arguments)
    owed = ", ".join(f"d{name}" for name in layer.differentiable)
    if layer.loss:
        return f"function {stem}_loss({called}) -> (loss, {owed})"
    cotangents = ", ".join(f"d{name}" for name in layer.outputs)
    gradients = f"({owed})" if len(layer.differentiable) > 1 else owed
    return (
        f"pair {stem}_forward({called}) -> ({', '.join(layer.outputs)}, cache) and "
        f"{stem}_backward({cotangents}, cache) -> {gradients}"
    )
