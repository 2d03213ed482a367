"""Sizes and shapes for a network, found by trying: the loss must be a number, and gradients must fit and be right.

First all sizes and lengths are equal. Where a gradient is right, they are given values of their own, alone or in
groups, as long as no fewer are: what must be equal stays equal.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.guard.state import preserve_state
from gradcheck_cli.implementation.conventions.own_trial import OwnFit, fit_of
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.step import Role
from gradcheck_cli.implementation.conventions.study import all_studied, lengths_made
from gradcheck_cli.implementation.finding.kinds import kinds_of
from gradcheck_cli.implementation.finding.lengths import untied
from gradcheck_cli.implementation.finding.probe import Probe, Sizes
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.quiet import quiet
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.layers.function import LAYER, FunctionCase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.implementation.conventions.network import Network
    from gradcheck_cli.implementation.finding.kinds import Kind

_MOST_TRIES = 400
_EQUAL = 4  #: the length of all axes at first, which can be halved by pooling
_OF_IMAGES = 4  #: axes of a batch of images
#: Lengths of their own, the likeliest to be those of parameters first: a loss is computed some ten times for each
#: element of a parameter. A loop over the pixels of an image takes a millisecond, so of these there are fewer.
_OWN, _OWN_OF_IMAGES = (3, 2, 5, 6, 7, 8), (2, 3, 5)
_MOST_TOGETHER = 3  #: axes that are given another length together

Kinds = tuple["Kind", ...]


def find_sizes(network: Network) -> tuple[FunctionCase, ...]:
    """Find cases for a network, those without a penalty first; () if there are none."""
    with quiet(), seeds_from(0):
        return _Search(network).found()


def try_likeliest(network: Network) -> tuple[FunctionCase, str]:
    """Return the likeliest case for a network, and what it raised there; "" if it raised nothing."""
    with preserve_state(), seeds_from(0):
        return _Search(network).likeliest()


class _Search(Probe):
    """The search for the sizes of one network."""

    def __init__(self, network: Network) -> None:
        readings = list(network.readings(LAYER))
        made = list(readings[0].constructor)
        names = {slot.name for slot in made}
        super().__init__(readings, made, [s for s in readings[0].forward if s.name not in names], _EQUAL)
        self._lengths = lengths_made(readings[0]) if not made else []

    def found(self) -> tuple[FunctionCase, ...]:
        """Take the first kinds for which all gradients fit, and one is right; or else those for which most are right.

        Not the first for which all are right: what is wrong may be right for a filter of one pixel, or for one sample.
        """
        best: tuple[float, Kinds, Sizes] = (0, (), {})
        for kinds in self._all_kinds():
            for sizes in self._starts(kinds):
                fit = self._fit(kinds, sizes)
                if fit.right and fit.fits:
                    return self._cases(kinds, sizes, fit.right)
                score = fit.right or fit.fits / 2
                if score > best[0]:
                    best = score, kinds, sizes
                if self._calls > _MOST_TRIES:
                    break
        score, kinds, sizes = best
        return self._cases(kinds, sizes, score) if score else ()

    def likeliest(self) -> tuple[FunctionCase, str]:
        """Return the case of the likeliest kinds, and what was raised there."""
        kinds = tuple(kinds_of(slot)[0] for slot in self._slots)
        case = self._case(kinds, self._all_equal(kinds), {})
        problem = LAYER.problem(case)
        try:
            implementation_of(self._unstudied[0], "", None).forward(problem.inputs, problem.parameters)
        except (ImplementationError, NotExpressibleError) as error:
            return case, str(error)
        return case, ""

    def _all_kinds(self) -> Iterator[Kinds]:
        """Yield the kinds of all arguments, the likeliest first."""
        choices = [kinds_of(slot) for slot in self._slots]
        places = itertools.product(*(range(len(choice)) for choice in choices))
        for chosen in sorted(itertools.islice(places, 20 * _MOST_TRIES), key=sum):
            yield tuple(choice[k] for choice, k in zip(choices, chosen, strict=True))

    def _starts(self, kinds: Kinds) -> Iterator[Sizes]:
        """Yield lengths to begin with: all equal, or one of the last layer, which is a size, and of the targets.

        Arrays that go with parameters of fixed shapes may have a length of those. The last may be one sample, a column.
        """
        equal = self._all_equal(kinds)
        yield equal
        fixed = [{axis: n if kinds[axis[0]].name == "array" else equal[axis] for axis in equal} for n in self._lengths]
        yield from fixed
        sizes = [(i, kind.rank - 1) for i, kind in enumerate(kinds) if kind.name in ("size", "tuple")]
        targets = [(i, k) for i, kind in enumerate(kinds) if kind.name == "binary" for k in range(kind.rank)]
        for size, target in itertools.product(sizes[::-1], targets):
            yield {**equal, size: 1, target: 1}
        for target in [axis for axis in targets if kinds[axis[0]].rank > 1]:
            yield {**equal, target: 1}
        columns = [(i, kind.rank - 1) for i, kind in enumerate(kinds) if kind.name in ("array", "binary")]
        yield from ({**start, **{axis: 1 for axis in columns if axis[1] > 0}} for start in (equal, *fixed))

    def _fit(self, kinds: Kinds, sizes: Sizes) -> OwnFit:
        """Return how well the network does; with a loss that is not its own, at least one gradient must be right."""
        self._calls += 1
        case = self._case(kinds, sizes, {})
        if not (case.shape or case.labels) or case.impossible():
            return OwnFit()
        problem = LAYER.problem(case)
        fits = [fit_of(one, case, problem) for one in all_studied(self._unstudied, case, problem)]
        best = max(fits, key=lambda fit: (fit.right, fit.fits))
        return best if best.right or len(fits) == 1 else OwnFit()

    def _cases(self, kinds: Kinds, sizes: Sizes, score: float) -> tuple[FunctionCase, ...]:
        """List cases: with lengths of their own, as few together as possible, and the same without a penalty."""

        def fits(trial: Sizes, group: tuple[tuple[int, int], ...]) -> bool:
            alone = len(group) == 1 and self._slots[group[0][0]].value is Role.TARGETS  # longer targets are cut off
            fit = self._fit(kinds, trial) if not alone and self._calls <= 2 * _MOST_TRIES else OwnFit()
            return (fit.right or fit.fits / 2) >= score

        of_images = any(kind.name == "array" and kind.rank == _OF_IMAGES for kind in kinds)
        axes = [axis for axis in sizes if sizes[axis] > 1]
        own = untied(sizes, axes, _OWN_OF_IMAGES if of_images else _OWN, _MOST_TOGETHER, fits)
        case = self._case(kinds, own, {})
        penalties = [slot.key for slot in self._slots if slot.value is Role.PENALTY]
        without = replace(case, value={**case.value, **dict.fromkeys(penalties, 0.0)})
        cases = [without, case] if penalties else [case]
        return tuple(replace(one, tried=case.flags) for one in cases)
