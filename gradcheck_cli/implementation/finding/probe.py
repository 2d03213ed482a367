"""Calls a function with arguments that may be meant: does it run, do its gradients fit, does it depend on all?"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import cache
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.arguments import Values
from gradcheck_cli.implementation.conventions.containers import Context
from gradcheck_cli.implementation.conventions.gradient_fit import fit_of
from gradcheck_cli.implementation.conventions.instances import with_kept
from gradcheck_cli.implementation.conventions.kept_arrays import POSITIVE, studied_of
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.returned import number_first, with_cache_last
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import Slot, SlotKind, has
from gradcheck_cli.implementation.conventions.source import source_of
from gradcheck_cli.implementation.finding.kinds import COLUMN, Kind
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import are_finite
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.layers.function import LAYER, FunctionCase
from gradcheck_cli.numeric.arrays import Array

Axis = tuple[int, int]  #: the numbers of an argument and of an axis of it
Lengths = dict[Axis, int]
Interval = tuple[float, float]

_EQUAL = 3  #: the length of all axes at first, which is also the number of classes
_RAN = 10  #: calls that one counts for that did not raise, after which backward is tried as well
_DRAWS = 3  #: in one of which an output must depend on an array
#: Less than an output that depends on an input changes by where the input does by some percent.
_ROUNDINGS = 1e-6

#: Where inputs lie for which forward is defined for probabilities only.
PROBABILITIES = (0.1, 0.9)


@frozen
class Guess:
    """What the arguments of a function may be."""

    kinds: tuple[Kind, ...]
    lengths: Lengths  #: of each axis; where it holds several blocks, such as gates, of one of them
    blocks: Mapping[Axis, int] = field(default_factory=dict)  #: how many
    within: Interval | None = None  #: where inputs lie; None for anywhere
    readings: tuple[Reading, ...] = ()  #: by which it may be called
    unused: int = 0  #: of a class, places in what it keeps that no gradient reaches

    def shape(self, number: int) -> tuple[int, ...]:
        """Return the shape of an argument."""
        axes = [(number, k) for k in range(self.kinds[number].rank)]
        return tuple(self.lengths[axis] * self.blocks.get(axis, 1) for axis in axes)

    def numbers(self, *names: str) -> list[int]:
        """List the arguments of some kinds by their numbers."""
        return [i for i, kind in enumerate(self.kinds) if kind.name in names]


class Probe:
    """Calls of one function with arguments that may be meant."""

    def __init__(self, readings: list[Reading], made: list[Slot], slots: list[Slot], equal: int = _EQUAL) -> None:
        self.readings, self.slots, self.calls = tuple(readings), [*made, *slots], 0
        self.made, self.equal = len(made), equal
        self.is_class = readings[0].code.cls is not None
        # Then backward returns None for what has no gradient, so that any argument may be a number.
        self.has_context = has(SlotKind.CONTEXT, readings[0].forward)
        self._within = PROBABILITIES if _clips_probabilities(readings[0]) else None

    def all_equal(self, kinds: tuple[Kind, ...], blocks: Mapping[Axis, int] | None = None) -> Guess:
        """Return the guess that all axes of these kinds are equally long."""
        lengths = {(i, k): self.equal for i, kind in enumerate(kinds) for k in range(kind.rank)}
        lengths |= {(i, 1): 1 for i, kind in enumerate(kinds) if kind == COLUMN}
        return Guess(kinds=kinds, lengths=lengths, blocks=blocks or {}, within=self._within, readings=self.readings)

    def case(self, guess: Guess) -> FunctionCase:
        """Return the case of a guess."""
        shapes, labels = {}, {}
        values: dict[str, float | tuple[int, ...]] = {}
        for i, (slot, kind) in enumerate(zip(self.slots, guess.kinds, strict=True)):
            shape = guess.shape(i)
            match kind.name:
                case "array":
                    shapes[slot.key] = shape
                case "labels" | "binary":
                    labels[slot.key] = shape, 2 if kind.name == "binary" else self.equal
                case "one-hot":
                    labels[slot.key] = shape, 0
                case "size":
                    values[slot.key] = shape[0]
                case "tuple":
                    values[slot.key] = shape
                case _:
                    values[slot.key] = kind.value
        ranges = dict.fromkeys(shapes, guess.within) if guess.within else {}
        return FunctionCase(shape=shapes, range=ranges, value=values, labels=labels)

    def fitted(self, guess: Guess) -> Guess | None:
        """Return a guess if forward runs with it, and backward returns gradients of the right shapes; None if not.

        Inputs lie where forward is defined. Of a class, the readings are those that fit, with what it keeps.
        """
        self.calls += 1
        for within in [guess.within] if guess.within else [None, POSITIVE, PROBABILITIES]:
            guess = replace(guess, within=within)
            out = self.forward(guess)
            if out is None or are_finite(out):
                break
        if out is None or not are_finite(out):
            return None
        self.calls += _RAN
        case = self.case(guess)
        if not (case.shape or self.is_class) or case.impossible():
            return None
        problem, is_number = LAYER.problem(case), not guess.readings[0].reduced and not out[0].ndim
        meant = (one for one in guess.readings if not (is_number and one.reduced))  # there is nothing to sum
        studied = tuple(studied_of(reading, case, problem) for reading in meant)
        fits = ((reading, fit_of(reading, case, problem, slope=False)) for reading in studied)
        fitting = ((reading, fit.unused) for reading, fit in fits if fit.fits)
        first, unused = next(fitting, (None, 0))
        if first is None:
            return None
        if studied == guess.readings:
            return replace(guess, unused=unused)
        readings = (first, *(reading for reading, _ in fitting))
        return replace(guess, readings=readings, unused=unused)  # what a class keeps is the same for all lengths

    def forward(self, guess: Guess, *, moved: int = -1, beyond: int = -1, draw: int = 0) -> list[Array] | None:
        """Call forward as it is, which takes a tenth of the time that all the care would; None if it raises.

        Args:
            guess: what it is given.
            moved: the argument that is moved by some percent.
            beyond: the axis along which its first entry stays where it is.
            draw: the number of the arrays that are drawn.
        """
        given: dict[str, Any] = {}
        for i, (slot, kind) in enumerate(zip(self.slots, guess.kinds, strict=True)):
            seed, shape = i + draw * len(guess.kinds), guess.shape(i)  # one argument is moved, and the others stay
            match kind.name:
                case "labels":
                    given[slot.key] = _draw_labels(seed, shape, self.equal).copy()
                case "one-hot":
                    given[slot.key] = np.eye(shape[1])[_draw_labels(seed, shape[:1], shape[1])]
                case "array":
                    given[slot.key] = _draw_array(seed, shape, guess.within, beyond if i == moved else None).copy()
                case _:
                    given[slot.key] = kind.value
        reading = self.readings[0]
        context = Context() if self.has_context else None
        arguments = reading.arguments("forward", Values(inputs=given, context=context))
        try:
            if self.is_class:
                names = (self.slots[moved].key,) if moved >= 0 else ()
                return self._forward_in(guess.readings[0], self.case(guess), names)
            returned = with_cache_last(reading.code.function("forward", None)(*arguments.args, **arguments.kwargs))
        except BaseException as error:  # noqa: BLE001  # user code may raise anything
            pass_on_interrupt(error)
            return None
        several = [*returned] if isinstance(returned, tuple | list) else [returned]
        several = several if reading.code.backward else number_first(several)
        places = {one.output_at for one in self.readings if one.output_at < len(several)}
        return _outputs(several[place] for place in places)

    def _forward_in(self, reading: Reading, case: FunctionCase, moved: tuple[str, ...] = ()) -> list[Array] | None:
        """Call forward in a case, of a class that of a new instance; None if it returns no array of floating point."""
        problem = with_kept(reading, LAYER.problem(case))  # weights may be zero at first, and the output with them
        inputs = dict(problem.inputs)
        for name in moved:
            inputs[name] = inputs[name] * (1.05 + 0.1 * np.arange(inputs[name].size).reshape(inputs[name].shape))
        with seeds_from(0):
            out, _ = implementation_of(reading, "", None).forward(inputs, problem.parameters)
        return _outputs(out if isinstance(out, tuple) else (out,))

    def slope_agrees(self, guess: Guess) -> bool:
        """Tell whether the gradient is right by some reading."""
        case = self.case(guess)
        return any(fit_of(reading, case, LAYER.problem(case)).agrees for reading in guess.readings)

    def has_right_gradient(self, guess: Guess) -> bool:
        """Tell whether a gradient of a class is right, where others may have wrong shapes."""
        case = self.case(guess)
        problem = LAYER.problem(case)
        return any(fit_of(studied_of(one, case, problem), case, problem).right for one in guess.readings)

    def depends(self, guess: Guess, numbers: list[int] | None = None, draws: int = _DRAWS) -> bool:
        """Tell whether the output depends on every array, or those of some numbers; of a hinge not in all draws."""
        moving = guess.numbers("array") if numbers is None else numbers

        def moves(draw: int) -> bool:
            at = self.forward(guess, draw=draw)
            beside = (self.forward(guess, moved=i, draw=draw) for i in moving)
            return at is not None and all(other is not None and _differ(at, other) for other in beside)

        return any(moves(draw) for draw in range(draws))

    def with_single_entries(self, guess: Guess) -> Guess:
        """Give axes of arrays a length of 1 if forward reads their first entry alone, as in `np.sum(x, (0, 1))[0]`."""
        at = self.forward(guess)
        unread = {
            (i, k): 1
            for i, k in guess.lengths
            if guess.kinds[i].name == "array"
            and (other := self.forward(guess, moved=i, beyond=k))
            and not _differ(at or other, other)
        }
        return replace(guess, lengths=guess.lengths | unread)

    def depends_in(self, guess: Guess, case: FunctionCase) -> bool:
        """Tell whether the output depends on arrays as they are drawn: relu of one negative number does not."""
        at, beside = (self._forward_in(guess.readings[0], case, moved) for moved in ((), tuple(case.shape)))
        return at is not None and beside is not None and _differ(at, beside)

    def untied(
        self,
        guess: Guess,
        axes: Iterable[Axis],
        own: Iterable[int],
        most: int,
        fitted: Callable[[Guess, tuple[Axis, ...]], Guess | None],
    ) -> Guess:
        """Give axes lengths of their own, alone or as few together as possible.

        Args:
            guess: the lengths of all axes.
            axes: those that may have another.
            own: the lengths that are given, in this order.
            most: how many axes may be given one together.
            fitted: returns a guess if it may be meant, in which these axes have another length than before.
        """
        left, others = list(axes), iter(own)
        length = next(others, 0)
        for width in range(1, most + 1):
            for group in itertools.combinations(list(left), width):
                if not length or not set(group) <= set(left):
                    continue
                if found := fitted(replace(guess, lengths={**guess.lengths, **dict.fromkeys(group, length)}), group):
                    guess, left, length = found, [axis for axis in left if axis not in group], next(others, 0)
        return guess


def count_elements(guess: Guess, case: FunctionCase) -> int:
    """Count the elements of a case, of a class with those that it keeps: forward is called some times for each."""
    problem = LAYER.problem(case)
    with contextlib.suppress(ImplementationError, NotExpressibleError):
        problem = with_kept(guess.readings[0], problem)
    return sum(value.size for value in problem.inputs.values())


def _outputs(returned: Iterable[Any]) -> list[Array] | None:
    """Return what was returned that may be outputs; None if that is none, or something of it has no derivative."""
    found = [np.asarray(one) for one in returned if isinstance(one, np.ndarray | float | np.floating)]
    return found if found and all(one.dtype.kind == "f" and one.size for one in found) else None


@cache  # the same few arrays are drawn for thousands of calls, which took longer than the calls
def _draw_array(seed: int, shape: tuple[int, ...], within: Interval | None, moved_beyond: int | None) -> Array:
    numbers = np.random.default_rng(seed)
    value = np.asarray(numbers.uniform(*(within or POSITIVE), shape))
    value = value if within else np.asarray(value * numbers.choice([-1.0, 1.0], shape))
    if moved_beyond is None:
        return value
    factors = np.asarray(numbers.uniform(1, 1.1, shape))
    if moved_beyond >= 0:
        factors[(slice(None),) * moved_beyond + (0,)] = 1
    return np.asarray(value * factors)


@cache
def _draw_labels(seed: int, shape: tuple[int, ...], classes: int) -> Array:
    return np.asarray(np.random.default_rng(seed).integers(0, classes, shape))


def _differ(one: list[Array], other: list[Array]) -> bool:
    """Tell whether outputs differ by more than roundings: what is normalized along a single element is constant."""
    return any(
        a.shape != b.shape or not np.allclose(a, b, rtol=_ROUNDINGS, atol=0, equal_nan=True)
        for a, b in zip(one, other, strict=False)
    )


def _clips_probabilities(reading: Reading) -> bool:
    """Tell whether forward clips its input next to 0 and 1, where nobody means its gradient to be zero."""
    source = source_of(reading.code.written("forward"))
    return bool(re.search(r"clip\([^,]+,\s*(1e-\d+|\w*eps\w*)\s*,\s*1(\.0?)?\s*-", source))
