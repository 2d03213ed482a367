"""What cases are to those who go through them: any number, in an order, again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.framework.case import Case


class Cases(Protocol):
    """Cases in an order."""

    @property
    def count(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Case]:
        """Go through them; the same ones each time."""


@dataclass(frozen=True)
class Listed:
    """Cases that are named one by one."""

    cases: tuple[Case, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)
