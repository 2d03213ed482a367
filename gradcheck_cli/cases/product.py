"""Products of cases: every combination of the values given for each number of a geometry."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gradcheck_cli.layers.framework.case import Case


@frozen
class Product:
    """All cases of a layer whose numbers come from the given lists.

    The order is that of the layer's numbers, then the dtype, the last varying fastest; in whatever order they were
    given. Cases are made when they are asked for: a million of them take no memory.
    """

    case: type[Case]
    values: Mapping[str, Sequence[Any]]  #: for each field of the case that is not left at its default
    seed: int

    @property
    def count(self) -> int:
        """How many there are. No `len`, which ends at 2**63."""
        return math.prod(len(values) for values in self.values.values())

    def __iter__(self) -> Iterator[Case]:
        order = [*(parameter.name for parameter in self.case.parameters()), "dtype"]
        names = sorted(self.values, key=order.index)
        for combination in itertools.product(*(self.values[name] for name in names)):
            yield self.case(**dict(zip(names, combination, strict=True)), seed=self.seed)
