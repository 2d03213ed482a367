"""Shapes for a function of which nothing is known, found by trying: its gradient must fit them.

First all axes have the same length, and the kinds of arguments are tried, the likeliest first: arrays of some number of
axes, labels, numbers. Where forward runs and backward returns gradients of the right shapes, axes are given lengths
of their own, alone or in groups, as long as that goes on. So as few lengths are equal as can be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.own_trial import takes_targets
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.slots import MisfitError, Slot, SlotKind, has
from gradcheck_cli.implementation.conventions.study import lengths_made
from gradcheck_cli.implementation.finding.kinds import (
    ARRAYS,
    NUMBERS,
    Kind,
    is_data,
    is_size,
    kinds_of,
    kinds_to_make,
)
from gradcheck_cli.implementation.finding.lengths import untied
from gradcheck_cli.implementation.finding.probe import Sizes
from gradcheck_cli.implementation.finding.targets import TargetProbe, says_cotangent, says_gradient, with_ranks
from gradcheck_cli.implementation.quiet import quiet
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.layers.function import LAYER, FunctionCase

_LARGE = 32  #: default sizes of a constructor with which derivatives would take long

#: Calls of forward until the search is given up: a bilinear form takes 40, an LSTM cell thousands.
_MOST_CALLS = 12_500
_MOST_OF_CLASS = 1_000  #: of a class, of which each makes an instance
_CASES = 4  #: that are checked
_LIKELIEST = 4  #: tries in which a class may have gradients of wrong shapes, if one of another is right
_MOST_RANKS = 512  #: combinations of numbers of axes, those of nine arrays, in which a gradient may be right

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
        """Try what is likely: two likely kinds for each argument, and axes of several blocks; then all kinds.

        What is called a gradient is one, and wrong, where forward depends on its arrays and no slope agrees.
        """
        wrong: tuple[tuple[Kind, ...], Sizes, Sizes] | None = None
        misshapen: tuple[FunctionCase, ...] = ()
        tries = itertools.chain(self._likely(), ((kinds, 1) for kinds in self._kinds(7)))
        for number, (kinds, blocks) in enumerate(tries):
            for subset in _subsets(len(kinds)) if blocks > 1 else [()]:
                if any(kinds[i].rank == 0 for i in subset) or self._is_single_prediction(kinds):
                    continue
                self._readings = self._unstudied
                if self._calls > (_MOST_OF_CLASS if self._unstudied[0].code.cls else _MOST_CALLS):
                    return self._checked(*wrong) if wrong else misshapen
                scale = {(i, kinds[i].rank - 1): blocks for i in subset}
                equal = self._all_equal(kinds)
                fits = self._fits(kinds, equal, scale)
                columns = [(i, kind.rank - 1) for i, kind in enumerate(kinds) if kind.name == "array" and kind.rank > 1]
                if not fits and columns and self._unstudied[0].code.cls:
                    equal |= dict.fromkeys(columns, 1)
                    fits = self._fits(kinds, equal, scale)
                is_class = self._unstudied[0].code.cls is not None
                if not fits and number < _LIKELIEST and is_class and self._right(kinds, self._all_equal(kinds), scale):
                    misshapen = misshapen or self._vary(kinds, self._all_equal(kinds), scale)
                if not fits or not (
                    self._depends(kinds, equal, scale) or self._takes_probabilities(kinds, equal, scale)
                ):
                    continue
                if self._lacks_targets(kinds, scale):
                    continue
                if self._is_meant(kinds, equal, scale):
                    return self._checked(kinds, equal, scale)
                single = self._with_single_entries(kinds, equal, scale) if not is_class else equal
                if single != equal and self._fits(kinds, single, scale) and self._is_meant(kinds, single, scale):
                    return self._checked(kinds, single, scale)
                if wrong is None and self._is_usual(kinds) and self._says_gradient(kinds, equal, scale):
                    wrong = kinds, equal, scale
        self._readings = self._unstudied
        return self._checked(*wrong) if wrong else misshapen or self._with_failing_backward()

    def _with_failing_backward(self) -> tuple[FunctionCase, ...]:
        """Return a case of one array on which forward runs, though backward does for no number of axes; () for none."""
        if self._has_context and len(self._slots) == 1:
            for kind in ARRAYS[:3]:
                equal = self._all_equal((kind,))
                if self._forward((kind,), equal, {}) is not None:
                    case = self._case((kind,), equal, {})
                    return (replace(case, tried=case.flags),)
        return ()

    def _says_gradient(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> bool:
        """Tell whether backward is called a gradient, and what takes targets is a loss: it has fewer axes than they.

        Without a cotangent it is that of a number, or of what is computed element by element.
        """
        reading = self._readings[0]
        out = self._forward(kinds, sizes, scale)
        ranks = [kind.rank for kind in kinds if kind.name in ("array", "labels")]
        if takes_targets(reading):
            return out is not None and out[0].ndim < max(ranks)
        is_number = reading.has_cotangent or (out is not None and out[0].ndim == 0) or len({*ranks}) == 1
        return is_number and says_gradient(reading)

    def _checked(self, kinds: tuple[Kind, ...], equal: Sizes, scale: Sizes) -> tuple[FunctionCase, ...]:
        """List the cases for these kinds of arguments."""
        meant, sizes = self._labels_that_agree(kinds, equal, scale)
        has_labels = any(kind.name == "labels" for kind in meant)
        if (self._within or has_labels) and not self._slope_agrees(meant, sizes, scale):
            self._takes_probabilities(meant, sizes, scale)
        meant, sizes = self._with_ranks_that_agree(meant, sizes, scale)
        own = self._untied(meant, sizes, scale)
        return self._vary(meant, own, scale)

    def _with_ranks_that_agree(
        self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes
    ) -> tuple[tuple[Kind, ...], Sizes]:
        """Return arrays of more axes if the slope agrees with these alone: what takes a sequence may run on one step.

        Raises:
            AmbiguousShapesError: it agrees only where all arrays have other numbers of axes, and some have fewer.
        """
        if scale or self._slope_agrees(kinds, sizes, scale):
            return kinds, sizes
        more = [[kind, kind._replace(rank=kind.rank + 1)] if kind in _MORE_AXES else [kind] for kind in kinds]
        for others in itertools.islice(itertools.product(*more), 1, 2**_MOST_LONGER):
            equal = self._all_equal(others)
            if self._fits(others, equal, scale) and self._slope_agrees(others, equal, scale):
                return others, equal
        ranks = [[one for one in ARRAYS[:3] if one != kind] if kind.name == "array" else [kind] for kind in kinds]
        combinations: Iterable[tuple[Kind, ...]] = itertools.product(*ranks)
        most = max(kind.rank for kind in kinds)
        if Kind("labels", most) in kinds:
            combinations = [with_ranks(kinds, most, rank) for rank in range(1, most)]
        elif np.prod([float(len(one)) for one in ranks]) > _MOST_RANKS:  # then all arrays have as many axes
            combinations = [tuple(one if k.name == "array" else k for k in kinds) for one in ARRAYS[:3]]
        for others in combinations:
            equal = self._all_equal(others)
            if self._fits(others, equal, scale) and self._slope_agrees(others, equal, scale):
                raise AmbiguousShapesError(self._case(others, equal, scale), self._case(kinds, sizes, scale))
        return kinds, sizes

    def _likely(self) -> Iterator[tuple[tuple[Kind, ...], int]]:
        several = () if self._made else _BLOCKS  # a constructor says how long axes are
        yield from ((kinds, 1) for kinds in self._kinds(3))
        if len(self._slots) <= _MOST_WITH_ONE_ODD:
            yield from ((kinds, 1) for kinds in self._kinds(7, odd=1))
        yield from ((kinds, blocks) for blocks in several for kinds in self._kinds(2))

    def _kinds(self, most: int, odd: int | None = None) -> Iterator[tuple[Kind, ...]]:
        """Yield the kinds of all arguments out of so many for each, the likeliest first; so many may be unlikely."""
        choices = [kinds_to_make(slot)[:most] for slot in self._slots[: self._made]]
        choices += [kinds_of(slot)[:most] for slot in self._slots[self._made :]]
        if most > len(ARRAYS) and self._has_context:
            likely = zip(self._slots, choices, strict=True)
            choices = [kinds if is_data(slot) else [*kinds, *NUMBERS] for slot, kinds in likely]
        numbered: Iterator[tuple[int, ...]] = itertools.product(*(range(len(choice)) for choice in choices))
        if np.prod([float(len(choice)) for choice in choices]) <= 10 * _MOST_CALLS:
            numbered = iter(sorted(numbered, key=lambda places: (sum(place > 1 for place in places), sum(places))))
        for places in numbered:
            if odd is not None and sum(place > 1 for place in places) > odd:
                continue
            yield tuple(choice[place] for choice, place in zip(choices, places, strict=True))

    def _untied(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> Sizes:
        """Give axes lengths of their own, alone or as few together as possible."""
        # Of more rows than labels, code may read as many as there are labels; then both axes are meant to be one.
        by_labels = any(kind.name == "labels" for kind in kinds) and self._slope_agrees(kinds, sizes, scale)

        def fits(trial: Sizes, group: tuple[tuple[int, int], ...]) -> bool:
            alone = by_labels and len(group) == 1
            return self._fits(kinds, trial, scale) and (not alone or self._slope_agrees(kinds, trial, scale))

        own = _OWN if max(kind.rank for kind in kinds) < _OF_IMAGES else _SHORT
        axes = [axis for axis, length in sizes.items() if length > 1 or self._unstudied[0].code.cls]
        return untied(sizes, axes, own, _MOST_TOGETHER, fits)

    def _vary(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> tuple[FunctionCase, ...]:
        """List cases: the lengths that were found, the same exchanged, and a length of 1 for each in turn."""
        lengths = sorted(set(sizes.values()) - {1})
        exchanged = dict(zip(lengths, [length + 1 for length in reversed(lengths)], strict=True))
        varied = [{axis: exchanged.get(length, 1) for axis, length in sizes.items()}]
        if not any(kind.name == "labels" for kind in kinds):
            varied += [{axis: 1 if length == one else length for axis, length in sizes.items()} for one in lengths]
        more = tuple(kind._replace(value=kind.value + 1) if kind.name == "value" else kind for kind in kinds)
        doubled = {axis: 2 * length for axis, length in sizes.items()}  # such as features of two heads
        tries = [*([(more, sizes), (more, doubled)] if more != kinds else [])]
        tries += [(kinds, trial) for trial in varied]
        fitting = [one for one in tries if self._fits(*one, scale) and self._depends(*one, scale, draws=1)]
        cases = [self._case(*one, scale) for one in fitting]
        first = self._case(kinds, sizes, scale)
        most = max(_CHEAP, self._elements(first))  # of a class, an axis twice as long has four times as many
        others = [case for case in cases if self._elements(case) <= most and self._case_shows(case)]
        return tuple(replace(case, tried=first.flags) for case in (first, *others[: _CASES - 1]))

    def _is_meant(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> bool:
        """Tell whether the slope agrees where an argument is of an odd kind, and where nothing is called a cotangent.

        `move_forward(x)` and `move_backward(x)` may be no gradient of each other.
        """
        usual = self._is_usual(kinds) and says_cotangent(self._readings[0])
        case = self._case(kinds, sizes, scale)
        return usual or (self._slope_agrees(kinds, sizes, scale) and self._case_shows(case))

    def _is_usual(self, kinds: tuple[Kind, ...]) -> bool:
        likely = zip(self._slots, kinds, strict=True)
        numbers = NUMBERS if self._has_context else ()
        usual = "array", "size", "tuple"
        return all(kind.name in usual or kind in (*kinds_of(slot)[:2], *numbers) for slot, kind in likely)


def _subsets(count: int) -> Iterable[tuple[int, ...]]:
    return itertools.chain.from_iterable(itertools.combinations(range(count), k) for k in range(1, count + 1))
