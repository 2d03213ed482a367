"""Is a gradient a constant multiple of what it should be?"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

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


def named_factor(evidence: Evidence, name: str) -> Iterator[Explanation]:
    """Yield the simple factor, or the size by which people divide and multiply, if that is all that is wrong."""
    ratio = _ratio(evidence, name)
    if ratio is None:
        return
    simple = Fraction(float(ratio)).limit_denominator(_SIMPLE)
    choices = [*_named(evidence, name), (simple, _multiple(str(simple)))]
    for factor, explanation in choices if abs(simple.numerator) <= _SIMPLE else choices[:-1]:
        near = abs(ratio - float(factor)) <= _NEAR * abs(float(factor))
        if near and _fits(evidence, name, factor.numerator, factor.denominator):
            yield explanation
            return


def any_factor(evidence: Evidence, name: str) -> Iterator[Explanation]:
    """Yield the factor, whatever it is, if it is all that is wrong."""
    ratio = _ratio(evidence, name)
    if ratio is not None and _fits(evidence, name, ratio, spent=1):  # an element is spent on the factor itself
        yield _multiple(f"{ratio:.8g}" if f"{ratio:.8g}" != "1" else f"{ratio:.17g}")


def _ratio(evidence: Evidence, name: str) -> np.floating[Any] | None:
    returned, right = evidence.returned[name], evidence.right(name)
    if returned.shape != right.value.shape or not right.value.any():
        return None
    ratio: np.floating[Any] = (right.value * returned).sum() / np.square(right.value).sum()
    return ratio if np.isfinite(ratio) and ratio else None


def _fits(
    evidence: Evidence, name: str, numerator: np.floating[Any] | int, denominator: int = 1, *, spent: int = 0
) -> bool:
    right, size = evidence.right(name), abs(numerator)
    multiple = replace(
        right,
        value=right.value * numerator / denominator,
        scale=right.scale * size / denominator,
        error_bound=right.error_bound * size / denominator,
    )
    return evidence.fits(name, multiple, spent=spent)


def _multiple(factor: str) -> Explanation:
    return Explanation(
        code="factor",
        cause=f"{{names}} {{be}} {factor} times the derivative.",
        remedy="Look for a constant factor that is not in forward.",
    )


def _named(evidence: Evidence, name: str) -> Iterator[tuple[Fraction, Explanation]]:
    yield Fraction(2), replace(_multiple("2"), remedy="Look for a contribution that is added twice.")
    negated = "{names} {have} the wrong sign: every element is negated."
    yield (
        Fraction(-1),
        Explanation(code="factor", cause=negated, remedy="Look for a minus that is not in forward."),
    )
    for size, symbol in _sizes(evidence, name):
        yield (
            Fraction(1, size),
            Explanation(
                code="factor",
                cause=f"{{names}} {{be}} the derivative divided by {symbol} = {size}.",
                remedy="Sum, and do not average: a mean, where the loss is one, comes with dout.",
            ),
        )
        yield (
            Fraction(size),
            Explanation(
                code="factor",
                cause=f"{{names}} {{be}} {symbol} = {size} times the derivative.",
                remedy="Look for a contribution that is added as often.",
            ),
        )


def _sizes(evidence: Evidence, name: str) -> Iterator[tuple[int, str]]:
    """Yield the sizes by which people multiply or divide: the likeliest first, each as often as it has a name."""
    out, own = evidence.problem.output_axes, evidence.problem.axes[name]
    spatial = tuple(axis for axis in out if axis.spatial)
    shape = dict(zip(out, evidence.cotangent.shape, strict=bool(out)))
    choices = [out[:1], spatial, (*out[:1], *spatial), out, *((axis,) for axis in out)]
    yield from (named for axes in choices if (named := _product(axes, shape)))
    shape = dict(zip(own, evidence.right(name).value.shape, strict=True))
    kernel = tuple(axis for axis in own if axis.spatial)
    yield from (named for axes in [*((axis,) for axis in own), kernel, own[1:]] if (named := _product(axes, shape)))


def _product(axes: tuple[Axis, ...], shape: dict[Axis, int]) -> tuple[int, str] | None:
    size = math.prod(shape[axis] for axis in axes)
    return (size, " ".join(axis.size for axis in axes)) if size > 1 else None
