"""Random cases on top of what the flags fix, one of each kind of corner case first.

Drawn with the standard library: 60 conv cases take 11 ms, and 240 ms with hypothesis, whose shrinking is not used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.drawing import Draw, special_cases

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

#: Draws after which a kind of corner case that was not drawn is taken to be ruled out by the flags. The rarest, a
#: kernel as large as the image along both axes, is one in 35 with no flags.
_TRIES = 2_000

#: Draws for each case that is wanted, after which there are taken to be no more: a few repeat earlier ones, or are
#: impossible with what the flags fix.
_DRAWS_PER_CASE = 10


@frozen
class RandomCases:
    """Random cases of a layer, all different; the same ones for the same arguments.

    There are fewer than wanted if the given values leave no more.
    """

    layer: Layer
    values: Mapping[str, Sequence[Any]]  #: for each field of the case that is fixed, the values to draw from
    seed: int
    wanted: int

    @property
    def count(self) -> int:
        """The number of cases."""
        return len(self.choices)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.choices)

    @cached_property
    def choices(self) -> dict[Case, tuple[int, ...]]:
        """The cases, each with the drawn numbers that led to it, from which it is shrunk."""
        source = random.Random(self.seed)  # noqa: S311  # no secret
        found = self._of_each_kind(source)
        self._fill(found, source)
        return found

    def _of_each_kind(self, source: random.Random) -> dict[Case, tuple[int, ...]]:
        """Draw until there is one of each kind of corner case, or until there are enough."""
        tries = (self.draw(source.randint) for _ in range(_TRIES))
        fresh = ((case, choices) for case, choices in tries if self._is_useful(case))
        seen: dict[Case, tuple[int, ...]] = {}
        found: dict[Case, tuple[int, ...]] = {}

        def first(kind: Callable[[Case], bool]) -> Case | None:
            if known := next(filter(kind, seen), None):
                return known
            for case, choices in fresh:
                seen.setdefault(case, choices)
                if kind(case):
                    return case
            return None

        for kind in (*self.layer.special_cases, *special_cases(self.layer.case, self.values)):
            if len(found) < self.wanted and not any(map(kind, found)) and (case := first(kind)):
                found[case] = seen[case]
        return found

    def draw(self, source: Draw) -> tuple[Case, tuple[int, ...]]:
        """Draw one case; return it with the numbers that were drawn."""
        choices: list[int] = []

        def record(low: int, high: int) -> int:
            choices.append(source(low, high))
            return choices[-1]

        dtypes = self.values["dtype"]
        dtype = dtypes[record(0, len(dtypes) - 1)]
        geometry = self.layer.random(self.layer.case, record, self.values)
        return self.layer.case(**geometry, dtype=dtype, seed=self.seed), tuple(choices)

    def replay(self, choices: Sequence[int]) -> tuple[Case, tuple[int, ...]]:
        """Make the case that drawn numbers lead to; one out of its bounds is replaced by the nearest within them."""
        left = iter(choices)
        return self.draw(lambda low, high: min(max(next(left, low), low), high))

    def _is_useful(self, case: Case) -> bool:
        return case.impossible() is None and self.layer.has_nonzero_gradient(case)

    def _fill(self, found: dict[Case, tuple[int, ...]], source: random.Random) -> None:
        """Draw until there are enough."""
        for _ in range(self.wanted * _DRAWS_PER_CASE):
            if len(found) >= self.wanted:
                return
            case, choices = self.draw(source.randint)
            if self._is_useful(case):
                found.setdefault(case, choices)
