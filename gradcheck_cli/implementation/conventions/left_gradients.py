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
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import (
    Wanted,
    arrays_in,
    gradient_places,
    is_equal,
    is_gradient_name,
    value_at,
)
from gradcheck_cli.implementation.conventions.gradient_fit import fit_of, fits_input, slope_agrees
from gradcheck_cli.implementation.conventions.network_steps import TARGETS
from gradcheck_cli.implementation.conventions.running import Call, after_backward, implementation_of
from gradcheck_cli.implementation.conventions.slots import is_cotangent
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import pack_outputs, with_outputs
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from gradcheck_cli.implementation.conventions.attributes import Path
    from gradcheck_cli.implementation.conventions.reading import Reading
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
        twin = after_backward(reading, call, _parts(adopted))
    except ImplementationError:
        return reading
    found = _Written(call.instance, twin, reading).places(adopted, fitting)
    lost = [name for name in names if returned.get(name) is None and name not in found]
    left = [name for name in names if name not in lost]
    lost = [name for name in lost if not _is_owed(reading, name, left)]
    if not left or ({*lost} & {*adopted.inputs} and all(word(name) in TARGETS for name in left)):
        return reading  # none is found, or it was taken for the gradient of the targets, which nobody computes alone
    kept = {name: paths for name, paths in reading.found.kept.items() if name not in lost}
    return replace(reading, found=replace(reading.found, kept=kept, gradient_at=found, without=tuple(lost)))


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


class _Written:
    """The arrays that backward has written in an instance, where gradients may be."""

    def __init__(self, before: object, after: object, reading: Reading) -> None:
        self._reading, self._after, old = reading, after, arrays_in(before)
        self._all = {path: np.asarray(value) for path, value in arrays_in(after).items()}
        self._new = [p for p, value in self._all.items() if p not in old or not is_equal(value, old[p])]
        self._claimed = {path for paths in reading.found.kept.values() for path in paths}

    def places(self, problem: Problem, fitting: Mapping[str, object]) -> dict[str, Path]:
        """Find the gradients that are not returned, or returned and not right while an array that is right is there."""
        found: dict[str, Path] = {}
        named = {name: self._by_name(name, problem.inputs[name].shape) for name in problem.differentiable}
        self._claimed |= {path for path in named.values() if path is not None}
        for name in problem.differentiable:
            shape = problem.inputs[name].shape
            path = None if name in fitting else named[name]
            is_said = name in fitting and bool(self._reading.code.title)  # by the loss or backward pass of a network
            if path is None and not is_said and (left := self._open(shape)):
                is_gradient = partial(self._is_gradient, problem, name)
                is_right = name in fitting and is_gradient(np.asarray(fitting[name]))
                path = None if is_right else next((one for one in left if is_gradient(self._all[one])), None)
            is_open = not self._reading.code.title or name in self._reading.found.kept
            if path is None and name not in fitting and is_open:
                path = self._by_shape(shape)
            if path is not None:
                found[name] = path
                self._claimed.add(path)
        return found

    def _by_name(self, name: str, shape: tuple[int, ...]) -> Path | None:
        """Return where a gradient is left near to a parameter, under a name made of its own."""
        path = self._reading.found.kept.get(name, ((name,),))[0]
        for depth in reversed(range(len(path))):
            collection, key = value_at(self._after, path[:depth]), path[depth]
            count = len(value_at(self._after, path[:-1]) or ()) if isinstance(path[-1], int) else 0
            number = path[-1] if isinstance(path[-1], int) else -1
            wanted = Wanted((word(str(path[-1])), word(str(key))) if number < 0 else (), number, count)
            found = [place.get() for place in gradient_places(collection, wanted)]
            paths = [one for one in self._all if any(value_at(self._after, one) is place for place in found)]
            fitting = [one for one in paths if self._all[one].shape == shape]
            if fitting or (paths := [one for one in paths if one in self._new]):
                return (fitting or paths)[0]
        return None

    def _by_shape(self, shape: tuple[int, ...]) -> Path | None:
        """Return the one array of a shape that backward has written."""
        found = self._open(shape)
        return found[0] if len({id(value_at(self._after, path)) for path in found}) == 1 else None

    def _is_gradient(self, problem: Problem, name: str, array: Array) -> bool:
        """Tell whether an array is the gradient by an input: by its slopes along two directions, unless it is zero."""
        run = pack_outputs(implementation_of(self._reading, "", None), problem)
        return bool(array.any()) and slope_agrees(run, problem, {name: array}, (name,), directions=2)

    def _open(self, shape: tuple[int, ...]) -> list[Path]:
        return [path for path in self._new if self._all[path].shape == shape and path not in self._claimed]
