"""One of several parts of a run, for machines that share the work without knowing of each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.cases.cases import Cases
    from gradcheck_cli.layers.framework.case import Case


@dataclass(frozen=True)
class Shard:
    """Those of the cases that fall to one of `of` parts.

    A case goes to a part by what it is, not by its place: it stays there when other cases come or go, and every case
    is in one part.
    """

    cases: Cases
    number: int  #: from 1 to `of`
    of: int

    @cached_property
    def count(self) -> int:
        """How many there are: found by going through all of them, one at a time."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Case]:
        return (case for case in self.cases if _hash(case) % self.of == self.number - 1)


def _hash(case: Case) -> int:
    """Hash a case: the same on every machine and in every version of Python, which its own `hash` is not.

    No checksum: CRC-32 modulo 4 put 24 cases that differ in stride and pad into two parts of four.
    """
    words = [case.layer, *(f"{name}={value}" for name, value in case.geometry.items()), case.dtype, case.seed]
    return int.from_bytes(hashlib.blake2b(" ".join(map(str, words)).encode(), digest_size=8).digest(), "little")
