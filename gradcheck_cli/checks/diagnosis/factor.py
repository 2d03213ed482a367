"""Is a gradient a constant multiple of what it should be?"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.diagnosis.evidence import Explanation, Hypothesis
from gradcheck_cli.data.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.checks.diagnosis.further import Further, FurtherCase
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array

#: Two numbers that are this near to each other are tried for the same: float16 has 11 bits.
_NEAR = 2.0**-6

#: Ratios of numbers up to this are simple.
_SIMPLE = 12

#: A factor that is so near to 1 is none: what is left out is small, an eps, say.
_NEAR_ONE = 2.0**-7

#: Factors that are equal in a case are all told up to this many; of more, none.
_MOST_TOLD = 4

#: Further cases that are asked which of several equal factors it is.
_MOST_ASKED = 6

_HALF = Fraction(1, 2)
_POWERS = (Fraction(1), Fraction(-1), _HALF, -_HALF, Fraction(2), Fraction(-2))


@frozen
class Factor:
    """A size to a power, or a number."""

    symbol: str = ""  #: of the size: N, or H' W'; none of a number
    power: Fraction = Fraction(1)
    number: Fraction = Fraction(1)

    def value(self, sizes: Mapping[str, int]) -> float | None:
        """Return what it is where sizes are these; None if its own is not among them."""
        if not self.symbol:
            return float(self.number)
        return float(sizes[self.symbol] ** float(self.power)) if self.symbol in sizes else None

    def times(self, array: Array, sizes: Mapping[str, int]) -> Array:
        """Multiply an array, to the last digit of its dtype."""
        if not self.symbol:
            return array * self.number.numerator / self.number.denominator
        base = array.dtype.type(sizes[self.symbol])
        base = np.sqrt(base) if abs(self.power) == _HALF else base ** abs(int(self.power))
        return np.asarray(array * base if self.power > 0 else array / base)

    def __str__(self) -> str:
        if not self.symbol:
            return str(self.number)
        return self._base if self.power > 0 else f"1/{self._base}"

    @property
    def _base(self) -> str:
        grouped = f"({self.symbol})" if " " in self.symbol else self.symbol
        written = {_HALF: f"sqrt({self.symbol})", Fraction(2): f"{grouped}^2"}
        return written.get(abs(self.power), self.symbol if self.power > 0 or " " not in self.symbol else grouped)

    def explanation(self, sizes: Mapping[str, int], *, loss: bool, samples: str) -> Explanation:
        """Say that gradients are this multiple, and where to look."""
        if not self.symbol:
            return _NUMBERS.get(self.number) or multiple(str(self.number))
        divided, base = self.power < 0, self._base.strip("()") if abs(self.power) == 1 else self._base
        figure = f"{sizes[self.symbol] ** float(abs(self.power)):.6g}"
        if divided:
            cause = f"{{names}} {{be}} the derivative divided by {base} = {figure}."
            remedy = f"Look for a division by {base} that is one too many."
            if self.power == -1 and not loss:
                remedy = "Sum, and do not average: a mean, where the loss is one, comes with dout."
        else:
            cause = f"{{names}} {{be}} {base} = {figure} times the derivative."
            remedy = f"Look for a division by {base} that forward has and backward leaves out."
            if self.power == 1:
                remedy = "Look for a contribution that is added as often, or a division that backward leaves out."
                remedy = f"Divide by {base}, as the loss does." if loss and self.symbol == samples else remedy
        return Explanation(code="factor", cause=cause, remedy=remedy)


def multiple(factor: str) -> Explanation:
    """Say that gradients are a multiple of what they should be."""
    return Explanation(
        code="factor",
        cause=f"{{names}} {{be}} {factor} times the derivative.",
        remedy="Look for a constant factor that is not in forward.",
    )


#: What people leave out or do twice, whatever the sizes are.
_NUMBERS = {
    Fraction(2): replace(multiple("2"), remedy="Look for a contribution that is added twice."),
    Fraction(-1): Explanation(
        code="factor",
        cause="{names} {have} the wrong sign: every element is negated.",
        remedy="Look for a minus that is not in forward.",
    ),
}


def named_factors(evidence: Evidence, further: Further) -> Iterator[Hypothesis]:
    """Yield the sizes, their roots and squares, and the simple numbers by which gradients are off, if that is all.

    Several may be equal in a case: a further one, in which they differ, tells which of them it is.
    """
    left: dict[str, list[Factor]] = {}
    for name in evidence.failing:
        if found := _told_apart(name, _fitting(evidence, name), further):
            left[name] = found
    sizes_of = {name: sizes(evidence, name) for name in left}
    while left:
        every = dict.fromkeys(factor for found in left.values() for factor in found)
        covered = {factor: frozenset(name for name in left if factor in left[name]) for factor in every}
        names = max(covered.values(), key=len)
        equal = [factor for factor in every if covered[factor] == names]
        name = min(names)
        yield Hypothesis(explanation=_explanation(evidence, equal, sizes_of[name]), predictions=dict.fromkeys(names))
        left = {name: found for name, found in left.items() if name not in names}


def any_factor(evidence: Evidence, further: Further) -> Iterator[Hypothesis]:
    """Yield the factor, whatever it is, if it is all that is wrong, and is the same for other numbers and sizes.

    A number of the case, such as a dropout's p, is told by its name.
    """
    factors: dict[Explanation, list[str]] = {}
    for name in evidence.failing:
        ratio = evidence.ratio(name)
        # An element is spent on the factor itself.
        if ratio is None or not evidence.fits(name, evidence.multiple(name, ratio), spent=1):
            continue
        if abs(ratio - 1) <= _NEAR_ONE:
            continue
        near = _tolerance(evidence) * abs(ratio)
        found = {other.case: there for other in _some(further) if (there := other.ratio(name)) is not None}
        own = {words: value for words, value in _numbers(evidence.case).items() if abs(ratio - value) <= near}
        for words, value in [*own.items(), ("", float(ratio))]:
            if found and all(abs(there - _numbers(case).get(words, value)) <= near for case, there in found.items()):
                factors.setdefault(multiple(f"{words} = {value:.6g}" if words else f"{ratio:.8g}"), []).append(name)
                break
    for explanation, names in factors.items():
        yield Hypothesis(explanation=explanation, predictions=dict.fromkeys(names))


def _numbers(case: Case) -> dict[str, float]:
    """Return what people make of the numbers of a case that are no sizes, such as a dropout's p."""
    found: dict[str, float] = {}
    for name, value in case.geometry.items():
        if isinstance(value, float) and 0 < value < 1:
            found |= {name: value, f"1/{name}": 1 / value, f"1 - {name}": 1 - value, f"1/(1 - {name})": 1 / (1 - value)}
    return found


def _some(further: Further) -> Iterator[FurtherCase]:
    yield further.redrawn
    for other, _ in zip(further, range(2), strict=False):
        yield other


def _tolerance(evidence: Evidence) -> float:
    """How far two factors may be apart that are the same: those of a function are measured along few directions."""
    return (
        _NEAR if not evidence.problem.reference else 1e-6 if evidence.case.dtype in ("float64", "longdouble") else 1e-3
    )


def _fitting(evidence: Evidence, name: str) -> list[Factor]:
    """Return the factors by which a gradient is off, in this case."""
    ratio = evidence.ratio(name)
    if ratio is None:
        return []
    own = sizes(evidence, name)
    choices = [Factor(symbol=s, power=p) for p in _POWERS for s in own if p in (1, -1) or " " not in s]
    choices += [Factor(number=number) for number in _NUMBERS]
    simple = Fraction(float(ratio)).limit_denominator(_SIMPLE)
    if evidence.returned[name].size > 1 and abs(simple.numerator) <= _SIMPLE and simple not in _NUMBERS:
        choices.append(Factor(number=simple))  # by which a single element may be off, whatever is wrong
    found = []
    for factor in choices:
        value = factor.value(own) or 0.0
        right = evidence.right(name)
        if value != 1 and abs(ratio - value) <= _NEAR * abs(value):
            expected = replace(evidence.multiple(name, value), value=factor.times(right.value, own))
            found += [(abs(value / float(ratio) - 1), factor)] if evidence.fits(name, expected) else []
    nearest = min((distance for distance, _ in found), default=0.0)
    return [factor for distance, factor in found if distance <= nearest + 1e-9]


def _told_apart(name: str, factors: list[Factor], further: Further) -> list[Factor]:
    """Leave out the factors that further cases refute; all of them, if it is none."""
    if not factors:
        return []
    asked, split = 0, False
    for other in further:
        if asked == _MOST_ASKED or (len(factors) == 1 and asked):
            break
        setting = other.setting
        if setting is None or name not in setting.problem.differentiable:
            continue
        there = sizes(setting, name)
        values = {factor: factor.value(there) for factor in factors}
        if len(values) == 1 and 1.0 in values.values():
            continue  # right and wrong are the same there
        if (len(values) > 1 and len(set(values.values())) == 1) or None in values.values():
            continue
        if (ratio := other.ratio(name)) is None:
            continue
        asked, split = asked + 1, True
        factors = [f for f, value in values.items() if value is not None and abs(ratio - value) <= _NEAR * abs(value)]
        if not factors:
            return []
    # Unless it was seen to be, a number is less likely than a size to which it is equal.
    likely = [factor for factor in factors if split or factor.symbol or factor.number in _NUMBERS]
    return likely or factors


def _explanation(evidence: Evidence, factors: list[Factor], own: Mapping[str, int]) -> Explanation:
    first = factors[0]
    if len(factors) == 1:
        samples = " ".join(axis.size for axis in evidence.problem.axes[evidence.failing[0]][:1])
        return first.explanation(own, loss=evidence.layer.loss, samples=samples)
    plain = multiple(f"{first.value(own):.6g}")
    if len(factors) > _MOST_TOLD:
        return plain
    *most, last = map(str, factors)
    cause = f"{plain.cause[:-1]}, a factor of {', '.join(most)} or {last}."
    return replace(plain, cause=cause, remedy="Look for a factor that is left out, or applied twice.")


def sizes(evidence: Evidence, name: str) -> dict[str, int]:
    """Return the sizes by which people multiply or divide, the likeliest first."""
    out, own = evidence.problem.output_axes, evidence.problem.axes[name]
    spatial = tuple(axis for axis in out if axis.spatial)
    shapes = {**{key: value.shape for key, value in evidence.problem.inputs.items()}, "out": evidence.cotangent.shape}
    others = [evidence.problem.axes.get(key, ()) for key in evidence.problem.differentiable if key != name]
    known: dict[str, int] = {}
    for key in (*(["out"] if out else []), name, *(key for key in evidence.problem.differentiable if key != name)):
        axes = evidence.problem.axes.get(key, ())
        if len(axes) == len(shapes[key]):
            known = {axis.size: size for axis, size in zip(axes, shapes[key], strict=True)} | known
    kernel = tuple(axis for axis in own if axis.spatial)
    choices: list[Iterable[Axis]] = [out[:1], spatial, (*out[:1], *spatial), out, *((axis,) for axis in out)]
    choices += [*((axis,) for axis in own), kernel, own[1:], *((axis,) for axes in others for axis in axes)]
    found: dict[str, int] = {}
    for choice in choices:
        names = tuple(dict.fromkeys(axis.size for axis in choice))
        if names and all(symbol in known for symbol in names):
            found.setdefault(" ".join(names), math.prod(known[symbol] for symbol in names))
    return found
