"""Is a gradient a constant multiple of what it should be?"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.diagnosis.evidence import Explanation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.layers.layer import Axis

#: Two numbers that are this near to each other are tried for the same: float16 has 11 bits.
_NEAR = 2.0**-6

#: Ratios of numbers up to this are simple.
_SIMPLE = 12


def factors(evidence: Evidence, name: str) -> Iterator[Explanation]:
    """Yield the constant factor by which a gradient is off, if that is all that is wrong with it."""
    returned, right = evidence.returned[name], evidence.right(name)
    if returned.shape != right.value.shape or not right.value.any() or not returned.any():
        return
    with np.errstate(all="ignore"):
        ratio = float(np.vdot(right.value, returned) / np.vdot(right.value, right.value))
    if not math.isfinite(ratio) or not ratio:
        return

    def fits(factor: float, spent: int = 0) -> bool:
        scaled = abs(factor)
        multiple = replace(
            right, value=factor * right.value, scale=scaled * right.scale, error_bound=scaled * right.error_bound
        )
        return evidence.fits(name, multiple, spent=spent)

    for factor, explanation in _named(evidence, name):
        if abs(ratio - factor) <= _NEAR * abs(factor) and fits(factor):
            yield explanation
            return
    simple = Fraction(ratio).limit_denominator(_SIMPLE)
    # One element is spent on finding a factor that is no simple number.
    if 0 < abs(simple.numerator) <= _SIMPLE and fits(float(simple)):
        yield _multiple(str(simple))
    elif fits(ratio, spent=1):
        digits = 8 if f"{ratio:.8g}" != "1" else 17
        yield _multiple(f"{ratio:.{digits}g}")


def _multiple(factor: str) -> Explanation:
    return Explanation(
        code="factor",
        cause=f"{{names}} {{be}} {factor} times the derivative.",
        remedy="Look for a constant factor that is not in forward.",
    )


def _named(evidence: Evidence, name: str) -> Iterator[tuple[float, Explanation]]:
    yield 2.0, replace(_multiple("2"), remedy="Look for a contribution that is added twice.")
    negated = "{names} {have} the wrong sign: every element is negated."
    yield -1.0, Explanation(code="factor", cause=negated, remedy="Add contributions; the optimiser subtracts them.")
    for size, symbol in _sizes(evidence, name):
        yield (
            1 / size,
            Explanation(
                code="factor",
                cause=f"{{names}} {{be}} the derivative divided by {symbol} = {size}.",
                remedy="Sum, and do not average: a mean, where the loss is one, comes with dout.",
            ),
        )
        yield (
            float(size),
            Explanation(
                code="factor",
                cause=f"{{names}} {{be}} {symbol} = {size} times the derivative.",
                remedy="Look for a contribution that is added as often.",
            ),
        )


def _sizes(evidence: Evidence, name: str) -> Iterator[tuple[int, str]]:
    """Yield the sizes by which people multiply or divide: the likeliest first, each as often as it has a name."""
    out, own = evidence.problem.axes["out"], evidence.problem.axes[name]
    spatial = tuple(axis for axis in out if axis.spatial)
    shape = dict(zip(out, evidence.cotangent.shape, strict=True))
    choices = [out[:1], spatial, (*out[:1], *spatial), out, *((axis,) for axis in out)]
    yield from (named for axes in choices if (named := _product(axes, shape)))
    shape = dict(zip(own, evidence.right(name).value.shape, strict=True))
    kernel = tuple(axis for axis in own if axis.spatial)
    yield from (named for axes in [*((axis,) for axis in own), kernel, own[1:]] if (named := _product(axes, shape)))


def _product(axes: tuple[Axis, ...], shape: dict[Axis, int]) -> tuple[int, str] | None:
    size = math.prod(shape[axis] for axis in axes)
    return (size, " ".join(axis.size for axis in axes)) if size > 1 else None
