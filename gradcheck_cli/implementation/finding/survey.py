"""What a file has of all layers: pairs of functions, losses and classes, and of which layer each is.

Names come first: what is called after one layer alone is taken for it, right or wrong. Where a name leaves open which
it is (`pool_forward`), and where it says nothing (`forward`), all that may be meant are tried, and the first is taken
whose reference is reproduced. What is called after a layer and something more (`affine_relu_forward`) is none.
"""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.conventions.classes import has_passes
from gradcheck_cli.implementation.conventions.signature import MisfitError, parameters_of
from gradcheck_cli.implementation.conventions.slots import is_context
from gradcheck_cli.implementation.conventions.trial import Fit
from gradcheck_cli.implementation.finding.candidates import (
    Candidate,
    pairs,
    pass_of,
    public,
    stem_of,
    words_in,
)
from gradcheck_cli.implementation.finding.find import load, named, split
from gradcheck_cli.implementation.finding.folder import Contents, Definitions, contents, shortened
from gradcheck_cli.implementation.loading.paths import is_folder, located
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gradcheck_cli.layers.framework.layer import Layer

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
    *("naive", "fast", "slow", "vectorized", "vectorized", "vec", "loop", "loops", "im2col", "strides", "strided"),
    *("numba", "cython", "jit", "cuda", "gpu", "cpu", "numpy", "np", "simple", "basic", "new", "old", "alt", "my"),
    *("optimized", "optimized", "efficient", "improved", "final", "batch", "batched", "v", "fft", "winograd", "gemm"),
}

#: How many layers are named.
_LISTED = 4

ACCEPTED = "give FILE.py, a package's folder or package.module"


@frozen
class Offer:
    """A pair of functions, a loss or a class."""

    spec: str  #: what to type to get exactly this
    names: tuple[str, ...]
    layers: tuple[str, ...]  #: which it is called after, the likeliest first; () for none
    doubtful: bool = False  #: whether it may be a helper by its name: it is a layer only if it does as one
    arguments: tuple[str, ...] = ()  #: what the first pass must be given, in its own names


@frozen
class Inventory:
    """What a file has."""

    offers: tuple[Offer, ...]
    halves: tuple[Offer, ...]  #: passes of a layer to which there is no other pass
    others: tuple[str, ...]  #: what else can be called


@frozen
class Found:
    """What an offer turned out to be."""

    layer: str
    reason: str | None = None  #: why it cannot be called, if it cannot


def files_in(spec: str) -> list[str]:
    """List the files of a folder that may have passes, without running any; of anything else, itself."""
    if not is_folder(located(spec)):
        return [spec]
    files = [Path(spec, file.name) for file in _contents(spec).searched]
    return [f"./{file}" if str(file).startswith("-") else str(file) for file in files]


def left_out_of(spec: str) -> str | None:
    """Name the Python files of a folder that are not searched, each with the reason; None if there are none."""
    return _contents(spec).note() if is_folder(located(spec)) else None


def unsearched(spec: str, searched: Iterable[str]) -> str | None:
    """Return a pattern for files that may have passes, are in the folders of a folder and were not searched, if any."""
    if not is_folder(located(spec)):
        return None
    known = {located(file) for file in searched}
    names = {file.name for file in _contents(spec, "[!.]*/*.py").searched if file not in known}
    return str(Path(spec, "*", names.pop() if len(names) == 1 else "*.py")) if names else None


def _contents(folder: str, pattern: str = "*.py") -> Contents:
    return contents(located(folder), pattern, _may_have_passes, "nothing is called after a layer or a backward pass")


def _may_have_passes(defined: Definitions) -> bool:
    names = defined.outermost
    return defined.has_backward or any(_called([name], loss=loss) for name in names for loss in (False, True))


def take_inventory(spec: str) -> Inventory:
    """Load a file or module, and list what it defines, or for want of anything what it imports.

    Raises:
        ImplementationNotFoundError: it cannot be loaded, or has nothing of the names in `spec`.
    """
    home, names = split(spec)
    loaded = load(home, spec, ACCEPTED)
    have = public(loaded, own=True) or public(loaded, own=False)
    have |= dict(zip(names, named(loaded, names), strict=True))
    functions = [name for name, value in have.items() if not inspect.isclass(value)]
    offers = list(_unlike([*_passes(functions), *_losses(functions), *_classes(have)], have))
    if names:
        offers = [one for one in offers if set(names) <= set(one)]
    told = {name for one in offers for name in one}
    halves = [name for name in functions if pass_of(name)[1] and _called([name], loss=False) and name not in told]
    aliases = {name for name, value in have.items() if any(value is have[other] for other in told)}
    rest = [name for name in have if name not in {*told, *halves, *aliases} and _can_have_passes(have[name])]
    return Inventory(
        offers=tuple(_offer(home, one, have, offers) for one in offers),
        halves=tuple(_offer(home, (name,), have, [], half=True) for name in halves if not names or name in names),
        others=() if names else tuple(rest),
    )


def whose(offer: Offer) -> Found | None:
    """Find out which layer's passes an offer has, by trying; None if it is of none that is known."""
    home, _ = split(offer.spec)
    loaded = load(home, offer.spec, ACCEPTED)
    candidate = Candidate(loaded=loaded, names=offer.names, objects=named(loaded, list(offer.names)))
    fits: dict[str, Fit] = {}
    misses: dict[str, str] = {}
    for layer in [LAYERS[name] for name in offer.layers] or _sought(loss=False):
        try:
            tried = candidate.try_readings(layer)
        except MisfitError as miss:
            misses[layer.name] = str(miss)
            continue
        fits[layer.name] = tried.fit if tried else Fit.FAILS
        if fits[layer.name] is Fit.REPRODUCES:
            return Found(layer=layer.name)
    reached = max(fits.values(), default=Fit.FAILS)
    if reached < (Fit.SHAPE if offer.doubtful and offer.layers else Fit.RUNS) and offer.doubtful:
        return None
    if reached < Fit.PARTLY and not offer.layers:
        return None
    if _is_loss(offer) and not _says_loss(offer) and reached is Fit.FAILS:
        return None
    if fits:
        return Found(layer=max(fits, key=lambda name: fits[name]))
    name, reason = next(iter(misses.items()))
    return Found(layer=name, reason=reason)


def nothing(home: str, have: Iterable[str], unknown: Iterable[Offer] = ()) -> str:
    """Say what was looked for where only other things are, and how to check functions that are of no known layer."""
    known = ", ".join(layer.name for loss in (False, True) for layer in _sought(loss=loss))
    sought = "pair such as affine_forward and affine_backward, no class and no loss of a known layer"
    said = f"{home} has no {sought} ({known}); it has {shortened(have)}"
    command = function_command(unknown)
    return f"{said}; {command}" if command else said


def function_command(unknown: Iterable[Offer]) -> str | None:
    """Write how the first pair of functions of no known layer is checked; None if there is none."""
    for offer in unknown:
        if len(offer.names) == 2 and offer.arguments and not (offer.layers or offer.doubtful):
            shapes = " ".join(f"--shape {name}=2x3" for name in offer.arguments)
            return f"`gradcheck function {offer.spec} {shapes}`, with the right shapes, checks any function"
    return None


def what_else(home: str, names: Iterable[tuple[str, ...]] = ()) -> str | None:
    """Say which layers a file has, and which command checks them; None if it has nothing that can be checked.

    Args:
        home: the file.
        names: of pairs or classes; unless each of them is of a known layer, the answer is None.

    Raises:
        ImplementationNotFoundError: it cannot be loaded.
    """
    found = {offer: whose(offer) for offer in take_inventory(home).offers}
    known = {offer: one.layer for offer, one in found.items() if one and not one.reason}
    if not set(names) <= {offer.names for offer in known}:
        return None
    layers = list(dict.fromkeys(known.values()))
    if not layers:
        return function_command(offer for offer, one in found.items() if one is None)
    has = join_names(f"{LAYERS[layer].title_with_article}, {_first(known, layer)}" for layer in layers[:_LISTED])
    more = f" and {len(layers) - _LISTED} more layers" if len(layers) > _LISTED else ""
    command = f"gradcheck {layers[0]} {home}" if len(layers) == 1 else f"gradcheck {home}"
    return f"it has {has}{more}: `{command}` checks {'it' if len(layers) == 1 else 'them'}"


def _first(known: Mapping[Offer, str], layer: str) -> str:
    return next(",".join(offer.names) for offer, name in known.items() if name == layer)


def _offer(
    home: str, names: tuple[str, ...], have: Mapping[str, Any], offers: list[tuple[str, ...]], *, half: bool = False
) -> Offer:
    """Make an offer; one function alone can only be a loss, whatever else it is called after."""
    alone = len(names) == 1 and not half and not inspect.isclass(have[names[0]])
    layers = () if alone else _called(names, loss=False)
    return Offer(
        spec=f"{home}:{','.join(names)}",
        names=names,
        layers=layers or _called(names, loss=True),
        doubtful=_may_be_helper(names, offers),
        arguments=_asked(have[names[0]]),
    )


def _may_be_helper(names: tuple[str, ...], offers: list[tuple[str, ...]]) -> bool:
    """Tell whether names have a word for a helper, or are those of a backward pass and of one forward pass too many."""
    words = {re.sub(r"\d+$", "", word) for name in names for word in words_in(name)}
    if words & _HELPERS:
        return True
    if len(names) != 2 or not _begins(stem_of(names[1]), stem_of(names[0])):
        return False
    others = [other for other in offers if other != names and len(other) == 2 and set(other) & set(names)]
    return any(stem_of(one) == stem_of(two) for one, two in others) and not words & _VERSIONS


def _asked(function: Any) -> tuple[str, ...]:
    """Name what must be passed to a function."""
    try:
        parameters = parameters_of(function)
    except MisfitError:
        return ()
    return tuple(p.name for p in parameters if p.default is p.empty and not is_context(p.name))


def _passes(functions: list[str]) -> list[tuple[str, ...]]:
    """Pair passes: by equal names, then those left over with one that is called less, then by the layer alone."""
    found = [pair for pair in pairs(functions) if _may_belong(*pair)]
    for left in [name for name in functions if pass_of(name)[1] and not any(name in pair for pair in found)]:
        fuller = [
            pair for name in functions if (pair := _in_order(left, name)) and _begins(stem_of(name), stem_of(left))
        ]
        fuller = [pair for pair in fuller if _may_belong(*pair) and _called(pair, loss=False)]
        found += sorted(fuller, key=lambda pair: sum(map(len, map(stem_of, pair))))[-1:]
    left_over = [name for name in functions if pass_of(name)[1] and not any(name in pair for pair in found)]
    for one, other in itertools.combinations(left_over, 2):
        if set(_called([one], loss=False)) & set(_called([other], loss=False)) and (pair := _in_order(one, other)):
            found.append(pair)
    return [pair for pair in found if _called(pair, loss=False) or not _mentioned(pair)]


def _in_order(one: str, other: str) -> tuple[str, str] | None:
    """Return two passes, the backward one last, if just one of them is that; a forward pass may not say so."""
    backward = [pass_of(name)[1] == "backward" for name in (one, other)]
    if backward == [False, True]:
        return one, other
    return (other, one) if backward == [True, False] else None


def _begins(short: list[str], long: list[str]) -> bool:
    return bool(short) and len(short) < len(long) and long[: len(short)] == short


def _may_belong(forward: str, backward: str) -> bool:
    """Tell whether two passes can be of one layer by their names: `rnn_step_backward` is none of `rnn_forward`."""
    ours, theirs = _called([forward], loss=False), _called([backward], loss=False)
    return bool(set(ours) & set(theirs)) or not (ours and theirs)


def _losses(functions: list[str]) -> list[tuple[str, ...]]:
    return [(name,) for name in functions if pass_of(name)[1] != "forward" and _called([name], loss=True)]


def _classes(have: Mapping[str, Any]) -> list[tuple[str, ...]]:
    names = [name for name, value in have.items() if inspect.isclass(value) and has_passes(value)]
    return [(name,) for name in names if _called([name], loss=False) or not _mentioned([name])]


def _unlike(offers: list[tuple[str, ...]], have: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    """Put offers in the order of the file, and leave out what was there under another name."""
    order = list(have)
    once: dict[tuple[int, ...], tuple[str, ...]] = {}
    for names in sorted(offers, key=lambda names: [order.index(name) for name in names]):
        once.setdefault(tuple(id(have[name]) for name in names), names)
    return once.values()


def _can_have_passes(value: object) -> bool:
    return not inspect.isclass(value) or has_passes(value)


def _sought(*, loss: bool) -> list[Layer]:
    return [layer for layer in LAYERS.values() if layer.reference and layer.loss == loss]


def _mentioned(names: Iterable[str]) -> bool:
    """Tell whether names have the word for any layer in them."""
    return any(_longest(layer, name) for loss in (False, True) for layer in _sought(loss=loss) for name in names)


def _called(names: Iterable[str], *, loss: bool) -> tuple[str, ...]:
    """List the layers that names speak of, and of nothing more; those with the longest word first."""
    lengths = {
        layer.name: max(_longest(layer, name) for name in names)
        for layer in _sought(loss=loss)
        if not any(other in name.lower() for other in vocabulary_of(layer).others for name in names)
    }
    return tuple(sorted(filter(lengths.get, lengths), key=lambda name: -lengths[name]))


def _longest(layer: Layer, name: str) -> int:
    """Return the length of the longest word for a layer in a name; one of two letters must begin a word of the name."""
    words = words_in(name)
    forms = name.lower(), "_".join(words)
    return max(
        (
            len(word.replace("_", ""))
            for word in vocabulary_of(layer).names
            if (any(each.startswith(word) for each in words) if len(word) <= 2 else any(word in form for form in forms))
        ),
        default=0,
    )


def _is_loss(offer: Offer) -> bool:
    return any(LAYERS[name].loss for name in offer.layers)


def _says_loss(offer: Offer) -> bool:
    return any(word in _LOSSES for name in offer.names for word in words_in(name) if not pass_of(name)[1])
