"""Sequences of cases: listed ones, products of values, and shards of either."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from gradcheck_cli.data.frozen import frozen

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case


class Cases(Protocol):
    """A re-iterable sequence of cases."""

    @property
    def count(self) -> int:
        """The number of cases. No `len`, which ends at 2**63."""

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases, the same ones each time."""


@frozen
class Listed:
    """Cases that are listed one by one."""

    cases: tuple[Case, ...]

    @property
    def count(self) -> int:
        """The number of cases."""
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)


@frozen
class Product:
    """All cases of a layer whose parameters have the given values.

    The order is that of the layer's parameters, then the dtype, the last varying fastest, in whatever order values were
    given. Cases are made as they are asked for: a million of them take no memory.
    """

    case: type[Case]
    values: Mapping[str, Sequence[Any]]  #: for each field of the case that is not left at its default
    seed: int

    @property
    def count(self) -> int:
        """The number of cases."""
        return math.prod(len(values) for values in self.values.values())

    def __iter__(self) -> Iterator[Case]:
        order = [*(parameter.name for parameter in self.case.parameters()), "dtype"]
        names = sorted(self.values, key=order.index)
        for combination in itertools.product(*(self.values[name] for name in names)):
            yield self.case(**dict(zip(names, combination, strict=True)), seed=self.seed)


@frozen
class Shard:
    """One of `of` parts of other cases, for machines that share the work without knowing of each other.

    A case belongs to a part by what it is, not by its place: it stays there when other cases are added or removed.
    """

    cases: Cases
    number: int  #: from 1 to `of`
    of: int

    @cached_property
    def count(self) -> int:
        """The number of cases, found by going through all of them."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Case]:
        return (case for case in self.cases if _hash(case) % self.of == self.number - 1)


def _hash(case: Case) -> int:
    """Hash a case: the same on every machine and in every version of Python, which its own `hash` is not.

    No checksum: CRC-32 modulo 4 put 24 cases that differ in stride and pad into two parts of four.
    """
    import hashlib  # 1 ms, and only for shards

    words = [case.layer, *(f"{name}={value}" for name, value in case.geometry.items()), case.dtype, case.seed]
    return int.from_bytes(hashlib.blake2b(" ".join(map(str, words)).encode(), digest_size=8).digest(), "little")
