"""What the normalisations have in common: sets of elements, each shifted and scaled to mean 0 and variance 1.

They differ in what a set is: a feature of all samples, the features of a sample, and so on. A function says it that
puts the mean of its set in the place of each element, or what can be broadcast to that. With it, m = mean(x) and
s = sqrt(mean((x - m)^2) + eps), each has z = (x - m) / s and out = gamma z + beta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.layer import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.arrays import Array

    Mean = Callable[[Array], Array]
    Upstream = Callable[[Mapping[str, Array], Array], Array]


def absolute(x: Array, mean: Mean, eps: float) -> tuple[Array, Array]:
    """Return (|x| + mean |x|) / s, whose difference z is, and s."""
    deviation = np.sqrt(mean((x - mean(x)) ** 2) + eps)
    return (abs(x) + mean(abs(x))) / deviation, deviation


def absolute_dx(g: Array, x: Array, mean: Mean, eps: float) -> Array:
    """Sum the absolute values of the three terms of dx, with g = gamma dout: with x - m, digits are lost in each."""
    normal, deviation = absolute(x, mean, eps)
    g = abs(g)
    return np.asarray((g + mean(g) + normal * mean(g * normal)) / deviation)


def slips(mean: Mean, eps: float, *, size: str, count: int, upstream: Upstream) -> Iterator[Fault]:
    """Yield the ways that are left out of dx, other divisors, and dx without eps and without gamma.

    Args:
        mean: the mean of each element's set.
        eps: what is added to the variance.
        size: what the number of elements of a set is called.
        count: that number.
        upstream: (inputs, cotangent) -> g = gamma dout, in the shape of x.
    """

    def fault(
        code: str, cause: str, remedy: str, dx: Callable[[Array, Array, Array], Array], upstream: Upstream = upstream
    ) -> Fault:
        def gradients(inputs: Mapping[str, Array], cotangent: Array) -> Mapping[str, Array]:
            centred = inputs["x"] - mean(inputs["x"])
            deviation = np.sqrt(mean(centred**2) + eps)
            return {"x": dx(upstream(inputs, cotangent), centred / deviation, deviation)}

        return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)

    total = "dx = (g - mean(g) - z mean(g z)) / s, with g = gamma dout, z = (x - mean) / s and s = sqrt(var + eps)."
    yield fault(
        "variance-path",
        "In {names} the way by the variance is left out.",
        total,
        lambda g, _, s: (g - mean(g)) / s,
    )
    yield fault(
        "mean-path",
        "In {names} the way by the mean is left out.",
        total,
        lambda g, z, s: (g - z * mean(g * z)) / s,
    )
    yield fault(
        "statistics-constant", "In {names} mean and variance are taken for constants.", total, lambda g, _, s: g / s
    )
    if count > 2:  # of two elements N - 1 is half of N, and one slip looks like another
        more = count / (count - 1)
        yield fault(
            "divided-by-n-minus-1",
            f"In {{names}} it is divided by {size} - 1 where the mean and the variance are divided by {size}.",
            f"Divide by {size}, as forward does.",
            lambda g, z, s: (g - more * (mean(g) + z * mean(g * z))) / s,
        )
        yield fault(
            "divided-by-n-minus-1",
            f"In {{names}} the way by the variance is divided by {size} - 1, where the variance is by {size}.",
            f"Divide by {size}, as forward does.",
            lambda g, z, s: (g - mean(g) - z * more * mean(g * z)) / s,
        )
        for share, words in ((2.0, "twice"), (0.5, "half of")):
            yield fault(
                "variance-path",
                f"In {{names}} the way by the variance is {words} what it should be.",
                f"(x - mean)^2 has the derivative 2 (x - mean), and sqrt(v) has 1 / (2 sqrt(v)). {total}",
                lambda g, z, s, share=share: (g - mean(g) - z * share * mean(g * z)) / s,  # type: ignore[misc]
            )
    yield fault(
        "eps-missing",
        "In {names} eps is not added to the variance.",
        "Take s = sqrt(var + eps), as forward does.",
        lambda g, z, s: _without_eps(g, z, s, mean, eps),
    )
    yield fault(
        "gamma-missing",
        "In {names} gamma is left out.",
        total,
        lambda g, z, s: (g - mean(g) - z * mean(g * z)) / s,
        upstream=lambda inputs, dout: upstream({**inputs, "gamma": np.ones_like(inputs["gamma"])}, dout),
    )


def _without_eps(g: Array, z: Array, s: Array, mean: Mean, eps: float) -> Array:
    own = np.sqrt(s**2 - eps)
    z = z * s / own
    return np.asarray((g - mean(g) - z * mean(g * z)) / own)
