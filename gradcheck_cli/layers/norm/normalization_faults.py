"""What people get wrong in a normalization, the most common first.

With g = gamma dout, m = mean(x), s = sqrt(var + eps) and z = (x - m) / s, the gradient is
dx = (g - mean(g) - z mean(g z)) / s. The second term is the one through the mean, the third the one through the
variance. Where mean and variance are constants, dx = g / s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.norm.normalization import Mean
    from gradcheck_cli.numeric.arrays import Array

    #: dx from g, x - m, s and the deviation that is taken for s
    Gradient = Callable[[Array, Array, Array, Array], Array]

_DX = "dx = (g - mean(g) - z mean(g z)) / s, with g = gamma dout, z = (x - mean) / s and s = sqrt(var + eps)."
_FORWARD = "out = gamma (x - mean) / sqrt(var + eps) + beta."

#: Values that people write for eps, whatever they are given.
_USUAL_EPS = (1e-5, 1e-8)


@frozen
class Normalization:
    """What tells one normalization from another."""

    mean: Mean  #: of each element's set
    eps: float
    size: str  #: what the number of elements of a set is called
    count: int  #: that number
    over: str  #: what a set is, in words: "the samples"
    spread: Callable[[Array, Array], Array]  #: (gamma, x) -> gamma, as it is multiplied with x
    summed: Callable[[Array], Array]  #: the sum over all that shares an element of gamma
    dout: Callable[[Array], Array] = lambda cotangent: cotangent  #: the part of the cotangent that is dout
    others: tuple[tuple[str, Mean], ...] = ()  #: means over other axes, each with what they are over in words

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Return x - m and the variance."""
        centred = x - self.mean(x)
        return centred, self.mean(centred**2)


def faults(norm: Normalization) -> Iterator[Fault]:
    """Yield slips in dx: in its terms, its axes, its roots; and in dgamma and dbeta."""
    yield from _terms(norm)
    yield from _roots(norm)
    yield from _axes(norm)
    yield from _gamma(norm)


def deviations(variance: Array, eps: float) -> Iterator[tuple[str, str, Array]]:
    """Yield what people take for sqrt(var + eps), each with a code and what is wrong with it."""
    yield "eps-missing", "eps is not added to the variance (or one that is far too small)", np.sqrt(variance)
    yield "eps-outside-root", "eps is added to the root of the variance, not to the variance", np.sqrt(variance) + eps
    for fixed in _USUAL_EPS:
        if not 0.5 < fixed / eps < 2:
            yield "eps-fixed", f"eps is {fixed:g}, whatever it should be", np.sqrt(variance + fixed)
    yield "root-missing", "var + eps stands where its square root is due", variance + eps


def _terms(norm: Normalization) -> Iterator[Fault]:
    """Yield dx with wrong weights of its terms: 1 is right."""
    n = norm.count
    weights: list[tuple[str, str, float, float, float]] = [
        # direct, mean, variance
        ("variance-path", "the term through the variance is missing", 1, 1, 0),
        ("mean-path", "the term through the mean is missing", 1, 0, 1),
        ("statistics-constant", "mean and variance are taken for constants", 1, 0, 0),
        ("variance-sign", "the term through the variance has the wrong sign", 1, 1, -1),
        ("mean-sign", "the term through the mean has the wrong sign", 1, -1, 1),
        ("variance-sign", "the terms through the mean and the variance have the wrong sign", 1, -1, -1),
    ]
    if n > 2:  # of two elements, N - 1 is half of N, and twice is N times
        more = n / (n - 1)
        less = f"divided by {norm.size} - 1, and not by {norm.size}"
        total = f"a sum over {norm.size} elements where their mean is due"
        twice = f"divided by {norm.size} twice"
        weights += [
            ("divided-by-n-minus-1", f"the terms through the mean and the variance are {less}", 1, more, more),
            ("divided-by-n-minus-1", f"the term through the variance is {less}", 1, 1, more),
            ("variance-path", "the term through the variance is twice what it should be", 1, 1, 2),
            ("variance-path", "the term through the variance is half of what it should be", 1, 1, 0.5),
            ("sum-not-mean", f"the term through the variance is {total}", 1, 1, n),
            ("sum-not-mean", f"the term through the mean is {total}", 1, n, 1),
            ("sum-not-mean", f"each of the terms through the mean and the variance is {total}", 1, n, n),
            ("divided-twice", f"the term through the variance is {twice}", 1, 1, 1 / n),
            ("divided-twice", f"the term through the mean is {twice}", 1, 1 / n, 1),
            ("direct-term", f"the direct term, g / s, is divided by {norm.size}", 1 / n, 1, 1),
        ]
    halves = "(x - mean)^2 has the derivative 2 (x - mean), and sqrt(v) has 1 / (2 sqrt(v)). "
    for code, what, direct, through_mean, through_variance in weights:

        def dx(
            g: Array,
            centred: Array,
            s: Array,
            _: Array,
            a: float = direct,
            b: float = through_mean,
            c: float = through_variance,
        ) -> Array:
            z = centred / s
            return np.asarray((a * g - b * norm.mean(g) - c * z * norm.mean(g * z)) / s)

        remedy = halves + _DX if through_variance in {2, 0.5} else _DX
        yield _fault(norm, code, what, remedy, dx)
    for power in (1, 2, 4, 6):

        def other_power(g: Array, centred: Array, s: Array, _: Array, power: int = power) -> Array:
            return np.asarray((g - norm.mean(g)) / s - centred * norm.mean(g * centred) / s**power)

        words = f"the term through the variance has (var + eps)^(-{power / 2:g}), not (var + eps)^(-1.5)"
        yield _fault(
            norm,
            "variance-power",
            words,
            f"sqrt(v) has the derivative v^(-1/2) / 2, and 1 / sqrt(v) has -v^(-3/2) / 2. {_DX}",
            other_power,
        )


def _roots(norm: Normalization) -> Iterator[Fault]:
    """Yield dx with something else for s: in all of it, with z kept from forward or computed anew, or in one term."""
    yield from (
        _fault(norm, code, f"{where}{what}", "Take s = sqrt(var + eps), as forward does.", dx, other)
        for code, what, other in _other_roots(norm.eps)
        for where, dx in _uses(norm.mean)
    )
    yield _fault(
        norm,
        "scale-missing",
        "the division by s is missing",
        _DX,
        lambda g, centred, s, _: g - norm.mean(g) - centred / s * norm.mean(g * centred / s),
    )


def _other_roots(eps: float) -> Iterator[tuple[str, str, Callable[[Array], Array]]]:
    for k, (code, what, _) in enumerate(deviations(np.ones(1), eps)):
        yield code, what, lambda variance, k=k: [*deviations(variance, eps)][k][2]  # type: ignore[misc]


def _uses(mean: Mean) -> Iterator[tuple[str, Gradient]]:
    """Yield where in dx another deviation r is used than s."""
    yield "", lambda g, centred, _, r: (g - mean(g) - centred / r * mean(g * centred / r)) / r
    yield "", lambda g, centred, s, r: (g - mean(g) - centred / s * mean(g * centred / s)) / r
    through = "in the term through the variance "
    yield through, lambda g, centred, s, r: (g - mean(g)) / s - centred * mean(g * centred) / r**3
    direct = "in all but the term through the variance "
    yield direct, lambda g, centred, s, r: (g - mean(g)) / r - centred * mean(g * centred) / s**3


def _axes(norm: Normalization) -> Iterator[Fault]:
    """Yield dx with its means over other axes."""
    for words, mean in norm.others:

        def dx(g: Array, centred: Array, s: Array, _: Array, mean: Mean = mean) -> Array:
            z = centred / s
            return np.asarray((g - mean(g) - z * mean(g * z)) / s)

        yield _fault(
            norm,
            "normalized-axes",
            f"the means are taken over {words}, and not over {norm.over}",
            f"Take every mean in dx over {norm.over}, as forward does.",
            dx,
        )


def _gamma(norm: Normalization) -> Iterator[Fault]:
    """Yield dx without gamma, and dgamma and dbeta that are sums of something else."""

    def without(inputs: Mapping[str, Array], cotangent: Array) -> Mapping[str, Array]:
        centred, variance = norm.moments(inputs["x"])
        s = np.sqrt(variance + norm.eps)
        g, z = norm.dout(cotangent), centred / s
        return {"x": (g - norm.mean(g) - z * norm.mean(g * z)) / s}

    yield Fault(code="gamma-missing", cause="In {names} gamma is missing.", remedy=_DX, gradients=without)
    yield from gamma_sums(norm)


def gamma_sums(norm: Normalization, moments: Callable[[Array], tuple[Array, Array]] | None = None) -> Iterator[Fault]:
    """Yield dgamma and dbeta as sums of something else than dout z and dout.

    Args:
        norm: the normalization.
        moments: x - mean and the variance of an x, where these are not its own.
    """

    def summed(
        code: str, what: str, terms: Callable[[Array, Array, Array, Array, Mapping[str, Array]], Mapping[str, Array]]
    ) -> Fault:
        def gradients(inputs: Mapping[str, Array], cotangent: Array) -> Mapping[str, Array]:
            centred, variance = (moments or norm.moments)(inputs["x"])
            z = centred / np.sqrt(variance + norm.eps)
            found = terms(norm.dout(cotangent), z, centred, norm.spread(inputs["gamma"], inputs["x"]), inputs)
            return {name: norm.summed(value) for name, value in found.items()}

        return Fault(
            code=code,
            cause=what,
            remedy="dgamma = sum(dout z) and dbeta = sum(dout), with z = (x - mean) / s.",
            gradients=gradients,
        )

    yield summed(
        "gamma-extra",
        "In {names} dout is multiplied by gamma.",
        lambda dout, z, _, gamma, _inputs: {"gamma": dout * gamma * z, "beta": dout * gamma},
    )
    instead = "In {names} dout is multiplied by %s, and not by z."
    yield summed("not-normalized", instead % "x - mean", lambda dout, _, centred, *_rest: {"gamma": dout * centred})
    yield summed(
        "not-normalized", instead % "x", lambda dout, _, _centred, _gamma, inputs: {"gamma": dout * inputs["x"]}
    )
    yield summed(
        "not-normalized",
        instead % "out",
        lambda dout, z, _, gamma, inputs: {"gamma": dout * (gamma * z + norm.spread(inputs["beta"], inputs["x"]))},
    )


def _fault(
    norm: Normalization, code: str, what: str, remedy: str, dx: Gradient, other: Callable[[Array], Array] | None = None
) -> Fault:
    def gradients(inputs: Mapping[str, Array], cotangent: Array) -> Mapping[str, Array]:
        centred, variance = norm.moments(inputs["x"])
        s = np.sqrt(variance + norm.eps)
        r = other(variance) if other else s
        dout = norm.dout(cotangent)
        found = {"x": dx(dout * norm.spread(inputs["gamma"], inputs["x"]), centred, s, r)}
        return found | ({"gamma": norm.summed(dout * centred / r)} if other else {})

    return Fault(code=code, cause=f"In {{names}} {what}.", remedy=remedy, gradients=gradients)


def forward_faults(norm: Normalization, inputs: Mapping[str, Array]) -> Iterator[ForwardFault]:
    """Yield outputs of another formula than gamma (x - mean) / sqrt(var + eps) + beta."""
    x = inputs["x"]
    centred, variance = norm.moments(x)
    yield from scaled_outputs(norm, inputs, centred, variance)
    gamma, beta = (norm.spread(inputs[name], x) for name in ("gamma", "beta"))
    if norm.count > 1:
        unbiased = np.sqrt(variance * norm.count / (norm.count - 1) + norm.eps)
        yield ForwardFault(
            code="divided-by-n-minus-1",
            cause=f"In {{names}} the variance is divided by {norm.size} - 1, and not by {norm.size}.",
            remedy="Take the biased variance, as `x.var(axis=...)` does: it is `ddof=1` that divides by N - 1.",
            outputs={"out": gamma * centred / unbiased + beta},
        )
    for words, mean in norm.others:
        own = x - mean(x)
        yield ForwardFault(
            code="normalized-axes",
            cause=f"In {{names}} x is normalized over {words}, and not over {norm.over}.",
            remedy=f"Take mean and variance over {norm.over}.",
            outputs={"out": gamma * own / np.sqrt(mean(own**2) + norm.eps) + beta},
        )


def scaled_outputs(
    norm: Normalization, inputs: Mapping[str, Array], centred: Array, variance: Array
) -> Iterator[ForwardFault]:
    """Yield outputs in which something is wrong besides the mean and the variance."""
    s = np.sqrt(variance + norm.eps)
    gamma, beta = (norm.spread(inputs[name], inputs["x"]) for name in ("gamma", "beta"))

    def wrong(code: str, what: str, out: Array) -> ForwardFault:
        return ForwardFault(code=code, cause=f"In {{names}} {what}.", remedy=_FORWARD, outputs={"out": out})

    for code, what, r in deviations(variance, norm.eps):
        yield wrong(code, what, gamma * centred / r + beta)
    yield wrong("mean-path", "the mean is not subtracted", gamma * inputs["x"] / s + beta)
    yield wrong("gamma-missing", "gamma is missing", centred / s + beta)
    yield wrong("gamma-missing", "gamma and beta are missing", centred / s + 0 * beta)
    yield wrong("beta-missing", "beta is missing", gamma * centred / s)
    yield wrong("gamma-extra", "gamma and beta are exchanged", beta * centred / s + gamma)
