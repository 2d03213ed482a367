"""What the process of user code says of an implementation, read for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.user_code import require_home
from gradcheck_cli.guard.protocol import ProtocolError
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.axes import anonymous

if TYPE_CHECKING:
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.engine.user_code import UserCode
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: Words and sentences of a kind that an implementation is described by.
_MOST_WORDS = 100


def describe(code: UserCode, task: Task, case: Case, *, is_first: bool) -> dict[str, Any]:
    """Return what the other process says of the implementation of a task. It raises what `UserCode.ask` does."""
    answer = code.ask(inside.describe, task, case, is_first)
    with code.reading():
        described: dict[str, Any] = {name: _text(answer.value[name]) for name in inside.DESCRIBED}
        require_home(task.spec, str(described["name"]), described["spec"])
        layer = LAYERS[case.layer]
        if not {*described["absent"]} <= _may_be_absent(layer) or (layer.reference and answer.value["given"]):
            raise ProtocolError("inputs other than those of the layer")
        if answer.value["given"] is not None:
            names, others, constants = answer.value["given"]
            inputs = dict(zip(map(str, names), answer.arrays, strict=True))
            parameters = {str(name): None for name in others} or None
            described["given"] = partial(_given, inputs, parameters, tuple(map(str, constants)))
    return described


def _may_be_absent(layer: Layer) -> set[str]:
    """Name the inputs and the state that right code of a layer may lack."""
    vocabulary = vocabulary_of(layer)
    return {*vocabulary.optional, *layer.state, *(name for one in vocabulary.packings() for name in one.optional)}


def _text(written: Any) -> str | tuple[str, ...] | None:
    if isinstance(written, list):
        return tuple(map(str, written[:_MOST_WORDS]))
    return None if written is None else str(written)


def _given(
    inputs: Mapping[str, Array], parameters: Mapping[str, None] | None, constants: tuple[str, ...], problem: Problem
) -> Problem:
    """Return a problem with the arguments that were given there; of those that are no arrays only the names."""
    axes = {name: anonymous(name, value.ndim) for name, value in inputs.items()}
    return replace(problem, inputs=inputs, parameters=parameters, axes=axes, constants=constants)
