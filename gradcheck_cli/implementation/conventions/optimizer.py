"""What stands in for an optimizer, whatever it is called with, so that a gradient can be read off its step."""

from __future__ import annotations

from typing import Any

import numpy as np

OPTIMIZERS = ("optimizer", "optim", "opt")
#: The rate of backward passes that update the parameters themselves. So large, the update is the gradient to the last
#: digit, whatever the parameter was; a power of two, it can be divided out exactly.
LEARNING_RATE = 2.0**20


class Optimizer:
    """Any optimizer: called by whatever name with parameters and their gradients, it returns the parameters updated.

    Whether code takes what is returned, or expects its arrays to be changed, is seen afterwards, by `finish`.
    """

    learning_rate = lr = LEARNING_RATE

    def __init__(self) -> None:
        self._steps: list[tuple[Any, Any, Any]] = []

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Subtract gradients from parameters: of arrays, or of lists or dictionaries of them."""
        several = [one for one in (*given, *named.values()) if isinstance(one, np.ndarray | list | tuple | dict)]
        return self._step(*several[:2]) if len(several) > 1 else None

    def _step(self, parameter: Any, gradient: Any) -> Any:
        if isinstance(parameter, dict) and isinstance(gradient, dict):
            return {key: self._step(one, gradient[key]) for key, one in parameter.items() if key in gradient}
        if isinstance(parameter, list | tuple) and isinstance(gradient, list | tuple):
            return [self._step(*pair) for pair in zip(parameter, gradient, strict=False)]
        if not (isinstance(parameter, np.ndarray) and isinstance(gradient, np.ndarray)):
            return parameter
        stepped = parameter - LEARNING_RATE * gradient
        self._steps.append((parameter, parameter.copy(), stepped))
        return stepped

    def finish(self) -> None:
        """Change the parameters in place that are as they were when they were given."""
        for parameter, before, stepped in self._steps:
            if np.array_equal(parameter, before) and parameter.shape == stepped.shape:
                parameter[...] = stepped

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self
