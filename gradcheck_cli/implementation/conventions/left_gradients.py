"""Finds where the backward pass of a class leaves gradients: returned in some order, or in arrays that it writes.

A gradient is known by its name, or by its value: an array that has the slopes of the function is the gradient,
wherever it lies.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import (
    Path,
    Wanted,
    arrays_in,
    gradient_paths,
    is_equal,
    is_gradient_name,
    value_at,
)
from gradcheck_cli.implementation.conventions.gradient_fit import fit_of, fits_input, slope_agrees
from gradcheck_cli.implementation.conventions.network_steps import TARGETS
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import Call, after_backward, implementation_of
from gradcheck_cli.implementation.conventions.slots import is_cotangent
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import pack_outputs, with_outputs
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: What weights and biases are called.
_TRAINED = re.compile(r"weight|bias|kernel|gamma|beta|theta|^[WwUVb]([\dA-Z_xhyo]|$)")
_MOST_LISTS = 3  #: of arrays that an object keeps, of which the gradients may come in any order


def call_forward(reading: Reading, problem: Problem) -> tuple[list[Array], Call]:
    """Call forward; return its outputs, and the call for backward."""
    with seeds_from(problem.draws or 0):
        out, call = implementation_of(reading, "", None).forward(problem.inputs, problem.parameters)
    assert isinstance(call, Call)
    return [np.asarray(one) for one in (out if isinstance(out, tuple) else (out,))], call


def with_gradients(reading: Reading, case: Case, problem: Problem) -> Reading:
    """Return a reading of a class with where its gradients are; as it is if none is found.

    Args:
        reading: with what was found in an instance.
        case: of the problem.
        problem: with the parameters that an instance keeps.
    """
    out, call = call_forward(reading, problem)
    adopted = with_outputs(problem, case, tuple(out) if len(out) > 1 else out[0], reading.outputs)
    reading, returned = _ordered(reading, adopted, call)
    names = adopted.differentiable
    fitting = {name: returned[name] for name in names if fits_input(returned.get(name), adopted.inputs[name])}
    if fitting.keys() == {*names} and fit_of(reading, case, problem)[2]:
        return reading
    try:
        twin, last = after_backward(reading, call, _parts(adopted))
    except ImplementationError:
        return reading
    found, overwritten = _written_places(reading, (call.instance, twin), last, adopted, fitting)
    lost = [name for name in names if returned.get(name) is None and name not in found]
    left = [name for name in names if name not in lost]
    lost = [name for name in lost if not _is_owed(reading, name, left)]
    if not left or ({*lost} & {*adopted.inputs} and all(word(name) in TARGETS for name in left)):
        return reading  # none is found, or it was taken for the gradient of the targets, which nobody computes alone
    kept = {name: paths for name, paths in reading.found.kept.items() if name not in lost}
    where = replace(reading.found, kept=kept, gradient_at=found, without=tuple(lost), overwritten=overwritten)
    return replace(reading, found=where)


def _is_owed(reading: Reading, name: str, others: list[str]) -> bool:
    """Tell whether a network has gradients of others in the same dictionary or list, or of such as are called alike."""
    kept = reading.found.kept
    if not reading.code.title or name not in kept:
        return False
    beside = [
        one for one in others if one in kept and len(kept[one][0]) > 1 and kept[one][0][:-1] == kept[name][0][:-1]
    ]
    return bool(beside) or (_TRAINED.search(name) is not None and any(map(_TRAINED.search, others)))


def _parts(problem: Problem) -> Any:
    return tuple(problem.parts(problem.cotangent).values()) if problem.outputs else problem.cotangent


def _ordered(reading: Reading, problem: Problem, call: Call) -> tuple[Reading, Mapping[str, object]]:
    """Return a reading in the order in which what is returned fits, and that: by names, or inputs first or last."""
    names = problem.differentiable
    got: Mapping[str, object] = {}
    for order in filter(None, (_named_order(reading, names), *_orders(reading))):
        trial = replace(reading, order=order)
        try:
            got = _returned(trial, _parts(problem), call, names)
        except ImplementationError:
            continue
        if all(fits_input(one, problem.inputs[name]) for name, one in got.items() if one is not None and name in names):
            return trial, got
    return reading, got


def _orders(reading: Reading) -> Iterator[tuple[str, ...]]:
    """Yield inputs before what is kept, and after it. What a network keeps comes first, its lists in any order."""
    kept = reading.found.kept
    passed = tuple(name for name in reading.order if name not in kept)
    if not reading.code.title:
        yield (*passed, *kept)
    lists: dict[Path, list[str]] = {}
    for name, paths in kept.items():
        lists.setdefault(paths[0][:-1], []).append(name)
    for several in itertools.permutations(lists.values()) if len(lists) <= _MOST_LISTS else [lists.values()]:
        yield (*itertools.chain(*several), *passed)


def _named_order(reading: Reading, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the order of the gradients that backward returns, if each is called after a parameter or an input.

    What an object keeps is in no order of its own, so that the names tell it: `return dW, dh, db`.
    """
    written = reading.code.written("backward")
    labels = returned_names(written) if inspect.isfunction(written) else ()
    labels = tuple(filter(is_cotangent, labels)) if reading.code.title else labels
    order = [next((name for name in names if is_gradient_name(label, name)), "") for label in labels]
    is_complete = bool(order) and all(order) and len({*order}) == len(order)
    if not is_complete or not (reading.code.title or {*order} & {*reading.found.kept}):
        return ()
    return (*order, *(name for name in reading.order if name not in order))


def _returned(reading: Reading, parts: Any, call: Call, names: tuple[str, ...]) -> Mapping[str, object]:
    """Call backward for all gradients, or where it updates parameters by any rule for those of the inputs."""
    run = implementation_of(reading, "", None)
    try:
        return run.backward(parts, call, names)
    except NotExpressibleError:
        return run.backward(parts, call, tuple(name for name in names if name not in reading.found.kept))


def _written_places(
    reading: Reading,
    instances: tuple[object, object],
    last: Mapping[Path, Array],
    problem: Problem,
    fitting: Mapping[str, object],
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Find the gradients that are not returned, or returned and not right while an array that is right is there.

    Args:
        reading: of the code.
        instances: an instance, and the same in which backward has written.
        last: what its parts kept of the last of several calls of their own backward, by where.
        problem: what it was called with.
        fitting: the gradients that are returned in the right shapes, by input.

    Returns:
        Where they are; and of what only the gradient of the last call of a part is there, whose sum is elsewhere.
    """
    before, after = instances
    old, arrays = arrays_in(before), {path: np.asarray(value) for path, value in arrays_in(after).items()}
    new = [path for path, array in arrays.items() if path not in old or not is_equal(array, old[path])]
    run, kept = pack_outputs(implementation_of(reading, "", None), problem), reading.found.kept
    names, found = problem.differentiable, dict[str, Path]()
    named = {name: _named_place(reading, after, arrays, new, name, problem.inputs[name].shape) for name in names}
    claimed = {path for paths in kept.values() for path in paths} | {path for path in named.values() if path}
    overwritten = tuple(
        name
        for name, path in named.items()
        if path
        and path in last
        and is_equal(arrays[path], last[path])
        and not slope_agrees(run, problem, {name: arrays[path]}, (name,), directions=2)
    )
    for name in names:
        shape = problem.inputs[name].shape
        left = [path for path in new if arrays[path].shape == shape and path not in claimed]
        path = None if name in {*fitting, *overwritten} else named[name]
        is_said = name in fitting and bool(reading.code.title)  # by the loss or backward pass of a network
        if path is None and left and not is_said:
            tried: dict[Path | None, Array] = {None: np.asarray(fitting[name])} if name in fitting else {}
            tried |= {one: arrays[one] for one in left}
            right = (
                one
                for one, array in tried.items()
                if array.any() and slope_agrees(run, problem, {name: array}, (name,), directions=2)
            )
            path = next(right, None)
        is_open = name not in fitting and (not reading.code.title or name in kept)
        if path is None and is_open and len({id(value_at(after, one)) for one in left}) == 1:
            path = left[0]  # the one array of this shape that backward has written
        if path is not None:
            found[name] = path
            claimed.add(path)
    return found, tuple(name for name in overwritten if name not in found)


def _named_place(
    reading: Reading, after: object, arrays: Mapping[Path, Array], new: list[Path], name: str, shape: tuple[int, ...]
) -> Path | None:
    """Return where a gradient is left near to a parameter, under a name made of its own."""
    path = reading.found.kept.get(name, ((name,),))[0]
    for depth in reversed(range(len(path))):
        collection, key = value_at(after, path[:depth]), path[depth]
        count = len(value_at(after, path[:-1]) or ()) if isinstance(path[-1], int) else 0
        number = path[-1] if isinstance(path[-1], int) else -1
        wanted = Wanted((word(str(path[-1])), word(str(key))) if number < 0 else (), number, count)
        said = [(*path[:depth], *one) for one in gradient_paths(collection, wanted)]
        paths = [one for one in arrays if one in said]
        fitting = [one for one in paths if arrays[one].shape == shape]
        if fitting or (paths := [one for one in paths if one in new]):
            return (fitting or paths)[0]
    return None
