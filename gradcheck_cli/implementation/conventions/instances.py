"""Instances of classes: they are made, and given the parameters and the state of a case."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.implementation.calling import call
from gradcheck_cli.implementation.conventions.arguments import Values
from gradcheck_cli.implementation.conventions.attributes import (
    Wanted,
    array_at,
    attributes,
    parameter_paths,
    put,
    value_at,
)
from gradcheck_cli.implementation.conventions.containers import Context
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import (
    INDIFFERENT,
    MisfitError,
    SlotKind,
    parameters_of,
    state_names,
    write_call,
)
from gradcheck_cli.implementation.conventions.tensors import is_of_torch
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.geometry import SIZES
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.clean import type_name
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    import inspect

#: Methods that prepare an instance for its first forward: `set_input_shape((3, 8, 8))`, `initialize(optimizer)`; in the
#: order in which they are called.
_METHODS = (
    *("set_input_shape", "build", "initialize", "initialise", "init_weights", "initialize_weights", "init_params"),
    *("initialize_parameters", "initialize_params", "setup", "compile"),
)
_LISTED = 8  #: attributes that are listed where a parameter is not among them


def make_instance(reading: Reading, values: Values) -> object:
    """Make an instance that has its parameters, of any values; some classes make them at the first forward.

    Raises:
        ImplementationError: it raised.
        NotExpressibleError: it raised, and takes something of unknown meaning.
    """
    if reading.code.made is not None:
        return copied(reading.code.made)
    values = replace(values, context=Context())
    assert reading.code.cls is not None
    try:
        instance = reading.arguments("constructor", values).call(reading.code.cls)
    except ImplementationError as error:
        lacking = [slot.name for slot in reading.constructor if slot.kind is SlotKind.OMITTED and slot.default is None]
        if lacking:  # then it may not be meant to be called so
            raise NotExpressibleError(f"{error}; what {join_names(lacking)} must be is not known") from error
        raise
    given = (values.inputs.get(slot.key) for slot in reading.forward if slot.kind is SlotKind.INPUT)
    _set_up(instance, next((value.shape for value in given if isinstance(value, np.ndarray)), ()))
    required = [reading.wanted(name) for name in reading.kept if name not in reading.vocabulary.optional]
    required = [replace(one, kept_at=one.kept_at[:1]) for one in required]  # one of the places tells, and takes time
    if any(not parameter_paths(instance, wanted) for wanted in required):
        reading.call("forward", instance, values)
    return instance


def _set_up(instance: object, shape: tuple[int, ...]) -> None:
    """Call the methods of an instance that prepare it for an input of a shape with a batch axis, if it has any.

    Raises:
        NotExpressibleError: one of them raised.
    """
    own = {name for base in type(instance).__mro__[:-1] if not is_of_torch(base) for name in vars(base)}
    for name in _METHODS:
        with contextlib.suppress(MisfitError):
            if name in own and callable(method := getattr(instance, name)):
                required = [p for p in parameters_of(method) if p.default is p.empty]
                given = [_given(p, shape if name == "build" else shape[1:]) for p in required]
                try:
                    call(method, *given)
                except ImplementationError as error:  # it may be meant to be called otherwise: the code is not wrong
                    raise NotExpressibleError(f"{error}; what it needs before that is not known") from error


def _given(parameter: inspect.Parameter, shape: tuple[int, ...]) -> object:
    name = word(parameter.name)
    if name.endswith("shape") and shape:
        return shape
    if name in SIZES["D"].names and shape:
        return shape[-1]
    if name in INDIFFERENT:
        return copy.deepcopy(INDIFFERENT[name])
    raise MisfitError(f"`{parameter.name}` is of unknown meaning")


def with_kept(reading: Reading, problem: Problem) -> Problem:
    """Add the parameters that a class of no known layer keeps to a problem, in the shapes that an instance makes.

    Raises:
        ImplementationError: it raised.
    """
    if not (reading.found.kept or reading.found.without):
        return problem
    kept: dict[str, Array] = {}
    dtype = next((value.dtype for value in problem.inputs.values() if value.dtype.kind == "f"), np.dtype(float))
    values = reading.values(problem.inputs, problem.parameters)
    instance = make_instance(reading, values) if reading.found.kept else None
    for name, paths in reading.found.kept.items():
        source = random.Random(f"{problem.draws} {name}")  # noqa: S311  # no secrets
        kept[name] = drawn(source, np.shape(value_at(instance, paths[0])), reading.found.within).astype(dtype)
    axes = {name: anonymous(name, value.ndim) for name, value in kept.items()}
    domain = dict.fromkeys(kept, reading.found.within) if reading.found.within else {}
    return replace(
        problem,
        inputs={**problem.inputs, **kept},
        domain={**problem.domain, **domain},
        axes={**problem.axes, **axes},
        constants=(*problem.constants, *reading.found.without),
    )


def set_parameters(reading: Reading, instance: object, values: Values, inputs: Mapping[str, Array]) -> None:
    """Give an instance the parameters of a case.

    Raises:
        ImplementationError: it keeps no such parameter, or one of another shape.
        NotExpressibleError: it makes one of another shape, which the reading cannot tell it.
    """
    for name in reading.kept:
        paths = parameter_paths(instance, reading.wanted(name))
        if not paths:
            lacks = f"{type_name(instance)} keeps no array for {name}"
            looked_for = ", ".join(reading.wanted(name).synonyms[:3])
            keeps = join_names([*attributes(instance)][:_LISTED] or ["nothing"])
            raise ImplementationError(f"{lacks} (looked for {looked_for}); it keeps {keeps}")
        layout = reading.layouts.get(name)
        wanted = layout.shape(inputs[name].shape) if layout else inputs[name].shape
        fitting = [path for path in paths if array_at(instance, path).shape == wanted]
        if not fitting:
            called = write_call(type_name(instance), reading.constructor)
            made = f"{called} makes {name} of shape {array_at(instance, paths[0]).shape}"
            arguments = reading.vocabulary.arguments
            passed = [arguments[slot.key] for slot in reading.constructor if slot.kind is SlotKind.ARGUMENT]
            knows_shape = any(argument.shapes for argument in passed)
            raise (ImplementationError if knows_shape else NotExpressibleError)(f"{made}, not {wanted}")
        for path in fitting:
            put(instance, path, np.array(values.inputs[name]))


def set_state(reading: Reading, instance: object, values: Values) -> None:
    """Give an instance the state that forward reads where nothing is learned, such as running means.

    Raises:
        NotExpressibleError: it keeps none.
    """
    for name in reading.layer.state if instance is not None and values.dictionary.get("mode") == "test" else ():
        given = np.asarray(values.dictionary[name])
        paths = parameter_paths(instance, Wanted(state_names(name)))
        fitting = [path for path in paths if array_at(instance, path).size == given.size]
        if not fitting:
            raise NotExpressibleError(f"{type_name(instance)} keeps no {name} before its first forward")
        for path in fitting:
            put(instance, path, given.reshape(array_at(instance, path).shape).copy())


def kept_parameters(reading: Reading, instance: object, names: Iterable[str]) -> dict[str, Array]:
    """Copy the parameters that an instance keeps."""
    paths = {name: parameter_paths(instance, reading.wanted(name)) for name in names if name in reading.kept}
    return {name: array_at(instance, found[0]).copy() for name, found in paths.items() if found}


def copied(instance: object) -> object:
    """Return a copy of an instance, or the instance where there is none."""
    try:
        return copy.deepcopy(instance)
    except Exception:  # noqa: BLE001  # it holds something that has no copies: an open file, a generator
        return instance
