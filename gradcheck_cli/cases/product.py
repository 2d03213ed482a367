"""Products of cases: every combination of the values given for each number of a geometry."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gradcheck_cli.layers.layer import Case


@dataclass(frozen=True, kw_only=True)
class Product:
    """All cases of a layer whose numbers come from the given lists, the last named number varying fastest.

    Cases are made when they are asked for: a million of them take no memory.
    """

    case: type[Case]
    values: Mapping[str, Sequence[Any]]  #: for each field of the case that is not left at its default
    seed: int

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.values.values())

    def __iter__(self) -> Iterator[Case]:
        for combination in itertools.product(*self.values.values()):
            yield self.case(**dict(zip(self.values, combination, strict=True)), seed=self.seed)
