"""Finds what can be checked in a file, in the guarded process in which it is checked afterwards."""

from __future__ import annotations

from dataclasses import field
from math import prod

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.errors import ErrorReport, describe_error
from gradcheck_cli.engine.user_code import FAILURES, WHEN_TRIED, ReportedError, UserCode, describe_death, report_failure
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.guard.protocol import ProtocolError
from gradcheck_cli.implementation.finding.examine import Examined
from gradcheck_cli.implementation.finding.folder import shorten
from gradcheck_cli.implementation.finding.inventory import Inventory, Offer
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import NothingToCheckError
from gradcheck_cli.implementation.loading.paths import split_spec
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.layers.function import FunctionCase
from gradcheck_cli.numeric.arrays import DTYPES
from gradcheck_cli.text.clean import escaped

#: Cases that are found for an offer by trying, at most; their elements and characters: a hundred times what is usual.
_MOST_CASES, _MOST_ELEMENTS, _LONGEST_FLAGS = 100, 2**20, 20_000

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
        inventory = code.read(Inventory, inside.inventory, spec)
        with code.reading():
            _require_offers_of(spec, inventory)
    except ProcessDiedError as death:
        reason = describe_death(death, "it", spec).reason
        raise ImplementationNotFoundError(f"{spec} cannot be imported: {reason}") from death
    assert inventory is not None
    return inventory


def _require_offers_of(spec: str, inventory: Inventory | None) -> None:
    """Require that what a process says of a file is of this file, and of layers that there are.

    Raises:
        ProtocolError: it is not.
    """
    home = split_spec(spec)[0]
    offers, halves = (inventory.offers, inventory.halves) if inventory else ((), ())
    if inventory is None or not all(
        one.names and split_spec(one.spec) == (home, [*one.names]) and {*one.layers} <= TITLES.keys()
        for one in (*offers, *halves)
    ):
        raise ProtocolError("an offer of another file")
    if not all(half.layers for half in halves):
        raise ProtocolError("a pass of no layer")


def _require_cases(one: Examined | None) -> None:
    """Require that an offer is checked as a layer that there is, in cases that are small enough to have been tried.

    Raises:
        ProtocolError: it is not.
    """
    if one is None:
        return
    if one.layer not in TITLES or one.dtype not in {"", *DTYPES} or len(one.cases) > _MOST_CASES:
        raise ProtocolError("a layer or a dtype that there is not")
    for case in one.cases:
        if not isinstance(case, FunctionCase) or escaped(case.flags, _LONGEST_FLAGS) != case.flags:
            raise ProtocolError("a case of another layer, or names that nothing has")
        shapes = [*case.shape.values(), *(shape for shape, _ in case.labels.values())]
        if sum(map(prod, shapes)) > _MOST_ELEMENTS:
            raise ProtocolError("a case that is too large to have been tried")


def _examine(code: UserCode, offer: Offer) -> Examined | ErrorReport | None:
    """Return how an offer is checked; None for what nobody would expect to be."""
    try:
        found = code.read(Examined, inside.examined, offer)
        with code.reading():
            _require_cases(found)
    except FAILURES as error:
        if offer.layers and isinstance(error, ProcessDiedError):
            return Examined(layer=offer.layers[0])
        return report_failure(error, offer.names[0], offer.spec, WHEN_TRIED)
    return found
