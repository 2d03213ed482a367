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
    from gradcheck_cli.layers.framework.axes import Axis

#: Two numbers that are this near to each other are tried for the same: float16 has 11 bits.
_NEAR = 2.0**-6

#: Ratios of numbers up to this are simple.
_SIMPLE = 12


def named_factor(evidence: Evidence, name: str) -> Iterator[Explanation]:
    """Yield the sizes by which people divide and multiply, and the simple factor, if that is all that is wrong.

    Where a size is 2, both are yielded: one may explain what is wrong with other gradients too.
    """
    ratio = _ratio(evidence, name)
    if ratio is None:
        return
    simple = Fraction(float(ratio)).limit_denominator(_SIMPLE)
    choices = [*_named(evidence, name), *_GENERIC]
    if evidence.returned[name].size > 1 and abs(simple.numerator) <= _SIMPLE:
        choices.append((simple, _multiple(str(simple))))  # by which a single element may be off, whatever is wrong
    for factor, explanation in choices:
        near = abs(ratio - float(factor)) <= _NEAR * abs(float(factor))
        if near and _fits(evidence, name, factor.numerator, factor.denominator):
            yield explanation


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


#: What people leave out or do twice, whatever the sizes are.
_GENERIC = (
    (Fraction(2), replace(_multiple("2"), remedy="Look for a contribution that is added twice.")),
    (
        Fraction(-1),
        Explanation(
            code="factor",
            cause="{names} {have} the wrong sign: every element is negated.",
            remedy="Look for a minus that is not in forward.",
        ),
    ),
)


def _named(evidence: Evidence, name: str) -> Iterator[tuple[Fraction, Explanation]]:
    samples = evidence.problem.axes[name][:1]
    for size, symbol in _sizes(evidence, name):
        divide = "Sum, and do not average: a mean, where the loss is one, comes with dout."
        multiply = "Look for a contribution that is added as often."
        if size == 2:
            multiply = f"Look for a contribution that is added as often, or twice whatever {symbol} is."
        if evidence.layer.loss:
            divide = f"Look for a division by {symbol} that is one too many."
            if symbol == " ".join(axis.size for axis in samples):
                multiply = f"Divide by {symbol}, as the loss does."
        divided = f"{{names}} {{be}} the derivative divided by {symbol} = {size}."
        multiplied = f"{{names}} {{be}} {symbol} = {size} times the derivative."
        yield Fraction(1, size), Explanation(code="factor", cause=divided, remedy=divide)
        yield Fraction(size), Explanation(code="factor", cause=multiplied, remedy=multiply)


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
