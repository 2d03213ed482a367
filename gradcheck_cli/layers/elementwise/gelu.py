"""The Gaussian error linear unit: out = x Phi(x), with Phi the distribution function of a normal variable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, wrong_slopes
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.fault import EquationFault
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.numeric.arrays import Array

#: From where on erf is 1 in all digits of a longdouble.
_FAR = 7.0


@frozen
class GeluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer = "gelu"
    passed = ("approximate",)

    approximate: str = choice("none", "Phi itself, or tanh or a sigmoid in its place", "tanh", "sigmoid")


def gelu_forward(x: Array, gelu_param: Param) -> tuple[Array, tuple[Array, Param]]:
    """Return x Phi(x), and the cache.

    Phi(x) = (1 + erf(x / sqrt(2))) / 2, or approximately (1 + tanh(u)) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), or
    sigmoid(1.702 x).
    """
    return x * phi_and_density(x, gelu_param["approximate"])[0], (x, gelu_param)


def gelu_backward(dout: Array, cache: tuple[Array, Param]) -> Array:
    """Return dx: d(x Phi(x))/dx = Phi(x) + x Phi'(x).

    Phi' is the normal density exp(-x^2 / 2) / sqrt(2 pi). That of the approximation by tanh is (1 - tanh(u)^2) / 2
    times u' = sqrt(2/pi) (1 + 3 0.044715 x^2), and that of s = sigmoid(1.702 x) is 1.702 s (1 - s).
    (Hendrycks and Gimpel, Gaussian error linear units, 2016, section 2.)
    """
    x, gelu_param = cache
    phi, density = phi_and_density(x, gelu_param["approximate"])
    return np.asarray(dout * (phi + x * density))


def phi_and_density(x: Array, approximate: str) -> tuple[Array, Array]:
    """Return Phi(x) and its derivative, computed in float64 at least and rounded to the dtype of x."""
    wide = x.astype(np.promote_types(x.dtype, np.float64))
    if approximate == "tanh":
        root = np.sqrt(wide.dtype.type(2) / _pi(wide))
        t = np.tanh(root * (wide + 0.044715 * wide**3))
        phi, density = (1 + t) / 2, (1 - t * t) / 2 * root * (1 + 3 * 0.044715 * wide**2)
    elif approximate == "sigmoid":
        phi, _ = sigmoid_forward(1.702 * wide)
        density = 1.702 * phi * (1 - phi)
    else:
        phi = (1 + erf(wide / np.sqrt(wide.dtype.type(2)))) / 2
        density = np.exp(-wide * wide / 2) / np.sqrt(2 * _pi(wide))
    return phi.astype(x.dtype), density.astype(x.dtype)


def _pi(x: Array) -> Any:
    return 4 * np.arctan(x.dtype.type(1))


def erf(x: Array) -> Array:
    """Return the error function in the digits of the dtype of x, which NumPy lacks and `math.erf` has in float64 only.

    erf(x) = 2 / sqrt(pi) exp(-x^2) sum_n 2^n x^(2n + 1) / (1 3 5 ... (2n + 1)): all terms have one sign, so that
    nothing cancels. (Abramowitz and Stegun, equation 7.1.6.)
    """
    near = np.clip(x, -_FAR, _FAR)
    term = total = near
    n, eps = 0, np.finfo(x.dtype).eps
    while (abs(term) > eps * abs(total)).any():
        n += 1
        term = term * (2 * near * near) / (2 * n + 1)
        total = total + term
    return np.asarray(2 / np.sqrt(_pi(x)) * np.exp(-near * near) * total)


_FORMS = {"none": "the exact Phi", "tanh": "the approximation by tanh", "sigmoid": "the approximation by a sigmoid"}
#: By what is wrong with Phi', the factor by which it differs.
_WRONG_DENSITIES = {
    "none": {
        "without the 1 / sqrt(2 pi) of the density": "math.sqrt(2 * math.pi)",
        "with the density exp(-x^2) in place of exp(-x^2 / 2)": "np.exp(-x * x / 2)",
        "without the 1 / sqrt(2) of erf(x / sqrt(2))": "math.sqrt(2)",
    },
    "tanh": {
        "without the derivative of x + 0.044715 x^3": "1 / (1 + 0.134145 * x**2)",
        "without the derivative of what tanh is applied to": ("1 / (math.sqrt(2 / math.pi) * (1 + 0.134145 * x**2))"),
        "with 0.044715 x^2 in place of 3 0.044715 x^2": "(1 + 0.044715 * x**2) / (1 + 0.134145 * x**2)",
    },
    "sigmoid": {"without the factor 1.702": "1 / 1.702"},
}


def _faults(case: GeluCase) -> tuple[EquationFault, ...]:
    own = case.approximate
    terms = "terms(x, {!r}, {}, {})".format  # of Phi and Phi', with these factors
    rows = [
        ("slope-missing", "left out", "np.ones_like(x)"),
        ("product-rule", "Phi(x), without x Phi'(x)", terms(own, 1, 0)),
        ("product-rule", "x Phi'(x), without Phi(x)", terms(own, 0, "x")),
        ("product-rule", "Phi'(x), that of the factor Phi alone", terms(own, 0, 1)),
        ("product-rule", "Phi(x) + Phi'(x), without the factor x", terms(own, 1, 1)),
    ]
    for other, words in _FORMS.items():
        if other != own:
            rows.append(("activation-slope", f"that of {words}, where forward has {_FORMS[own]}", terms(other, 1, "x")))
    rows += [
        ("activation-slope", words, terms(own, 1, f"x * ({factor})")) for words, factor in _WRONG_DENSITIES[own].items()
    ]
    return wrong_slopes("the GELU", "dx = dout (Phi(x) + x Phi'(x)).", *rows)


def _terms(x: Array, approximate: str, of_phi: float, of_density: float | Array) -> Array:
    phi, density = phi_and_density(x, approximate)
    return np.asarray(of_phi * phi + of_density * density)


LAYER = activation(
    GeluCase,
    (gelu_forward, gelu_backward),
    faults=_faults,
    scope={"terms": _terms, "math": math},
    param="gelu_param",
    special=GeluCase.rows(
        "shape approximate",
        ((4, 5), "tanh"),
        ((7,), "tanh"),
        ((2, 3, 4), "tanh"),
        ((3, 4), "sigmoid"),
        ((7,), "sigmoid"),
    ),
)
