"""Whether a gradient is a constant multiple of what it should be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis
from gradcheck_cli.checks.diagnosis.other_cases import OtherCases
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.geometry import WindowedCase
from gradcheck_cli.layers.framework.axes import SAMPLE, Axis
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.numeric.arrays import Array

#: Two numbers that are this near to each other are tried for the same: float16 has 11 bits.
_NEAR = 2.0**-6

#: Ratios of numbers up to this are simple.
_SIMPLE = 12

#: A factor that is so near to 1 is none: what is left out is small, an eps, say.
_NEAR_ONE = 2.0**-7

#: Factors that are equal in a case are all given up to this many; of more, none.
_MOST_LISTED = 4

#: Other cases that are asked which of several equal factors it is.
_MOST_ASKED = 6

_HALF = Fraction(1, 2)
_POWERS = (Fraction(1), Fraction(-1), _HALF, -_HALF, Fraction(2), Fraction(-2))

#: What people leave out or do twice, whatever the sizes are.
_COMMON = {Fraction(2): "factor/doubled", Fraction(-1): "factor/negated"}


@frozen
class Factor:
    """A size to a power, or a number."""

    symbol: str = ""  #: of the size: N, or H' W'; empty for a number
    power: Fraction = Fraction(1)
    number: Fraction = Fraction(1)

    def value(self, sizes: Mapping[str, int]) -> float | None:
        """Return the factor for these sizes; None if its own is not among them."""
        if not self.symbol:
            return float(self.number)
        return float(sizes[self.symbol] ** float(self.power)) if self.symbol in sizes else None

    def times(self, array: Array, sizes: Mapping[str, int]) -> Array:
        """Multiply an array, to the last digit of its dtype."""
        if not self.symbol:
            return array * self.number.numerator / self.number.denominator
        size = array.dtype.type(sizes[self.symbol])
        base = np.sqrt(size) if abs(self.power) == _HALF else size ** abs(int(self.power))
        return np.asarray(array * base if self.power > 0 else array / base)

    def __str__(self) -> str:
        if not self.symbol:
            return str(self.number)
        base = f"({self._base})" if self._base == self.symbol and " " in self.symbol and self.power < 0 else self._base
        return base if self.power > 0 else f"1/{base}"

    @property
    def _base(self) -> str:
        """The size with its power, whatever the sign of that."""
        squared = f"({self.symbol})^2" if " " in self.symbol else f"{self.symbol}^2"
        return {_HALF: f"sqrt({self.symbol})", Fraction(2): squared}.get(abs(self.power), self.symbol)

    def explanation(self, sizes: Mapping[str, int], *, loss: bool, samples: str) -> Explanation:
        """Say that gradients are this multiple, and where to look."""
        if not self.symbol:
            return explanation(_COMMON.get(self.number, "factor"), factor=self.number)
        if self.power < 0:
            averaged = "factor/averaged-over-samples" if self.symbol == SAMPLE.size else "factor/averaged"
            cause = averaged if self.power == -1 and not loss else "factor/divided"
        elif self.power == 1:
            cause = "factor/not-averaged" if loss and self.symbol == samples else "factor/repeated"
        else:
            cause = "factor/power"
        return explanation(cause, size=self._base, value=f"{sizes[self.symbol] ** float(abs(self.power)):.6g}")


def named_factors(evidence: Evidence, others: OtherCases) -> Iterator[Hypothesis]:
    """Yield the sizes, their roots and squares, and the simple numbers by which gradients are off, if that is all.

    Several may be equal in a case: another one, in which they differ, tells which of them it is.
    """
    told_apart = {name: _told_apart(evidence, name, others) for name in evidence.failing}
    left = {name: factors for name, factors in told_apart.items() if factors}
    while left:
        every = dict.fromkeys(factor for factors in left.values() for factor in factors)
        covered = {factor: frozenset(name for name in left if factor in left[name]) for factor in every}
        names = max(covered.values(), key=len)
        equal = [factor for factor in every if covered[factor] == names]
        yield Hypothesis(explanation=_explanation(evidence, equal, min(names)), names=names)
        left = {name: factors for name, factors in left.items() if name not in names}


def any_factor(evidence: Evidence, others: OtherCases) -> Iterator[Hypothesis]:
    """Yield the factor, whatever it is, if it is all that is wrong, and is the same for other numbers and sizes.

    A number of the case, such as a dropout's p, is given by its name.
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
        asked = [others.redrawn, *itertools.islice(others, 2)]
        found = {other.case: there for other in asked if (there := other.ratio(name)) is not None}
        own = {words: value for words, value in _numbers(evidence.run.case).items() if abs(ratio - value) <= near}
        for words, value in [*own.items(), ("", float(ratio))]:
            if found and all(abs(there - _numbers(case).get(words, value)) <= near for case, there in found.items()):
                factor = f"{words} = {value:.6g}" if words else f"{ratio:.8g}"
                factors.setdefault(explanation("factor", factor=factor), []).append(name)
                break
    for cause, names in factors.items():
        yield Hypothesis(explanation=cause, names=frozenset(names))


def _numbers(case: Case) -> dict[str, float]:
    """Return likely factors from the numbers of a case that are no sizes, such as a dropout's p."""
    found: dict[str, float] = {}
    for name, value in case.geometry.items():
        if isinstance(value, float) and 0 < value < 1:
            found |= {name: value, f"1/{name}": 1 / value, f"1 - {name}": 1 - value, f"1/(1 - {name})": 1 / (1 - value)}
    return found


def _tolerance(evidence: Evidence) -> float:
    """How far two factors may be apart that are the same: those of a function are measured along few directions."""
    if not evidence.problem.reference:
        return _NEAR
    return 1e-6 if evidence.dtype in ("float64", "longdouble") else 1e-3


def _fitting(evidence: Evidence, name: str) -> list[Factor]:
    """Return the factors by which a gradient is off, in this case."""
    ratio = evidence.ratio(name)
    if ratio is None:
        return []
    sizes = likely_sizes(evidence, name)
    choices = [Factor(symbol=s, power=p) for p in _POWERS for s in sizes if p in (1, -1) or " " not in s]
    choices += [Factor(number=number) for number in _COMMON]
    simple = Fraction(float(ratio)).limit_denominator(_SIMPLE)
    if abs(simple.numerator) <= _SIMPLE and simple not in _COMMON:
        choices.append(Factor(number=simple))
    found = []
    for factor in choices:
        value = factor.value(sizes) or 0.0
        if value != 1 and abs(ratio - value) <= _NEAR * abs(value):
            exact = factor.times(evidence.right(name).value, sizes)
            if evidence.fits(name, replace(evidence.multiple(name, value), value=exact)):
                found.append((abs(value / float(ratio) - 1), factor))
    nearest = min((distance for distance, _ in found), default=0.0)
    return [factor for distance, factor in found if distance <= nearest + 1e-9]


def _told_apart(evidence: Evidence, name: str, others: OtherCases) -> list[Factor]:
    """Return the factors by which a gradient is off that other cases do not refute."""
    left, asked = _fitting(evidence, name), 0
    sizes = likely_sizes(evidence, name)
    here = {factor: factor.value(sizes) for factor in left}
    for other in others if left else ():
        if asked == _MOST_ASKED or not left or (len(left) == 1 and asked):
            break
        setting = other.setting
        if setting is None or name not in setting.problem.differentiable:
            continue
        there = likely_sizes(setting, name)
        values = {factor: factor.value(there) for factor in left}
        if setting.problem.inputs[name].size == 1 or (len(values) == 1 and 1.0 in values.values()):
            continue  # any element is a multiple, or right and wrong are the same there
        if (len(values) > 1 and len(set(values.values())) == 1) or None in values.values():
            continue
        if any(factor.symbol for factor in left) and all(values[factor] == here[factor] for factor in left):
            continue  # a size that is the same there may still be a number
        if (ratio := other.ratio(name)) is None:
            continue
        asked += 1
        left = [f for f, value in values.items() if value is not None and abs(ratio - value) <= _NEAR * abs(value)]
    # Unless it was seen to be, a number is less likely than a size to which it is equal; and a single element is off by
    # some number whatever is wrong.
    likely = [f for f in left if asked or f.symbol or f.number in _COMMON]
    return likely if evidence.returned[name].size == 1 else likely or left


def _explanation(evidence: Evidence, equal: list[Factor], name: str) -> Explanation:
    """Say which multiple it is, or list the factors that nothing tells apart."""
    sizes, (first, *others) = likely_sizes(evidence, name), equal
    if not others:
        samples = " ".join(axis.size for axis in evidence.problem.axes[evidence.failing[0]][:1])
        return first.explanation(sizes, loss=evidence.run.layer.loss, samples=samples)
    value = f"{first.value(sizes):.6g}"
    if len(equal) > _MOST_LISTED:
        return explanation("factor", factor=value)
    *most, last = map(str, equal)
    return explanation("factor/several", factor=value, factors=f"{', '.join(most)} or {last}")


def likely_sizes(evidence: Evidence, name: str) -> dict[str, int]:
    """Return sizes and products of sizes by their symbols, the likeliest for the gradient of `name` first."""
    problem = evidence.problem
    out, own = problem.output_axes, problem.axes[name]
    others = [key for key in problem.differentiable if key != name]
    shapes = {**{key: value.shape for key, value in problem.inputs.items()}, "out": evidence.cotangent.shape}
    known: dict[str, int] = {}
    for key in (*(["out"] if out else []), name, *others):
        axes = problem.axes.get(key, ())
        if len(axes) == len(shapes[key]):
            known = {axis.size: size for axis, size in zip(axes, shapes[key], strict=True)} | known
    spatial, kernel = (tuple(axis for axis in axes if axis.spatial) for axes in (out, own))
    choices: list[Iterable[Axis]] = [out[:1], spatial, (*out[:1], *spatial), out, *((axis,) for axis in out)]
    choices += [*((axis,) for axis in own), kernel, own[1:]]
    choices += [(axis,) for key in others for axis in problem.axes.get(key, ())]
    found: dict[str, int] = {}
    for choice in choices:
        symbols = tuple(dict.fromkeys(axis.size for axis in choice))
        if symbols and all(symbol in known for symbol in symbols):
            found.setdefault(" ".join(symbols), math.prod(known[symbol] for symbol in symbols))
    case = evidence.run.case
    kernels = [name for name in case.kernels if name not in known] if isinstance(case, WindowedCase) else []
    if kernels:  # of no array: a mean over windows is divided by it
        found.setdefault(" ".join(kernels), math.prod(case.geometry[name] for name in kernels))
    return found
