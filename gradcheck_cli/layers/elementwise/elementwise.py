"""What the activations have in common: one array of any shape, each of whose elements is mapped for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import EquationFault, Fault, equations, fault_table, replaced_in_backward
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import shape
from gradcheck_cli.numeric.arrays import Array

#: A code, words, and an expression of x.
Slope = tuple[str, str, str]

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
    faults: Callable[[Any], Iterable[EquationFault]],
    special: tuple[ElementwiseCase, ...] = (),
    scope: Mapping[str, Any] = MappingProxyType({}),
    **declared: Any,
) -> Layer:
    """Declare the layer of an activation.

    Args:
        case: the shape.
        pair: its forward and backward pass.
        faults: of a case, what people get wrong in backward, by equations of slope and dx in x, dout and the settings.
        special: standard cases beside those of all activations, with other parameters.
        scope: functions in these equations, beside sigmoid.
        declared: further fields of the layer; `zeros` are none where it has a kink at 0.
    """
    whole = equations("slope = 1.0; dx = dout * slope")

    def in_backward(case: ElementwiseCase, _problem: Problem) -> Iterator[Fault]:
        given = {"sigmoid": sigmoid, **scope, **case.settings}
        return replaced_in_backward(whole, faults(case), lambda inputs, dout: {**given, **inputs, "dout": dout})

    return Layer(
        case=case,
        builtin={"vectorized": pair},
        standard=lambda: (*(case(shape=shape) for shape in _SHAPES), *special),
        probe_cases=(case(shape=(3, 4)), *special),
        draw=draw,
        sums=False,
        faults=in_backward,
        **declared,
    )


def wrong_slopes(function: str, remedy: str, *slopes: Slope) -> tuple[EquationFault, ...]:
    """Return the faults of an activation, called `function`, whose slope is each of these."""
    named = ((code, f"the slope of {function} is {words}", f"slope = {slope}") for code, words, slope in slopes)
    return fault_table(remedy, *named)


def sigmoid(a: Array) -> Array:
    """Return 1 / (1 + exp(-a)), without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(a / 2))


def tanh_slopes(a: str, out: str) -> list[Slope]:
    """List what people take for 1 - tanh(x)^2, where x is called `a` and tanh of it `out`."""
    right = f", not 1 - {out}^2"
    return [
        ("slope-missing", "left out", "np.ones_like(x)"),
        ("tanh-slope", f"1 - {a}^2{right}", "1 - x**2"),
        ("tanh-slope", f"1 - tanh({out})^2{right}: tanh is applied twice", "1 - np.tanh(np.tanh(x)) ** 2"),
        ("tanh-slope", f"1 - {out}{right}", "1 - np.tanh(x)"),
        ("tanh-slope", f"{out} (1 - {out}), that of a sigmoid{right}", "np.tanh(x) * (1 - np.tanh(x))"),
    ]


def sigmoid_slopes(a: str, out: str) -> list[Slope]:
    """List what people take for s (1 - s), with s = sigmoid(x), as `tanh_slopes` does."""
    right = f", not {out} (1 - {out})"
    twice = f"sigmoid({out}) (1 - sigmoid({out})){right}: the sigmoid is applied twice"
    return [
        ("slope-missing", "left out", "np.ones_like(x)"),
        ("sigmoid-slope", f"{a} (1 - {a}){right}", "x * (1 - x)"),
        ("sigmoid-slope", twice, "sigmoid(sigmoid(x)) * (1 - sigmoid(sigmoid(x)))"),
        ("sigmoid-slope", f"1 - {out}{right}", "1 - sigmoid(x)"),
        ("sigmoid-slope", f"{out}{right}", "sigmoid(x)"),
        ("sigmoid-slope", f"1 - {out}^2, that of tanh{right}", "1 - sigmoid(x) ** 2"),
    ]
