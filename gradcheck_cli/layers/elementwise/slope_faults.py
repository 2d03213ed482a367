"""Wrong slopes of tanh and of the logistic sigmoid: each is a function of what it is applied to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.elementwise.elementwise import slope_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gradcheck_cli.layers.framework.fault import Fault
    from gradcheck_cli.numeric.arrays import Array

    #: A code, what the slope is, and the function that gives it
    Slope = tuple[str, str, Callable[[Array], Array]]


def faults(function: str, slopes: Iterable[Slope], remedy: str) -> Iterator[Fault]:
    """Yield the gradients of an activation, called `function`, with each of these wrong slopes."""
    for code, words, slope in slopes:
        cause = f"In {{names}} the slope of {function} is {words}."
        yield slope_fault(code, cause, remedy, lambda x, dout, slope=slope: dout * slope(x))  # type: ignore[misc]


def sigmoid(a: Array) -> Array:
    """Return 1 / (1 + exp(-a)), without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(a / 2))


def tanh_slopes(a: str, out: str) -> Iterator[Slope]:
    """Yield what people take for 1 - tanh(a)^2, as (code, words, function of a).

    Args:
        a: what tanh is applied to, in words.
        out: what tanh of it is called.
    """
    right = f", not 1 - {out}^2"
    yield "slope-missing", "left out", np.ones_like
    yield "tanh-slope", f"1 - {a}^2{right}", lambda a: 1 - a**2
    yield "tanh-slope", f"1 - tanh({out})^2{right}: tanh is applied twice", lambda a: 1 - np.tanh(np.tanh(a)) ** 2
    yield "tanh-slope", f"1 - {out}{right}", lambda a: 1 - np.tanh(a)
    yield "tanh-slope", f"{out} (1 - {out}), that of a sigmoid{right}", lambda a: np.tanh(a) * (1 - np.tanh(a))


def sigmoid_slopes(a: str, out: str) -> Iterator[Slope]:
    """Yield what people take for s (1 - s), with s = sigmoid(a), as `tanh_slopes` does."""
    right = f", not {out} (1 - {out})"
    twice = f"sigmoid({out}) (1 - sigmoid({out})){right}: the sigmoid is applied twice"
    yield "slope-missing", "left out", np.ones_like
    yield "sigmoid-slope", f"{a} (1 - {a}){right}", lambda a: a * (1 - a)
    yield "sigmoid-slope", twice, lambda a: sigmoid(sigmoid(a)) * (1 - sigmoid(sigmoid(a)))
    yield "sigmoid-slope", f"1 - {out}{right}", lambda a: 1 - sigmoid(a)
    yield "sigmoid-slope", f"{out}{right}", sigmoid
    yield "sigmoid-slope", f"1 - {out}^2, that of tanh{right}", lambda a: 1 - sigmoid(a) ** 2
