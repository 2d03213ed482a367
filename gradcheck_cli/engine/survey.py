"""Finds what can be checked in a file, in the guarded process in which it is checked afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import TypeVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.errors import ErrorReport, describe_error
from gradcheck_cli.engine.user_code import FAILURES, WHEN_TRIED, ReportedError, UserCode, describe_death, report_failure
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.guard.protocol import Answer
from gradcheck_cli.implementation.finding.folder import shorten
from gradcheck_cli.implementation.finding.identify import Identified, Tried, is_its_own
from gradcheck_cli.implementation.finding.inventory import Inventory, Offer
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import NothingToCheckError
from gradcheck_cli.implementation.loading.paths import shown_home, split_spec
from gradcheck_cli.layers import LAYERS

_Found = TypeVar("_Found", Identified, Tried)

_ALONE = "there is no other pass that goes with it"


@frozen
class Survey:
    """The layers of a file, by the words that select each."""

    layers: dict[str, str] = field(default_factory=dict)  #: the layer of each pair, loss and class
    misfits: dict[str, Identified] = field(default_factory=dict)  #: what is named after a layer, and cannot be called
    #: Shapes that were found by trying for functions of no known layer, or why there are none.
    functions: dict[str, Tried] = field(default_factory=dict)
    errors: dict[str, ErrorReport] = field(default_factory=dict)  #: what hung or crashed, or met a bug in the checker
    loose: tuple[str, ...] = ()  #: functions that may belong to one in another file
    others: tuple[str, ...] = ()  #: functions and classes that are not checked
    dtypes: dict[str, str] = field(default_factory=dict)  #: in which code computes that says so
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
    layers: dict[str, str] = {}
    misfits: dict[str, Identified] = {}
    functions: dict[str, Tried] = {}
    errors: dict[str, ErrorReport] = {}
    checked: set[str] = set()
    unknown: list[str] = []
    for offer in inventory.offers:
        found = _identify(code, offer)
        shapes = _shapes(code, offer) if not found or _is_open(found) else None
        if isinstance(found, Identified) and isinstance(shapes, Tried) and is_its_own(found, shapes):
            found = None
        (checked.update if found or shapes else unknown.extend)(offer.names)
        match found or shapes:
            case ErrorReport() as error:
                errors[offer.spec] = error
            case Tried() as tried:
                functions[offer.spec] = tried
            case Identified(reason=None) as identified:
                layers[offer.spec] = identified.layer
            case Identified() as misfit:
                misfits[offer.spec] = _with_command(misfit, shapes)
    misfits |= {half.spec: Identified(layer=half.layers[0], reason=_ALONE) for half in inventory.halves}
    unchecked = tuple(name for name in dict.fromkeys([*inventory.others, *unknown]) if name not in checked)
    if not (layers or misfits or functions or errors):
        sought = "pair such as affine_forward and affine_backward, no class and no loss of a known layer"
        reason = f"{spec} has no {sought} (`gradcheck --help` lists them); it has {shorten(unchecked)}"
        raise NothingToCheckError("; ".join([reason, *inventory.warnings]), inventory.loose())
    return Survey(
        layers=layers,
        misfits=misfits,
        functions=functions,
        errors=errors,
        loose=inventory.loose(),
        dtypes={offer.spec: offer.dtype for offer in inventory.offers if offer.dtype},
        others=unchecked,
        printed=printed,
    )


def _is_open(found: Identified | ErrorReport) -> bool:
    return isinstance(found, Identified) and (found.open or found.varies)


def _with_command(misfit: Identified, tried: Tried | ErrorReport | None) -> Identified:
    """Add to the reason of a misfit how to check it as a function."""
    reason = tried.reason if isinstance(tried, Tried) else None
    is_new = reason and "gradcheck function" not in (misfit.reason or "")
    return replace(misfit, reason=f"{misfit.reason}; {reason}") if is_new else misfit


def _take_inventory(code: UserCode, spec: str) -> Inventory:
    try:
        inventory, home = code.read(Inventory, inside.inventory, spec), shown_home(split_spec(spec)[0])
        if inventory is None or not all(one.spec.startswith(home) for one in (*inventory.offers, *inventory.halves)):
            raise code.distrusted()  # it offers what is in another file
    except ProcessDiedError as death:
        reason = describe_death(death, "it", spec).reason
        raise ImplementationNotFoundError(f"{spec} cannot be imported: {reason}") from death
    return inventory


def _identify(code: UserCode, offer: Offer) -> Identified | ErrorReport | None:
    """Say which layer an offer is."""
    named = Identified(layer=offer.layers[0]) if offer.layers else None
    return _asked(code, Identified, inside.identify, offer, if_it_dies=named)


def _shapes(code: UserCode, offer: Offer) -> Tried | ErrorReport | None:
    """Find shapes for what is of no known layer; None for what nobody would expect to be checked."""
    return None if offer.doubtful else _asked(code, Tried, inside.shapes, offer)


def _asked(
    code: UserCode,
    cls: type[_Found],
    function: Callable[[Offer], Answer],
    offer: Offer,
    if_it_dies: _Found | None = None,
) -> _Found | ErrorReport | None:
    """Return what a function of `inside` finds out about an offer, or why it cannot."""
    try:
        return code.read(cls, function, offer)
    except FAILURES as error:
        if if_it_dies and isinstance(error, ProcessDiedError):
            return if_it_dies
        return report_failure(error, offer.names[0], offer.spec, WHEN_TRIED)
