"""Finds what can be checked in a file, in the guarded process in which it is checked afterwards."""

from __future__ import annotations

from dataclasses import field

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.errors import ErrorReport, describe_error
from gradcheck_cli.engine.user_code import FAILURES, WHEN_TRIED, ReportedError, UserCode, describe_death, report_failure
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.implementation.finding.examine import Examined
from gradcheck_cli.implementation.finding.folder import shorten
from gradcheck_cli.implementation.finding.inventory import Inventory, Offer
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import NothingToCheckError
from gradcheck_cli.implementation.loading.paths import shown_home, split_spec
from gradcheck_cli.layers import LAYERS

_ALONE = "there is no other pass that goes with it"


@frozen
class Survey:
    """The layers of a file, by the words that select each."""

    examined: dict[str, Examined] = field(default_factory=dict)  #: how it is checked, those of known layers first
    errors: dict[str, ErrorReport] = field(default_factory=dict)  #: what hung or crashed, or met a bug in the checker
    loose: tuple[str, ...] = ()  #: functions that may belong to one in another file
    others: tuple[str, ...] = ()  #: functions and classes that are not checked
    printed: str = ""  #: while the file was loaded


def survey(spec: str, code: UserCode) -> Survey:
    """Find all that can be checked in a file or module. A bug in the checker is an error of the file.

    What is named after a layer, and hangs or crashes when it is tried, is taken for that layer.

    Args:
        spec: the file or module.
        code: the process in which it is loaded.

    Raises:
        ImplementationNotFoundError: it cannot be loaded, or has nothing that can be checked.
    """
    try:
        return _survey(spec, code)
    except ImplementationNotFoundError:
        raise
    except ReportedError as error:
        return Survey(errors={spec: error.report})
    except Exception as error:  # noqa: BLE001  # a bug in one file must not end the run
        return Survey(errors={spec: describe_error(error)})


def _survey(spec: str, code: UserCode) -> Survey:
    _ = len([*LAYERS.values()])  # imports them before the fork: a process that is started anew has them too
    inventory = _take_inventory(code, spec)
    printed = code.take_output()
    found = {offer: _examine(code, offer) for offer in inventory.offers}
    examined = {offer.spec: one for offer, one in found.items() if isinstance(one, Examined)}
    examined |= {half.spec: Examined(layer=half.layers[0], reason=_ALONE) for half in inventory.halves}
    errors = {offer.spec: one for offer, one in found.items() if isinstance(one, ErrorReport)}
    checked = {name for offer, one in found.items() if one for name in offer.names}
    others = dict.fromkeys([*inventory.others, *(name for offer in inventory.offers for name in offer.names)])
    unchecked = tuple(name for name in others if name not in checked)
    if not (examined or errors):
        sought = "pair such as affine_forward and affine_backward, no class and no loss of a known layer"
        reason = f"{spec} has no {sought} (`gradcheck --help` lists them); it has {shorten(unchecked)}"
        raise NothingToCheckError("; ".join([reason, *inventory.warnings]), inventory.loose())
    return Survey(
        examined=dict(sorted(examined.items(), key=lambda one: one[1].layer == "function")),
        errors=errors,
        loose=inventory.loose(),
        others=unchecked,
        printed=printed,
    )


def _take_inventory(code: UserCode, spec: str) -> Inventory:
    try:
        inventory, home = code.read(Inventory, inside.inventory, spec), shown_home(split_spec(spec)[0])
        if inventory is None or not all(one.spec.startswith(home) for one in (*inventory.offers, *inventory.halves)):
            raise code.distrusted()  # it offers what is in another file
    except ProcessDiedError as death:
        reason = describe_death(death, "it", spec).reason
        raise ImplementationNotFoundError(f"{spec} cannot be imported: {reason}") from death
    return inventory


def _examine(code: UserCode, offer: Offer) -> Examined | ErrorReport | None:
    """Return how an offer is checked; None for what nobody would expect to be."""
    try:
        return code.read(Examined, inside.examined, offer)
    except FAILURES as error:
        if offer.layers and isinstance(error, ProcessDiedError):
            return Examined(layer=offer.layers[0])
        return report_failure(error, offer.names[0], offer.spec, WHEN_TRIED)
