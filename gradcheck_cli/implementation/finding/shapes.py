"""Shapes for a function of which nothing is known, found by trying: its gradient must fit them.

First all axes have the same length, and the kinds of arguments are tried, the likeliest first: arrays of some number of
axes, labels, numbers. Where forward runs and backward returns gradients of the right shapes, axes are given lengths
of their own, alone or in groups, as long as that goes on. So as few lengths are equal as can be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.calling import quiet
from gradcheck_cli.implementation.conventions.gradient_fit import takes_targets
from gradcheck_cli.implementation.conventions.kept_arrays import lengths_made
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.slots import MisfitError, Slot, SlotKind, has
from gradcheck_cli.implementation.finding.kinds import ARRAYS, NUMBERS, Kind, is_data, is_size, kinds_of, kinds_to_make
from gradcheck_cli.implementation.finding.probe import Axis, Guess, count_elements
from gradcheck_cli.implementation.finding.targets import TargetProbe, says_cotangent, says_gradient, with_ranks
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.layers.function import LAYER, FunctionCase

_LARGE = 32  #: default sizes of a constructor with which derivatives would take long

#: Calls of forward until the search is given up: a bilinear form takes 40, an LSTM cell thousands.
_MOST_CALLS = 12_500
_MOST_OF_CLASS = 1_000  #: of a class, of which each makes an instance
_CASES = 4  #: that are checked
_LIKELIEST = 4  #: tries in which a class may have gradients of wrong shapes, if one of another is right
_MOST_RANKS = 512  #: combinations of numbers of axes in which a gradient may be right: those of nine arrays

#: Lengths that code may be written for, and of how many arguments they are tried.
_FIXED, _FEW = (2, 4), 2

#: Arrays that may have an axis more, of steps, and how many of them may at once.
_MORE_AXES, _MOST_LONGER = ARRAYS[:1], 3

#: Arguments of which one may be of an unlikely kind before axes of several blocks are tried.
_MOST_WITH_ONE_ODD = 5

#: Lengths for axes of their own.
_OWN = (4, 5, 6, 7, 8, 9)

_CHEAP = 600  #: elements of a case that are differentiated in some seconds, with a forward pass of 0.5 ms
_MOST_TOGETHER = 4  #: axes that are given another length together

#: Those of arrays of so many axes, of which the derivatives would take long.
_OF_IMAGES, _SHORT = 4, (4, 5, 2)

#: Where a last axis holds several blocks, such as gates: how many.
_BLOCKS = (4, 3, 2)


class AmbiguousShapesError(Exception):
    """The gradient has the right shapes for several numbers of axes, and is right for some of them only.

    What is meant for vectors may run on matrices too. `right` and `wrong` are a case of each.
    """

    def __init__(self, right: FunctionCase, wrong: FunctionCase) -> None:
        super().__init__()
        self.right, self.wrong = right, wrong


def find_shapes(objects: tuple[Any, ...]) -> tuple[FunctionCase, ...]:
    """Find shapes for a function and its gradient, or for one that returns both; () if none fit.

    The first case has as few equal lengths as can be, and others vary it.

    Raises:
        MisfitError: they do not say what they take.
        AmbiguousShapesError: the gradient is wrong for the likeliest shapes, and right for other numbers of axes.
    """
    readings = list(readings_of(objects, LAYER))
    readings = [one for one in readings if has(SlotKind.CONTAINER, one.forward)] or readings
    made_by = [(one.code, *(s.value for s in one.constructor if s.kind is SlotKind.CONSTANT)) for one in readings]
    by_code = [[one for one, k in zip(readings, made_by, strict=True) if k == key] for key in dict.fromkeys(made_by)]
    passes = readings[0].constructor, readings[0].forward
    made, slots = ([one for s in own if not s.has_default for one in _arrays_in(s)] for own in passes)
    sizes = [s for s in readings[0].constructor if s in made or is_size(s)]
    if not slots:
        raise MisfitError(f"{readings[0].code.name('forward')} must be given nothing, and so has no gradient")
    with quiet(), seeds_from(0):
        searches = [_Search(own, made, slots) for own in by_code]
        by_sizes = [_Search(readings, sizes, slots)] if sizes != made else []
        is_large = any(isinstance(s.default, int) and s.default > _LARGE for s in sizes)
        searches = [*by_sizes, *searches] if is_large else [*searches, *by_sizes]
        if readings[0].code.cls is None and len(slots) <= _FEW:  # or they take so many numbers, such as w[0] and w[1]
            searches += [_Search(own, made, slots, length) for own in by_code for length in _FIXED]
        if readings[0].code.cls and not made:
            searches += [_Search(readings, made, slots, length) for length in lengths_made(readings[0])]
        return next(filter(None, (search.found() for search in searches)), ())


def _arrays_in(slot: Slot) -> list[Slot]:
    """List the arrays that an argument is or holds."""
    return [slot] if slot.kind is SlotKind.INPUT else [Slot(name=n, kind=SlotKind.INPUT, key=n) for n in slot.inputs]


class _Search(TargetProbe):
    """The search for the shapes of one function."""

    def found(self) -> tuple[FunctionCase, ...]:
        """Try what is likely, and return the cases of the first guess that is meant.

        What is called a gradient is one, and wrong, where forward depends on its arrays and no slope agrees.
        """
        wrong: Guess | None = None
        misshapen: tuple[FunctionCase, ...] = ()
        for number, start in enumerate(self._starts()):
            if self.calls > (_MOST_OF_CLASS if self.is_class else _MOST_CALLS):
                break
            if self.is_single_prediction(start.kinds):
                continue
            guess = self._fitted_start(start)
            if guess is None:
                if number < _LIKELIEST and self.is_class and not misshapen and self.has_right_gradient(start):
                    misshapen = self._vary(start)
                continue
            guess = guess if self.depends(guess) else self.as_probabilities(guess)
            if guess is None or self.lacks_targets(guess):
                continue
            if self._is_meant(guess):
                return self._checked(guess)
            single = guess if self.is_class else self.with_single_entries(guess)
            if single != guess and (fitting := self.fitted(single)) and self._is_meant(fitting):
                return self._checked(fitting)
            if wrong is None and self._is_usual(guess) and self._says_gradient(guess):
                wrong = guess
        return self._checked(wrong) if wrong else misshapen or self._with_failing_backward()

    def _with_failing_backward(self) -> tuple[FunctionCase, ...]:
        """Return a case of a single array on which forward with a context runs, though backward never does."""
        starts = [self.all_equal((kind,)) for kind in ARRAYS[:3]] if self.has_context and len(self.slots) == 1 else []
        cases = [self.case(start) for start in starts if self.forward(start) is not None]
        return tuple(replace(case, tried=case.flags) for case in cases[:1])

    def _starts(self) -> Iterator[Guess]:
        """Yield the first guesses: two likely kinds for each argument, and axes of several blocks; then all kinds."""
        likely = [self._kinds(3)]
        likely += [self._kinds(7, odd=1)] if len(self.slots) <= _MOST_WITH_ONE_ODD else []
        yield from map(self.all_equal, itertools.chain(*likely))
        for count in () if self.made else _BLOCKS:  # a constructor says how long axes are
            for kinds in self._kinds(2):
                for numbers in _subsets(len(kinds)):
                    if all(kinds[i].rank for i in numbers):
                        yield self.all_equal(kinds, {(i, kinds[i].rank - 1): count for i in numbers})
        yield from map(self.all_equal, self._kinds(7))

    def _fitted_start(self, start: Guess) -> Guess | None:
        """Return a guess that fits; of a class perhaps with columns for matrices."""
        columns = {(i, start.kinds[i].rank - 1): 1 for i in start.numbers("array") if start.kinds[i].rank > 1}
        found = self.fitted(start)
        if found or not columns or not self.is_class:
            return found
        return self.fitted(replace(start, lengths=start.lengths | columns))

    def _says_gradient(self, guess: Guess) -> bool:
        """Tell whether backward is called a gradient, and what takes targets is a loss: it has fewer axes than they.

        Without a cotangent it is that of a number, or of what is computed element by element.
        """
        reading, out = guess.readings[0], self.forward(guess)
        ranks = [guess.kinds[i].rank for i in guess.numbers("array", "labels")]
        if takes_targets(reading):
            return out is not None and out[0].ndim < max(ranks)
        is_number = reading.has_cotangent or (out is not None and out[0].ndim == 0) or len({*ranks}) == 1
        return is_number and says_gradient(reading)

    def _checked(self, guess: Guess) -> tuple[FunctionCase, ...]:
        """List the cases for these kinds of arguments."""
        guess = self.with_labels_that_agree(guess)
        if (guess.within or guess.numbers("labels")) and not self.slope_agrees(guess):
            guess = self.as_probabilities(guess) or guess
        return self._vary(self._with_own_lengths(self._with_ranks_that_agree(guess)))

    def _with_ranks_that_agree(self, guess: Guess) -> Guess:
        """Return arrays of more axes if the slope agrees with these alone: what takes a sequence may run on one step.

        Raises:
            AmbiguousShapesError: it agrees only where all arrays have other numbers of axes, and some have fewer.
        """
        if guess.blocks or self.slope_agrees(guess):
            return guess
        more = [[kind, kind._replace(rank=kind.rank + 1)] if kind in _MORE_AXES else [kind] for kind in guess.kinds]
        for kinds in itertools.islice(itertools.product(*more), 1, 2**_MOST_LONGER):
            if found := self.agreeing(self.like(guess, kinds)):
                return found
        ranks = [[one for one in ARRAYS[:3] if one != k] if k.name == "array" else [k] for k in guess.kinds]
        combinations: Iterable[tuple[Kind, ...]] = itertools.product(*ranks)
        most = max(kind.rank for kind in guess.kinds)
        if Kind("labels", most) in guess.kinds:
            combinations = [with_ranks(guess.kinds, most, rank) for rank in range(1, most)]
        for kinds in itertools.islice(combinations, _MOST_RANKS):
            if found := self.agreeing(self.like(guess, kinds)):
                raise AmbiguousShapesError(self.case(found), self.case(guess))
        return guess

    def _kinds(self, most: int, odd: int | None = None) -> Iterator[tuple[Kind, ...]]:
        """Yield the kinds of all arguments out of so many for each, the likeliest first; so many may be unlikely."""
        choices = [kinds_to_make(slot)[:most] for slot in self.slots[: self.made]]
        choices += [kinds_of(slot)[:most] for slot in self.slots[self.made :]]
        if most > len(ARRAYS) and self.has_context:
            likely = zip(self.slots, choices, strict=True)
            choices = [kinds if is_data(slot) else [*kinds, *NUMBERS] for slot, kinds in likely]
        numbered: Iterator[tuple[int, ...]] = itertools.product(*(range(len(choice)) for choice in choices))
        if np.prod([float(len(choice)) for choice in choices]) <= 10 * _MOST_CALLS:
            numbered = iter(sorted(numbered, key=lambda places: (sum(place > 1 for place in places), sum(places))))
        for places in numbered:
            if odd is None or sum(place > 1 for place in places) <= odd:
                yield tuple(choice[place] for choice, place in zip(choices, places, strict=True))

    def _with_own_lengths(self, guess: Guess) -> Guess:
        """Give axes lengths of their own, alone or as few together as possible."""
        # Of more rows than labels, code may read as many as there are labels; then both axes are meant to be one.
        by_labels = bool(guess.numbers("labels")) and self.slope_agrees(guess)

        def fitted(trial: Guess, group: tuple[Axis, ...]) -> Guess | None:
            found = self.fitted(trial)
            if found and found.unused > guess.unused:  # a kernel longer than its input, channels that are not read
                return None
            return found if found and (not (by_labels and len(group) == 1) or self.slope_agrees(found)) else None

        own = _OWN if max(kind.rank for kind in guess.kinds) < _OF_IMAGES else _SHORT
        axes = [axis for axis, length in guess.lengths.items() if length > 1 or self.is_class]
        return self.untied(guess, axes, own, _MOST_TOGETHER, fitted)

    def _vary(self, guess: Guess) -> tuple[FunctionCase, ...]:
        """List cases: the lengths that were found, the same exchanged, and a length of 1 for each in turn."""
        lengths, axes = sorted(set(guess.lengths.values()) - {1}), guess.lengths.items()
        exchanged = dict(zip(lengths, [length + 1 for length in reversed(lengths)], strict=True))
        varied = [{axis: exchanged.get(length, 1) for axis, length in axes}]
        if not guess.numbers("labels"):
            classes = {guess.lengths[i, 1] for i in guess.numbers("one-hot")}  # of one class, there is nothing to tell
            single = [one for one in lengths if one not in classes]
            varied += [{axis: 1 if length == one else length for axis, length in axes} for one in single]
        more = tuple(kind._replace(value=kind.value + 1) if kind.name == "value" else kind for kind in guess.kinds)
        doubled = {axis: 2 * length for axis, length in axes}  # such as features of two heads
        tries = [replace(guess, kinds=more), replace(guess, kinds=more, lengths=doubled)] if more != guess.kinds else []
        tries += [replace(guess, lengths=trial) for trial in varied]
        fitting = (one for one in map(self.fitted, tries) if one and one.unused <= guess.unused)
        cases = [self.case(one) for one in fitting if self.depends(one, draws=1)]
        first = self.case(guess)
        most = max(_CHEAP, count_elements(guess, first))  # of a class, an axis twice as long has four times as many
        others = [case for case in cases if count_elements(guess, case) <= most and self.depends_in(guess, case)]
        return tuple(replace(case, tried=first.flags) for case in (first, *others[: _CASES - 1]))

    def _is_meant(self, guess: Guess) -> bool:
        """Tell whether the slope agrees where an argument is of an odd kind, and where nothing is called a cotangent.

        `move_forward(x)` and `move_backward(x)` may be no gradient of each other.
        """
        if self._is_usual(guess) and says_cotangent(guess.readings[0]):
            return True
        return self.slope_agrees(guess) and self.depends_in(guess, self.case(guess))

    def _is_usual(self, guess: Guess) -> bool:
        numbers = NUMBERS if self.has_context else ()
        usual = "array", "size", "tuple"
        likely = zip(self.slots, guess.kinds, strict=True)
        return all(kind.name in usual or kind in (*kinds_of(slot)[:2], *numbers) for slot, kind in likely)


def _subsets(count: int) -> Iterable[tuple[int, ...]]:
    return itertools.chain.from_iterable(itertools.combinations(range(count), k) for k in range(1, count + 1))
