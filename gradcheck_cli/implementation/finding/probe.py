"""Calls a function in shapes that may be meant: whether it runs, its gradients fit, and its output depends on all."""

from __future__ import annotations

import contextlib
import inspect
import re
from functools import cache
from typing import Any

import numpy as np

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.arguments import Values, fill
from gradcheck_cli.implementation.conventions.containers import Context
from gradcheck_cli.implementation.conventions.instances import with_kept
from gradcheck_cli.implementation.conventions.own_trial import fit_of
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.returned import number_first
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import Slot, SlotKind, has
from gradcheck_cli.implementation.conventions.study import studied_of
from gradcheck_cli.implementation.finding.kinds import COLUMN, Kind
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.layers.function import LAYER, FunctionCase

Sizes = dict[tuple[int, int], int]  #: the length of each axis, by the numbers of its argument and of the axis

_EQUAL = 3  #: the length of all axes at first, which is also the number of classes
_RAN = 10  #: calls that one counts for that did not raise, after which backward is tried as well
_DRAWS = 3  #: in one of which an output must depend on an array
#: Less than an output that depends on an input changes by where the input does by some percent.
_ROUNDINGS = 1e-6

#: Where inputs lie for which forward is defined for positive numbers only; or for probabilities, where those are wrong.
_POSITIVE, PROBABILITIES = (0.5, 1.5), (0.1, 0.9)


class Probe:
    """Calls of one function in shapes that may be meant."""

    def __init__(self, readings: list[Reading], made: list[Slot], slots: list[Slot], equal: int = _EQUAL) -> None:
        self._readings = self._unstudied = readings
        self._slots, self._calls = [*made, *slots], 0
        self._made, self._equal = len(made), equal
        #: Where inputs lie, if forward is not defined anywhere, or its gradient not right.
        self._within = PROBABILITIES if _clips_probabilities(readings[0]) else None
        # Then backward returns None for what has no gradient, so that any argument may be a number.
        self._has_context = has(SlotKind.CONTEXT, readings[0].forward)

    def _all_equal(self, kinds: tuple[Kind, ...]) -> Sizes:
        lengths = {(i, k): self._equal for i, kind in enumerate(kinds) for k in range(kind.rank)}
        return lengths | {(i, 1): 1 for i, kind in enumerate(kinds) if kind == COLUMN}

    def _case(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> FunctionCase:
        shapes, labels = {}, {}
        values: dict[str, float | tuple[int, ...]] = {}
        for i, (slot, kind) in enumerate(zip(self._slots, kinds, strict=True)):
            shape = tuple(sizes[i, k] * scale.get((i, k), 1) for k in range(kind.rank))
            if kind.name == "array":
                shapes[slot.key] = shape
            elif kind.name in ("labels", "binary"):
                labels[slot.key] = (shape, 2 if kind.name == "binary" else self._equal)
            elif kind.name == "one-hot":
                labels[slot.key] = (shape, 0)
            elif kind.name == "size":
                values[slot.key] = shape[0]
            elif kind.name == "tuple":
                values[slot.key] = shape
            else:
                values[slot.key] = kind.value
        ranges = dict.fromkeys(shapes, self._within) if self._within else {}
        return FunctionCase(shape=shapes, range=ranges, value=values, labels=labels)

    def _fits(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> bool:
        """Tell whether forward runs, and backward returns gradients of the right shapes, as some reading has it."""
        self._calls += 1
        before = self._within
        for within in [before] if before else [None, _POSITIVE, PROBABILITIES]:
            self._within = within
            out = self._forward(kinds, sizes, scale)
            if out is None or all(np.isfinite(array).all() for array in out):
                break
        if out is None or not all(np.isfinite(array).all() for array in out):
            self._within = before
            return False
        self._calls += _RAN
        case = self._case(kinds, sizes, scale)
        if not (case.shape or self._readings[0].code.cls) or case.impossible():
            self._within = before
            return False
        problem = LAYER.problem(case)
        studied = [studied_of(reading, case, problem) for reading in self._readings]
        fitting = (reading for reading in studied if fit_of(reading, case, problem, slope=False).fits)
        first = next(fitting, None)
        if first is None:
            self._within = before
        elif studied != self._readings:  # what a class keeps, and where, is the same for all lengths
            self._readings = [first, *fitting]
        return first is not None

    def _forward(
        self,
        kinds: tuple[Kind, ...],
        sizes: Sizes,
        scale: Sizes,
        *,
        moved: int = -1,
        beyond: int = -1,
        draw: int = 0,
    ) -> list[np.ndarray[Any, Any]] | None:
        """Call forward as it is, which takes a tenth of the time that all the care would; None if it raises.

        One argument is moved, all of it or what lies `beyond` the first entry of this axis.
        """
        given: dict[str, Any] = {}
        for i, (slot, kind) in enumerate(zip(self._slots, kinds, strict=True)):
            seed = i + draw * len(kinds)  # one argument is moved, and the others stay
            shape = tuple(sizes[i, k] * scale.get((i, k), 1) for k in range(kind.rank))
            if kind.name == "labels":
                given[slot.key] = _draw_labels(seed, shape, self._equal).copy()
            elif kind.name == "one-hot":
                given[slot.key] = np.eye(shape[1])[_draw_labels(seed, shape[:1], shape[1])]
            elif kind.name == "array":
                given[slot.key] = _draw_array(seed, shape, self._within, beyond if i == moved else None).copy()
            else:
                given[slot.key] = kind.value
        reading = self._unstudied[0]
        context = Context() if self._has_context else None
        arguments = fill(reading.forward, reading.forms, reading.vocabulary, Values(inputs=given, context=context))
        try:
            if reading.code.cls is not None:
                return self._forward_in(
                    self._case(kinds, sizes, scale), (self._slots[moved].key,) if moved >= 0 else ()
                )
            function: Any = reading.code.function("forward", None)
            returned = function(*arguments.args, **arguments.kwargs)
        except BaseException as error:  # noqa: BLE001  # user code may raise anything
            pass_on_interrupt(error)
            return None
        several = [*returned] if isinstance(returned, tuple | list) else [returned]
        several = several if reading.code.backward else number_first(several)
        places = {one.output_at for one in self._unstudied if one.output_at < len(several)}
        found = [
            np.asarray(one)
            for one in map(several.__getitem__, places)
            if isinstance(one, np.ndarray | float | np.floating)
        ]
        return found if found and all(one.dtype.kind == "f" and one.size for one in found) else None

    def _forward_in(self, case: FunctionCase, moved: tuple[str, ...] = ()) -> list[np.ndarray[Any, Any]] | None:
        """Call forward in a case, of a class that of a new instance; None if it returns no array of floating point."""
        problem = LAYER.problem(case)
        inputs = dict(problem.inputs)
        for name in moved:
            inputs[name] = inputs[name] * (1.05 + 0.1 * np.arange(inputs[name].size).reshape(inputs[name].shape))
        with seeds_from(0):
            out, _ = implementation_of(self._unstudied[0], "", None).forward(inputs, problem.parameters)
        found = [np.asarray(one) for one in (out if isinstance(out, tuple) else (out,)) if isinstance(one, np.ndarray)]
        return found if found and all(one.dtype.kind == "f" and one.size for one in found) else None

    def _slope_agrees(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> bool:
        case = self._case(kinds, sizes, scale)
        return any(fit_of(reading, case, LAYER.problem(case))[2] for reading in self._readings)

    def _right(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> int:
        """Count the gradients of a class that are right, where others have wrong shapes."""
        case = self._case(kinds, sizes, scale)
        problem = LAYER.problem(case)
        return max(fit_of(studied_of(one, case, problem), case, problem).right for one in self._unstudied)

    def _depends(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes, draws: int = _DRAWS) -> bool:
        """Tell whether the output depends on every array; what is cut off, as by a hinge, may not in some draws."""
        arrays = [i for i, kind in enumerate(kinds) if kind.name == "array"]

        def moves(draw: int) -> bool:
            at = self._forward(kinds, sizes, scale, draw=draw)
            beside = (self._forward(kinds, sizes, scale, moved=i, draw=draw) for i in arrays)
            return at is not None and all(other is not None and _differ(at, other) for other in beside)

        return any(moves(draw) for draw in range(draws))

    def _with_single_entries(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> Sizes:
        """Give axes of arrays a length of 1 if forward reads their first entry alone, as in `np.sum(x, (0, 1))[0]`."""
        at = self._forward(kinds, sizes, scale)
        unread = {
            (i, k): 1
            for i, k in sizes
            if kinds[i].name == "array"
            and (other := self._forward(kinds, sizes, scale, moved=i, beyond=k))
            and not _differ(at or other, other)
        }
        return sizes | unread

    def _elements(self, case: FunctionCase) -> int:
        """Count the elements of a case, of a class with those that it keeps: forward is called some times for each."""
        problem = LAYER.problem(case)
        with contextlib.suppress(ImplementationError, NotExpressibleError):
            problem = with_kept(self._readings[0], problem)
        return sum(value.size for value in problem.inputs.values())

    def _case_shows(self, case: FunctionCase) -> bool:
        """Tell whether the output depends on arrays as they are drawn: relu of one negative number does not."""
        at, beside = self._forward_in(case), self._forward_in(case, tuple(case.shape))
        return at is not None and beside is not None and _differ(at, beside)


@cache  # the same few arrays are drawn for thousands of calls, which took longer than the calls
def _draw_array(
    seed: int, shape: tuple[int, ...], within: tuple[float, float] | None, moved_beyond: int | None
) -> np.ndarray[Any, Any]:
    numbers = np.random.default_rng(seed)
    value = np.asarray(numbers.uniform(*(within or _POSITIVE), shape))
    value = value if within else np.asarray(value * numbers.choice([-1.0, 1.0], shape))
    if moved_beyond is None:
        return value
    factors = np.asarray(numbers.uniform(1, 1.1, shape))
    if moved_beyond >= 0:
        factors[(slice(None),) * moved_beyond + (0,)] = 1
    return np.asarray(value * factors)


@cache
def _draw_labels(seed: int, shape: tuple[int, ...], classes: int) -> np.ndarray[Any, Any]:
    return np.asarray(np.random.default_rng(seed).integers(0, classes, shape))


def _differ(one: list[np.ndarray[Any, Any]], other: list[np.ndarray[Any, Any]]) -> bool:
    """Tell whether outputs differ by more than roundings: what is normalized along a single element is constant."""
    return any(
        a.shape != b.shape or not np.allclose(a, b, rtol=_ROUNDINGS, atol=0, equal_nan=True)
        for a, b in zip(one, other, strict=False)
    )


def _clips_probabilities(reading: Reading) -> bool:
    """Tell whether forward clips its input next to 0 and 1, where nobody means its gradient to be zero."""
    try:
        source = inspect.getsource(reading.code.written("forward"))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return False
    return bool(re.search(r"clip\([^,]+,\s*(1e-\d+|\w*eps\w*)\s*,\s*1(\.0?)?\s*-", source))
