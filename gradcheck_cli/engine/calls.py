"""The passes of an implementation in another process, in the form in which the checks call them."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.inside_calls import MOST_BYTES, cotangents
from gradcheck_cli.engine.user_code import ReportedError, error_in
from gradcheck_cli.engine.wire import value_of
from gradcheck_cli.guard.channel import LARGE
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.guard.protocol import Answer, ProtocolError
from gradcheck_cli.implementation.calling import current_watch
from gradcheck_cli.implementation.implementation import NO_BACKWARD, BackwardStep, ForwardStep, Implementation
from gradcheck_cli.results.encoding import read
from gradcheck_cli.results.result import Place

if TYPE_CHECKING:
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.engine.user_code import UserCode
    from gradcheck_cli.implementation.implementation import Step
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

#: What stands in for a cache that holds something.
_KEPT = object()


def implementation_in(code: UserCode, task: Task, case: Case, described: Mapping[str, Any]) -> Implementation:
    """Return the implementation of a task, for one case; its calls raise what `UserCode.ask` does."""
    calls = _Calls(code, (task, case))
    return Implementation(
        **described,
        forward=calls.forward,
        backward=calls.backward,
        expect=calls.expect,
        seed=calls.seed,
        has_drawn=calls.has_drawn,
        locate=calls.locate,
        left_by_forward=lambda cache: cache.left if isinstance(cache, _Cache) else cache,
    )


class _Cache:
    """A cache that is in the other process, under a number, until nobody here has it any more."""

    def __init__(self, number: int, left: object, dropped: list[int]) -> None:
        self.number, self.left, self._dropped = number, left, dropped

    def __del__(self) -> None:
        self._dropped.append(self.number)


@dataclass(eq=False)
class _Call:
    """A call that was asked for or is expected."""

    step: Step
    number: int  #: of the cache that it leaves, or that it is given
    quiet: bool  #: whether NumPy warns of nothing
    answer: Answer | None = None


class _Calls:
    """The passes of an implementation in another process.

    Calls that are expected are made there one after the other, while the checks go on here.
    """

    def __init__(self, code: UserCode, begins: tuple[Task, Case]) -> None:
        self._code = code
        self._begins: tuple[Task, Case] | None = begins  # until the first request
        self._seed: int | None = None  # for the next call
        self._dropped: list[int] = []  # caches that are not needed any more
        self._watched: dict[str, Array] = {}  # what the latest calls that were watched were given
        self._expected: defaultdict[Hashable, deque[_Call]] = defaultdict(deque)  # that were not asked for yet
        self._unmade: deque[_Call] = deque()
        self._under_way: list[_Call] = []  # that the other process makes now
        self._numbers = count(1)

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward; the cache stays there."""
        if watched := current_watch() is not None:
            self._watched = dict(inputs)
        answer, number = self._call(ForwardStep(inputs, parameters, seed=self._seed, watched=watched), "out")
        with self._code.reading():
            self._note_written(answer)
            out = value_of(answer.value["out"], answer.arrays)
            if answer.value["left"] == "none" and (parameters or {}).get("mode") != "test":
                raise ProtocolError("no cache in a mode in which there is something to learn")
            left = {"none": NO_BACKWARD, "empty": None, "kept": _KEPT}[answer.value["left"]]
        return out, _Cache(number, left, self._dropped)

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward with the cache of a forward."""
        if watched := current_watch() is not None:
            self._watched |= cotangents(cotangent)
        answer, _ = self._call(BackwardStep(cotangent, cache, names, seed=self._seed, watched=watched), "gradients")
        with self._code.reading():
            self._note_written(answer)
            found = answer.value["gradients"]
            return {name: value_of(found[name], answer.arrays) for name in names if name in found}

    def expect(self, steps: Sequence[Step]) -> None:
        """Have calls made that will be asked for, other than those that are expected already."""
        calls: list[_Call] = []
        known: Counter[Hashable] = Counter()
        for step in steps:
            number = None
            if isinstance(step, BackwardStep):
                number = calls[step.cache].number if isinstance(step.cache, int) else _number(step)
            same = self._expected[key := _key(step, number)]
            if known[key] == len(same):
                same.append(self._new(step, number))
                self._unmade.append(same[-1])
            calls.append(same[known[key]])
            known[key] += 1
        if self._unmade and not self._under_way:
            self._make_calls()

    def seed(self, seed: int) -> None:
        """Have the generators there seeded before the next call."""
        self._seed = seed

    def has_drawn(self, seed: int) -> bool:
        """Tell whether numbers were drawn since the generators were seeded."""
        if self._under_way:
            self._receive()
        return self._code.ask(inside.has_drawn, seed).value is True

    def locate(self, result: CaseResult, folder: str | None) -> CaseResult:
        """Return a result that failed with the place of its failure, as far as it is known."""
        bare = replace(result, arrays={}, sweeps={})
        try:
            found = self._code.ask(inside.place, bare, folder)
            with self._code.reading():
                return replace(result, place=None if found.value is None else read(Place, found.value))
        except (ProcessDiedError, ReportedError):  # the verdict is worth more than its place
            return replace(result, place=None)

    def _call(self, step: Step, returned: str) -> tuple[Answer, int]:
        """Return the answer to a call, under a key that says what is returned, and the number of its cache.

        Raises:
            Exception: the call did.
        """
        self._seed = None
        number = _number(step) if isinstance(step, BackwardStep) else None
        same = self._expected.get(_key(step, number))
        call = same.popleft() if same else self._new(step, number)
        while call.answer is None:
            if not self._under_way:
                if call not in self._unmade:
                    self._unmade.appendleft(call)
                self._make_calls()
            self._receive()
        with self._code.reading():
            error = None if returned in call.answer.value else error_in(call.answer.value)
        if error is not None:
            raise error
        return call.answer, call.number

    def _new(self, step: Step, number: int | None) -> _Call:
        quiet = step.quiet or np.geterr()["invalid"] == "ignore"
        return _Call(step, next(self._numbers) if number is None else number, quiet)

    def _make_calls(self) -> None:
        """Begin to make the calls that come first, as many as are given little together."""
        requests: list[tuple[Any, ...]] = []
        size = 0
        while self._unmade:
            call = self._unmade[0]
            size += sum(array.nbytes for array in _arrays(call.step))
            if requests and size > MOST_BYTES:
                break
            self._under_way.append(self._unmade.popleft())
            requests.append(_request(call))
        begins, dropped = self._begins, tuple(self._dropped)
        self._begins = None
        self._dropped.clear()
        self._code.send(inside.call_passes, begins, requests, dropped)

    def _receive(self) -> None:
        """Wait for the answers to the calls under way. A death is that of the one that was made last."""
        under_way, self._under_way = self._under_way, []
        try:
            several = self._code.receive()
        except ProcessDiedError as death:
            if 0 < death.step <= len(under_way) and (when := under_way[death.step - 1].step.when):
                death.add_note(f" when it was called {when}")
            raise
        with self._code.reading():
            values, goes_on = several.value["calls"], several.value["goes_on"]
            if not 0 < len(values) <= len(under_way):
                raise ProtocolError("answers to other calls")
        for call, value in zip(under_way, values, strict=False):
            call.answer = Answer(value, several.arrays)
        if goes_on:
            self._unmade.extendleft(reversed(under_way[len(values) :]))
        else:
            self._unmade.clear()

    def _note_written(self, answer: Answer) -> None:
        if (watch := current_watch()) is not None:
            watch.written = [self._watched[name] for name in answer.value["written"]]


def _request(call: _Call) -> tuple[Any, ...]:
    """Return a call as `inside_calls.make_calls` takes it."""
    step = call.step
    manner = (call.quiet, step.watched, step.repeats, step.seed)
    if isinstance(step, ForwardStep):
        return (manner, "forward", call.number, dict(step.inputs), step.parameters)
    return (manner, "backward", call.number, step.cotangent, step.names)


def _key(step: Step, number: int | None) -> Hashable:
    """Identify a call, given the number of the cache if it is one of backward."""
    given = tuple(map(_content, _arrays(step)))
    if isinstance(step, ForwardStep):
        return (step.seed, step.watched, id(step.parameters), tuple(step.inputs), given)
    return (step.seed, step.watched, number, step.names, given)


def _content(array: Array) -> Hashable:
    """Identify an array by what is in it, or a large one by itself."""
    if array.nbytes > LARGE:
        return id(array)
    return (array.dtype, array.shape, array.strides, array.tobytes())


def _arrays(step: Step) -> tuple[Array, ...]:
    if isinstance(step, ForwardStep):
        return tuple(step.inputs.values())
    return step.cotangent if isinstance(step.cotangent, tuple) else (step.cotangent,)


def _number(step: BackwardStep) -> int:
    assert isinstance(step.cache, _Cache)
    return step.cache.number
