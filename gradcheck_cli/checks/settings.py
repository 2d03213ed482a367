"""How strictly, and by which method, a case is checked."""

from __future__ import annotations

import math
from numbers import Real

from gradcheck_cli.checks.method import METHODS
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.numeric.arrays import epsilon

#: Roundings (eps of the dtype, times the scale of the element) that a correct layer may be off. Worst of correct ones
#: that were measured, float16 to longdouble: 2 for direct sums, 5 for FFT, 46 for Winograd's F(4x4, 3x3).
TOLERANCE = 100.0

#: And never more than this share of the scale, whatever the dtype: 100 roundings of float16 are a tenth of it, as much
#: as a whole gradient of a hundred terms. Leaves float16 4 roundings; direct sums need 2.
LARGEST_SHARE = 2.0**-8


#: The duties of a backward pass besides right numbers, in the order in which they are reported.
DUTIES = (
    "shapes",
    "finite",
    "deterministic",
    "linear_in_cotangent",
    "inputs_unchanged",
    "independent_caches",
    "memory_layouts",
    "not_vacuous",
)


@frozen
class Settings:
    """The settings of a check that a user can choose.

    Raises:
        ValueError: a number is not positive and finite, or the method unknown.
    """

    method: str = "auto"
    tol: float | None = None  #: in roundings of the dtype; None for the default
    step: float | None = None  #: a fixed step; None to have it chosen and bounded
    adapter: str | None = None  #: what made the implementation callable; a replay needs it
    repeat: int = 0  #: how many times both passes are called again, to see whether they are wrong only sometimes
    skipped_duties: tuple[str, ...] = ()  #: names of `DUTIES` that are not tried
    keep_arrays: bool = False  #: whether results hold the arrays that were compared
    keep_wrong: bool = False  #: whether they hold those that are wrong
    sweep_wrong: bool = False  #: whether they hold plain differences of the worst element of each wrong gradient

    def __post_init__(self) -> None:
        for name in ("tol", "step"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, Real):
                raise TypeError(f"{name} must be a number, not {value!r}")
            if not 0 < float(value) < math.inf:
                raise ValueError(f"{name} must be positive and finite, not {value}")
        if self.repeat < 0:
            raise ValueError(f"repeat must not be negative, but is {self.repeat}")
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {self.method!r}")
        if unknown := set(self.skipped_duties) - set(DUTIES):
            raise ValueError(f"a duty must be one of {', '.join(DUTIES)}, not {min(unknown)!r}")

    def tolerance(self, dtype: str) -> float:
        """The tolerance for arrays of `dtype`, in roundings."""
        return self.tol if self.tol is not None else min(TOLERANCE, LARGEST_SHARE / epsilon(dtype))

    def share(self, dtype: str) -> float:
        """The tolerance for arrays of `dtype`, as a share of an element's scale."""
        return self.tolerance(dtype) * epsilon(dtype)
