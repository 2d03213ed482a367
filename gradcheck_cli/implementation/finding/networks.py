"""Recognizes whole networks: classes and functions that compute a loss and the gradients of parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.attributes import is_gradient_name
from gradcheck_cli.implementation.conventions.both_passes import BACKWARDS, FORWARDS, methods_of
from gradcheck_cli.implementation.conventions.network import Network
from gradcheck_cli.implementation.conventions.network_steps import (
    Role,
    Step,
    is_penalty,
    step_of,
    usual_losses,
    with_data,
)
from gradcheck_cli.implementation.conventions.slots import is_cotangent, parameters_of
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.finding.names import says_loss, words_in
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words

_LOSSES = words(
    "{compute,calculate,calc,get,}loss loss{function,fn} {compute,calculate,}cost costfunction objective "
    "{compute,}lossand{grad,gradient}{,s}"
)
_GRADIENTS = words("{compute,calculate,get,}gradient{,s} {compute,}grads")
_GRADIENT_WORDS = {"grad", "grads", "gradient", "gradients", "nabla", "derivatives"}
_STEPS = ("forward", "loss", "backward")
_MAKERS = {"init", "initialize", "initialise", "create", "make", "build"}


def network_of(objects: tuple[Any, ...], module: Any) -> Network | None:
    """Return the network that a class, a function or two are; None if they are none.

    Args:
        objects: the class, or the functions.
        module: in which there may be a function that makes parameters, one that computes the loss, and parameters.
    """
    try:
        if inspect.isclass(objects[0]):
            return _class_network(objects[0]) if len(objects) == 1 else None
        return _function_network(objects, vars(module)) if len(objects) < 3 else None
    except BaseException as error:  # noqa: BLE001  # a metaclass of the user's may raise anything
        pass_on_interrupt(error)
        return None


def _class_network(cls: type) -> Network | None:
    methods = methods_of(cls)

    def method(names: tuple[str, ...]) -> Step | None:
        found = (inspect.getattr_static(cls, methods[name], None) for name in names if name in methods)
        return next((step_of(one, is_method=True) for one in found if inspect.isfunction(one)), None)

    loss, backward = method(_LOSSES), method((*BACKWARDS, *_GRADIENTS))
    forward = method(tuple(name for name in FORWARDS if name not in _LOSSES))
    if loss is None and forward and forward.takes(Role.DATA) and forward.takes(Role.TARGETS):
        if not _may_keep_parameters(cls):  # a loss, of which the gradient is that of its inputs
            return None
        loss, forward = forward, None
    forward = forward and with_data(forward)
    maker = inspect.getattr_static(cls, "__init__", None)
    given = step_of(maker, is_method=True) if inspect.isfunction(maker) else None
    data = [one for one in (forward, given) if one and one.takes(Role.DATA)]
    losses = _usual(backward, given) if forward and data else {}
    if loss and not loss.takes(Role.DATA) and not (forward and data and _is_after_forward(loss)):
        loss = None
    if not (loss or losses) or (loss and backward is None and not _may_be_both(loss)):
        return None
    if backward and any(is_cotangent(p.name) for p in backward.own):  # that is a layer
        return None
    steps = {name: step for name, step in zip(_STEPS, (forward, loss, backward), strict=True) if step}
    roles = given.roles if given and not loss else {}
    passed = {name: role for name, role in roles.items() if role in (Role.DATA, Role.TARGETS)}
    return Network(name=cls.__name__, steps=steps, maker=cls, sizes=tuple(_sizes(cls)), given=passed, losses=losses)


def _is_after_forward(loss: Step) -> bool:
    """Tell whether a loss takes the output, or the targets alone, and reads what forward has kept."""
    others = [p for p in loss.own if p.default is p.empty]
    return loss.takes(Role.OUTPUT) or (loss.takes(Role.TARGETS) and not others)


def _may_keep_parameters(cls: type) -> bool:
    """Tell whether a constructor uses anything of its file, such as NumPy or a layer, but for base classes."""
    makers = [vars(base)["__init__"] for base in cls.__mro__[:-1] if "__init__" in vars(base)]
    codes = [(one.__code__.co_names, one.__globals__) for one in makers if inspect.isfunction(one)]
    return any(space.get(name, cls) not in cls.__mro__ for names, space in codes for name in names)


def _usual(backward: Step | None, maker: Step | None) -> dict[str, Step]:
    """Return the losses of which a backward pass may be the gradient: it or the object is given targets."""
    steps = [step for step in (backward, maker) if step and backward]
    taken = [p for step in steps for p in step.parameters if step.roles.get(p.name) is Role.TARGETS]
    return usual_losses(taken[0]) if taken else {}


def _may_be_both(loss: Step) -> bool:
    """Tell whether a loss returns gradients beside the number, or says that it computes them."""
    return len(returned_names(loss.function)) > 1 or bool(_GRADIENT_WORDS & set(words_in(loss.function.__name__)))


def _returns_gradients(step: Step) -> bool:
    """Tell whether a step returns gradients and something beside them, which may be the loss."""
    return {_is_gradient(name, step.parameters) for name in returned_names(step.function)} == {False, True}


def _is_gradient(name: str, parameters: tuple[inspect.Parameter, ...]) -> bool:
    return bool(_GRADIENT_WORDS & set(words_in(name))) or any(is_gradient_name(name, p.name) for p in parameters)


def _sizes(maker: Callable[..., Any]) -> list[inspect.Parameter]:
    """List the arguments of a maker that are tried: those that must be given, sizes, and penalties."""
    return [p for p in parameters_of(maker) if p.default is p.empty or is_penalty(p) or _is_size(p.default)]


def _is_size(default: object) -> bool:
    sizes = default if isinstance(default, tuple | list) and default else [default]
    return all(isinstance(size, int) and not isinstance(size, bool) and size > 1 for size in sizes)


def _function_network(objects: tuple[Any, ...], module: Mapping[str, Any]) -> Network | None:
    called = tuple(value.__name__ for value in objects)
    functions = {name: value for name, value in module.items() if inspect.isfunction(value)}
    makers = [value for name, value in functions.items() if name not in called and _MAKERS & {*words_in(name)}]
    first = step_of(objects[0], holds=bool(makers))
    maker = makers[0] if first.takes(Role.PARAMETERS) and makers else None
    returned = returned_names(objects[0])
    shared = () if maker else _globals(objects[0], module, returned)
    if not first.takes(Role.DATA) or not (maker or shared or first.own):
        return None
    steps = {"loss": first}
    if len(objects) == 2:
        losses = [value for name, value in functions.items() if word(name) in _LOSSES]
        if not (losses and maker):
            return None
        steps = {"forward": first, "loss": step_of(losses[0], holds=True), "backward": step_of(objects[1], holds=True)}
    else:
        is_loss = bool(maker or shared or says_loss(called)) and len(returned) > 1
        if first.takes(Role.OUTPUT) or not (is_loss or _returns_gradients(first)):
            return None
    sizes = tuple(_sizes(maker)) if maker else ()
    return Network(name=called[0], steps=steps, maker=maker or dict, sizes=sizes, module=module, globals=shared)


def _globals(function: Any, module: Mapping[str, Any], returned: tuple[str, ...]) -> tuple[str, ...]:
    """Name the arrays of a module that a function reads and returns the gradients of."""
    import numpy as np  # only for a function that may be a network

    read = [name for name in function.__code__.co_names if isinstance(module.get(name), np.ndarray)]
    return tuple(name for name in read if any(is_gradient_name(label, name) for label in returned))
