"""The layers of a file: pairs of functions, losses and classes, and which layer each of them is.

Names come first: what is called after one layer alone is taken for it, right or wrong. Where a name leaves open which
it is (`pool_forward`), and where it says nothing (`forward`), all that may be meant are tried, and the first is taken
whose reference is reproduced. What is called after a layer and something more (`affine_relu_forward`) is none.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.conventions.expand import expanded, makes_backward, needs_adapter
from gradcheck_cli.implementation.conventions.methods import class_passes, is_written
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.slots import MisfitError, is_context, parameters_of
from gradcheck_cli.implementation.conventions.trial import EXACT, Fit, agreeing, forward_fit, right_gradients
from gradcheck_cli.implementation.conventions.trial import Tried as TriedReading
from gradcheck_cli.implementation.finding.candidates import Candidate, classes_in, functions_in, public, unlike
from gradcheck_cli.implementation.finding.folder import shorten
from gradcheck_cli.implementation.finding.kinds import flag_of
from gradcheck_cli.implementation.finding.names import (
    all_pairs,
    gradient_groups,
    known_layers,
    layers_called,
    may_be_helper,
    mentions_layer,
    pass_of,
    returns_both,
    says_loss,
    speaks_of,
)
from gradcheck_cli.implementation.finding.networks import network_of
from gradcheck_cli.implementation.finding.places import named_objects, open_place
from gradcheck_cli.implementation.loading.missing import missing_of
from gradcheck_cli.implementation.loading.paths import split_spec
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gradcheck_cli.implementation.loading.load import Loader
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer

_LISTED = 4  #: how many layers are named

#: What a loss may return beside its number.
_NO_GRADIENTS = {
    *("probs", "prob", "probabilities", "p", "softmax", "scores", "preds", "pred", "ypred", "yhat", "predictions"),
    *("cache", "logits", "out", "output", "acc", "accuracy"),
}

_ACCEPTED = "give FILE.py, a package's folder or package.module"


@frozen
class Offer:
    """A pair of functions, a loss or a class."""

    spec: str  #: what to type to get exactly this
    names: tuple[str, ...]
    layers: tuple[str, ...]  #: which it is called after, the likeliest first; () for none
    composed: bool = False  #: whether it is called after a layer and something more: it is none that is known
    doubtful: bool = False  #: whether it may be a helper by its name: it is a layer only if it does as one
    arguments: tuple[str, ...] = ()  #: what the first pass must be given, in its own names
    made_with: tuple[str, ...] = ()  #: what the constructor of a class must be given


@frozen
class Inventory:
    """The content of a file."""

    offers: tuple[Offer, ...]
    halves: tuple[Offer, ...]  #: passes of a layer to which there is no other pass
    others: tuple[str, ...]  #: what else can be called

    def loose(self) -> tuple[str, ...]:
        """Name the functions that may belong to one in another file."""
        return (*(name for half in self.halves for name in half.names), *self.others)


@frozen
class Identified:
    """An offer and the layer that it is."""

    layer: str
    reason: str | None = None  #: why it cannot be called, if it cannot
    open: bool = False  #: whether it does not run as this layer, and may be checked against its own forward
    reproduces: bool = False  #: whether its forward does as the layer's
    varies: bool = False  #: whether it may be another function of this kind, if its gradient is right for that


@frozen
class Tried:
    """An offer of no known layer: the shapes that were found by trying, or why there are none."""

    cases: tuple[Case, ...] = ()
    reason: str | None = None
    right: bool = False  #: of a class, whether its gradient agrees in the first case; or whether it does for some ranks
    unread: tuple[str, ...] = ()  #: then the parameters of which there is no gradient


def is_its_own(found: Identified, tried: Tried | None) -> bool:
    """Tell whether code is checked against its own forward, and not as the layer that it is called after.

    What does as the layer is that layer if it keeps parameters whose gradients cannot be read.
    """
    if tried is None or (found.reproduces and tried.unread):
        return False
    return tried.right or (found.open and bool(tried.cases))


def take_inventory(spec: str, loader: Loader) -> Inventory:
    """Load a file or module, and list what it defines, or for want of anything what it imports.

    Raises:
        ImplementationNotFoundError: it cannot be loaded, or has nothing of the names in `spec`.
    """
    home, names = split_spec(spec)
    loaded = open_place(home, spec, _ACCEPTED, loader)
    have = public(loaded, own=True) or public(loaded, own=False)
    have |= dict(zip(names, named_objects(loaded, names), strict=True))
    makers = [(name,) for name in functions_in(have) if makes_backward(have[name])]
    functions = [name for name in functions_in(have) if (name,) not in makers]
    groups = gradient_groups(functions)
    grouped = {name for group in groups for name in group}
    pairs = [*groups, *all_pairs([name for name in functions if name not in grouped])]
    passes = {name for pair in pairs for name in pair} | {name for name in functions if pass_of(name)[1] == "forward"}
    losses = [(name,) for name in functions if name not in passes and _may_return_both(name, have[name])]
    classes = [(name,) for name in classes_in(have)]
    left = [name for name in have if name not in passes and (name,) not in [*losses, *classes, *makers]]
    networks = [(name,) for name in left if network_of((have[name],), loaded.module)]
    offers = unlike([*makers, *pairs, *losses, *classes, *networks], have)
    if names:
        offers = [one for one in offers if set(names) <= set(one)]
    offered = {name for one in offers for name in one}
    halves = [name for name in functions if pass_of(name)[1] and layers_called([name]) and name not in offered]
    aliases = {name for name, value in have.items() if any(value is have[other] for other in offered)}
    callable_ = {*functions_in(have), *classes_in(have)}
    rest = [name for name in have if name in callable_ and name not in {*offered, *halves, *aliases}]
    return Inventory(
        offers=tuple(_offer(home, one, have, offers) for one in offers),
        halves=tuple(_offer(home, (name,), have, [], half=True) for name in halves if not names or name in names),
        others=() if names else tuple(rest),
    )


def _may_return_both(name: str, function: Any) -> bool:
    """Tell whether a function may return a number and its gradients: `return loss, probs` says that it does not."""
    try:
        found = re.findall(r"return \(?\w+, (\w+)\)?\s*$", inspect.getsource(function), re.MULTILINE)
    except (OSError, TypeError):
        found = []
    return returns_both(name) and not any(word(each) in _NO_GRADIENTS for each in found[-1:])


def _offer(
    home: str, names: tuple[str, ...], have: Mapping[str, Any], offers: list[tuple[str, ...]], *, half: bool = False
) -> Offer:
    """Make an offer; one function alone can only be a loss, whatever else it is called after."""
    is_class = inspect.isclass(have[names[0]])
    alone = len(names) == 1 and not half and not is_class and not makes_backward(have[names[0]])
    layers, losses = () if alone else layers_called(names), layers_called(names, loss=True) if len(names) == 1 else ()
    passes = expanded((have[names[0]],)) if is_class else ()
    arguments = _required_of_class(have[names[0]]) if len(passes) == 1 else _required((*passes, have[names[0]])[0])
    meant = [loss for loss in losses if not speaks_of(arguments[:1], vocabulary_of(LAYERS[loss]).others)]
    return Offer(
        spec=f"{home}:{','.join(names)}",
        names=names,
        layers=layers or tuple(meant),
        composed=not layers and mentions_layer(names) and not losses,
        doubtful=may_be_helper(names, offers),
        arguments=arguments,
        made_with=_required(have[names[0]]) if len(passes) == 1 else (),
    )


def _required_of_class(cls: type) -> tuple[str, ...]:
    try:
        return _required(getattr(cls, class_passes(cls)[0]), skip=1)
    except MisfitError:
        return ()


def _required(function: Any, skip: int = 0) -> tuple[str, ...]:
    """Name what must be passed to a function."""
    try:
        parameters = parameters_of(function, skip=skip)
    except MisfitError:
        return ()
    return tuple(p.name for p in parameters if p.default is p.empty and not is_context(p.name))


def identify_layer(offer: Offer, loader: Loader) -> Identified | None:
    """Find out which layer's passes an offer has, by trying; None if it is of none that is known."""
    home, _ = split_spec(offer.spec)
    loaded = open_place(home, offer.spec, _ACCEPTED, loader)
    candidate = Candidate(loaded=loaded, names=offer.names, objects=named_objects(loaded, offer.names))
    if offer.composed:
        return None
    named = [*offer.layers, *(other for name in offer.layers for other in vocabulary_of(LAYERS[name]).siblings)]
    tries: dict[str, TriedReading | None] = {}
    misfits: dict[str, str] = {}
    for layer in [LAYERS[name] for name in dict.fromkeys(named)] or _open_to(candidate):
        try:
            tried = tries[layer.name] = candidate.try_as(layer, guessed=not offer.layers)
        except MisfitError as misfit:
            misfits[layer.name] = str(misfit)
            continue
        if tried and tried.fit is Fit.REPRODUCES:
            may_vary = candidate.makes_instances and vocabulary_of(layer).varies
            varies = may_vary and forward_fit(tried.reading, EXACT) is not Fit.REPRODUCES
            is_open = candidate.makes_instances and _lacks_gradients(tried)
            return Identified(layer=layer.name, open=is_open, varies=varies, reproduces=True)
    reached = max(map(_fit, tries.values()), default=Fit.FAILS)
    if reached < _least_fit(offer) or (reached < Fit.SHAPE and network_of(candidate.objects, loaded.module)):
        return None
    if tries and reached is Fit.FAILS and (module := _missing_of(candidate.objects)):
        return Identified(layer=next(iter(tries)), reason=_needs(module, offer))
    if tries:
        return _nearest(offer, candidate, tries)
    name, reason = next(iter(misfits.items()))
    if len(offer.names) > 1:
        reason += f"; gradcheck function {offer.spec} --example FILE.py:make checks it with what make returns"
    return Identified(layer=name, reason=reason, open=True)


def _fit(tried: TriedReading | None) -> Fit:
    return tried.fit if tried else Fit.FAILS


def _least_fit(offer: Offer) -> Fit:
    """Return how well code must do as a layer to be taken for it."""
    is_loss = any(LAYERS[name].loss for name in offer.layers) and not says_loss(offer.names)
    least = Fit.PARTLY if not offer.layers else Fit.RUNS if is_loss else Fit.FAILS
    return max(least, Fit.SHAPE if offer.layers else Fit.RUNS) if offer.doubtful else least


def _nearest(offer: Offer, candidate: Candidate, tries: Mapping[str, TriedReading | None]) -> Identified | None:
    """Return the layer that code does best as, though it reproduces none; None for a class that others complete."""
    best = max(tries, key=lambda name: _fit(tries[name]))
    reached, is_usual = _fit(tries[best]), not any(tried.reading.notes for tried in tries.values() if tried)
    activation = next((tried.reading.activation for tried in tries.values() if tried and tried.reading.activation), "")
    why = ""
    if candidate.makes_instances and reached is Fit.RUNS and vocabulary_of(LAYERS[best]).has_packings:
        why = f"{offer.names[0]} does not do as {LAYERS[best].title_with_article} in any form that is known; "
        why += f"write two functions that do, and check them: gradcheck {best} FILE.py"
    elif activation:
        why = f"it takes `{activation}`, and does not do as the layer does without one"
    if why:
        return Identified(layer=best, reason=why, open=True)
    if not candidate.makes_instances:
        return Identified(layer=best, open=not (reached > Fit.RUNS or (reached is Fit.RUNS and is_usual)))
    is_open = reached < Fit.SHAPE or _lacks_gradients(tries[best])
    varies = vocabulary_of(LAYERS[best]).varies
    return None if is_open and _is_base(candidate) else Identified(layer=best, open=is_open, varies=varies)


def _open_to(candidate: Candidate) -> list[Layer]:
    """List the layers that code may be of which the name says nothing.

    For a class to try them all would take a second: it is tried as those without parameters and sizes.
    """
    layers = known_layers(loss=False)
    if not candidate.makes_instances:
        return layers
    words = {layer.name: vocabulary_of(layer) for layer in layers}
    return [layer for layer in layers if not (words[layer.name].parameters or len(words[layer.name].arguments) > 1)]


def _lacks_gradients(tried: TriedReading | None) -> bool:
    """Tell whether code does not run as a layer, or does not return gradients of its shapes."""
    return tried is None or tried.fit is Fit.FAILS or right_gradients(tried.reading) < 0


def _is_base(candidate: Candidate) -> bool:
    """Tell whether other classes of the file are made of a class."""
    cls, others = candidate.objects[0], vars(candidate.loaded.module).values()
    return any(isinstance(one, type) and one is not cls and issubclass(one, cls) for one in others)


def try_shapes(offer: Offer, loader: Loader) -> Tried | None:
    """Find shapes for what is of no known layer, by trying.

    Returns:
        None for a function that may return no gradients, and for a class of which forward is not written.
    """
    # only for functions of no known layer
    from gradcheck_cli.implementation.finding.shapes import AmbiguousShapesError, find_shapes

    home, _ = split_spec(offer.spec)
    loaded = open_place(home, offer.spec, _ACCEPTED, loader)
    named = named_objects(loaded, offer.names)
    if network := network_of(named, loaded.module):
        found = _try_sizes(offer, network)
        module = "" if found else _missing_of(named)
        return Tried(reason=_needs(module, offer)) if module else found
    objects = expanded(named)
    is_class = inspect.isclass(objects[0])
    if is_class and needs_adapter(objects[0]):
        command = f"gradcheck function {offer.spec} --adapter FILE.py:make --shape x=2x3"
        why = "it computes with variables of a framework; write a function make that is given the class and returns"
        return Tried(reason=f"{why} forward(x) and backward(dout, x) of arrays, and type {command}")
    if inspect.isclass(named[0]) and not is_written(named[0]):
        return None
    try:
        cases = find_shapes(objects)
    except MisfitError as misfit:
        return Tried(reason=str(misfit)) if len(objects) == 2 else None
    except AmbiguousShapesError as error:
        right, wrong = (" and ".join(_shape_words(case)) for case in (error.right, error.wrong))
        command = f"gradcheck function {offer.spec} {' '.join(f'--shape {one}' for one in _shape_words(error.right))}"
        why = f"the gradient is right for {right}, and wrong for {wrong}; give what is meant: {command}"
        return Tried(reason=why, right=True)
    if cases:
        reading = agreeing(readings_of(objects, LAYERS["function"]), cases[0]) if is_class else None
        return Tried(cases=cases, right=reading is not None, unread=reading.unread if reading else ())
    candidate = Candidate(loaded=loaded, names=offer.names, objects=objects)
    if candidate.makes_instances and _is_base(candidate):
        return None
    if len(objects) == 1 and not is_class:
        return None
    why = "of no known layer, and no shapes were found by trying"
    if module := _missing_of((*named, *objects)):
        return Tried(reason=_needs(module, offer))
    make = "--adapter FILE.py:make, which returns an instance" if len(objects) == 1 else "--example FILE.py:make"
    if command := _function_command(offer):
        return Tried(reason=f"{why}; give them: {command}, or {make}")
    if len(objects) == 1:
        make = "--adapter FILE.py:make, where make(cls) returns an instance, and --shape for what forward takes"
    return Tried(reason=f"{why}; give an example: gradcheck function {offer.spec} {make}")


def _missing_of(objects: Iterable[Any]) -> str:
    """Name the module that is not there which the passes need."""
    parts = []
    for value in objects:
        names = ("__init__", *class_passes(value)) if inspect.isclass(value) else ()
        parts += [value, *(getattr(value, name, None) for name in names)]
    return missing_of(parts)


def _needs(module: str, offer: Offer) -> str:
    return f"it needs {module}, which is not installed; install it, and type gradcheck {offer.spec}"


def _try_sizes(offer: Offer, network: Callable[..., Any]) -> Tried | None:
    """Find sizes for a network; None for what keeps no parameters."""
    # only for networks
    from gradcheck_cli.implementation.finding.network_shapes import NoNetworkError, find_network_shapes, likely_flags

    try:
        return Tried(cases=find_network_shapes(network))
    except NoNetworkError as error:
        if not error.reason:
            return None
        command = f"gradcheck function {offer.spec} {likely_flags(network)}"
        return Tried(reason=f"{error.reason}; no sizes were found by trying; give them: {command}")


def _shape_words(case: Case) -> list[str]:
    return [f"{name}={'x'.join(map(str, shape)) or 'scalar'}" for name, shape in case.geometry["shape"].items()]


def _function_command(offer: Offer) -> str:
    """Write a command with a flag for each argument; "" where one is a function, which no flag gives."""
    flags = [flag_of(name) for name in offer.arguments] + [flag_of(name, made_with=True) for name in offer.made_with]
    return " ".join(["gradcheck function", offer.spec, *flags]) if all(flags) else ""


def describe_nothing(home: str, have: Iterable[str], unknown: Iterable[Offer] = ()) -> str:
    """Say what was looked for where only other things are, and how to check functions that are of no known layer."""
    sought = "pair such as affine_forward and affine_backward, no class and no loss of a known layer"
    reason = f"{home} has no {sought} (`gradcheck --help` lists them); it has {shorten(have)}"
    command = function_command(unknown)
    return f"{reason}; {command}" if command else reason


def function_command(unknown: Iterable[Offer]) -> str | None:
    """Write how the first pair of functions of no known layer is checked; None if there is none."""
    for offer in unknown:
        is_pair = len(offer.names) == 2 and offer.arguments and not (offer.layers or offer.doubtful)
        if is_pair and (command := _function_command(offer)):
            return f"`{command}`, with the right shapes, checks any function"
    return None


def describe_other_layers(home: str, loader: Loader, names: Iterable[tuple[str, ...]] = ()) -> str | None:
    """Say which layers a file has, and which command checks them; None if it has nothing that can be checked.

    Args:
        home: the file.
        loader: loads it.
        names: of pairs or classes; unless each of them is of a known layer, the answer is None.

    Raises:
        ImplementationNotFoundError: it cannot be loaded.
    """
    found = {offer: identify_layer(offer, loader) for offer in take_inventory(home, loader).offers}
    known = {offer: one.layer for offer, one in found.items() if one and not one.reason}
    if not set(names) <= {offer.names for offer in known}:
        return None
    layers = list(dict.fromkeys(known.values()))
    if not layers:
        return function_command(offer for offer, one in found.items() if one is None)
    first = {layer: next(offer for offer, name in known.items() if name == layer) for layer in layers}
    has = join_names(
        f"{LAYERS[layer].title_with_article}, {','.join(first[layer].names)}" for layer in layers[:_LISTED]
    )
    more = f" and {len(layers) - _LISTED} more layers" if len(layers) > _LISTED else ""
    command = f"gradcheck {layers[0]} {home}" if len(layers) == 1 else f"gradcheck {home}"
    return f"it has {has}{more}: `{command}` checks {'it' if len(layers) == 1 else 'them'}"
