"""Faults in a normalization, as equations that replace the right ones, the most common first."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.framework.equations import EquationFault
from gradcheck_cli.layers.framework.reshapes import misread
from gradcheck_cli.layers.norm.normalization import backward_equations, forward_equations, is_constant
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.equations import Equation, Equations
    from gradcheck_cli.layers.norm.normalization import Normalization

    Parameters = Mapping[str, Any]

_DX = "dx = (g - mean(g) - z mean(g z)) / s, with g = gamma dout, z = (x - mean) / s and s = sqrt(var + eps)."
_CONSTANT = "In test mode mean and variance are constants: return gamma dout / sqrt(running_var + eps)."
_S = "Take s = sqrt(var + eps), as forward does."
_OUT = "out = gamma (x - mean) / sqrt(var + eps) + beta."
_SUMS = "dgamma = sum(dout z) and dbeta = sum(dout), with z = (x - mean) / s."

#: Values that people write for eps, whatever they are given.
_USUAL_EPS = (1e-5, 1e-8)


def _fault(code: str, words: str, remedy: str, **equations: Equation) -> EquationFault:
    return EquationFault(code, f"In {{names}} {words}.", remedy, equations)


def backward_faults(norm: Normalization, parameters: Parameters) -> Iterator[EquationFault]:
    """Yield faults in dx, in its terms, roots and axes; and in dgamma and dbeta."""
    constant = is_constant(parameters)
    yield from _mode_ignored(parameters) if constant else _terms(norm)
    remedy = _CONSTANT if constant else _DX
    yield _fault("gamma-missing", "gamma is missing", remedy, g=lambda v: v.dout)
    yield _fault("scale-missing", "the division by s is missing", remedy, divisor=lambda _: 1.0)
    for code, words, r in _wrong_roots(parameters["eps"]):
        yield _fault(code, words, _CONSTANT if constant else _S, s=r)
        if not constant:
            yield from _partly(code, words, r)
    if not constant:
        yield from _axes(norm)
    instead = "dout is multiplied by {}, not by z"
    yield _fault(
        "gamma-extra",
        "dout is multiplied by gamma",
        _SUMS,
        dgamma=lambda v: v.norm.total(v.g * v.z),
        dbeta=lambda v: v.norm.total(v.g),
    )
    factors: dict[str, Equation] = {"x - mean": lambda v: v.centred, "x": lambda v: v.x, "out": lambda v: v.scaled}
    for name, factor in factors.items():
        yield _fault("not-normalized", instead.format(name), _SUMS, dgamma=_summed_with(factor))


def _summed_with(factor: Equation) -> Equation:
    return lambda v: v.norm.total(v.dout * factor(v))


def _mode_ignored(parameters: Parameters) -> Iterator[EquationFault]:
    """Yield dx of train mode, with z as forward had it or with that of the batch."""
    train = backward_equations({**parameters, "mode": "train"})
    words = "mean and variance are taken for the batch's, where in test mode they are constants"
    for names in (("through_mean", "through_variance"), ("mean", "variance", "through_mean", "through_variance")):
        yield _fault("mode-ignored", words, _CONSTANT, **{name: train[name] for name in names})


def _terms(norm: Normalization) -> Iterator[EquationFault]:
    """Yield dx with a wrong factor on some of its terms, and wrong powers of var + eps."""
    mean, variance, both = (
        "the term through the mean",
        "the term through the variance",
        "the terms through the mean and the variance",
    )
    rows: list[tuple[str, str, float, float, float]] = [
        # factors on the direct term, on that through the mean, on that through the variance
        ("variance-path", f"{variance} is missing", 1, 1, 0),
        ("mean-path", f"{mean} is missing", 1, 0, 1),
        ("statistics-constant", "mean and variance are taken for constants", 1, 0, 0),
        ("variance-sign", f"{variance} has the wrong sign", 1, 1, -1),
        ("mean-sign", f"{mean} has the wrong sign", 1, -1, 1),
        ("variance-sign", f"{both} have the wrong sign", 1, -1, -1),
    ]
    if (n := norm.count) > 2:  # of two elements, N - 1 is half of N, and twice is N times
        less, total = (
            f"divided by {norm.size} - 1, not by {norm.size}",
            f"a sum over {norm.size} elements, not their mean",
        )
        rows += [
            ("divided-by-n-minus-1", f"{both} are {less}", 1, n / (n - 1), n / (n - 1)),
            ("divided-by-n-minus-1", f"{variance} is {less}", 1, 1, n / (n - 1)),
            ("variance-path", f"{variance} is twice what it should be", 1, 1, 2),
            ("variance-path", f"{variance} is half of what it should be", 1, 1, 0.5),
            ("sum-not-mean", f"{variance} is {total}", 1, 1, n),
            ("sum-not-mean", f"{mean} is {total}", 1, n, 1),
            ("sum-not-mean", f"each of {both} is {total}", 1, n, n),
            ("divided-twice", f"{variance} is divided by {norm.size} twice", 1, 1, 1 / n),
            ("divided-twice", f"{mean} is divided by {norm.size} twice", 1, 1 / n, 1),
            ("direct-term", f"the direct term, g / s, is divided by {norm.size}", 1 / n, 1, 1),
        ]
    right = backward_equations({})
    halves = "(x - mean)^2 has the derivative 2 (x - mean), and sqrt(v) has 1 / (2 sqrt(v)). "
    for code, words, *factors in rows:
        terms = zip(("direct", "through_mean", "through_variance"), factors, strict=True)
        changed = {name: _times(factor, right[name]) for name, factor in terms if factor != 1}
        yield _fault(code, words, halves + _DX if factors[2] in {2, 0.5} else _DX, **changed)
    powers = f"sqrt(v) has the derivative v^(-1/2) / 2, and 1 / sqrt(v) has -v^(-3/2) / 2. {_DX}"
    for power in (1, 2, 4, 6):
        words = f"{variance} has (var + eps)^(-{power / 2:g}), not (var + eps)^(-1.5)"
        yield _fault("variance-power", words, powers, through_variance=_with_power(power))


def _times(factor: float, equation: Equation) -> Equation:
    return lambda v: factor * equation(v)


def _with_power(power: int) -> Equation:
    """Return the term through the variance, which is divided by s as all terms are, with another power of s."""
    return lambda v: v.centred * v.norm.mean(v.g * v.centred) / v.s ** (power - 1)


def _wrong_roots(eps: float) -> Iterator[tuple[str, str, Equation]]:
    """Yield what people take for sqrt(var + eps): code, words and equation."""
    missing = "eps is not added to the variance (or one that is far too small)"
    yield "eps-missing", missing, lambda v: np.sqrt(v.variance)
    outside = "eps is added to the root of the variance, not to the variance"
    yield "eps-outside-root", outside, lambda v: np.sqrt(v.variance) + v.eps
    for fixed in _USUAL_EPS:
        if not 0.5 < fixed / eps < 2:
            yield "eps-fixed", f"eps is {fixed:g}, whatever it should be", _root_with(fixed)
    yield "root-missing", "var + eps is used in place of its square root", lambda v: v.variance + v.eps


def _root_with(eps: float) -> Equation:
    return lambda v: np.sqrt(v.variance + eps)


def _partly(code: str, words: str, r: Equation) -> Iterator[EquationFault]:
    """Yield dx with r in the place of s in some terms; z is that of forward."""
    yield _fault(code, words, _S, divisor=r)
    through: Equation = lambda v: v.centred * v.norm.mean(v.g * v.centred) * v.s / r(v) ** 3  # noqa: E731
    yield _fault(code, f"in the term through the variance {words}", _S, through_variance=through)
    terms: Equations = {"direct": lambda v: v.g * v.s / r(v), "through_mean": lambda v: v.norm.mean(v.g) * v.s / r(v)}
    yield _fault(code, f"in all but the term through the variance {words}", _S, **terms)


def _wrong_axes(norm: Normalization) -> Iterator[tuple[str, tuple[Axis, ...]]]:
    """Yield axes over which people take means instead, all first, with their names."""
    for count in range(len(norm.axes), 0, -1):
        for over in itertools.combinations(norm.axes, count):
            if over != norm.over:
                yield "all elements" if count == len(norm.axes) else f"the {join_names(a.plural for a in over)}", over


def _axes(norm: Normalization) -> Iterator[EquationFault]:
    for words, over in _wrong_axes(norm):
        yield _fault(
            "normalized-axes",
            f"the means are taken over {words}, not over the {norm.words}",
            f"Take every mean in dx over the {norm.words}, as forward does.",
            **_means_over(over),
        )


def _means_over(axes: tuple[Axis, ...]) -> Equations:
    return {
        "through_mean": lambda v: v.norm.mean(v.g, axes),
        "through_variance": lambda v: v.z * v.norm.mean(v.g * v.z, axes),
    }


def forward_faults(norm: Normalization, parameters: Parameters) -> Iterator[EquationFault]:
    """Yield outputs of another formula, and where there are running statistics, wrong ones of these."""
    for code, words, r in _wrong_roots(parameters["eps"]):
        yield _fault(code, words, _OUT, s=r)
    yield _fault("mean-path", "the mean is not subtracted", _OUT, z=lambda v: v.x / v.s)
    yield _fault("gamma-missing", "gamma is missing", _OUT, scaled=lambda v: v.z + v.beta)
    yield _fault("gamma-missing", "gamma and beta are missing", _OUT, scaled=lambda v: v.z)
    yield _fault("beta-missing", "beta is missing", _OUT, scaled=lambda v: v.gamma * v.z)
    yield _fault("gamma-extra", "gamma and beta are exchanged", _OUT, scaled=lambda v: v.beta * v.z + v.gamma)
    if is_constant(parameters):
        yield from _statistics_of_the_batch(parameters)
    else:
        yield from _other_moments(norm)
    if "momentum" in parameters:
        yield from _reshaped(norm)
        if not is_constant(parameters):
            yield from _running_statistics(norm, parameters["momentum"])


def _other_moments(norm: Normalization) -> Iterator[EquationFault]:
    if (n := norm.count) > 1:
        yield _fault(
            "divided-by-n-minus-1",
            f"the variance is divided by {norm.size} - 1, not by {norm.size}",
            "Take the biased variance, as `x.var(axis=...)` does: it is `ddof=1` that divides by N - 1.",
            s=lambda v: np.sqrt(v.variance * n / (n - 1) + v.eps),
        )
    for words, over in _wrong_axes(norm):
        yield _fault(
            "normalized-axes",
            f"x is normalized over {words}, not over the {norm.words}",
            f"Take mean and variance over the {norm.words}.",
            **_moments_over(over),
        )


def _moments_over(axes: tuple[Axis, ...]) -> Equations:
    return {
        "centred": lambda v: v.x - v.norm.mean(v.x, axes),
        "s": lambda v: np.sqrt(v.norm.mean(v.centred**2, axes) + v.eps),
    }


def _statistics_of_the_batch(parameters: Parameters) -> Iterator[EquationFault]:
    train = forward_equations({**parameters, "mode": "train"})
    yield EquationFault(
        "mode-ignored",
        "In test mode {names} {be} normalized by the mean and variance of the batch.",
        "In test mode use running_mean and running_var.",
        {name: train[name] for name in ("mean", "variance")},
    )
    yield EquationFault(
        "running-statistics",
        "In test mode {names} {be} updated by the batch.",
        "Update the running statistics in train mode only.",
        {
            **{name: train[name] for name in ("kept", "added")},
            "batch_mean": lambda v: v.norm.mean(v.x).ravel(),
            "batch_var": lambda v: v.x.var(axis=tuple(v.norm.axes.index(axis) for axis in v.norm.over)).ravel(),
        },
    )


def _reshaped(norm: Normalization) -> Iterator[EquationFault]:
    """Yield images that are reshaped to rows of features without a transpose; the output may be reshaped back."""
    if len(norm.axes) < 4:
        return
    own = (0, 1, 2, 3)
    for order in ((0, 2, 3, 1), (1, 0, 2, 3)):
        names = ", ".join(norm.axes[k].size for k in order)
        reshaped: dict[str, Equation] = {"x": _mistaken("x", own, order)}
        for changed in (reshaped, {**reshaped, "out": _mistaken("scaled", order, own)}):
            yield _fault(
                "reshaped-not-transposed",
                f"x is reshaped as if its axes were ({names}), without a transpose",
                f"Reshape `x.transpose({', '.join(map(str, order))})`: a reshape keeps the order in memory.",
                **changed,
            )


def _mistaken(name: str, really: tuple[int, ...], taken_for: tuple[int, ...]) -> Equation:
    return lambda v: misread(getattr(v, name), really, taken_for)


def _running_statistics(norm: Normalization, momentum: float) -> Iterator[EquationFault]:
    """Yield updates other than momentum * old + (1 - momentum) * the batch's."""

    def wrong(words: str, **equations: Equation) -> EquationFault:
        remedy = "Take momentum * old + (1 - momentum) * the batch's mean, or variance (divided by N, without eps)."
        return EquationFault("running-statistics", f"{{names}} {{be}} {words}.", remedy, equations)

    def blended(kept: float, added: float) -> dict[str, Equation]:
        return {"kept": lambda _: kept, "added": lambda _: added}

    exchanged = "updated with momentum and 1 - momentum exchanged"
    unchanged, replaced = "left as given: not updated", "replaced by the batch's"
    if momentum in {0, 1}:  # where one is all there is, several faults come to the same
        yield wrong(f"{replaced if momentum else unchanged}, or {exchanged}", **blended(1 - momentum, momentum))
    else:
        yield wrong(exchanged, **blended(1 - momentum, momentum))
        yield wrong(unchanged, **blended(1, 0))
        yield wrong(replaced, **blended(0, 1))
        yield wrong("computed as if they had been zero before", **blended(0, 1 - momentum))
        yield wrong("multiplied by momentum, with all of the batch's added", **blended(momentum, 1))
    yield wrong("updated by the variance with eps added", batch_var=lambda v: v.variance.ravel() + v.eps)
    deviation = "updated by the standard deviation, not by the variance"
    yield wrong(deviation, batch_var=lambda v: np.sqrt(v.variance).ravel())
    yield wrong("updated by sqrt(var + eps), not by the variance", batch_var=lambda v: v.s.ravel())
    if (n := norm.count) > 1:
        unbiased = f"updated by a variance divided by {norm.size} - 1, as PyTorch does, not by {norm.size}"
        yield wrong(unbiased, batch_var=lambda v: v.variance.ravel() * n / (n - 1))
