"""Checks the cases of a task whose code is in a process of its own, where it may hang, crash, print or meddle."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.calls import implementation_in
from gradcheck_cli.engine.user_code import FAILURES, WHEN_TRIED, describe_death, report_failure, require_home
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.guard.protocol import ProtocolError
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.text.clean import LONGEST_NAME, escaped

if TYPE_CHECKING:
    from gradcheck_cli.engine.errors import ErrorReport
    from gradcheck_cli.engine.tally import Tally
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.engine.user_code import UserCode
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult


#: Words and sentences of a kind that an implementation is described by.
_MOST_WORDS = 100


class GuardedRunner:
    """Checks the cases of a task whose code is in a process of its own."""

    def __init__(self, task: Task, code: UserCode, tally: Tally) -> None:
        self._task, self._code, self._tally = task, code, tally
        self._described: dict[str, Any] = {}  # the implementation, as it was found
        self._missing: ErrorReport | None = None  # why it cannot be checked

    def find(self, case: Case) -> None:
        """Find the implementation. An error other than that it is not there is left to the first case."""
        if self._described or self._missing:
            return
        spec = self._task.spec
        try:
            self._described = _describe(self._code, self._task, case, is_first=True)
        except FAILURES as error:
            if isinstance(error, ProcessDiedError) and not error.imported:
                error = ImplementationNotFoundError(
                    f"{spec} cannot be imported: {describe_death(error, 'it', spec).reason}"
                )
            self._missing = report_failure(error, "the implementation", spec, WHEN_TRIED)
            if isinstance(error, ImplementationNotFoundError):
                raise error from None

    def check(self, case: Case) -> CaseResult:
        """Check one case."""
        started = time.perf_counter()
        with contextlib.suppress(ImplementationNotFoundError):  # reported below
            self.find(case)
        task, code, described = self._task, self._code, self._described
        try:
            if self._missing is not None:
                result = task.error_result(case, self._missing)
            else:
                if not LAYERS[task.layer].reference:  # what it is given depends on the case
                    described = _describe(code, task, case, is_first=False)
                implementation = self._tally.counted(implementation_in(code, task, case, described))
                result = task.check(case, implementation, task.settings)
        except FAILURES as error:
            names = (described["name"], described["spec"])
            result = task.error_result(case, report_failure(error, "the implementation", task.spec), names)
        return replace(result, output=code.take_output(), seconds=time.perf_counter() - started)


def _describe(code: UserCode, task: Task, case: Case, *, is_first: bool) -> dict[str, Any]:
    """Return what the other process says of the implementation of a task. It raises what `UserCode.ask` does."""
    answer = code.ask(inside.describe, task, case, is_first)
    with code.reading():
        described: dict[str, Any] = {name: _text(answer.value[name]) for name in inside.DESCRIBED}
        require_home(task.spec, str(described["name"]), described["spec"])
        layer = LAYERS[case.layer]
        if not {*described["absent"]} <= _may_be_absent(layer) or (layer.reference and answer.value["given"]):
            raise ProtocolError("inputs other than those of the layer")
        _refuse_odd(name for kind in ("order", "outputs", "cotangents") for name in described[kind])
        if answer.value["given"] is not None:
            names, others, constants = answer.value["given"]
            _refuse_odd(map(str, [*names, *others, *constants]))
            inputs = dict(zip(map(str, names), answer.arrays, strict=True))
            parameters = {str(name): None for name in others} or None
            described["given"] = partial(_given, inputs, parameters, tuple(map(str, constants)))
    return described


def _refuse_odd(names: Iterable[str]) -> None:
    """Refuse names that cannot be shown: keys of dictionaries may be any text.

    Raises:
        ImplementationNotFoundError: one has control characters, or is very long.
    """
    if odd := next((name for name in names if escaped(name) != name), None):
        raise ImplementationNotFoundError(f"an array has a name that cannot be shown: {escaped(odd, LONGEST_NAME)}")


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
