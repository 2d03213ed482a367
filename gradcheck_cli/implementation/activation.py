"""What stands in for an activation in whatever form: a function, a class, or an object with methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck_cli.implementation.vocabulary.vocabulary import word

#: What a slope is called.
SLOPE = re.compile(r"prime|deriv(ative)?|der(?=f|$)|grad(ient)?|^d(?=act)")


def slope_at_input(x: Any) -> Any:
    """Return the slope of tanh, given its input."""
    return 1 - np.tanh(x) ** 2


def slope_at_output(y: Any) -> Any:
    """Return the slope of tanh, given its output."""
    return 1 - y * y


class Activation:
    """Any activation: called by whatever name it is the function, or its slope where the name or a flag says that.

    `given` is the slope as code gets it, where that is not the slope at the input.
    """

    def __init__(self, function: Callable[[Any], Any], slope: Callable[[Any], Any], given: Any = None) -> None:
        self._function, self._slope, self._given, self._x = function, slope, given or slope, None

    def __call__(self, x: Any = None, slope: Any = False, **flags: Any) -> Any:  # noqa: FBT002  # as people call it
        """Return the value; without an argument the activation, as its class makes it."""
        if x is None:
            return self
        if slope is True or True in flags.values():
            return self._given(x)
        self._x = x
        return self._function(x)

    def _derivative(self, x: Any = None) -> Any:
        return self._slope(self._x) if x is None else self._given(x)

    def _backward(self, grad: Any) -> Any:
        return grad * self._slope(self._x)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._backward if name.startswith("back") else self._derivative if SLOPE.search(word(name)) else self
