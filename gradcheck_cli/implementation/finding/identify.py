"""Finds out which layer code is, by its name and by trying.

Names come first: what is called after one layer alone is taken for it, right or wrong. Where a name leaves open which
it is (`pool_forward`), and where it says nothing (`forward`), all that may be meant are tried, and the first is taken
whose reference is reproduced. What is called after a layer and something more (`affine_relu_forward`) is none.
"""

from __future__ import annotations

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.conventions.both_passes import needs_adapter
from gradcheck_cli.implementation.conventions.gradient_fit import LACKS, RAISES, right_gradients
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import MisfitError, SlotKind
from gradcheck_cli.implementation.conventions.trial import EXACT, Fit, Tried, forward_fit
from gradcheck_cli.implementation.conventions.variables import boxed_operation
from gradcheck_cli.implementation.finding.candidates import Candidate
from gradcheck_cli.implementation.finding.inventory import Offer
from gradcheck_cli.implementation.finding.names import known_layers, says_loss
from gradcheck_cli.implementation.finding.needed import attribute_set_elsewhere, install_first, module_needed_by
from gradcheck_cli.implementation.finding.networks import network_of
from gradcheck_cli.implementation.vocabulary.lookup import known_words, vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.layer import Layer


@frozen
class Identified:
    """An offer and the layer that it is."""

    layer: str
    reason: str | None = None  #: why it cannot be called, if it cannot
    open: bool = False  #: whether it does not run as this layer, and may be checked against its own forward
    varies: bool = False  #: whether it may be another function of this kind, if its gradient is right for that


def identify_layer(offer: Offer, candidate: Candidate) -> Identified | None:
    """Find out which layer's passes an offer has, by trying its code; None if it is of none that is known."""
    if offer.composed or needs_adapter(candidate.objects[0]):
        return None
    named = [*offer.layers, *(other for name in offer.layers for other in known_words(name).siblings)]
    tries: list[Tried] = []
    misfits: dict[str, str] = {}
    for layer in [LAYERS[name] for name in dict.fromkeys(named)] or _open_to(candidate):
        try:
            tried = candidate.try_as(layer, guessed=not offer.layers)
        except MisfitError as misfit:
            misfits[layer.name] = str(misfit)
            continue
        if tried and tried.fit is Fit.REPRODUCES:
            return _reproducing(offer, candidate, tried)
        tries += [tried] if tried else []
    reached = max((tried.fit for tried in tries), default=Fit.FAILS)
    if reached < _least_fit(offer) or (reached < Fit.SHAPE and network_of(candidate.objects, candidate.loaded.module)):
        return None
    if reached is Fit.FAILS and not candidate.is_class and boxed_operation(candidate.objects[0]):
        return None
    if tries:
        lacking = _describe_lacking(offer, candidate, tries[0].reading) if reached is Fit.FAILS else ""
        return Identified(layer=_name(tries[0]), reason=lacking) if lacking else _nearest(offer, candidate, tries)
    name, reason = next(iter(misfits.items()))
    if len(offer.names) > 1:
        reason += f"; gradcheck function {offer.spec} --example FILE.py:make checks it with what make returns"
    return Identified(layer=name, reason=reason, open=True)


def _name(tried: Tried) -> str:
    return tried.reading.layer.name


def _reproducing(offer: Offer, candidate: Candidate, tried: Tried) -> Identified:
    """Return the layer whose reference code reproduces, or why its gradients cannot be checked."""
    layer = tried.reading.layer
    if not offer.layers and right_gradients(tried.reading) == LACKS:
        why = f"forward does as that of {layer.title_with_article}, and not all of its gradients are found"
        return Identified(layer=layer.name, reason=why, open=True)
    may_vary = candidate.makes_instances and known_words(layer.name).varies
    varies = may_vary and forward_fit(tried.reading, EXACT) is not Fit.REPRODUCES
    # Of what does as a layer forward and not backward, functions that raise may be for vectors alone.
    raises = right_gradients(tried.reading) == RAISES
    is_open = raises and bool(_activation(tried.reading))  # of which it may ask the slope, which the identity lacks
    is_other = _lacks_gradients(tried) if candidate.makes_instances else raises
    return Identified(layer=layer.name, varies=varies or is_other, open=is_open)


def _least_fit(offer: Offer) -> Fit:
    """Return how well code must do as a layer to be taken for it."""
    is_loss = any(LAYERS[name].loss for name in offer.layers) and not says_loss(offer.names)
    least = Fit.PARTLY if not offer.layers else Fit.RUNS if is_loss else Fit.FAILS
    return max(least, Fit.SHAPE if offer.layers else Fit.RUNS) if offer.doubtful else least


def _describe_lacking(offer: Offer, candidate: Candidate, reading: Reading) -> str:
    """Say what is not there that code needs; "" if it needs nothing that is known."""
    if module := module_needed_by(candidate.objects):
        return install_first(module, offer.spec)
    if candidate.makes_instances and (name := attribute_set_elsewhere(reading, candidate.loaded.home)):
        make = f"give an instance that has it: gradcheck {reading.layer.name} {offer.spec} --adapter FILE.py:make"
        return f"its forward reads the attribute {name}, which only other code sets; {make}"
    return ""


def _nearest(offer: Offer, candidate: Candidate, tries: list[Tried]) -> Identified | None:
    """Return the layer that code does best as, though it reproduces none; None for a class that others complete."""
    best = max(tries, key=lambda tried: tried.fit)
    name, reached, is_usual = _name(best), best.fit, not any(tried.reading.notes for tried in tries)
    activation = next(filter(None, (_activation(tried.reading) for tried in tries)), "")
    why = ""
    if candidate.makes_instances and reached is Fit.RUNS and known_words(name).has_packings:
        why = f"{offer.names[0]} does not do as {LAYERS[name].title_with_article} in any form that is known; "
        why += f"write two functions that do, and check them: gradcheck {name} FILE.py"
    elif activation:
        why = f"it takes `{activation}`, and does not do as the layer does without one"
    elif reached is Fit.FAILS and not candidate.makes_instances and (guess := _guessed(best.reading)):
        why = f"it takes `{guess}`, of which the meaning is not known, and does not run with an array of the layer's"
    if why:
        return Identified(layer=name, reason=why, open=True)
    if not candidate.makes_instances:
        return Identified(layer=name, open=not (reached > Fit.RUNS or (reached is Fit.RUNS and is_usual)))
    is_open = reached < Fit.SHAPE or _lacks_gradients(best)
    left_out = [slot.default for slot in best.reading.constructor if slot.kind is SlotKind.OMITTED]
    has_settings = any(isinstance(default, float) for default in left_out)  # a ParametricReLU(alpha=0.25) is no ReLU
    varies = known_words(name).varies or LAYERS[name].loss or has_settings
    return None if is_open and is_base(candidate) else Identified(layer=name, open=is_open, varies=varies)


def _guessed(reading: Reading) -> str:
    """Name an argument of forward whose name is that of no input, and which is given one for its place; "" for none."""
    words = reading.vocabulary.inputs
    slots = [slot for slot in reading.forward if slot.kind is SlotKind.INPUT]
    return next((slot.name for slot in slots if word(slot.name) not in (*words[slot.key], word(slot.key))), "")


def _open_to(candidate: Candidate) -> list[Layer]:
    """List the layers that code may be of which the name says nothing.

    For a class to try them all would take a second: it is tried as those without parameters and sizes.
    """
    layers = known_layers(loss=False)
    if not candidate.makes_instances:
        return layers
    words = {layer.name: vocabulary_of(layer) for layer in layers}
    return [layer for layer in layers if not (words[layer.name].parameters or len(words[layer.name].arguments) > 1)]


def _lacks_gradients(tried: Tried) -> bool:
    """Tell whether code does not run as a layer, or does not return gradients of its shapes."""
    return tried.fit is Fit.FAILS or right_gradients(tried.reading) < 0


def is_base(candidate: Candidate) -> bool:
    """Tell whether other classes of the file are made of a class."""
    cls, others = candidate.objects[0], vars(candidate.loaded.module).values()
    return any(isinstance(one, type) and one is not cls and issubclass(one, cls) for one in others)


def _activation(reading: Reading) -> str:
    """Name the argument for an activation that has none by default, as no reading may be able to turn it off; or ""."""
    found = (slot for slot in (*reading.constructor, *reading.forward) if slot.key == "activation")
    return next((slot.name for slot in found if slot.default not in (None, "linear", "identity", "none", "")), "")
