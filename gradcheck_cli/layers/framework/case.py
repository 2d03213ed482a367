"""A case: one geometry, dtype and seed of a layer."""

from __future__ import annotations

import random
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.numeric.arrays import DTYPES

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.parameter import Parameter


@frozen
class Case:
    """One geometry, dtype and seed: everything that decides what is computed, and nothing else.

    Raises:
        ValueError, TypeError: a number is not one that its parameter can take, or the dtype is unknown.
    """

    layer: ClassVar[str]

    dtype: str = "float64"
    seed: int = 0

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            object.__setattr__(self, parameter.name, parameter.normalize(getattr(self, parameter.name)))
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed}")

    @classmethod
    @cache  # each case that is made asks: half of the time that it takes
    def parameters(cls) -> tuple[Parameter, ...]:
        """List the numbers of the geometry, in the order in which they are declared."""
        declared = [f for f in fields(cls) if "kind" in f.metadata]
        return tuple(f.metadata["kind"](name=f.name, default=f.default, **f.metadata["rest"]) for f in declared)

    @property
    def geometry(self) -> dict[str, Any]:
        """The numbers of the geometry by name: ints, floats and words, and tuples for pairs and shapes."""
        return {parameter.name: getattr(self, parameter.name) for parameter in self.parameters()}

    def source(self) -> random.Random:
        """Return the source of the case's random numbers, at its start."""
        return random.Random(self.seed)  # noqa: S311  # arrays to compute with, not secrets

    def impossible(self) -> str | None:
        """Say why no layer can have this geometry, or None if one can."""
        return None

    def label(self) -> str:
        """Name the geometry in one short line, for tables."""
        raise NotImplementedError


@frozen
class NoCase(Case):
    """What a result has in the place of a case where it did not come as far as to one."""

    layer: ClassVar[str] = ""

    def label(self) -> str:
        """Say so."""
        return "no case"
