"""What there is to check in a file, found in the guarded process in which it is checked then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from gradcheck_cli.engine.runner import guarded, told
from gradcheck_cli.guard.process import DiedError
from gradcheck_cli.guard.state import undisturbed
from gradcheck_cli.implementation.find import ImplementationNotFoundError
from gradcheck_cli.implementation.load import NothingToCheckError
from gradcheck_cli.implementation.survey import (
    Found,
    Inventory,
    Offer,
    function_command,
    nothing,
    take_inventory,
    whose,
)
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.guard.process import GuardedProcess


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What there is to check in a file, by what to type for it."""

    layers: dict[str, str]  #: of each pair, loss and class which layer it is
    misfits: dict[str, Found]  #: what is called after a layer, and cannot be called
    others: tuple[str, ...]  #: functions and classes that are of no known layer
    command: str | None  #: how the first pair of these is checked
    printed: str  #: while the file was loaded


def survey(spec: str, limits: Limits) -> Survey:
    """Find all that can be checked in a file or module.

    What hangs or crashes when it is tried is taken at its name, so that the others are found all the same.

    Raises:
        ImplementationNotFoundError: it cannot be loaded, or there is nothing.
    """
    _ = len([*LAYERS.values()])  # before the fork: a process that is started anew has them too
    process = guarded(spec, limits)
    try:
        inventory: Inventory = process.call(take_inventory, spec, expected=(ImplementationNotFoundError,))
    except DiedError as died:
        raise ImplementationNotFoundError(f"{spec} cannot be imported: {told(died, 'it')[0]}") from died
    printed = process.output
    found = {offer: _tried(process, offer) for offer in inventory.offers}
    fitting = {offer.spec: one for offer, one in found.items() if one}
    misfits = {spec: one for spec, one in fitting.items() if one.reason}
    misfits |= {half.spec: Found(layer=half.layers[0], reason=_ALONE) for half in inventory.halves}
    checked = {name for offer, one in found.items() if one for name in offer.names}
    unknown = [offer for offer, one in found.items() if not one]
    others = tuple(dict.fromkeys([*inventory.others, *(name for offer in unknown for name in offer.names)]))
    others = tuple(name for name in others if name not in checked)
    if not fitting and not misfits:
        raise NothingToCheckError(nothing(spec, others, unknown))
    return Survey(
        layers={spec: one.layer for spec, one in fitting.items() if not one.reason},
        misfits=misfits,
        others=others,
        command=function_command(unknown),
        printed=printed,
    )


_ALONE = "there is no other pass that goes with it"


def _tried(process: GuardedProcess, offer: Offer) -> Found | None:
    try:
        return cast("Found | None", process.call(_whose, offer))
    except DiedError:
        return Found(layer=offer.layers[0]) if offer.layers else None


def _whose(offer: Offer) -> Found | None:
    with undisturbed():
        return whose(offer)
