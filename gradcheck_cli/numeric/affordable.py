"""What a gradient may cost."""

from __future__ import annotations

#: The cost that a gradient may have: evaluations times the numbers that each reads and writes. 2e8 take one to three
#: seconds. (1, 64, 56, 56) x (64, 64, 3, 3) exceeds it with 5e8 coloured, (8, 3, 224, 224) x (64, 3, 7, 7) with 2e9.
AFFORDABLE = 2e8

#: The cost of a call itself, in numbers read and written.
_OVERHEAD = 5_000


def affordable(evaluations: int, inputs: int, outputs: int) -> bool:
    """Tell whether `evaluations` calls of a function with `inputs` and `outputs` elements are affordable."""
    return evaluations * (inputs + outputs + _OVERHEAD) <= AFFORDABLE
