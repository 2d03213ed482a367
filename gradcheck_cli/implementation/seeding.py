"""The global random generators are seeded before each call, and put back afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.guard.generators import keep_generators, seed_generators
from gradcheck_cli.implementation.implementation import BackwardStep, Implementation, ImplementationError, Step
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


def seeded(implementation: Implementation, seed: int) -> Implementation:
    """Seed the generators before each call, so that code that draws from them draws the same again.

    Backward has another seed than forward: a mask that it draws anew is another one, as it is in use.
    """

    def forward(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        implementation.seed(seed)
        return implementation.forward(inputs, parameters)

    def backward(cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        implementation.seed(seed + 1)
        return implementation.backward(cotangent, cache, names)

    def expect(steps: Sequence[Step]) -> None:
        assert implementation.expect is not None
        implementation.expect([step._replace(seed=seed + isinstance(step, BackwardStep)) for step in steps])

    return replace(implementation, forward=forward, backward=backward, expect=expect if implementation.expect else None)


def generators_kept(problem: Problem) -> contextlib.AbstractContextManager[None]:
    """Put the generators back at the end of a block in which they are seeded, if they are."""
    return contextlib.nullcontext() if problem.draws is None else seeds_from(problem.draws)


@contextlib.contextmanager
def seeds_from(seed: int) -> Iterator[None]:
    """Seed the generators for a block, and put them back at its end."""
    put_back = keep_generators()
    seed_generators(seed)
    try:
        yield
    finally:
        put_back()


def depends_on_draws(implementation: Implementation, problem: Problem, out: object) -> bool:
    """Tell whether the output of the latest call, which was seeded by the problem, depends on what it drew.

    Args:
        implementation: that was called, without seeding of its own.
        problem: the inputs, and the seed.
        out: what forward returned.
    """
    if problem.draws is None:
        return False
    if not implementation.has_drawn(problem.draws):
        return False
    implementation.seed(problem.draws + 2)
    try:
        other, _ = implementation.forward(problem.inputs, problem.parameters)
    except ImplementationError:
        return True
    pairs = zip(*(value if isinstance(value, tuple) else (value,) for value in (out, other)), strict=False)
    return not all(_are_equal(*pair) for pair in pairs)


def _are_equal(one: object, two: object) -> bool:
    is_array = isinstance(one, np.ndarray) and isinstance(two, np.ndarray)
    return is_array and np.array_equal(np.asarray(one), np.asarray(two), equal_nan=True)
