"""The vocabulary of a layer: what is known of other people's names for it, completed by what the layer says itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

from gradcheck_cli.implementation.vocabulary.geometry import sizes_from
from gradcheck_cli.implementation.vocabulary.known import INPUTS, KNOWN
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem


@cache
def probe_problems(layer: str, absent: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Make the small problems on which readings of a layer are tried, for code that lacks some inputs."""
    return tuple(LAYERS[layer].problem_without(case, absent) for case in LAYERS[layer].probe_cases)


@cache
def standard_problems(layer: str, absent: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Make the problems of the standard set, which show what code always does, for code that lacks some inputs."""
    possible = (case for case in LAYERS[layer].standard() if not case.impossible())
    return tuple(LAYERS[layer].problem_without(case, absent) for case in possible)


@cache
def known_words(name: str) -> Vocabulary:
    """Return the words that people use for the layer of this name, without what follows from its arrays.

    Names of functions are compared with those of every layer, whose arrays would take a problem each to make.
    """
    known, named = KNOWN.get(name, Vocabulary()), name.replace("-", "_")
    return known if known.names else replace(known, names=tuple(dict.fromkeys((named, named.replace("_", "")))))


def vocabulary_of(layer: Layer) -> Vocabulary:
    """Return the words that people use for a layer, and for its inputs, sizes and axes."""
    return _vocabulary(layer.name)


@cache
def _vocabulary(name: str) -> Vocabulary:
    layer, known = LAYERS[name], known_words(name)
    problem = layer.problem(layer.probe_cases[0]) if layer.probe_cases else None
    axes = {key: " ".join(axis.size for axis in axes) for key, axes in problem.axes.items()} if problem else {}
    settings = (problem.parameters if problem else None) or {}
    return replace(
        known,
        inputs={key: known.inputs.get(key) or INPUTS.get(key) or (word(key),) for key in layer.inputs},
        parameters=tuple(key for key in layer.inputs[1:] if axes and "N" not in axes[key].split()),
        axes=axes,
        sizes=partial(sizes_from, axes),
        needs_dictionary=not _covered(settings) <= {*known.arguments, *layer.state},
    )


def _covered(settings: Mapping[str, object]) -> set[str]:
    """Name the arguments in which parameters of a layer are passed."""
    windows = {"pool_height": "HH", "pool_width": "WW"}
    return {windows.get(name, name) for name in settings}


def expected_signature(layer: Layer) -> str:
    """Describe the functions that are looked for in a file, in the names of the literature."""
    if not layer.reference:
        return "function with its gradient, such as f(x, w) and f_grad(dout, x, w)"
    stem, called = known_words(layer.name).names[0], ", ".join(layer.arguments)
    gradients = ", ".join(f"d{name}" for name in layer.differentiable)
    if layer.loss:
        return f"function {stem}_loss({called}) -> (loss, {gradients})"
    cotangents = ", ".join(f"d{name}" for name in layer.outputs)
    gradients = f"({gradients})" if len(layer.differentiable) > 1 else gradients
    return (
        f"pair {stem}_forward({called}) -> ({', '.join(layer.outputs)}, cache) and "
        f"{stem}_backward({cotangents}, cache) -> {gradients}"
    )
