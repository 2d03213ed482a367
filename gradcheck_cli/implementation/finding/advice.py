"""Says what else is in a file, and which command checks it."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck_cli.implementation.finding.folder import shorten
from gradcheck_cli.implementation.finding.identify import identify_layer
from gradcheck_cli.implementation.finding.inventory import Offer, take_inventory
from gradcheck_cli.implementation.finding.kinds import flag_of
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.text.names import join_names

_LISTED = 4  #: how many layers are named


def command_for(offer: Offer) -> str:
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
        if is_pair and (command := command_for(offer)):
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
