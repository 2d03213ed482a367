"""The calls of both passes that duties take, after the first ones, and what they are given."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.memory_layouts import HOW_TO_SKIP, LAYOUTS
from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.implementation.implementation import BackwardStep, ForwardStep
from gradcheck_cli.numeric.directions import random_directions

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Step
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: In which calls code raised or died.
SAME_INPUTS, OTHER_INPUTS = "again with the same inputs", "with other inputs"
OTHER_CACHE, SAME_CACHE = "again, with the cache of another forward", "a second time with the same cache"
AFTER_OTHERS, NTH = "after forward had been called with other inputs", "again, {} of {} times"

#: The seed of other inputs: none that people give a case, whose inputs they would be.
_OTHER_SEED = 2**40


class OtherCalls:
    """The calls of both passes that follow the first ones, and what they are given."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self._problem, self._settings = problem, settings

    @cached_property
    def cotangents(self) -> tuple[tuple[Array, str], ...]:
        """Zero, another cotangent, and the sum of that and the one of the case, without rounding; and their names."""
        cotangent, source = self._problem.cotangent, random.Random(4)  # noqa: S311  # a direction, not a secret
        # -2 or -1/2 times the cotangent makes, added to it, -1 or 1/2 times it.
        odd = np.frombuffer(source.randbytes(cotangent.size), np.uint8).reshape(cotangent.shape) & 1
        share = np.where(odd, -2.0, -0.5).astype(cotangent.dtype)
        others = ((one, "with another cotangent") for one in (share * cotangent, (1 + share) * cotangent))
        return (np.zeros_like(cotangent), "with a zero cotangent"), *others

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """Other inputs of the same shapes."""
        others = dict(self._problem.inputs)
        for seed, name in enumerate(self._problem.differentiable, start=_OTHER_SEED):
            x, within = others[name], self._problem.domain.get(name)
            if within is None:
                (others[name],) = random_directions(x, 1, seed=seed)  # drawn as inputs are, and remembered
            else:
                others[name] = drawn(random.Random(seed), x.shape, within).astype(x.dtype)  # noqa: S311  # no secrets
        return others

    def laid_out(self, lay_out: Callable[[Array], Array]) -> tuple[dict[str, Array], Array]:
        """Return the inputs and the cotangent, laid out in some way."""
        inputs = {name: lay_out(array) for name, array in self._problem.inputs.items()}
        return inputs, lay_out(self._problem.cotangent)

    def steps(self, place: int = 0, *, only_once: bool = False) -> list[Step]:
        """Return the calls, or one of each pass; the first of them has a place among all that are expected."""
        skipped, times = self._settings.skipped_duties, self._settings.repeat
        if "deterministic" in skipped:
            return []
        inputs, cotangent = self._problem.inputs, self._problem.cotangent
        # Code that adds up from call to call would be called too often if more calls followed.
        steps: list[Step] = [
            self._forward(inputs, SAME_INPUTS),
            self._backward(cotangent, place, OTHER_CACHE)._replace(repeats=True),
            self._backward(cotangent, place, SAME_CACHE),
        ]
        if only_once:
            return steps[:2]

        def add_passes(inputs: Mapping[str, Array], cotangent: Array, when: str) -> None:
            steps.append(self._forward(inputs, when))
            steps.append(self._backward(cotangent, place + len(steps) - 1, when))

        for number in range(1, times + 1):
            add_passes(inputs, cotangent, NTH.format(number, times))
        for other, when in self.cotangents if "linear_in_cotangent" not in skipped else ():
            steps.append(self._backward(other, place, when))
        if "independent_caches" not in skipped:
            steps.append(self._forward(self.inputs, OTHER_INPUTS))
            steps.append(self._backward(cotangent, place, AFTER_OTHERS))
        for words, lay_out in LAYOUTS.items() if "memory_layouts" not in skipped else ():
            add_passes(*self.laid_out(lay_out), f"with arrays {words}{HOW_TO_SKIP}")
        return steps

    def _forward(self, inputs: Mapping[str, Array], when: str) -> ForwardStep:
        return ForwardStep(inputs, self._problem.parameters, when)

    def _backward(self, cotangent: Array, cache: object, when: str) -> BackwardStep:
        return BackwardStep(cotangent, cache, self._problem.differentiable, when)
