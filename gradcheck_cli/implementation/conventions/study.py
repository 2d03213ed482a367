"""Finds by trying what the instances of a class of no known layer keep, and where backward leaves gradients."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import Place, is_gradient_name
from gradcheck_cli.implementation.conventions.code import Found
from gradcheck_cli.implementation.conventions.inside import arrays_in, value_at
from gradcheck_cli.implementation.conventions.instances import copied, make_instance, with_kept
from gradcheck_cli.implementation.conventions.own_trial import fit_of, fits_input
from gradcheck_cli.implementation.conventions.running import Call, after_backward, implementation_of
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.conventions.step import TARGETS
from gradcheck_cli.implementation.conventions.written_arrays import CLOSE, WrittenArrays, is_equal
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import with_outputs
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.implementation.conventions.inside import Path
    from gradcheck_cli.implementation.conventions.reading import Reading
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


_POSITIVE = (0.5, 1.5)
_MOST_ARRAYS = 40  #: of an instance that are moved to see whether the output depends on them
_MOST_ELEMENTS = 400  #: of arrays whose derivative is computed to find it by its value
_LONGEST, _MOST_LENGTHS = 32, 4  #: of axes of fixed lengths
_STEP = 1e-5


def completed(reading: Reading, case: Case, problem: Problem) -> Reading:
    """Return a reading of a class with what was found in its instances, tried on a problem; any other as it is.

    Raises:
        ImplementationError: it raised.
        NotExpressibleError: it cannot be called so.
    """
    if reading.code.cls is None or reading.layer.reference or reading.found.studied:
        return reading
    with seeds_from(0):
        return _Study(reading, case, problem).found()


def studied_of(reading: Reading, case: Case, problem: Problem) -> Reading:
    """Return what `completed` returns, or where code raises the reading as it is."""
    try:
        return completed(reading, case, problem)
    except (ImplementationError, NotExpressibleError):
        return reading


def lengths_made(reading: Reading) -> list[int]:
    """List the lengths of the axes of what a class without arguments makes, those that are short."""
    try:
        with seeds_from(0):
            instance = make_instance(reading, reading.values({}, None))
    except (ImplementationError, NotExpressibleError):
        return []
    lengths = {length for value in arrays_in(instance).values() for length in np.shape(value)}
    return sorted(length for length in lengths if 1 < length <= _LONGEST)[:_MOST_LENGTHS]


class _Study:
    """What one call of forward and one of backward tell of a class."""

    def __init__(self, reading: Reading, case: Case, problem: Problem) -> None:
        self._reading, self._case, self._problem = reading, case, problem
        self._outputs = reading.outputs

    def found(self) -> Reading:
        """Return the reading with what was found."""
        kept = self._kept()
        names = tuple(kept)
        reading = replace(self._reading, found=Found(kept=kept, studied=True), order=(*self._reading.order, *names))
        out = self._forward(reading, whole := with_kept(reading, self._problem))[0]
        if not all(np.isfinite(one).all() for one in out):
            reading = replace(reading, found=replace(reading.found, within=_POSITIVE))
            whole = with_kept(reading, self._problem)
        return self._with_gradients(reading, whole)

    def _forward(self, reading: Reading, problem: Problem) -> tuple[list[Array], Call]:
        with seeds_from(problem.draws or 0):
            out, call = implementation_of(reading, "", None).forward(problem.inputs, problem.parameters)
        assert isinstance(call, Call)
        return [np.asarray(one) for one in (out if isinstance(out, tuple) else (out,))], call

    def _kept(self) -> dict[str, tuple[Path, ...]]:
        """Find the arrays of an instance on which the output depends, each in all places that share it."""
        _, call = self._forward(self._reading, self._problem)
        given = [self._problem.inputs[s.key] for s in self._reading.constructor if s.key in self._problem.inputs]
        shared: dict[int, list[Path]] = {}
        for path, value in arrays_in(call.instance).items():
            owner = value_at(call.instance, path[:-1])
            is_given = any(is_equal(value, np.asarray(one)) for one in given)
            if isinstance(value, np.ndarray) and not (isinstance(owner, tuple) or is_given) and value.size:
                shared.setdefault(id(value), []).append(path)
        still = self._out_with(call.instance, [])
        found = []
        for paths in list(shared.values())[:_MOST_ARRAYS]:
            try:
                moved = self._out_with(call.instance, paths)
            except (ImplementationError, NotExpressibleError):
                continue
            if any(
                one.shape != two.shape or not np.array_equal(one, two) for one, two in zip(still, moved, strict=False)
            ):
                found.append(tuple(paths))
        return _named(found, taken={*self._problem.inputs, *(self._problem.parameters or {}), "out"})

    def _out_with(self, instance: object, paths: list[Path]) -> list[Array]:
        """Call forward on a copy of an instance with one of its arrays moved."""
        twin = copied(instance)
        moved = [value_at(twin, path) * 1.25 + 0.125 for path in paths[:1]]
        for path in paths:
            Place(value_at(twin, path[:-1]), path[-1]).set(moved[0])
        made = replace(self._reading, code=replace(self._reading.code, made=twin))
        return self._forward(made, self._problem)[0]

    def _with_gradients(self, reading: Reading, problem: Problem) -> Reading:
        """Find where backward leaves the gradients of inputs and parameters."""
        out, call = self._forward(reading, problem)
        adopted = with_outputs(problem, self._case, tuple(out) if len(out) > 1 else out[0], reading.outputs)
        parts = tuple(adopted.parts(adopted.cotangent).values()) if adopted.outputs else adopted.cotangent
        names, kept = adopted.differentiable, (*reading.found.kept,)
        orders = (_named_order(reading, names), (*self._reading.order, *kept), (*kept, *self._reading.order))
        got: Mapping[str, object] = {}
        for trial in (replace(reading, order=order) for order in orders if order):
            try:
                got = _gradients(trial, parts, call, names)
            except ImplementationError:
                continue
            if all(fits_input(got.get(name), adopted.inputs[name]) for name in names if got.get(name) is not None):
                reading = trial
                break
        fitting = {name for name in names if fits_input(got.get(name), adopted.inputs[name])}
        if fitting == {*names} and fit_of(reading, self._case, self._problem)[2]:
            return reading
        try:
            twin = after_backward(reading, call, parts)
        except ImplementationError:
            return reading
        places = WrittenArrays(call.instance, twin, reading.found.kept)
        found: dict[str, Path] = {}
        for name in names:
            wanted = adopted.inputs[name]
            path = (
                None if name in fitting else places.by_name(reading.found.kept.get(name, ((name,),))[0], wanted.shape)
            )
            if path is None and wanted.size <= _MOST_ELEMENTS:
                slope = self._derivative(reading, adopted, parts, name)
                right = name in fitting and np.allclose(
                    np.asarray(got[name]), slope, rtol=CLOSE, atol=CLOSE * abs(slope).max()
                )
                path = None if right else places.by_value(slope)
            if path is None and name not in fitting:
                path = places.by_shape(wanted.shape)
            if path is not None:
                found[name] = path
                places.claimed.add(path)
        lost = [name for name in names if got.get(name) is None and name not in found]
        if len(lost) == len(names):
            return reading
        if {*lost} & {*adopted.inputs} and all(word(name) in TARGETS for name in names if name not in lost):
            return reading  # it was taken for the gradient of the targets, which nobody computes alone
        still = {name: paths for name, paths in reading.found.kept.items() if name not in lost}
        return replace(reading, found=replace(reading.found, kept=still, gradient_at=found, without=tuple(lost)))

    def _slope(self, reading: Reading, problem: Problem, parts: Any, along: Mapping[str, Array]) -> float:
        def total(step: float) -> float:
            moved = {name: problem.inputs[name] + step * along[name] for name in along}
            out, _ = self._forward(reading, replace(problem, inputs={**problem.inputs, **moved}))
            given = parts if isinstance(parts, tuple) else (parts,)
            return sum(float((one * part).sum()) for one, part in zip(out, given, strict=True))

        return (total(_STEP) - total(-_STEP)) / (2 * _STEP)

    def _derivative(self, reading: Reading, problem: Problem, parts: Any, name: str) -> Array:
        """Return the derivative of sum(cotangent * out) by an input, element by element."""
        shape = problem.inputs[name].shape
        units = np.eye(problem.inputs[name].size).reshape(-1, *shape)
        return np.array([self._slope(reading, problem, parts, {name: unit}) for unit in units]).reshape(shape)


def _named_order(reading: Reading, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the order of the gradients that backward returns, if each is called after a parameter or an input.

    What an object keeps is in no order of its own, so that the names tell it: `return dW, dh, db`.
    """
    written = reading.code.written("backward")
    labels = returned_names(written) if inspect.isfunction(written) else ()
    order = [next((name for name in names if is_gradient_name(label, name)), "") for label in labels]
    if not all(order) or len({*order}) < len(order) or not {*order} & {*reading.found.kept}:
        return ()
    return (*order, *(name for name in (*reading.order, *reading.found.kept) if name not in order))


def _gradients(reading: Reading, parts: Any, call: Call, names: tuple[str, ...]) -> Mapping[str, object]:
    """Call backward for all gradients, or where it updates parameters by any rule for those of the inputs."""
    run = implementation_of(reading, "", None)
    try:
        return run.backward(parts, call, names)
    except NotExpressibleError:
        return run.backward(parts, call, tuple(name for name in names if name not in reading.found.kept))


def _named(found: list[tuple[Path, ...]], taken: set[str]) -> dict[str, tuple[Path, ...]]:
    """Name parameters after their attributes, and those of one name after the whole path."""
    paths = [min(one, key=lambda path: (isinstance(path[-1], int), len(path))) for one in found]
    words = [[re.sub(r"^_\w+?__(?=\w)", "", str(key)).strip("_") for key in path] for path in paths]
    words = [one[:-1] if len(one) > 1 and word(one[-1]) in ("value", "data", "val") else one for one in words]
    leaves = [one[-1] for one in words]
    names: dict[str, tuple[Path, ...]] = {}
    for number, one in enumerate(words):
        name = one[-1] if leaves.count(one[-1]) == 1 and one[-1].isidentifier() else "_".join(one)
        names[name if name.isidentifier() and name not in {*taken, *names} else f"parameter_{number}"] = found[number]
    return names
