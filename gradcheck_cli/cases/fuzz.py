"""Random cases on top of what the flags fix, one of each kind of corner case first.

Drawn with the standard library: 60 conv cases take 11 ms, and 240 ms with hypothesis, whose shrinking is not used.
"""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.drawing import special_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.drawing import Draw
    from gradcheck_cli.layers.framework.layer import Layer

#: Draws after which the kinds of corner case that were not met are taken for such as the flags rule out. The rarest, a
#: kernel as large as the image along both axes, is one in 35 with no flags.
_TRIES = 2_000

#: Draws for each case that is wanted, after which there are taken to be no more: a few repeat what was drawn before, or
#: are impossible with what the flags fix.
_DRAWS_PER_CASE = 10


@frozen
class RandomCases:
    """Random cases of a layer, all different; the same ones for the same arguments.

    They are fewer than wanted where what is given leaves no more.
    """

    layer: Layer
    values: Mapping[str, Sequence[Any]]  #: for each field of the case that is fixed, the values to draw from
    seed: int
    wanted: int

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.choices)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.choices)

    @cached_property
    def choices(self) -> dict[Case, tuple[int, ...]]:
        """The cases, each with the numbers drawn that led to it: from them it is shrunk."""
        source = random.Random(self.seed)  # noqa: S311  # no secret
        found = self._of_each_kind(source)
        self._fill(found, source)
        return found

    def _of_each_kind(self, source: random.Random) -> dict[Case, tuple[int, ...]]:
        """Draw until there is one of each kind of corner case, or until there are enough."""
        tries = (self.drawn(source.randint) for _ in range(_TRIES))
        fresh = ((case, choices) for case, choices in tries if self._worth(case))
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

    def drawn(self, draw: Draw) -> tuple[Case, tuple[int, ...]]:
        """Draw one case, and note what was drawn."""
        choices: list[int] = []

        def noted(low: int, high: int) -> int:
            choices.append(draw(low, high))
            return choices[-1]

        dtypes = self.values["dtype"]
        dtype = dtypes[noted(0, len(dtypes) - 1)]
        geometry = self.layer.random(self.layer.case, noted, self.values)
        return self.layer.case(**geometry, dtype=dtype, seed=self.seed), tuple(choices)

    def replayed(self, choices: Sequence[int]) -> tuple[Case, tuple[int, ...]]:
        """Draw the case that these choices lead to: one that is out of its bounds is the nearest within them."""
        left = iter(choices)
        return self.drawn(lambda low, high: min(max(next(left, low), low), high))

    def _worth(self, case: Case) -> bool:
        return case.impossible() is None and self.layer.has_nonzero_gradient(case)

    def _fill(self, found: dict[Case, tuple[int, ...]], source: random.Random) -> None:
        """Draw until there are enough."""
        for _ in range(self.wanted * _DRAWS_PER_CASE):
            if len(found) >= self.wanted:
                return
            case, choices = self.drawn(source.randint)
            if self._worth(case):
                found.setdefault(case, choices)
