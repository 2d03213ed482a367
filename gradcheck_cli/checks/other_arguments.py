"""The other arguments with which passes are called to try their duties."""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.data.drawing import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    LayOut = Callable[[Array], Array]


class OtherArguments:
    """Other inputs and cotangents of the shapes that a problem has, each made when it is first asked for."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._layouts: dict[LayOut, tuple[dict[str, Array], Array]] = {}

    @cached_property
    def cotangents(self) -> tuple[Array, Array, Array]:
        """Zero, another cotangent, and its sum with that of the problem.

        It is -2 or -1/2 times that one, and the sum -1 or 1/2 times it: both without rounding.
        """
        cotangent, source = self._problem.cotangent, random.Random(4)  # noqa: S311  # a direction, not a secret
        odd = np.frombuffer(source.randbytes(cotangent.size), np.uint8).reshape(cotangent.shape) & 1
        share = np.where(odd, -2.0, -0.5).astype(cotangent.dtype)
        return np.zeros_like(cotangent), share * cotangent, (1 + share) * cotangent

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """Inputs of which those that have a gradient are drawn anew."""
        source, others = random.Random(5), dict(self._problem.inputs)  # noqa: S311  # not secrets
        for name in self._problem.differentiable:
            within = self._problem.domain.get(name)
            others[name] = drawn(source, others[name].shape, within).astype(others[name].dtype)
        return others

    def laid_out(self, lay_out: LayOut) -> tuple[dict[str, Array], Array]:
        """Return the problem's own inputs and cotangent in another memory layout, the same arrays each time."""
        if lay_out not in self._layouts:
            inputs = {name: lay_out(array) for name, array in self._problem.inputs.items()}
            self._layouts[lay_out] = inputs, lay_out(self._problem.cotangent)
        return self._layouts[lay_out]
