"""Sizes and shapes for a network, found by trying: the loss must be a number, and gradients must fit and be right.

First all sizes and lengths are equal. Where a gradient is right, they are given values of their own, alone or in
groups, as long as no fewer are: what must be equal stays equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.guard.state import preserve_state
from gradcheck_cli.implementation.calling import quiet
from gradcheck_cli.implementation.conventions.gradient_fit import GradientFit, fit_of
from gradcheck_cli.implementation.conventions.kept_arrays import all_studied, lengths_made, made_alike
from gradcheck_cli.implementation.conventions.network_steps import Role
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import SlotKind
from gradcheck_cli.implementation.finding.kinds import Kind, kinds_of
from gradcheck_cli.implementation.finding.probe import Axis, Guess, Probe
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.layers.function import LAYER, FunctionCase

if TYPE_CHECKING:
    from gradcheck_cli.implementation.conventions.network import Network
    from gradcheck_cli.implementation.conventions.reading import Reading

_MOST_TRIES = 800
_RAN = 10  #: tries that one counts for in which the loss is a number, after which gradients are looked for
_MOST_AFTER = 150  #: tries that follow the first in which a gradient is right, and not all are
_EQUAL = 4  #: the length of all axes at first, which can be halved by pooling
_OF_IMAGES = 4  #: axes of a batch of images
#: Lengths of their own, the likeliest to be those of parameters first: a loss is computed some ten times for each
#: element of a parameter. A loop over the pixels of an image takes a millisecond, so of these there are fewer.
_OWN, _OWN_OF_IMAGES = (3, 2, 5, 6, 7, 8), (2, 3, 5)
_MOST_TOGETHER = 3  #: axes that are given another length together


def find_sizes(network: Network) -> tuple[FunctionCase, ...]:
    """Find cases for a network, those without a penalty first; () if there are none."""
    with quiet(), seeds_from(0):
        has_loss = False
        for _, own in groupby(network.readings(LAYER), made_alike):
            search = _Search([*own])
            if not (has_loss and search.is_taken_for_another) and (cases := search.found()):
                return cases
            has_loss = has_loss or search.runs
        return ()


def try_likeliest(network: Network) -> tuple[FunctionCase, str]:
    """Return the likeliest case for a network, and what it raised there; "" if it raised nothing."""
    with preserve_state(), seeds_from(0):
        return _Search(list(network.readings(LAYER))).likeliest()


class _Search(Probe):
    """The search for the sizes of one network."""

    def __init__(self, readings: list[Reading]) -> None:
        made, passed = (
            [s for s in of if s.kind is SlotKind.INPUT] for of in (readings[0].constructor, readings[0].forward)
        )
        names = {slot.name for slot in made}
        super().__init__(readings, made, [slot for slot in passed if slot.name not in names], _EQUAL)
        self._lengths = lengths_made(readings[0]) if not made else []
        self.is_taken_for_another = bool(readings[0].code.taken_for)
        self.runs = False  #: whether the loss was a number in some try

    def found(self) -> tuple[FunctionCase, ...]:
        """Take the first guess for which all gradients are right, or else of a few more that for which most are.

        Lengths of 1 only for want of others: what is wrong may be right for a filter of one pixel, or for one sample.
        """
        best: tuple[float, Guess | None] = (0, None)
        most = _MOST_TRIES
        starts = (start for kinds in self._all_kinds() for start in self._starts(kinds))
        for guess, is_telling in starts:
            if self.calls > most:
                break
            if best[0] >= 1 and not is_telling:
                continue
            fit = self._fit(guess)
            if (score := _score(fit)) > best[0]:
                best = score, guess
                most = min(most, self.calls + _MOST_AFTER) if score >= 1 else most
            if fit.agrees:
                break
        return self._cases(best[1], best[0]) if best[1] else ()

    def likeliest(self) -> tuple[FunctionCase, str]:
        """Return the case of the likeliest kinds, and what was raised there."""
        case = self.case(self.all_equal(tuple(kinds_of(slot)[0] for slot in self.slots)))
        problem = LAYER.problem(case)
        try:
            implementation_of(self.readings[0], "", None).forward(problem.inputs, problem.parameters)
        except (ImplementationError, NotExpressibleError) as error:
            return case, str(error)
        return case, ""

    def _all_kinds(self) -> Iterator[tuple[Kind, ...]]:
        """Yield the kinds of all arguments, the likeliest first."""
        choices = [kinds_of(slot) for slot in self.slots]
        places = itertools.product(*(range(len(choice)) for choice in choices))
        for chosen in sorted(itertools.islice(places, 10 * _MOST_TRIES), key=sum):
            yield tuple(choice[k] for choice, k in zip(choices, chosen, strict=True))

    def _starts(self, kinds: tuple[Kind, ...]) -> Iterator[tuple[Guess, bool]]:
        """Yield guesses to begin with, and whether what is wrong is wrong for them.

        All lengths are equal, or one of the last layer, which is a size, and of the targets. Arrays that go with
        parameters of fixed shapes may have a length of those. The last may be one sample, a column; or one bias.
        """
        guess = self.all_equal(kinds)
        equal, sizes = guess.lengths, [(i, kinds[i].rank - 1) for i in guess.numbers("size", "tuple")]
        fixed = [{axis: n if kinds[axis[0]].name == "array" else equal[axis] for axis in equal} for n in self._lengths]
        targets = [(i, k) for i in guess.numbers("binary") for k in range(kinds[i].rank)]
        columns = [(i, kinds[i].rank - 1) for i in guess.numbers("array", "binary") if kinds[i].rank > 1]
        starts = [(lengths, True) for lengths in (equal, *fixed)]
        starts += [({**equal, target: 1}, True) for target in targets if kinds[target[0]].rank > 1]
        starts += [({**equal, size: 1, target: 1}, size == sizes[-1]) for size in reversed(sizes) for target in targets]
        single = [(i, 0) for i in guess.numbers("array") if kinds[i].rank == 1 == kinds_of(self.slots[i])[0].rank]
        starts += [
            ({**each, **dict.fromkeys(ones, 1)}, False) for ones in (columns, single) for each in (equal, *fixed)
        ]
        yield from ((replace(guess, lengths=lengths), is_telling) for lengths, is_telling in starts)

    def case(self, guess: Guess) -> FunctionCase:
        """Return the case of a guess, with labels below the least of the sizes."""
        case = super().case(guess)
        least = min((n for i in guess.numbers("size", "tuple") for n in guess.shape(i) if n > 1), default=_EQUAL)
        return replace(case, labels={name: (shape, min(n, least)) for name, (shape, n) in case.labels.items()})

    def _fit(self, guess: Guess) -> GradientFit:
        """Return how well the network does; with a loss that is not its own, at least one gradient must be right."""
        self.calls += 1
        case = self.case(guess)
        if not (case.shape or case.labels) or case.impossible():
            return GradientFit()
        problem = LAYER.problem(case)
        first, *others = all_studied([*self.readings], case, problem)
        fit = fit_of(first, case, problem)
        self.runs = self.runs or fit.runs
        self.calls += _RAN if fit.runs else 0
        fits = [fit, *(fit_of(one, case, problem) for one in others if fit.fits)]
        best = max(fits, key=lambda fit: (fit.right, fit.fits))
        return best if best.right or not first.code.taken_for else GradientFit()

    def _cases(self, guess: Guess, score: float) -> tuple[FunctionCase, ...]:
        """List cases: with lengths of their own, as few together as possible, and the same without a penalty."""

        def fitted(trial: Guess, group: tuple[Axis, ...]) -> Guess | None:
            alone = len(group) == 1 and self.slots[group[0][0]].value is Role.TARGETS  # longer targets are cut off
            fit = self._fit(trial) if not alone and self.calls <= 2 * _MOST_TRIES else GradientFit()
            return trial if _score(fit) >= score else None

        of_images = Kind("array", _OF_IMAGES) in guess.kinds
        axes = [axis for axis, length in guess.lengths.items() if length > 1]
        own = self.untied(guess, axes, _OWN_OF_IMAGES if of_images else _OWN, _MOST_TOGETHER, fitted)
        case = self.case(own)
        penalties = [slot.key for slot in self.slots if slot.value is Role.PENALTY]
        without = replace(case, value={**case.value, **dict.fromkeys(penalties, 0.0)})
        has_penalty = penalties and not self.is_taken_for_another  # a usual loss has none
        cases = [without, case] if has_penalty else [without]
        return tuple(replace(one, tried=case.flags) for one in cases)


def _score(fit: GradientFit) -> float:
    """Count the gradients that are right; where some have wrong shapes, or none is right, it is less than one."""
    if not fit.right:
        return 0.4 if fit.fits else 0
    return fit.right if fit.fits else fit.right / (1 + fit.right)
