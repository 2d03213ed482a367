"""Says how an offer is checked, as a known layer or on shapes found by trying; or why not, and what to type."""

from __future__ import annotations

import inspect
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.conventions.both_passes import expanded, is_written, needs_adapter
from gradcheck_cli.implementation.conventions.network import Network
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.slots import MisfitError
from gradcheck_cli.implementation.conventions.source import source_of
from gradcheck_cli.implementation.conventions.trial import agreeing, multiple_in_scores
from gradcheck_cli.implementation.finding.candidates import Candidate
from gradcheck_cli.implementation.finding.identify import identify_layer, is_base
from gradcheck_cli.implementation.finding.inventory import Offer, candidate_of
from gradcheck_cli.implementation.finding.kinds import flag_of
from gradcheck_cli.implementation.finding.needed import install_first, module_needed_by, size_read
from gradcheck_cli.implementation.finding.networks import network_of
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.implementation.loading.missing import names_read
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.function import FunctionCase

_NARROW = "float32"  #: the dtype of code that is checked in no other: of float64 it would be told to keep it


@frozen
class Examined:
    """How an offer is checked."""

    layer: str = "function"
    cases: tuple[Case, ...] = ()  #: of no known layer, in the shapes that were found by trying
    reason: str | None = None  #: why it is not checked, and what to type
    dtype: str = ""  #: in which functions compute by what they say, as `np.zeros(n, np.float32)` does; "" for any


def examine(offer: Offer, loader: Loader) -> Examined | None:
    """Say how an offer is checked; None for what nobody would expect to be checked."""
    found = candidate_of(offer, loader)
    known = identify_layer(offer, found)
    tried = None
    if not offer.doubtful and (known is None or known.open or known.varies):
        tried = _try_shapes(offer, found)
    # What does as the layer is that layer, too, if gradients of what it keeps cannot be read.
    if known is None or (tried and (tried.right or (known.open and tried.cases))):
        return Examined(cases=tried.cases, reason=tried.reason, dtype=_dtype_of(found)) if tried else None
    reason = known.reason
    if reason and tried and tried.reason and "gradcheck function" not in reason:
        reason = f"{reason}; {tried.reason}"
    return Examined(layer=known.layer, reason=reason, dtype=_dtype_of(found))


def _dtype_of(found: Candidate) -> str:
    """Return the narrow dtype in which functions compute by what they, or those they call, say: `x.float()`."""
    if found.makes_instances:
        return ""
    passes = [one for value in found.objects for one in (expanded((value,)) if inspect.isclass(value) else (value,))]
    called = [f.__globals__.get(name) for f in filter(inspect.isfunction, passes) for name in names_read(f)]
    called = [vars(one).get("__init__") if inspect.isclass(one) else one for one in called]
    sources = [source_of(each) for each in (*passes, *filter(inspect.isfunction, called))]
    return _NARROW if any(_NARROW in source or ".float()" in source for source in sources) else ""


@frozen
class _Tried:
    """Code of no known layer: the shapes that were found by trying, or why there are none."""

    cases: tuple[Case, ...] = ()
    reason: str | None = None
    #: Whether its gradient agrees in the first case, of a class those of all that it keeps; or whether for some ranks.
    right: bool = False


def _try_shapes(offer: Offer, found: Candidate) -> _Tried | None:
    """Find shapes for what is of no known layer, by trying.

    Returns:
        None for a function that may return no gradients, and for a class of which forward is not written.
    """
    # only for functions of no known layer
    from gradcheck_cli.implementation.finding.shapes import AmbiguousShapesError, find_shapes

    named = found.objects
    network = network_of(named, found.loaded.module)
    if network:
        return _try_network(offer, network)
    objects = expanded(named)
    is_class = inspect.isclass(objects[0])
    if needs_adapter(objects[0]):
        command = f"gradcheck function {offer.spec} --adapter FILE.py:make --shape x=2x3"
        why = "it computes with variables of a framework; write a function make that is given the class and returns"
        return _Tried(reason=f"{why} forward(x) and backward(dout, x) of arrays, and type {command}")
    if inspect.isclass(named[0]) and not is_written(named[0]):
        return None
    try:
        cases = find_shapes(objects)
    except MisfitError as misfit:
        return _Tried(reason=str(misfit)) if len(objects) == 2 else None
    except AmbiguousShapesError as error:
        right, wrong = (" and ".join(_shape_words(case)) for case in (error.right, error.wrong))
        command = f"gradcheck function {offer.spec} {error.right.flags}"
        why = f"the gradient is right for {right}, and wrong for {wrong}; give what is meant: {command}"
        return _Tried(reason=why, right=True)
    if cases:
        reading = agreeing(readings_of(objects, LAYERS["function"]), cases[0])
        if reading is None and (why := _why_none_agrees(offer, objects, cases[0])):
            return _Tried(reason=why)
        return _Tried(cases=cases, right=reading is not None and not (is_class and reading.unread))
    if found.makes_instances and is_base(found):
        return None
    if len(objects) == 1 and not is_class:
        return None
    why = "of no known layer, and no shapes were found by trying"
    if lacking := module_needed_by((*named, *objects)):
        return _Tried(reason=install_first(lacking, offer.spec))
    make = "--adapter FILE.py:make, which returns an instance" if len(objects) == 1 else "--example FILE.py:make"
    if command := _command_for(offer):
        return _Tried(reason=f"{why}; give them: {command}, or {make}")
    if len(objects) == 1:
        make = "--adapter FILE.py:make, where make(cls) returns an instance, and --shape for what forward takes"
    return _Tried(reason=f"{why}; give an example: gradcheck function {offer.spec} {make}")


def _why_none_agrees(offer: Offer, objects: tuple[Any, ...], case: FunctionCase) -> str:
    """Say why a gradient is right in no shapes, though it may be in use; "" if nothing speaks for that."""
    if found := multiple_in_scores(readings_of(objects, LAYERS["function"]), case):
        reading, count = found
        shape = " x ".join(map(str, case.shape[reading.order[0]]))
        why = f"it returns {reading.notes[-1]}, but {count} times that for predictions of {shape}"
        return f"{why}: divide it as {reading.code.name('forward')} divides, or sum there"
    if size := size_read(objects):
        why = f"it reads {size} from the file, with which alone its gradient can be right; make that an argument"
        return f"{why}, or give shapes that go with it: {_command_for(offer)}"
    return ""


def _try_network(offer: Offer, network: Network) -> _Tried | None:
    """Find sizes for a network; None for what keeps no parameters."""
    # only for networks
    from gradcheck_cli.implementation.finding.network_search import find_sizes, try_likeliest

    if cases := find_sizes(network):
        return _Tried(cases=cases)
    if lacking := module_needed_by(network.functions):
        return _Tried(reason=install_first(lacking, offer.spec))
    case, raised = try_likeliest(network)
    command = f"gradcheck function {offer.spec} {case.flags}"
    if raised:
        return _Tried(reason=f"{raised}; no sizes were found by trying; give them: {command}")
    if "loss" in network.steps:
        return None
    why = "has no loss, and its gradients are those of no usual one; give it a method loss(X, y)"
    return _Tried(reason=f"{network.name} {why}, and type {command}")


def _command_for(offer: Offer) -> str:
    """Write a command with a flag for each argument; "" where one is a function, which no flag gives."""
    flags = [flag_of(name) for name in offer.arguments] + [flag_of(name, made_with=True) for name in offer.made_with]
    return " ".join(["gradcheck function", offer.spec, *flags]) if all(flags) else ""


def _shape_words(case: Case) -> list[str]:
    return [f"{name}={'x'.join(map(str, shape)) or 'scalar'}" for name, shape in case.geometry["shape"].items()]
