"""What stands in for objects that a constructor must be given: activations and their slopes, optimizers, initializers.

An activation is tanh. Its slope is given the input of tanh, or in another reading its output, as code may have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.activation import SLOPE, Activation, slope_at_input, slope_at_output
from gradcheck_cli.implementation.conventions.optimizer import OPTIMIZERS, Optimizer
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from inspect import Parameter

_ACTIVATION = re.compile(
    r"^(act(iv(ation|ator)?)?s?|nonlinearity|nonlin|transfer)(f|fn|func|function)?(name|type)?$|^(func|fn)$"
)
_INITIALIZER = re.compile(r"^(w|b|weights?|bias)?(init(ial(izer|izes?|isation|ization))?)(f|fn|func|function)?$")
_NAMES = ("sigmoid", "relu")  #: of activations, where those are given by name


def initialize(*shape: Any) -> Any:
    """Return random numbers in a shape, given as one tuple or as its lengths."""
    return np.random.standard_normal(shape[0] if isinstance(shape[0], tuple | list) else shape)  # noqa: NPY002  # seeded


def stand_ins_for(parameters: list[Parameter]) -> dict[str, Mapping[str, object]]:
    """Return what may be given by name in place of objects, the likeliest first, by what it is in words."""
    words = {p.name: word(p.name) for p in parameters}
    required = [p.name for p in parameters if p.default is p.empty]
    fixed: dict[str, object] = {name: Optimizer() for name in required if words[name] in OPTIMIZERS}
    fixed |= {name: initialize for name in required if _INITIALIZER.match(words[name])}
    activations = [name for name in required if _ACTIVATION.search(words[name])]
    slopes = [
        p.name
        for p in parameters
        if SLOPE.search(words[p.name])
        and (p.default is p.empty or p.default is None)
        and _ACTIVATION.search(SLOPE.sub("", words[p.name]))
    ]
    if not activations:
        return {"": fixed}

    def given(activation: object, slope: Callable[..., Any] = slope_at_input) -> Mapping[str, object]:
        return fixed | dict.fromkeys(activations, activation) | dict.fromkeys(slopes, slope)

    tanh, first = Activation(np.tanh, slope_at_input), f"with tanh for {activations[0]}"
    at_output = f"{first} and its slope at its output"
    if slopes:
        return {first: given(tanh), at_output: given(tanh, slope_at_output)}
    found = {first: given(tanh), at_output: given(Activation(np.tanh, slope_at_input, slope_at_output))}
    return found | {f"with {name} for {activations[0]}": given(name) for name in _NAMES}
