"""A gradient that is a multiple of the derivative: the factor is named, and the sizes that it may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.loss.softmax import SoftmaxCase, softmax_loss
from gradcheck_cli.layers.norm.layernorm import LayernormCase, layernorm_backward, layernorm_forward

#: Factors as functions of x, w and dout, and the sentence about them at N = 5, C = 3, H = 6, W = 7, F = 4.
FACTORS: dict[str, tuple[Callable[..., Any], str]] = {
    "2": (lambda _x, _w, _g: 2.0, "dx is 2 times the derivative."),
    "-1": (lambda _x, _w, _g: -1.0, "dx has the wrong sign: every element is negated."),
    "1/N": (lambda x, _w, _g: 1 / len(x), "dx is the derivative divided by N = 5, the number of samples."),
    "N": (lambda x, _w, _g: len(x), "dx is N = 5 times the derivative."),
    "1/(H' W')": (lambda _x, _w, g: 1 / g[0, 0].size, "dx is the derivative divided by H' W' = 42."),
    "1/(N H' W')": (lambda x, _w, g: 1 / (len(x) * g[0, 0].size), "dx is the derivative divided by N H' W' = 210."),
    "sqrt(F)": (lambda _x, w, _g: len(w) ** 0.5, "dx is sqrt(F) = 2 times the derivative."),
    "1/sqrt(C)": (lambda x, _w, _g: x.shape[1] ** -0.5, "dx is the derivative divided by sqrt(C) = 1.73205."),
    "N^2": (lambda x, _w, _g: len(x) ** 2, "dx is N^2 = 25 times the derivative."),
    "1/5": (lambda _x, _w, _g: 1 / 5, "dx is 1/5 times the derivative."),  # and not 1/N
    "3/4": (lambda _x, _w, _g: 0.75, "dx is 3/4 times the derivative."),
    "1.2345678": (lambda _x, _w, _g: 1.2345678, "dx is 1.2345678 times the derivative."),
}


@pytest.mark.parametrize("name", FACTORS)
def test_factors_are_named(name: str) -> None:
    factor, sentence = FACTORS[name]

    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx * factor(stored[0], stored[1], dout), dw, db

    for seed in (0, 3):
        case = ConvCase(N=5, C=3, H=6, W=7, F=4, seed=seed)
        (found,) = check(case, (conv_forward_naive, backward)).diagnosis
        assert found.code == "factor"
        assert found.text.startswith(sentence), found.text


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ({"dx": "N"}, ["dx is N = 2 times the derivative."]),
        ({"dx": 2}, ["dx is 2 times the derivative."]),
        (
            {"dx": 2, "dw": "N", "db": "N"},
            ["dw and db are N = 2 times the derivative.", "dx is 2 times the derivative."],
        ),
        ({"dx": "N", "dw": "N", "db": "N"}, ["dx, dw and db are N = 2 times the derivative."]),
        ({"dw": "1/N"}, ["dw is the derivative divided by N = 2, the number of samples."]),
        ({"db": "N"}, ["db is N = 2 times the derivative."]),
        ({"db": 42}, []),  # it is H' W' here, but not elsewhere
        ({"db": -1}, ["db has the wrong sign: every element is negated."]),
        ({"db": 0.75}, ["db is 3/4 times the derivative."]),  # so it is in cases with more filters
        ({"db": 3.5, "dx": 3.5}, ["dx and db are 7/2 times the derivative."]),
    ],
)
def test_equal_sizes_and_numbers_are_distinguished_by_another_case(
    spoil: dict[str, float | str], text: list[str]
) -> None:
    def backward(dout: Any, stored: Any) -> Any:
        factors = {"N": len(dout), "1/N": 1 / len(dout)}
        gradients = zip(("dx", "dw", "db"), conv_backward_naive(dout, stored), strict=True)
        chosen = {name: factors[factor] if isinstance(factor, str) else factor for name, factor in spoil.items()}
        return (*(chosen.get(name, 1) * gradient for name, gradient in gradients),)

    found = check(ConvCase(N=2, C=3, H=6, W=7, F=1), (conv_forward_naive, backward)).diagnosis
    assert sorted(diagnosis.text.partition(". ")[0] + "." for diagnosis in found) == text


def test_a_single_element_that_is_off_by_a_simple_number_is_no_multiple_unless_other_cases_say_so() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx, dw, db * 0.75 ** np.arange(1, db.size + 1)

    assert not check(ConvCase(N=2, C=3, H=6, W=7, F=1), (conv_forward_naive, backward)).diagnosis


def test_a_number_that_is_a_size_of_the_smallest_case_is_a_number() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx, dw, db / 2

    (found,) = check(ConvCase(N=1, C=1, H=4, W=4, F=1, HH=1, WW=1), (conv_forward_naive, backward)).diagnosis
    assert found.text.startswith("db is 1/2 times the derivative.")  # not divided by sqrt(W') = 2


def test_an_eps_that_is_left_out_is_no_factor() -> None:
    """With one feature all of dx is off by the same factor, which is nearly the same for other numbers."""

    def backward(dout: Any, stored: Any) -> Any:
        dx, dgamma, dbeta = layernorm_backward(dout, stored)
        return dx * 1.0000041, dgamma, dbeta

    def forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> Any:
        return layernorm_forward(x, gamma, beta, ln_param)

    assert check(LayernormCase(N=4, D=5), (forward, backward)).diagnosis == ()


def test_factors_that_nothing_tells_apart_are_all_listed() -> None:
    """The code takes this geometry alone."""
    case = ConvCase(N=3, C=2, H=6, W=7, F=9, HH=5, WW=2)

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        assert w.shape == (9, 2, 5, 2)
        return conv_forward_naive(x, w, b, conv_param)

    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return 3 * dx, dw, db

    (found,) = check(case, (forward, backward)).diagnosis
    assert found.text == (
        "dx is 3 times the derivative, a factor of N or sqrt(F). Look for a factor that is left out, or applied twice."
    )


@pytest.mark.parametrize(
    ("N", "factor", "text"),
    [
        (2, len, "dx is N = 2 times the derivative. Divide by N, as the loss does."),
        (5, len, "dx is N = 5 times the derivative. Divide by N, as the loss does."),
        (
            5,
            lambda x: 1 / x.shape[1],
            "dx is the derivative divided by C = 3. Look for a division by C that is one too many.",
        ),
        (2, lambda _: 2, "dx is 2 times the derivative. Look for a contribution that is added twice."),
    ],
)
def test_a_loss_divides_by_its_samples_and_has_no_dout(N: int, factor: Callable[[Any], float], text: str) -> None:
    def loss(x: Any, y: Any) -> Any:
        value, gradient = softmax_loss(x, y)
        return value, factor(x) * gradient

    (found,) = check(SoftmaxCase(N=N, C=3), loss).diagnosis
    assert found.text == text
