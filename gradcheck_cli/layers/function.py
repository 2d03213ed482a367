"""Any function of arrays, and its gradient: nothing is known of it but the shapes of its arguments.

Built in is an example, signal * tanh(gain), whose arguments have rare names: so no function of a user's is checked on
shapes that were never given for it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.drawing import Draw, Given, pick
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.named import HashableDict, by_name
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import Constant, Interval, Labels, Shape, text
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

_SHAPES: tuple[tuple[int, ...], ...] = ((2, 3), (4,), (), (1, 1), (2, 2, 3))


_EXAMPLE = {"signal": (2, 3), "gain": (2, 3)}


@frozen
class FunctionCase(Case):
    """Shapes of the arguments by name, between which numbers they lie, and arguments that have no gradient."""

    layer = "function"

    shape: Mapping[str, tuple[int, ...]] = by_name(
        Shape, "of an argument, and one flag for each: x=2,3, w=3x4, or a=scalar", _EXAMPLE, least=0
    )
    range: Mapping[str, tuple[float, float]] = by_name(
        Interval, "in which an argument lies, where it may not lie anywhere"
    )
    value: Mapping[str, float | tuple[int, ...]] = by_name(
        Constant, "an argument that is one number, without a gradient: target=2"
    )
    labels: Mapping[str, tuple[tuple[int, ...], int]] = by_name(
        Labels, "an argument of whole numbers below a number of classes, or of one-hot rows, without a gradient: y=6:10"
    )

    example: str = text("a function that returns the arguments of one call, instead of all these", "FILE.py:MAKE")

    tried: str = ""  #: flags of the shapes that were found by trying, for a case that was made of them

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.example and self.shape == _EXAMPLE:
            object.__setattr__(self, "shape", HashableDict({}))

    def impossible(self) -> str | None:
        """Say why there is no such function, or None."""
        if "out" in {*self.shape, *self.value, *self.labels}:
            return "out is the name of the output, and no argument can have it"
        if self.example and (self.shape or self.range or self.value or self.labels):
            return "--example returns all arguments; leave --shape, --range, --value and --labels out"
        flags = {"shape": self.shape, "value": self.value, "labels": self.labels}
        names = [name for values in flags.values() for name in values]
        if twice := next((name for name in names if names.count(name) > 1), None):
            given = join_names(f"--{flag}" for flag, values in flags.items() if twice in values)
            return f"{twice} is given by {given}; leave one of them out"
        lacking = [name for name in self.range if name not in self.shape]
        return f"there is a range of {lacking[0]}, and no shape; add --shape {lacking[0]}=2,3" if lacking else None

    def label(self) -> str:
        """Name the geometry: `x 2x3, a scalar in 0.5..2`."""
        if self.example:
            return f"the arguments of {self.example}"
        shape, interval, value, labels, _ = (parameter.format for parameter in self.parameters())
        sizes = {name: shape({name: self.shape[name]}).replace("=", " ") for name in self.shape}
        within = {name: interval({name: self.range[name]}).replace(f"{name}=", " in ") for name in self.range}
        found = [sizes[name] + within.get(name, "") for name in sizes]
        found += [labels({name: self.labels[name]}).replace("=", " ").replace(":", " of ") for name in self.labels]
        return ", ".join([*found, *(value({name: self.value[name]}).replace("=", " ") for name in self.value)])


def damped(signal: Array, gain: Array) -> Array:
    """Return signal * tanh(gain)."""
    return np.asarray(signal * np.tanh(gain))


def damped_grad(dout: Array, signal: Array, gain: Array) -> tuple[Array, Array]:
    """Return dsignal and dgain: the slope along signal is tanh(gain), that along gain is signal / cosh(gain)^2."""
    return np.asarray(dout * np.tanh(gain)), np.asarray(dout * signal / np.cosh(gain) ** 2)


def problem(case: FunctionCase) -> Problem:
    """Draw a case's arrays, each from a source of its own: in whatever order they are named, they are the same."""

    def source(name: str) -> random.Random:
        return random.Random(f"{case.seed} {name}")  # noqa: S311  # no secrets

    dtype = np.dtype(case.dtype)
    inputs = {name: drawn(source(name), shape, case.range.get(name)) for name, shape in case.shape.items()}
    inputs = {name: np.asarray(value.astype(dtype)) for name, value in inputs.items()}
    for name, (shape, classes) in case.labels.items():
        inputs[name] = (
            _one_hot(source(name), shape)
            if not classes
            else np.reshape([source(f"{name} {k}").randrange(classes) for k in range(math.prod(shape))], shape)
        )
    unknown = np.zeros(0)
    return Problem(
        inputs=inputs,
        parameters=dict(case.value) or None,
        cotangent=unknown,
        expected=unknown,
        expected_scale=unknown,
        coupling={},
        axes={name: anonymous(name, value.ndim) for name, value in inputs.items()},
        reference=False,
        domain=case.range,
        draws=case.seed,
    )


def _one_hot(source: random.Random, shape: tuple[int, ...]) -> Array:
    """Draw rows along the last axis, each with a single 1. They have no gradient, as labels have none."""
    labels = np.reshape([source.randrange(shape[-1]) for _ in range(math.prod(shape[:-1]))], shape[:-1])
    return np.asarray(labels[..., None] == np.arange(shape[-1]), dtype=int)


def _random(_: type[FunctionCase], draw: Draw, given: Given) -> dict[str, Any]:
    """Draw one of the shapes that are given; else any shape, the same for both arguments of the example."""

    def equal() -> dict[str, tuple[int, ...]]:
        shape = tuple(draw(1, 5) for _ in range(draw(0, 3)))
        return {"signal": shape, "gain": shape}

    others = {name: pick(name, draw, given, dict) for name in ("range", "value", "labels")}
    others["example"] = pick("example", draw, given, str)
    return {"shape": pick("shape", draw, given, equal), **others}


LAYER = Layer(
    case=FunctionCase,
    inputs=("signal", "gain"),
    make_problem=problem,
    standard=lambda: tuple(FunctionCase(shape={"signal": shape, "gain": shape}) for shape in _SHAPES),
    builtin={"damped": (damped, damped_grad)},
    random=_random,
    reference=False,
)
