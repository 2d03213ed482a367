"""Faults in a normalization, as equations that replace the right ones, the most common first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from gradcheck_cli.layers.framework.fault import EquationFault, equations, fault
from gradcheck_cli.layers.norm.normalization import Normalization, is_constant
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


#: Of train mode: the moments of the batch, and their share in the running statistics.
_MOMENTS = "mean = norm.mean(x); variance = norm.mean(centred**2)"
_SHARES = "kept = momentum; added = 1 - momentum"


def backward_faults(norm: Normalization, parameters: Parameters) -> Iterator[EquationFault]:
    """Yield faults in dx, in its terms, roots and axes; and in dgamma and dbeta."""
    constant, as_forward = is_constant(parameters), f"Take s = sqrt({norm.symbol} + eps), as forward does."
    remedy, root = (_CONSTANT, _CONSTANT) if constant else (_DX[norm.shifts], as_forward)
    through = f"the term through the {norm.moment}"
    yield from _mode_ignored() if constant else _terms(norm)
    yield fault("gamma-missing", "gamma is missing", remedy, "g = dout")
    yield fault("scale-missing", "the division by s is missing", remedy, "s1 = 1.0; s2 = 1.0")
    for code, words, r in _wrong_roots(norm, parameters["eps"]):
        yield fault(code, words, root, f"s = {r}")
        if not constant:
            yield fault(code, words, root, f"s1 = {r}; s2 = {r}")
            yield fault(code, f"in {through} {words}", root, f"r = {r}; s2 = r**3 / s**2")
            yield fault(code, f"in all but {through} {words}", root, f"s1 = {r}")
    for words, over in () if constant else _wrong_axes(norm):
        wrong = f"the means are taken over {words}, not over the {norm.words}"
        right = f"Take every mean in dx over the {norm.words}, as forward does."
        yield fault("normalized-axes", wrong, right, f"over = {over!r}")
    z, instead = "(x - mean) / s" if norm.shifts else "x / s", "dout is multiplied by"
    sums = f"dgamma = sum(dout z){' and dbeta = sum(dout)' if norm.shifts else ''}, with z = {z}."
    yield fault("not-normalized", "dout is not multiplied by z", sums, "factor = 1.0")
    if norm.shifts:  # without beta, gamma makes out of z
        yield fault("gamma-extra", f"{instead} gamma", sums, "cotangent = g")
        yield fault("not-normalized", f"{instead} x - mean, not by z", sums, "factor = centred")
    yield fault("not-normalized", f"{instead} x, not by z", sums, "factor = x")
    yield fault("not-normalized", f"{instead} out, not by z", sums, "factor = scaled")


def _mode_ignored() -> Iterator[EquationFault]:
    """Yield dx of train mode, with z as forward had it or with that of the batch."""
    words = "mean and variance are taken for the batch's, where in test mode they are constants"
    for moments in ("", _MOMENTS):
        yield fault("mode-ignored", words, _CONSTANT, f"through_mean = 1.0; through_variance = 1.0; {moments}")


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
    for code, words, m, v in rows:
        if norm.shifts or m == 1:  # what there is no term for is not wrong
            factors = f"through_mean = {m * norm.shifts}; through_variance = {v}"
            yield fault(code, words, halves if v in {2, 0.5} else remedy, factors)
    if not norm.shifts:
        extra = "the mean of g is subtracted, as in layer normalization"
        yield fault("mean-path", extra, remedy, "through_mean = 1.0")
    powers = f"sqrt(v) has the derivative v^(-1/2) / 2, and 1 / sqrt(v) has -v^(-3/2) / 2. {remedy}"
    for power in (1, 2, 4, 6):
        words = f"{variance} has ({norm.symbol} + eps)^(-{power / 2:g}), not ({norm.symbol} + eps)^(-1.5)"
        yield fault("variance-power", words, powers, f"power = {power}")


def _wrong_roots(norm: Normalization, eps: float) -> Iterator[tuple[str, str, str]]:
    """Yield what people take for sqrt(var + eps): code, words and expression."""
    missing = f"eps is not added to the {norm.moment} (or one that is far too small)"
    yield "eps-missing", missing, "np.sqrt(variance)"
    outside = f"eps is added to the root of the {norm.moment}, not to the {norm.moment}"
    yield "eps-outside-root", outside, "np.sqrt(variance) + eps"
    for fixed in _USUAL_EPS:
        if not 0.5 < fixed / eps < 2:
            words = f"eps is fixed at {fixed:g}, whatever forward is given"
            yield "eps-fixed", words, f"np.sqrt(variance + {fixed})"
    yield "root-missing", f"{norm.symbol} + eps is used in place of its square root", "variance + eps"


def _wrong_axes(norm: Normalization) -> Iterator[tuple[str, str]]:
    """Yield axes over which people take means instead, all first: in words, and their sizes."""
    for count in range(len(norm.axes), 0, -1):
        for over in itertools.combinations(norm.axes, count):
            if over != norm.over:
                words = "all elements" if count == len(norm.axes) else f"the {join_names(a.plural for a in over)}"
                yield words, " ".join(axis.size for axis in over)


def forward_faults(norm: Normalization, parameters: Parameters) -> Iterator[EquationFault]:
    """Yield outputs of another formula, and where there are running statistics, wrong ones of these."""
    right = _OUT[norm.shifts]
    for code, words, r in _wrong_roots(norm, parameters["eps"]):
        yield fault(code, words, right, f"s = {r}")
    yield fault("gamma-missing", "gamma is missing", right, "scaled = z + beta")
    if norm.shifts:
        yield fault("mean-path", "the mean is not subtracted", right, "z = x / s")
        yield fault("gamma-missing", "gamma and beta are missing", right, "scaled = z")
        yield fault("beta-missing", "beta is missing", right, "scaled = gamma * z")
        yield fault("gamma-extra", "gamma and beta are exchanged", right, "scaled = beta * z + gamma")
    elif norm.count > 1:
        summed = "the sum of squares is used in place of their mean"
        yield fault("sum-not-mean", summed, right, f"correction = {norm.count}")
        variance = "the variance is used in place of the mean square"
        yield fault("mean-path", variance, right, "variance = norm.mean((x - norm.mean(x)) ** 2)")
    yield from _statistics_of_the_batch() if is_constant(parameters) else _other_moments(norm)
    if "momentum" in parameters:
        yield from _reshaped(norm)
    if "momentum" in parameters and not is_constant(parameters):
        yield from _running_statistics(norm, parameters["momentum"])


def _other_moments(norm: Normalization) -> Iterator[EquationFault]:
    if (n := norm.count) > 1:
        less = f"the {norm.moment} is divided by {norm.size} - 1, not by {norm.size}"
        biased = "Take the biased variance, as `x.var(axis=...)` does: it is `ddof=1` that divides by N - 1."
        yield fault("divided-by-n-minus-1", less, biased, f"correction = {n / (n - 1)}")
    for words, over in _wrong_axes(norm):
        wrong = f"x is normalized over {words}, not over the {norm.words}"
        yield fault(
            "normalized-axes", wrong, f"Take mean and variance over the {norm.words}.", f"over_in_forward = {over!r}"
        )


def _statistics_of_the_batch() -> Iterator[EquationFault]:
    used, right = "normalized by the mean and variance of the batch", "In test mode use running_mean and running_var."
    updated = "Update the running statistics in train mode only."
    yield EquationFault("mode-ignored", f"In test mode {{names}} {{be}} {used}.", right, equations(_MOMENTS))
    words = "In test mode {names} {be} updated by the batch."
    yield EquationFault("running-statistics", words, updated, equations(_SHARES))


def _reshaped(norm: Normalization) -> Iterator[EquationFault]:
    """Yield images that are reshaped to rows of features without a transpose; the output may be reshaped back."""
    own = (0, 1, 2, 3)
    for order in ((0, 2, 3, 1), (1, 0, 2, 3)) if len(norm.axes) == len(own) else ():
        names = ", ".join(norm.axes[k].size for k in order)
        words = f"x is reshaped as if its axes were ({names}), without a transpose"
        remedy = f"Reshape `x.transpose({', '.join(map(str, order))})`: a reshape keeps the order in memory."
        for back in ("", f"; out = misread(scaled, {order}, {own})"):
            yield fault("reshaped-not-transposed", words, remedy, f"x = misread(x, {own}, {order}){back}")


def _running_statistics(norm: Normalization, momentum: float) -> Iterator[EquationFault]:
    """Yield updates other than momentum * old + (1 - momentum) * the batch's."""

    def wrong(words: str, formulas: str) -> EquationFault:
        remedy = "Take momentum * old + (1 - momentum) * the batch's mean, or variance (divided by N, without eps)."
        return EquationFault("running-statistics", f"{{names}} {{be}} {words}.", remedy, equations(formulas))

    exchanged = "updated with momentum and 1 - momentum exchanged"
    unchanged, replaced = "left as given: not updated", "replaced by the batch's"
    other_way = "kept = 1 - momentum; added = momentum"
    if momentum in {0, 1}:  # where one is all there is, several faults come to the same
        yield wrong(f"{replaced if momentum else unchanged}, or {exchanged}", other_way)
    else:
        yield wrong(exchanged, other_way)
        yield wrong(unchanged, "kept = 1; added = 0")
        yield wrong(replaced, "kept = 0; added = 1")
        yield wrong("computed as if they had been zero before", "kept = 0")
        yield wrong("multiplied by momentum, with all of the batch's added", "added = 1")
    deviation = "updated by the standard deviation, not by the variance"
    yield wrong("updated by the variance with eps added", "batch_var = variance.ravel() + eps")
    yield wrong(deviation, "batch_var = np.sqrt(variance).ravel()")
    yield wrong("updated by sqrt(var + eps), not by the variance", "batch_var = s.ravel()")
    if (n := norm.count) > 1:
        unbiased = f"updated by a variance divided by {norm.size} - 1, as PyTorch does, not by {norm.size}"
        yield wrong(unbiased, f"batch_var = variance.ravel() * {n} / ({n} - 1)")
