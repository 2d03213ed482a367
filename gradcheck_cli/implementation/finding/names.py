"""The meaning of names of functions and classes: which pass, which pair and which layer they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gradcheck_cli.implementation.conventions.both_passes import part_of
from gradcheck_cli.implementation.vocabulary.lookup import known_words
from gradcheck_cli.implementation.vocabulary.vocabulary import words
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.layer import Layer

#: What the passes are called, as words in the names of functions.
_FORWARD = {"forward", "forwards", "fwd", "fprop", "feedforward", "fw", "ff"}
GRADIENTS = {*words("grad{,s} gradient{,s} vjp pullback derivative der{,iv} prime delta")}
_BACKWARD = {
    *("backward", "backwards", "bwd", "bprop", "backprop", "backpropagation", "back", "bw", "bp"),
    *GRADIENTS,
}
_NOISE = {
    *("pass", "prop", "propagation", "propagate", "step", "make", "apply"),
    *("compute", "calculate", "calc", "get"),
}

#: What a function says that is a loss, and no helper of one: `softmax_loss`, where `softmax` may return probabilities.
_LOSSES = {"loss", "losses", "cost", "criterion", "objective"}

#: Words in the names of helpers, which try a layer out and are none.
_HELPERS = {
    *("test", "tests", "testing", "check", "checks", "checker", "demo", "example", "examples", "sample", "sampling"),
    *("debug", "compare", "comparison", "reference", "benchmark", "bench", "timing", "time", "profile", "plot"),
    *("visualize", "viz", "show", "print", "generate", "predict", "inference", "eval", "evaluate", "run", "try"),
}
#: Words in the names of further versions of a layer, which are layers too.
_VERSIONS = {
    *("naive", "fast", "slow", "vectorized", "vectorised", "vec", "loop", "loops", "im2col", "strides", "strided"),
    *("numba", "cython", "jit", "cuda", "gpu", "cpu", "numpy", "np", "simple", "basic", "new", "old", "alt", "my"),
    *("optimized", "optimised", "efficient", "improved", "final", "batch", "batched", "v", "fft", "winograd", "gemm"),
}

Names = tuple[str, ...]


def words_in(name: str) -> list[str]:
    """Split a name into its words, in small letters: `convForward` and `conv_forward` have the same, as `mseloss`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    snake = re.sub(r"(back|for)ward", r"_\1ward_", snake)
    snake = re.sub(r"(?<=[a-z]{3})(loss|cost)(?![a-z])", r"_\1", snake)
    return [word for word in snake.split("_") if word]


def pass_of(name: str) -> tuple[str, str]:
    """Split a name into what is left without its pass, and "forward", "backward" or "" for none."""
    words = [word for word in words_in(name) if word not in _NOISE]
    for which, known in (("backward", _BACKWARD), ("forward", _FORWARD)):
        if found := [word for word in words if word in known]:
            words.remove(found[0])
            return "_".join(words), which
    return "_".join(words), ""


def is_backward(name: str) -> bool:
    """Tell whether a name is that of a backward pass."""
    return pass_of(name)[1] == "backward"


def _without(name: str, passes: set[str]) -> list[str]:
    return [word for word in words_in(name) if word not in passes]


def _stem(name: str) -> list[str]:
    return _without(name, _FORWARD | _BACKWARD)


def matching_pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Match functions whose names differ only in which pass they name: `conv_forward_naive`, `conv_backward_naive`.

    A forward pass may name none: `conv2d`, `conv2d_backward`. The derivative of `f` may be `df` or `d_f`.
    """
    names, stems = list(names), dict[str, dict[str, list[str]]]()
    for name in names:
        of = re.sub(r"^d_?", "", name)
        stem, which = (of, "backward") if of != name and of in names else pass_of(name)
        stems.setdefault(stem, {}).setdefault(which, []).append(name)
    return sorted(
        (forward, backward)
        for found in stems.values()
        for backward in found.get("backward", [])
        for forward in _nearest(found.get("forward", found.get("", [])), backward)
    )


def _nearest(forwards: list[str], backward: str) -> list[str]:
    """Prefer a name that differs in nothing but the pass: `rnn_step_backward` is no pass of `rnn_forward`."""
    wanted = _without(backward, _BACKWARD)
    return [name for name in forwards if _without(name, _FORWARD) == wanted] or forwards


def gradient_groups(functions: list[str]) -> list[Names]:
    """Group forward passes with functions of one gradient each: `conv`, `conv_dx`, `conv_dw`."""
    parts = [name for name in functions if part_of(name) and (is_backward(name) or words_in(name)[-1][0] == "d")]
    groups: list[Names] = []
    for forward in functions:
        stem = _stem(forward)
        own = [name for name in parts if name != forward and _without(name, _BACKWARD)[:-1] == stem]
        if not is_backward(forward) and len(own) == len({*map(part_of, own)}) > 1:
            groups.append((forward, *own))
    return groups


def all_pairs(functions: list[str]) -> list[tuple[str, str]]:
    """Pair passes of all layers: by equal names, then what is left with a name that says less."""
    found = [pair for pair in matching_pairs(functions) if _may_belong(*pair)]
    for left in _left_over(functions, found):
        fuller = [pair for name in functions if (pair := _in_order(left, name)) and _begins(_stem(name), _stem(left))]
        fuller = [pair for pair in fuller if _may_belong(*pair) and layers_called(pair)]
        found += sorted(fuller, key=lambda pair: sum(map(len, map(_stem, pair))))[-1:]
    for left in filter(is_backward, _left_over(functions, found)):
        if not layers_called([left]) or says_gradient([left]):  # as `cross_entropy_loss` and `cross_entropy_backward`
            found += [(name, left) for name in functions if says_loss([name]) and _plain(name) == _plain(left)][:1]
    losses = [name for name in functions if says_loss([name]) and not any(name in pair for pair in found)]
    gradients = [name for name in _left_over(functions, found) if says_gradient([name]) and not layers_called([name])]
    return found + ([(losses[0], gradients[0])] if len(losses) == len(gradients) == 1 else [])


def _plain(name: str) -> list[str]:
    return [word for word in _stem(name) if word not in _LOSSES | _NOISE]


def pairs_between(names: Mapping[str, Iterable[str]]) -> list[tuple[tuple[str, str], tuple[list[str], list[str]]]]:
    """Match passes that are in different files.

    Args:
        names: of the functions in each file that are in no pair of their own.

    Returns:
        The pairs, and for each function the files in which it is: several if it cannot be told which is meant.
    """
    files: dict[str, list[str]] = {}
    for file, own in names.items():
        for name in own:
            files.setdefault(name, []).append(file)
    found = [pair for pair in all_pairs(list(files)) if any(map(is_backward, pair))]
    where = [(pair, (files[pair[0]], files[pair[1]])) for pair in found]
    return [(pair, (one, other)) for pair, (one, other) in where if not set(one) & set(other)]


def _left_over(functions: list[str], pairs: list[tuple[str, str]]) -> list[str]:
    return [name for name in functions if pass_of(name)[1] and not any(name in pair for pair in pairs)]


def _in_order(one: str, other: str) -> tuple[str, str] | None:
    """Return two passes, the backward one last, if just one of them is that; a forward pass may not say so."""
    if is_backward(one) == is_backward(other):
        return None
    return (other, one) if is_backward(one) else (one, other)


def _begins(short: list[str], long: list[str]) -> bool:
    return bool(short) and len(short) < len(long) and long[: len(short)] == short


def _may_belong(forward: str, backward: str) -> bool:
    """Tell whether two passes can be of one layer by their names: `rnn_step_backward` is none of `rnn_forward`."""
    ours, theirs = layers_called([forward]), layers_called([backward])
    return bool(set(ours) & set(theirs)) or not (ours and theirs)


def may_be_helper(names: Names, offers: Iterable[Names]) -> bool:
    """Tell whether names have a word for a helper, or are those of a backward pass and of one forward pass too many."""
    words = {re.sub(r"\d+$", "", word) for name in names for word in words_in(name)}
    if words & _HELPERS:
        return True
    if len(names) != 2 or not _begins(_stem(names[1]), _stem(names[0])):
        return False
    others = [other for other in offers if other != names and len(other) == 2 and set(other) & set(names)]
    return any(_stem(one) == _stem(two) for one, two in others) and not words & _VERSIONS


def returns_both(name: str) -> bool:
    """Tell whether a function may return a number and its gradients: a loss by its name, or `value_and_grad`.

    One that is called after a loss and the backward pass alone, such as `mse_backward`, is half of a pair.
    """
    if is_backward(name):
        words = {*words_in(name)}
        return bool(words & {*_LOSSES, "value", "fun", "func"} and words & {"and", "with", "n"})
    return says_loss((name,)) or bool(layers_called([name], loss=True))


def says_gradient(names: Iterable[str]) -> bool:
    """Tell whether a name has a word for a gradient."""
    return any(word in GRADIENTS for name in names for word in words_in(name))


def says_loss(names: Iterable[str]) -> bool:
    """Tell whether a name has a word for a loss, and is not that of a pass."""
    return any(word in _LOSSES for name in names for word in words_in(name) if not pass_of(name)[1])


def known_layers(*, loss: bool) -> list[Layer]:
    """List the layers of which it is known what they compute: those that are losses, or the others."""
    return [layer for layer in LAYERS.values() if layer.reference and layer.loss == loss]


def speaks_of(names: Iterable[str], words: Iterable[str]) -> bool:
    """Tell whether one of the names has one of these words in it."""
    return any(word in name.lower() for name in names for word in words)


def layers_called(names: Iterable[str], *, loss: bool = False) -> Names:
    """List the layers that names speak of, and of nothing more; those with the longest word first."""
    names = list(names)
    lengths = {
        layer.name: max(_longest_word(layer, name) for name in names)
        for layer in known_layers(loss=loss)
        if not speaks_of(names, known_words(layer.name).others)
    }
    return tuple(sorted(filter(lengths.get, lengths), key=lambda name: -lengths[name]))


def mentions_layer(names: Iterable[str]) -> bool:
    """Tell whether names have the word for any layer in them."""
    layers = [layer for loss in (False, True) for layer in known_layers(loss=loss)]
    return any(_longest_word(layer, name) for name in names for layer in layers)


def _longest_word(layer: Layer, name: str) -> int:
    """Return the length of the longest word for a layer in a name.

    One of up to three letters must begin a word of the name: SELU is no ELU, nor RMSE an MSE.
    """
    words = words_in(name)
    forms = name.lower(), "_".join(words), "_".join(_stem(name))
    return max(
        (
            len(word.replace("_", ""))
            for word in known_words(layer.name).names
            if (any(each.startswith(word) for each in words) if len(word) <= 3 else any(word in form for form in forms))
        ),
        default=0,
    )
