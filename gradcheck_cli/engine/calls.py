"""The passes of an implementation in another process, in the form in which the checks call them."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside, inside_calls
from gradcheck_cli.engine.user_code import ReportedError, checked_names, error_in
from gradcheck_cli.engine.wire import value_of
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.guard.protocol import Answer, ProtocolError
from gradcheck_cli.implementation.calling import current_watch
from gradcheck_cli.implementation.implementation import NO_BACKWARD, BackwardStep, ForwardStep, Implementation
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.results.encoding import read
from gradcheck_cli.results.result import Place

if TYPE_CHECKING:
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.engine.user_code import UserCode
    from gradcheck_cli.implementation.implementation import Point, Step
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

#: What stands in for a cache that holds something.
_KEPT = object()

#: Words and sentences of a kind that an implementation is described by.
_MOST_WORDS = 100

#: Bytes of inputs and outputs that one request may have.
_TOGETHER = 2**26


def begin_case(code: UserCode, task: Task, case: Case) -> Implementation:
    """Return the implementation of a task, for one case. It raises what `UserCode.ask` does."""
    calls = _Calls(code)
    answer = code.ask(inside.begin, task, case)
    with code.reading():
        text: dict[str, Any] = {name: _text(answer.value[name]) for name in inside.DESCRIBED}
        text["name"], text["spec"] = checked_names(text["name"], text["spec"], task.spec)
        layer, given = LAYERS[case.layer], None
        if not {*text["absent"]} <= _may_be_absent(layer) or (layer.reference and answer.value["given"]):
            raise ProtocolError("inputs other than those of the layer")
        if answer.value["given"] is not None:
            names, others, constants = answer.value["given"]
            inputs = dict(zip(map(str, names), answer.arrays, strict=True))
            parameters = {str(name): None for name in others} or None
            given = partial(_given, inputs, parameters, tuple(map(str, constants)))
    return Implementation(
        **text,
        forward=calls.forward,
        backward=calls.backward,
        outputs_at=calls.outputs_at,
        expect=calls.expect,
        seed=calls.seed,
        has_drawn=calls.has_drawn,
        locate=calls.locate,
        left_by_forward=lambda cache: cache.left if isinstance(cache, _Cache) else cache,
        given=given,
    )


def _may_be_absent(layer: Layer) -> set[str]:
    """Name the inputs and the state that right code of a layer may lack."""
    vocabulary = vocabulary_of(layer)
    return {*vocabulary.optional, *layer.state, *(name for one in vocabulary.packings() for name in one.optional)}


class _Cache:
    """A cache that is in the other process, under a number, until nobody here has it any more."""

    def __init__(self, number: int, left: object, dropped: list[int]) -> None:
        self.number, self.left, self._dropped = number, left, dropped

    def __del__(self) -> None:
        self._dropped.append(self.number)


class _Calls:
    """The passes of an implementation in another process."""

    def __init__(self, code: UserCode) -> None:
        self._code = code
        self._seed: int | None = None  # for the next call
        self._dropped: list[int] = []  # caches that are not needed any more
        self._watched: dict[str, Array] = {}  # what the latest calls that were watched were given
        self._expected: deque[tuple[type[Step], Answer]] = deque()  # calls that come next, with their answers
        self._around: object = None  # the inputs with which outputs were last asked for, which the process keeps
        self._size = 0  # bytes of the latest output

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward; the cache stays there."""
        if current_watch() is not None:
            self._watched = dict(inputs)
        answer = self._next(ForwardStep(inputs, parameters))
        with self._code.reading():
            self._note_written(answer)
            out = value_of(answer.value["out"], answer.arrays)
            if answer.value["left"] == "none" and (parameters or {}).get("mode") != "test":
                raise ProtocolError("no cache in a mode in which there is something to learn")
            left = {"none": NO_BACKWARD, "empty": None, "kept": _KEPT}[answer.value["left"]]
            cache = _Cache(int(answer.value["cache"]), left, self._dropped)
        self._size = out.nbytes if isinstance(out, np.ndarray) else 0
        return out, cache

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward with the cache of a forward."""
        assert isinstance(cache, _Cache)
        if current_watch() is not None:
            self._watched |= inside_calls.cotangents(cotangent)
        answer = self._next(BackwardStep(cotangent, cache, names))
        with self._code.reading():
            self._note_written(answer)
            found = answer.value["gradients"]
            return {name: value_of(found[name], answer.arrays) for name in names if name in found}

    def outputs_at(
        self,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, object] | None,
        points: Sequence[Point],
    ) -> list[object]:
        """Call forward at several points, in as few requests as are reasonable."""
        seed, found = self._seed, []
        first = 0
        while first < len(points):
            together = max(1, _TOGETHER // (points[first][1].nbytes + self._size)) if self._size else 1
            part = points[first : first + together]
            self._seed = seed
            around = None if self._around is inputs else (dict(inputs), parameters)
            by_input = [(name, np.stack([x for _, x in some])) for name, some in groupby(part, operator.itemgetter(0))]
            answer = self._ask(inside_calls.outputs_at, around, by_input, calls=len(part))
            self._around = inputs
            with self._code.reading():
                some = _outputs(answer)
                if len(some) != len(part):
                    raise ProtocolError("outputs of other points")
            self._size = max(self._size, *(one.nbytes for one in some if isinstance(one, np.ndarray)), 1)
            found += some
            first += len(part)
        self._seed = None
        return found

    def expect(self, steps: Sequence[Step]) -> None:
        """Have calls made that come next, in one request. If one raises, those after it are left to requests."""
        self._expected.clear()
        if not steps:
            return
        written = [
            (dict(step.inputs), step.parameters)
            if isinstance(step, ForwardStep)
            else (step.cotangent, _number(step.cache), step.names)
            for step in steps
        ]
        answer = self._ask(inside_calls.several, written, calls=len(written))
        with self._code.reading():
            if not 0 < len(answer.value) <= len(written):
                raise ProtocolError("answers to other calls")
            self._expected.extend(
                (type(step), Answer(value, answer.arrays)) for step, value in zip(steps, answer.value, strict=False)
            )

    def seed(self, seed: int) -> None:
        """Have the generators there seeded before the next call."""
        self._seed = seed

    def has_drawn(self, seed: int) -> bool:
        """Tell whether numbers were drawn since the generators were seeded."""
        return self._code.ask(inside_calls.has_drawn, seed).value is True

    def locate(self, result: CaseResult, folder: str | None) -> CaseResult:
        """Return a result that failed with the place of its failure, as far as it is known."""
        bare = replace(result, arrays={}, sweeps={})
        try:
            found = self._code.ask(inside.place, bare, folder)
            with self._code.reading():
                return replace(result, place=None if found.value is None else read(Place, found.value))
        except (ProcessDiedError, ReportedError):  # the verdict is worth more than its place
            return replace(result, place=None)

    def _ask(self, function: Callable[..., Answer], *arguments: Any, calls: int = 1) -> Answer:
        manner = inside_calls.Manner(
            seed=self._seed,
            quiet=np.geterr()["invalid"] == "ignore",
            watched=current_watch() is not None,
            dropped=tuple(self._dropped),
        )
        self._seed = None
        del self._dropped[: len(manner.dropped)]
        return self._code.ask(function, *arguments, tuple(manner), calls=calls)

    def _next(self, step: Step) -> Answer:
        """Return the answer to a call, which may have been expected.

        Raises:
            Exception: the call did.
        """
        if not self._expected or self._expected[0][0] is not type(step):
            self.expect([step])
        _, answer = self._expected.popleft()
        self._code.raise_error(answer.value)
        return answer

    def _note_written(self, answer: Answer) -> None:
        if (watch := current_watch()) is not None:
            watch.written = [self._watched[name] for name in answer.value["written"]]


def _number(cache: object) -> int:
    """Return the number of a cache, or of the step that makes it, counted from -1 downward."""
    return cache.number if isinstance(cache, _Cache) else -1 - cache  # type: ignore[operator]


def _text(written: Any) -> str | tuple[str, ...] | None:
    if isinstance(written, list):
        return tuple(map(str, written[:_MOST_WORDS]))
    return None if written is None else str(written)


def _outputs(answer: Answer) -> list[object]:
    if "stacked" in answer.value:
        return [answer.arrays[0][k, ...] for k in range(len(answer.arrays[0]))]  # of no axes, too, an array
    return [error_in(one) or value_of(one["out"], answer.arrays) for one in answer.value["values"]]


def _given(
    inputs: Mapping[str, Array], parameters: Mapping[str, None] | None, constants: tuple[str, ...], problem: Problem
) -> Problem:
    """Return a problem with the arguments that were given there; of those that are no arrays only the names."""
    axes = {name: anonymous(name, value.ndim) for name, value in inputs.items()}
    return replace(problem, inputs=inputs, parameters=parameters, axes=axes, constants=constants)
