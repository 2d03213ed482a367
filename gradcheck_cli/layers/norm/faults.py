"""Faults in a normalization, as equations that replace the right ones, the most common first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.fault import Equation, EquationFault, Equations, Formula, fault
from gradcheck_cli.layers.framework.faults import misread
from gradcheck_cli.layers.norm.normalization import Normalization, backward_equations, forward_equations, is_constant
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

Parameters = Mapping[str, Any]

#: By whether a normalization shifts.
_DX = {
    True: "dx = (g - mean(g) - z mean(g z)) / s, with g = gamma dout, z = (x - mean) / s and s = sqrt(var + eps).",
    False: "dx = (g - z mean(g z)) / s, with g = gamma dout, z = x / s and s = sqrt(mean(x^2) + eps).",
}
_OUT = {
    True: "out = gamma (x - mean) / sqrt(var + eps) + beta.",
    False: "out = gamma x / sqrt(mean(x^2) + eps).",
}
_CONSTANT = "In test mode mean and variance are constants: return gamma dout / sqrt(running_var + eps)."

#: Values that people write for eps, whatever they are given.
_USUAL_EPS = (1e-5, 1e-8)


def backward_faults(norm: Normalization, parameters: Parameters) -> Iterator[EquationFault]:
    """Yield faults in dx, in its terms, roots and axes; and in dgamma and dbeta."""
    constant, as_forward = is_constant(parameters), f"Take s = sqrt({norm.symbol} + eps), as forward does."
    remedy, root = (_CONSTANT, _CONSTANT) if constant else (_DX[norm.shifts], as_forward)
    through = f"the term through the {norm.moment}"
    yield from _mode_ignored() if constant else _terms(norm)
    yield fault("gamma-missing", "gamma is missing", remedy, g=lambda v: v.dout)
    yield fault("scale-missing", "the division by s is missing", remedy, s1=1.0, s2=1.0)
    for code, words, r in _wrong_roots(norm, parameters["eps"]):
        yield fault(code, words, root, s=r)
        if not constant:
            yield fault(code, words, root, s1=r, s2=r)
            yield fault(code, f"in {through} {words}", root, r=r, s2=lambda v: v.r**3 / v.s**2)
            yield fault(code, f"in all but {through} {words}", root, s1=r)
    for words, over in () if constant else _wrong_axes(norm):
        wrong = f"the means are taken over {words}, not over the {norm.words}"
        right = f"Take every mean in dx over the {norm.words}, as forward does."
        yield fault("normalized-axes", wrong, right, over=over)
    z, instead = "(x - mean) / s" if norm.shifts else "x / s", "dout is multiplied by"
    sums = f"dgamma = sum(dout z){' and dbeta = sum(dout)' if norm.shifts else ''}, with z = {z}."
    yield fault("not-normalized", "dout is not multiplied by z", sums, factor=1.0)
    if norm.shifts:  # without beta, gamma makes out of z
        yield fault("gamma-extra", f"{instead} gamma", sums, cotangent=lambda v: v.g)
        yield fault("not-normalized", f"{instead} x - mean, not by z", sums, factor=lambda v: v.centred)
    yield fault("not-normalized", f"{instead} x, not by z", sums, factor=lambda v: v.x)
    yield fault("not-normalized", f"{instead} out, not by z", sums, factor=lambda v: v.scaled)


def _mode_ignored() -> Iterator[EquationFault]:
    """Yield dx of train mode, with z as forward had it or with that of the batch."""
    words = "mean and variance are taken for the batch's, where in test mode they are constants"
    terms: Equations = {"through_mean": 1.0, "through_variance": 1.0}
    train = backward_equations({})
    for moments in ({}, {name: train[name] for name in ("mean", "variance")}):
        yield fault("mode-ignored", words, _CONSTANT, **terms, **moments)


def _terms(norm: Normalization) -> Iterator[EquationFault]:
    """Yield dx with a wrong factor on some of its terms, and wrong powers of var + eps."""
    mean, variance = "the term through the mean", f"the term through the {norm.moment}"
    both, size, n = "the terms through the mean and the variance", norm.size, norm.count
    remedy = _DX[norm.shifts]
    rows: list[tuple[str, str, float, float]] = [
        # factors on the term through the mean, and on that through the variance
        ("variance-path", f"{variance} is missing", 1, 0),
        ("mean-path", f"{mean} is missing", 0, 1),
        ("statistics-constant", "mean and variance are taken for constants", 0, 0),
        ("variance-sign", f"{variance} has the wrong sign", 1, -1),
        ("mean-sign", f"{mean} has the wrong sign", -1, 1),
        ("variance-sign", f"{both} have the wrong sign", -1, -1),
    ]
    if n > 2:  # of two elements, N - 1 is half of N, and twice is N times
        less, total = f"divided by {size} - 1, not by {size}", f"a sum over {size} elements, not their mean"
        rows += [
            ("divided-by-n-minus-1", f"{both} are {less}", n / (n - 1), n / (n - 1)),
            ("divided-by-n-minus-1", f"{variance} is {less}", 1, n / (n - 1)),
            ("variance-path", f"{variance} is twice what it should be", 1, 2),
            ("variance-path", f"{variance} is half of what it should be", 1, 0.5),
            ("sum-not-mean", f"{variance} is {total}", 1, n),
            ("sum-not-mean", f"{mean} is {total}", n, 1),
            ("sum-not-mean", f"each of {both} is {total}", n, n),
        ]
    halves = f"x^2 has the derivative 2 x, and sqrt(v) has 1 / (2 sqrt(v)). {remedy}"
    for code, words, through_mean, through_variance in rows:
        if norm.shifts or through_mean == 1:  # what there is no term for is not wrong
            wrong = {"through_mean": through_mean * norm.shifts, "through_variance": through_variance}
            yield fault(code, words, halves if through_variance in {2, 0.5} else remedy, **wrong)
    if not norm.shifts:
        extra = "the mean of g is subtracted, as in layer normalization"
        yield fault("mean-path", extra, remedy, through_mean=1.0)
    powers = f"sqrt(v) has the derivative v^(-1/2) / 2, and 1 / sqrt(v) has -v^(-3/2) / 2. {remedy}"
    for power in (1, 2, 4, 6):
        words = f"{variance} has ({norm.symbol} + eps)^(-{power / 2:g}), not ({norm.symbol} + eps)^(-1.5)"
        yield fault("variance-power", words, powers, power=power)


def _wrong_roots(norm: Normalization, eps: float) -> Iterator[tuple[str, str, Formula]]:
    """Yield what people take for sqrt(var + eps): code, words and equation."""
    missing = f"eps is not added to the {norm.moment} (or one that is far too small)"
    yield "eps-missing", missing, lambda v: np.sqrt(v.variance)
    outside = f"eps is added to the root of the {norm.moment}, not to the {norm.moment}"
    yield "eps-outside-root", outside, lambda v: np.sqrt(v.variance) + v.eps
    for fixed in _USUAL_EPS:
        if not 0.5 < fixed / eps < 2:
            yield "eps-fixed", f"eps is fixed at {fixed:g}, whatever forward is given", partial(_root, fixed)
    yield "root-missing", f"{norm.symbol} + eps is used in place of its square root", lambda v: v.variance + v.eps


def _root(eps: float, v: Any) -> Any:
    return np.sqrt(v.variance + eps)


def _wrong_axes(norm: Normalization) -> Iterator[tuple[str, tuple[Axis, ...]]]:
    """Yield axes over which people take means instead, all first, with their names."""
    for count in range(len(norm.axes), 0, -1):
        for over in itertools.combinations(norm.axes, count):
            if over != norm.over:
                yield "all elements" if count == len(norm.axes) else f"the {join_names(a.plural for a in over)}", over


def forward_faults(norm: Normalization, parameters: Parameters) -> Iterator[EquationFault]:
    """Yield outputs of another formula, and where there are running statistics, wrong ones of these."""
    right = _OUT[norm.shifts]
    for code, words, r in _wrong_roots(norm, parameters["eps"]):
        yield fault(code, words, right, s=r)
    yield fault("gamma-missing", "gamma is missing", right, scaled=lambda v: v.z + v.beta)
    if norm.shifts:
        yield fault("mean-path", "the mean is not subtracted", right, z=lambda v: v.x / v.s)
        yield fault("gamma-missing", "gamma and beta are missing", right, scaled=lambda v: v.z)
        yield fault("beta-missing", "beta is missing", right, scaled=lambda v: v.gamma * v.z)
        yield fault("gamma-extra", "gamma and beta are exchanged", right, scaled=lambda v: v.beta * v.z + v.gamma)
    elif norm.count > 1:
        summed = "the sum of squares is used in place of their mean"
        yield fault("sum-not-mean", summed, right, correction=norm.count)
        variance = "the variance is used in place of the mean square"
        yield fault("mean-path", variance, right, variance=lambda v: norm.mean((v.x - norm.mean(v.x)) ** 2))
    yield from _statistics_of_the_batch() if is_constant(parameters) else _other_moments(norm)
    if "momentum" in parameters:
        yield from _reshaped(norm)
    if "momentum" in parameters and not is_constant(parameters):
        yield from _running_statistics(norm, parameters["momentum"])


def _other_moments(norm: Normalization) -> Iterator[EquationFault]:
    if (n := norm.count) > 1:
        less = f"the {norm.moment} is divided by {norm.size} - 1, not by {norm.size}"
        biased = "Take the biased variance, as `x.var(axis=...)` does: it is `ddof=1` that divides by N - 1."
        yield fault("divided-by-n-minus-1", less, biased, correction=n / (n - 1))
    for words, over in _wrong_axes(norm):
        wrong = f"x is normalized over {words}, not over the {norm.words}"
        yield fault("normalized-axes", wrong, f"Take mean and variance over the {norm.words}.", over_in_forward=over)


def _statistics_of_the_batch() -> Iterator[EquationFault]:
    train = forward_equations({"momentum": None})
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
        {name: train[name] for name in ("kept", "added")},
    )


def _reshaped(norm: Normalization) -> Iterator[EquationFault]:
    """Yield images that are reshaped to rows of features without a transpose; the output may be reshaped back."""
    own = (0, 1, 2, 3)
    for order in ((0, 2, 3, 1), (1, 0, 2, 3)) if len(norm.axes) == len(own) else ():
        words = (
            f"x is reshaped as if its axes were ({', '.join(norm.axes[k].size for k in order)}), without a transpose"
        )
        remedy = f"Reshape `x.transpose({', '.join(map(str, order))})`: a reshape keeps the order in memory."
        taken, back = partial(_mistaken, "x", own, order), partial(_mistaken, "scaled", order, own)
        yield fault("reshaped-not-transposed", words, remedy, x=taken)
        yield fault("reshaped-not-transposed", words, remedy, x=taken, out=back)


def _mistaken(name: str, really: tuple[int, ...], taken_for: tuple[int, ...], v: Any) -> Array:
    return misread(getattr(v, name), really, taken_for)


def _running_statistics(norm: Normalization, momentum: float) -> Iterator[EquationFault]:
    """Yield updates other than momentum * old + (1 - momentum) * the batch's."""

    def wrong(words: str, **equations: Equation) -> EquationFault:
        remedy = "Take momentum * old + (1 - momentum) * the batch's mean, or variance (divided by N, without eps)."
        return EquationFault("running-statistics", f"{{names}} {{be}} {words}.", remedy, equations)

    exchanged = "updated with momentum and 1 - momentum exchanged"
    unchanged, replaced = "left as given: not updated", "replaced by the batch's"
    if momentum in {0, 1}:  # where one is all there is, several faults come to the same
        yield wrong(f"{replaced if momentum else unchanged}, or {exchanged}", kept=1 - momentum, added=momentum)
    else:
        yield wrong(exchanged, kept=1 - momentum, added=momentum)
        yield wrong(unchanged, kept=1, added=0)
        yield wrong(replaced, kept=0, added=1)
        yield wrong("computed as if they had been zero before", kept=0)
        yield wrong("multiplied by momentum, with all of the batch's added", added=1)
    deviation = "updated by the standard deviation, not by the variance"
    yield wrong("updated by the variance with eps added", batch_var=lambda v: v.variance.ravel() + v.eps)
    yield wrong(deviation, batch_var=lambda v: np.sqrt(v.variance).ravel())
    yield wrong("updated by sqrt(var + eps), not by the variance", batch_var=lambda v: v.s.ravel())
    if (n := norm.count) > 1:
        unbiased = f"updated by a variance divided by {norm.size} - 1, as PyTorch does, not by {norm.size}"
        yield wrong(unbiased, batch_var=lambda v: v.variance.ravel() * n / (n - 1))
