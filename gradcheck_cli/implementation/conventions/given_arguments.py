"""The arguments of one call of a function, as they are given: which arrays have a gradient, and what is passed along.

Arrays in dictionaries, lists and tuples are inputs too, each under its path: `params.W1`, `layers.0.b`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.both_passes import expanded
from gradcheck_cli.implementation.conventions.slots import is_context, signature_of
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.function import FunctionCase
from gradcheck_cli.numeric.arrays import DTYPES, Array


@frozen
class Container:
    """A dictionary, list or tuple with arrays in it, at a path."""

    path: str
    template: Any

    def filled(self, inputs: Mapping[str, object]) -> Any:
        """Return a new one with these inputs in place of its arrays."""
        return _rebuilt(self.template, self.path, inputs)


@frozen
class Arguments:
    """The arguments of one call by name: arrays by path, and all that has no gradient."""

    arrays: Mapping[str, Array]
    others: Mapping[str, object]

    def given_to(self, problem: Problem) -> Problem:
        """Return a problem with these arguments in place of those that were drawn."""
        axes = {name: anonymous(name, value.ndim) for name, value in self.arrays.items()}
        return replace(problem, inputs=self.arrays, parameters=dict(self.others) or None, axes=axes)

    def case(self) -> FunctionCase:
        """Return the case that says the shapes of the arrays. Its dtype is the narrowest of them.

        Raises:
            TypeError: there is none of floating point.
        """
        real = [value for value in self.arrays.values() if value.dtype.kind == "f"]
        if not real:
            raise TypeError("no argument is an array of floating point, so there is nothing to differentiate")
        narrowest = max((value.dtype for value in real), key=lambda dtype: float(np.finfo(dtype).eps))
        dtype = next((name for name in DTYPES if np.dtype(name) == narrowest), "float64")
        return FunctionCase(shape={name: value.shape for name, value in self.arrays.items()}, dtype=dtype)


def bind_arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
    """Name the arguments of a call as the function does.

    Raises:
        TypeError: it cannot be called so.
    """
    signature = signature_of(expanded((function,))[0])
    if signature is None:
        raise TypeError(f"{name_of(function)} does not say what it takes; wrap it in a function that does")
    taken = [parameter for parameter in signature.parameters.values() if not is_context(parameter.name)]
    signature = signature.replace(parameters=taken) if inspect.isclass(function) else signature
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{name_of(function)}{signature} cannot be called with these arguments: {error}") from error
    arrays: dict[str, Array] = {}
    others: dict[str, object] = {}
    for name, value in given.items():
        found = dict(leaves(value, name))
        arrays |= found
        if name not in found:
            others[name] = Container(path=name, template=value) if found else value
    return Arguments(arrays=arrays, others=others)


def call_arguments(made: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the named arguments that a function for --example has made.

    Raises:
        TypeError: there are none.
    """
    if made is None:
        raise TypeError("it returned None, not the arguments of one call: a tuple, a dictionary by name, or both")
    if isinstance(made, dict):
        return (), made
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], tuple) and isinstance(made[1], dict):
        return made
    return tuple(made) if isinstance(made, tuple | list) else (made,), {}


def leaves(value: object, path: str) -> Iterator[tuple[str, Array]]:
    """Yield the arrays in a value, and numbers of NumPy's, by their paths."""
    if isinstance(value, np.ndarray | np.floating):
        if np.asarray(value).dtype.kind in "fiub":
            yield path, np.asarray(value)
    elif isinstance(value, dict | list | tuple):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in entries:
            yield from leaves(entry, f"{path}.{key}")


def _rebuilt(value: Any, path: str, inputs: Mapping[str, object]) -> Any:
    if path in inputs:
        return inputs[path]
    if isinstance(value, dict):
        return {key: _rebuilt(entry, f"{path}.{key}", inputs) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        entries = [_rebuilt(entry, f"{path}.{key}", inputs) for key, entry in enumerate(value)]
        return entries if isinstance(value, list) else tuple(entries)
    return value
