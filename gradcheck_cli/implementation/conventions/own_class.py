"""The reading of a class of no known layer: its parameters are the arrays it keeps on which its output depends.

The constructor is given numbers, forward arrays, and backward what a function's gradient would be given. What an
instance keeps is found by moving each of its arrays. Where backward leaves a gradient is found by its name, or else by
its value: an array that equals the numerical derivative is the gradient, wherever it lies.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import Place, Wanted, gradient_places
from gradcheck_cli.implementation.conventions.inside import arrays_in, value_at
from gradcheck_cli.implementation.conventions.instances import copied, make_instance, with_kept
from gradcheck_cli.implementation.conventions.own_function import own_readings
from gradcheck_cli.implementation.conventions.reading import Code, Found, Reading
from gradcheck_cli.implementation.conventions.running import Call, after_backward, implementation_of
from gradcheck_cli.implementation.conventions.slots import (
    INDIFFERENT,
    LEARNING_RATES,
    Slot,
    SlotKind,
    parameters_of,
    slot_for,
)
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import with_outputs
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.numeric.arrays import drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.implementation.conventions.inside import Path
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Slots = tuple[Slot, ...]

_POSITIVE = (0.5, 1.5)
_MOST_ARRAYS = 40  #: of an instance that are moved to see whether the output depends on them
_MOST_ELEMENTS = 400  #: of arrays whose derivative is computed to find it by its value
_LONGEST, _MOST_LENGTHS = 32, 4  #: of axes of fixed lengths
_STEP, _CLOSE = 1e-5, 1e-5


def own_class_readings(cls: type, forward: str, backward: str, layer: Layer, made: object = None) -> Iterator[Reading]:
    """Yield the ways to read a class of no known layer, the likeliest first.

    Raises:
        MisfitError: it does not say what its passes take.
    """
    constructor = () if made is not None else _constructor(cls)
    ahead, back = ([*parameters_of(getattr(cls, name), skip=1)] for name in (forward, backward))
    given = [_stand_in(f"{cls.__name__}.{forward}", ahead), _stand_in(f"{cls.__name__}.{backward}", back)]
    passes = tuple(given) if parameters_of(given[1]) else (given[0],)
    taken = {slot.key for slot in constructor}
    for reading in own_readings(passes, layer):
        slots = tuple(_renamed(slot, taken) for slot in _with_settings(reading.forward, ahead))
        whole = replace(
            reading,
            code=Code(cls=cls, forward=forward, backward=backward, made=made),
            constructor=constructor,
            forward=slots,
            backward=tuple(_renamed(slot, taken) for slot in _with_settings(reading.backward, back)),
            order=tuple(slot.key for slot in (*slots, *constructor) if slot.kind is SlotKind.INPUT),
        )
        yield from _with_other_cotangents(whole)


def _with_other_cotangents(reading: Reading) -> Iterator[Reading]:
    """Yield a reading, before it that in which what has no telling name is the cotangent, and after it that without.

    `backward(e)` of a layer is given a cotangent whatever it is called. Where `backward(dvalues, y_true)` is given one
    of the inputs of forward, the first may be the other: the gradient of a loss, of the mean of what forward returns.
    """
    required = [slot for slot in reading.backward if slot.kind is SlotKind.INPUT or slot.kind is SlotKind.COTANGENT]
    names = {slot.name: slot.key for slot in reading.forward if slot.kind is SlotKind.INPUT}
    if len(required) == 1 and required[0].kind is SlotKind.INPUT and required[0].name not in names:
        yield replace(reading, backward=_exchanged(reading.backward, required[0], SlotKind.COTANGENT, "out"))
    yield reading
    left = [key for key in names.values() if key not in {slot.key for slot in required}]
    if len(required) == len(names) > 1 and len(left) == 1 and reading.has_cotangent:
        first = next(slot for slot in required if slot.kind is SlotKind.COTANGENT)
        yield replace(reading, backward=_exchanged(reading.backward, first, SlotKind.INPUT, left[0]), averages=True)


def _exchanged(slots: Slots, slot: Slot, kind: SlotKind, key: str) -> Slots:
    return tuple(replace(one, kind=kind, key=key) if one is slot else one for one in slots)


def _constructor(cls: type) -> Slots:
    """Read a constructor: what can change nothing is given as ever, and all else by its own name."""
    slots = []
    for parameter in parameters_of(cls):
        setting = _setting(parameter) if parameter.default is Parameter.empty else None
        slots.append(setting or slot_for(parameter, SlotKind.INPUT, parameter.name))
    return tuple(slots)


def _setting(parameter: Parameter) -> Slot | None:
    """Read an argument that is no array: whether it is trained, a learning rate, a name."""
    name = word(parameter.name)
    if name in LEARNING_RATES:
        return slot_for(parameter, SlotKind.LEARNING_RATE)
    is_trained = INDIFFERENT.get(name) is True
    if name in INDIFFERENT and (is_trained or parameter.default is Parameter.empty):
        return slot_for(parameter, SlotKind.CONSTANT, value=INDIFFERENT[name])
    return None


def _stand_in(name: str, parameters: list[Parameter]) -> Callable[..., Any]:
    """Return what has the signature of a method without its instance and its settings."""

    def method() -> None:
        """Do nothing: only the signature is read."""

    method.__name__ = name
    method.__signature__ = Signature([p for p in parameters if not _setting(p)])  # type: ignore[attr-defined]
    return method


def _with_settings(slots: Slots, parameters: list[Parameter]) -> Slots:
    by_name = {slot.name: slot for slot in slots}
    return tuple(by_name.get(p.name) or _setting(p) or slot_for(p, SlotKind.OMITTED) for p in parameters)


def _renamed(slot: Slot, taken: set[str]) -> Slot:
    """Tell an argument of a method from one of the constructor that has the same name."""
    is_input = slot.kind is SlotKind.INPUT and slot.key in taken
    return replace(slot, key=f"{slot.key}_passed") if is_input else slot


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
            is_given = any(_equal(value, np.asarray(one)) for one in given)
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
        names, inputs = adopted.differentiable, self._reading.order
        swapped = replace(reading, order=(*reading.found.kept, *inputs))
        got: Mapping[str, object] = {}
        for trial in (reading, swapped):
            try:
                got = _gradients(trial, parts, call, names)
            except ImplementationError:
                continue
            if all(_fits(got.get(name), adopted.inputs[name]) for name in names if got.get(name) is not None):
                reading = trial
                break
        fitting = {name for name in names if _fits(got.get(name), adopted.inputs[name])}
        if fitting == {*names} and self._agrees(reading, adopted, parts, got):
            return reading
        try:
            twin = after_backward(reading, call, parts)
        except ImplementationError:
            return reading
        places = _Places(call.instance, twin, reading.found.kept)
        found: dict[str, Path] = {}
        for name in names:
            wanted = adopted.inputs[name]
            path = (
                None if name in fitting else places.by_name(reading.found.kept.get(name, ((name,),))[0], wanted.shape)
            )
            if path is None and wanted.size <= _MOST_ELEMENTS:
                slope = self._derivative(reading, adopted, parts, name)
                right = name in fitting and np.allclose(
                    np.asarray(got[name]), slope, rtol=_CLOSE, atol=_CLOSE * abs(slope).max()
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
        kept = {name: paths for name, paths in reading.found.kept.items() if name not in lost}
        return replace(reading, found=replace(reading.found, kept=kept, gradient_at=found, without=tuple(lost)))

    def _agrees(self, reading: Reading, problem: Problem, parts: Any, got: Mapping[str, object]) -> bool:
        """Tell whether gradients have the slope of forward along one direction."""
        source = random.Random(1)  # noqa: S311  # a direction, not a secret
        along = {name: drawn(source, problem.inputs[name].shape) for name in problem.differentiable}
        slope = self._slope(reading, problem, parts, along)
        expected = sum(float((np.asarray(got[name]) * along[name]).sum()) for name in along)
        return bool(abs(slope - expected) <= 1e-4 * (abs(slope) + abs(expected)) + 1e-8)

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


def _gradients(reading: Reading, parts: Any, call: Call, names: tuple[str, ...]) -> Mapping[str, object]:
    """Call backward for all gradients, or where it updates parameters by any rule for those of the inputs."""
    run = implementation_of(reading, "", None)
    try:
        return run.backward(parts, call, names)
    except NotExpressibleError:
        return run.backward(parts, call, tuple(name for name in names if name not in reading.found.kept))


class _Places:
    """The arrays that backward has written in an instance, where gradients may be."""

    def __init__(self, before: object, after: object, kept: Mapping[str, tuple[Path, ...]]) -> None:
        self._after, old = after, arrays_in(before)
        self._all = {path: np.asarray(value) for path, value in arrays_in(after).items()}
        self._new = [p for p, value in self._all.items() if p not in old or not _equal(value, np.asarray(old[p]))]
        self.claimed = {path for paths in kept.values() for path in paths}

    def by_name(self, path: Path, shape: tuple[int, ...]) -> Path | None:
        """Return where a gradient is left near to a parameter, under a name made of its own."""
        for depth in reversed(range(len(path))):
            collection, key = value_at(self._after, path[:depth]), path[depth]
            count = len(value_at(self._after, path[:-1]) or ()) if isinstance(path[-1], int) else 0
            number = path[-1] if isinstance(path[-1], int) else -1
            wanted = Wanted((word(str(path[-1])), word(str(key))) if number < 0 else (), number, count)
            found = [place.get() for place in gradient_places(collection, wanted)]
            for one, value in self._all.items():
                if any(value_at(self._after, one) is place for place in found) and value.shape == shape:
                    return one
        return None

    def by_value(self, slope: Array) -> Path | None:
        """Return where an array is that equals a derivative."""
        near = [path for path in self._open(slope.shape) if _near(self._all[path], slope)]
        return near[0] if near and slope.any() else None

    def by_shape(self, shape: tuple[int, ...]) -> Path | None:
        """Return the one array of a shape that backward has written."""
        found = self._open(shape)
        return found[0] if len({id(value_at(self._after, path)) for path in found}) == 1 else None

    def _open(self, shape: tuple[int, ...]) -> list[Path]:
        return [path for path in self._new if self._all[path].shape == shape and path not in self.claimed]


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


def _fits(gradient: object, value: Array) -> bool:
    return isinstance(gradient, np.ndarray) and gradient.shape == value.shape and gradient.dtype.kind == "f"


def _near(gradient: Array, slope: Array) -> bool:
    return bool((abs(gradient - slope) <= _CLOSE * max(abs(slope).max(initial=0), 1e-3)).all())


def _equal(one: Array, two: Array) -> bool:
    return one.shape == two.shape and np.array_equal(one, two, equal_nan=True)
