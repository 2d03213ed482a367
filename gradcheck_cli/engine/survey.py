"""What there is to check in a file, found in the guarded process in which it is checked then."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, cast

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.blame import Blame, blame
from gradcheck_cli.engine.guarded import (
    EXPECTED,
    WHEN_TRIED,
    UserCodeError,
    bug_in_child,
    describe_death,
    loader,
    search,
)
from gradcheck_cli.engine.runner import guarded
from gradcheck_cli.guard.process import BugError, DiedError
from gradcheck_cli.guard.state import undisturbed
from gradcheck_cli.implementation.finding.inventory import (
    Identified,
    Inventory,
    Offer,
    describe_nothing,
    function_command,
    identify_layer,
    take_inventory,
)
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import NothingToCheckError
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.guard.process import GuardedProcess

_ALONE = "there is no other pass that goes with it"


@frozen
class Survey:
    """What there is to check in a file, by what to type for it."""

    layers: dict[str, str] = field(default_factory=dict)  #: of each pair, loss and class which layer it is
    misfits: dict[str, Identified] = field(default_factory=dict)  #: what is called after a layer, and cannot be called
    errors: dict[str, Blame] = field(default_factory=dict)  #: what hung or crashed, or where the checker has a bug
    others: tuple[str, ...] = ()  #: functions and classes that are of no known layer
    command: str | None = None  #: how the first pair of these is checked
    printed: str = ""  #: while the file was loaded


def survey(spec: str, limits: Limits) -> Survey:
    """Find all that can be checked in a file or module. A bug in the checker is an error of the file.

    What is called after a layer, and hangs or crashes when it is tried, is taken at its name.

    Raises:
        ImplementationNotFoundError: it cannot be loaded, or there is nothing.
    """
    try:
        return _survey(spec, limits)
    except ImplementationNotFoundError:
        raise
    except UserCodeError as error:
        return Survey(errors={spec: error.blame})
    except BugError as error:
        return Survey(errors={spec: bug_in_child(error)})
    except Exception as error:  # noqa: BLE001  # met in one file, it must not end the run
        return Survey(errors={spec: blame(error)})


def _survey(spec: str, limits: Limits) -> Survey:
    _ = len([*LAYERS.values()])  # before the fork: a process that is started anew has them too
    process = guarded(spec, limits)
    inventory = _inventory(process, spec)
    printed = process.output
    found = {offer: _tried(process, offer) for offer in inventory.offers}
    fitting = {offer.spec: one for offer, one in found.items() if isinstance(one, Identified)}
    errors = {offer.spec: one for offer, one in found.items() if isinstance(one, Blame)}
    misfits = {spec: one for spec, one in fitting.items() if one.reason}
    misfits |= {half.spec: Identified(layer=half.layers[0], reason=_ALONE) for half in inventory.halves}
    checked = {name for offer, one in found.items() if one for name in offer.names}
    unknown = [offer for offer, one in found.items() if not one]
    others = tuple(dict.fromkeys([*inventory.others, *(name for offer in unknown for name in offer.names)]))
    others = tuple(name for name in others if name not in checked)
    if not fitting and not misfits and not errors:
        raise NothingToCheckError(describe_nothing(spec, others, unknown))
    return Survey(
        layers={spec: one.layer for spec, one in fitting.items() if not one.reason},
        misfits=misfits,
        errors=errors,
        others=others,
        command=function_command(unknown),
        printed=printed,
    )


def _inventory(process: GuardedProcess, spec: str) -> Inventory:
    try:
        return cast("Inventory", process.call(search, spec, _take_inventory, spec, expected=EXPECTED))
    except DiedError as died:
        raise ImplementationNotFoundError(f"{spec} cannot be imported: {describe_death(died, 'it', spec)[0]}") from died


def _take_inventory(spec: str) -> Inventory:
    return take_inventory(spec, loader())


def _tried(process: GuardedProcess, offer: Offer) -> Identified | Blame | None:
    try:
        return cast("Identified | None", process.call(search, offer.spec, _identify, offer, expected=EXPECTED))
    except DiedError as died:
        if offer.layers:
            return Identified(layer=offer.layers[0])
        reason, lines = describe_death(died, offer.names[0], offer.spec, WHEN_TRIED)
        return Blame(reason=reason, traceback=lines)
    except ImplementationNotFoundError as error:
        return Blame(reason=str(error))
    except UserCodeError as error:
        return error.blame
    except BugError as error:
        return bug_in_child(error)


def _identify(offer: Offer) -> Identified | None:
    with undisturbed():
        return identify_layer(offer, loader())
