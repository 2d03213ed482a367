"""From functions or a class that are handed over in Python to an implementation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.both_passes import expanded, instance_passes
from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.passes import backward_in_order, forward_in_order
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import MisfitError
from gradcheck_cli.implementation.conventions.tensors import uses_tensors
from gradcheck_cli.implementation.conventions.trial import Fit, best_reading, forward_fit
from gradcheck_cli.implementation.implementation import Implementation, in_turn
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem


def from_functions(
    objects: tuple[Any, ...],
    layer: Layer,
    spec: str | None = None,
    case: Case | None = None,
    given: Callable[[Problem], Problem] | None = None,
) -> Implementation:
    """Return the implementation that a forward and a backward pass, the one function of a loss, or a class are.

    Functions that take their arguments in the layer's order are called so, unless values may be meant in another form
    and that reproduces the layer's reference; others are tried, as on the command line.

    Args:
        objects: the functions, or the class.
        layer: what they compute.
        case: of a layer without a reference, the case on which readings are tried.
        given: puts arguments that were given in place of those that are drawn.
        spec: what to type to check them; by default the file and the names, if they lead back to them.

    Raises:
        TypeError: there are too many or too few functions, or they do not say what they take.
    """
    objects = expanded(objects)
    is_whole = inspect.isclass(objects[0]) or (len(objects) == 1 and instance_passes(objects) is not None)
    expected = 1 if layer.loss or is_whole else 2
    if len(objects) != expected and (layer.reference or len(objects) > 2):
        raise TypeError(f"{layer.title} is {'one function' if layer.loss else 'two functions'}, not {len(objects)}")
    try:
        reading = _in_order(objects, layer)
        if reading is None and (tried := best_reading(readings_of(objects, layer), case, given)):
            reading = tried.reading
    except MisfitError as misfit:
        raise TypeError(str(misfit)) from misfit
    assert reading is not None  # where there is no reading, that is a misfit
    spec = spec or spec_of(objects)
    found = implementation_of(reading, spec or ",".join(map(name_of, objects)), spec)
    return replace(found, given=in_turn(given, found.given))


def _in_order(objects: tuple[Any, ...], layer: Layer) -> Reading | None:
    """Read functions that take what the layer's own take, in the same order; None if they do not."""
    if (
        not layer.reference
        or instance_passes(objects)
        or inspect.isclass(objects[0])
        or any(map(uses_tensors, objects))
    ):
        return None
    vocabulary = vocabulary_of(layer)
    forward = forward_in_order(objects[0], layer, vocabulary)
    backward = () if layer.loss else backward_in_order(objects[1], layer)
    if forward is None or backward is None:
        return None
    code = Code(forward=objects[0], backward=None if layer.loss else objects[1])
    reading = Reading(layer=layer, vocabulary=vocabulary, code=code, forward=forward, backward=backward)
    has_others = vocabulary.encodings or vocabulary.has_packings
    return reading if not has_others or forward_fit(reading) is Fit.REPRODUCES else None


def spec_of(objects: tuple[Callable[..., Any], ...]) -> str | None:
    """Name functions as the command line does, if all are found under their names at the top of one file."""
    home = inspect.getmodule(objects[0])
    file = getattr(home, "__file__", None)
    names = [name_of(function) for function in objects]
    if not file or [getattr(home, name, None) for name in names] != list(objects):
        return None
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{','.join(names)}"
