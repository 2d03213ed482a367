"""The layers of a file: pairs of functions, losses and classes, by their names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.conventions.both_passes import class_passes, expanded, makes_backward, operations_in
from gradcheck_cli.implementation.conventions.slots import MisfitError, is_context, parameters_of
from gradcheck_cli.implementation.conventions.source import returned_names, returns_one_value, source_of
from gradcheck_cli.implementation.finding.candidates import Candidate, classes_in, functions_in, public, unlike
from gradcheck_cli.implementation.finding.names import (
    all_pairs,
    gradient_groups,
    layers_called,
    matching_pairs,
    may_be_helper,
    mentions_layer,
    pass_of,
    returns_both,
    says_gradient,
    says_loss,
    speaks_of,
)
from gradcheck_cli.implementation.finding.networks import network_of
from gradcheck_cli.implementation.finding.places import named_objects, open_place
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.implementation.loading.paths import split_spec
from gradcheck_cli.implementation.vocabulary.lookup import known_words
from gradcheck_cli.implementation.vocabulary.vocabulary import word

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
    warnings: tuple[str, ...] = ()  #: what went wrong when it was loaded

    def loose(self) -> tuple[str, ...]:
        """Name the functions that may belong to one in another file."""
        return (*(name for half in self.halves for name in half.names), *self.others)


def take_inventory(spec: str, loader: Loader) -> Inventory:
    """Load a file or module, and list what it defines, or for want of anything what it imports.

    Raises:
        ImplementationNotFoundError: it cannot be loaded, or has nothing of the names in `spec`.
    """
    home, names = split_spec(spec)
    loaded = open_place(home, spec, _ACCEPTED, loader)
    have = public(loaded, own=True) or public(loaded, own=False)
    have |= dict(zip(names, named_objects(loaded, names), strict=True))
    variables = {name: operations_in(value) for name, value in have.items() if inspect.isclass(value)}
    have = {n: value for n, value in have.items() if not variables.get(n)}
    have |= {name: one for several in variables.values() for name, one in several.items()}
    matched = {backward for _, backward in matching_pairs(functions_in(have))}
    makers = [(name,) for name in functions_in(have) if name not in matched and makes_backward(have[name])]
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
        warnings=loaded.warnings,
    )


def candidate_of(offer: Offer, loader: Loader) -> Candidate:
    """Return the code of an offer.

    Raises:
        ImplementationNotFoundError: it is not there any more.
    """
    home, _ = split_spec(offer.spec)
    loaded = open_place(home, offer.spec, _ACCEPTED, loader)
    return Candidate(loaded=loaded, names=offer.names, objects=named_objects(loaded, offer.names))


def _may_return_both(name: str, function: Any) -> bool:
    """Tell whether a function may return a number and its gradients: `return loss, probs` says that it does not.

    Unless something is subtracted from `probs` in place, which makes them the gradient.
    """
    source = source_of(function)
    found = re.findall(r"return \(?\w+, (\w+)\)?\s*$", source, re.MULTILINE)[-1:]
    kept = [each for each in found if not re.search(rf"^\s*{each}\b(\[.*\])?\s*-=", source, re.MULTILINE)]
    returned = returned_names(function)
    is_both = (returns_both(name) or (says_loss(returned) and says_gradient(returned))) and not returns_one_value(
        function
    )
    return is_both and not any(word(each) in _NO_GRADIENTS for each in kept)


def _offer(
    home: str, names: tuple[str, ...], have: Mapping[str, Any], offers: list[tuple[str, ...]], *, half: bool = False
) -> Offer:
    """Make an offer; one function alone can only be a loss, whatever else it is called after."""
    is_class = inspect.isclass(have[names[0]])
    alone = len(names) == 1 and not half and not is_class and not makes_backward(have[names[0]])
    layers, losses = () if alone else layers_called(names), layers_called(names, loss=True) if len(names) == 1 else ()
    passes = expanded((have[names[0]],)) if is_class else ()
    arguments = _required((*passes, have[names[0]])[0], forward=len(passes) == 1)
    meant = [loss for loss in losses if not speaks_of(arguments[:1], known_words(loss).others)]
    return Offer(
        spec=f"{home}:{','.join(names)}",
        names=names,
        layers=layers or tuple(meant),
        composed=not layers and mentions_layer(names) and not losses,
        doubtful=may_be_helper(names, offers),
        arguments=arguments,
        made_with=_required(have[names[0]]) if len(passes) == 1 else (),
    )


def _required(function: Any, *, forward: bool = False) -> tuple[str, ...]:
    """Name what must be passed to a function, or to the forward pass of a class."""
    try:
        called = getattr(function, class_passes(function)[0]) if forward else function
        parameters = parameters_of(called, skip=int(forward))
    except MisfitError:
        return ()
    return tuple(p.name for p in parameters if p.default is p.empty and not is_context(p.name))
