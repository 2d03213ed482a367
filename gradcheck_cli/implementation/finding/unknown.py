"""Finds shapes for code of no known layer, or says why there are none and what to type."""

from __future__ import annotations

import inspect

from gradcheck_cli.implementation.conventions.both_passes import expanded, is_written, needs_adapter
from gradcheck_cli.implementation.conventions.network import Network
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.slots import MisfitError
from gradcheck_cli.implementation.conventions.trial import agreeing
from gradcheck_cli.implementation.finding.identify import Tried, is_base
from gradcheck_cli.implementation.finding.inventory import Offer, candidate_of
from gradcheck_cli.implementation.finding.kinds import flag_of
from gradcheck_cli.implementation.finding.needed import install_first, module_needed_by, size_read
from gradcheck_cli.implementation.finding.networks import network_of
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case


def try_shapes(offer: Offer, loader: Loader) -> Tried | None:
    """Find shapes for what is of no known layer, by trying.

    Returns:
        None for a function that may return no gradients, and for a class of which forward is not written.
    """
    # only for functions of no known layer
    from gradcheck_cli.implementation.finding.shapes import AmbiguousShapesError, find_shapes

    found = candidate_of(offer, loader)
    named = found.objects
    network = network_of(named, found.loaded.module)
    if network:
        return _try_network(offer, network)
    objects = expanded(named)
    is_class = inspect.isclass(objects[0])
    if needs_adapter(objects[0]):
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
        command = f"gradcheck function {offer.spec} {error.right.flags}"
        why = f"the gradient is right for {right}, and wrong for {wrong}; give what is meant: {command}"
        return Tried(reason=why, right=True)
    if cases:
        reading = agreeing(readings_of(objects, LAYERS["function"]), cases[0])
        if reading is None and (size := size_read(objects)):
            why = f"it reads {size} from the file, with which alone its gradient can be right; make that an argument"
            return Tried(reason=f"{why}, or give shapes that go with it: {_command_for(offer)}")
        return Tried(cases=cases, right=reading is not None, unread=reading.unread if is_class and reading else ())
    if found.makes_instances and is_base(found):
        return None
    if len(objects) == 1 and not is_class:
        return None
    why = "of no known layer, and no shapes were found by trying"
    if lacking := module_needed_by((*named, *objects)):
        return Tried(reason=install_first(lacking, offer.spec))
    make = "--adapter FILE.py:make, which returns an instance" if len(objects) == 1 else "--example FILE.py:make"
    if command := _command_for(offer):
        return Tried(reason=f"{why}; give them: {command}, or {make}")
    if len(objects) == 1:
        make = "--adapter FILE.py:make, where make(cls) returns an instance, and --shape for what forward takes"
    return Tried(reason=f"{why}; give an example: gradcheck function {offer.spec} {make}")


def _try_network(offer: Offer, network: Network) -> Tried | None:
    """Find sizes for a network; None for what keeps no parameters."""
    # only for networks
    from gradcheck_cli.implementation.finding.network_search import find_sizes, try_likeliest

    if cases := find_sizes(network):
        return Tried(cases=cases)
    if lacking := module_needed_by(network.functions):
        return Tried(reason=install_first(lacking, offer.spec))
    case, raised = try_likeliest(network)
    command = f"gradcheck function {offer.spec} {case.flags}"
    if raised:
        return Tried(reason=f"{raised}; no sizes were found by trying; give them: {command}")
    if "loss" in network.steps:
        return None
    why = "has no loss, and its gradients are those of no usual one; give it a method loss(X, y)"
    return Tried(reason=f"{network.name} {why}, and type {command}")


def _command_for(offer: Offer) -> str:
    """Write a command with a flag for each argument; "" where one is a function, which no flag gives."""
    flags = [flag_of(name) for name in offer.arguments] + [flag_of(name, made_with=True) for name in offer.made_with]
    return " ".join(["gradcheck function", offer.spec, *flags]) if all(flags) else ""


def _shape_words(case: Case) -> list[str]:
    return [f"{name}={'x'.join(map(str, shape)) or 'scalar'}" for name, shape in case.geometry["shape"].items()]
