"""What the activations have in common: one array of any shape, each of whose elements is mapped for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.text_parameters import shape
from gradcheck_cli.numeric.arrays import Array

Slope = tuple[str, str, Callable[[Array], Array]]


_SHAPES = ((4, 5), (1,), (7,), (1, 3), (3, 1), (2, 3, 4), (2, 2, 3, 3))
_MATRIX = 2  #: axes


@frozen
class ElementwiseCase(Case):
    """The shape of x, and of out."""

    axes = declare(x="...", out="...")

    shape: tuple[int, ...] = shape((4, 5), "of x: 2,3 or 2x3")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of the input."""
        return {"x": self.shape}

    @property
    def skip_reason(self) -> str | None:
        """Why a forward that raises may be right, or None: what loops over rows and columns takes a matrix alone."""
        return None if len(self.shape) == _MATRIX else "it takes an x of two axes alone, or cannot take another"


def draw(case: ElementwiseCase, source: Random) -> dict[str, Array]:
    """Draw x, of magnitudes from 0.5 to 1.5: a kink at zero is out of reach."""
    x = signed_uniform(source, case.shape)
    x.flat[0] = abs(x.flat[0])  # where all are negative, a rectifier has nothing to check
    return {"x": x}


def activation(
    case: type[ElementwiseCase],
    pair: tuple[Callable[..., Any], Callable[..., Any]],
    *,
    faults: Callable[[Any], Iterable[Fault]],
    zeros: tuple[str, ...] = ("x",),
    param: str | None = None,
    special: tuple[ElementwiseCase, ...] = (),
) -> Layer:
    """Declare the layer of an activation.

    Args:
        case: the shape.
        pair: its forward and backward pass.
        faults: of a case, what people get wrong in backward.
        zeros: as `Layer` has them; none where it has a kink at 0.
        param: what the dictionary of parameters is called, where there is one.
        special: standard cases beside those of all activations, with other parameters.
    """
    return Layer(
        case=case,
        builtin={"vectorized": pair},
        standard=lambda: (*(case(shape=shape) for shape in _SHAPES), *special),
        probe_cases=(case(shape=(3, 4)), *special),
        draw=draw,
        param=param,
        sums=False,
        zeros=zeros,
        faults=lambda case, _problem: faults(case),
    )


def slope_fault(code: str, cause: str, remedy: str, dx: Callable[[Array, Array], Array]) -> Fault:
    """Make the fault of an activation whose gradient is a function of (x, dout)."""
    return Fault(code, cause, remedy, lambda inputs, dout: {"x": dx(inputs["x"], dout)})


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
