"""The passes of an implementation in another process, in the form in which the checks call them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside, inside_calls
from gradcheck_cli.engine.user_code import ReportedError
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


class _Planned(NamedTuple):
    """A call that comes next, and how it is made."""

    step: Step
    number: int  #: of the cache that it leaves, or that it is given
    manner: tuple[bool, bool]  #: whether NumPy warns of nothing, and whether to see which arguments are written into


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
        self._planned: deque[_Planned] = deque()  # calls that come next
        self._answers: deque[Answer] = deque()  # to the first of these
        self._under_way: list[_Planned] = []  # of these, those that the other process makes now
        self._numbers = count(1)
        self._size = 0  # bytes of the largest answer

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward; the cache stays there."""
        if current_watch() is not None:
            self._watched = dict(inputs)
        answer, number = self._call(ForwardStep(inputs, parameters, seed=self._seed))
        with self._code.reading():
            self._note_written(answer)
            out = value_of(answer.value["out"], answer.arrays)
            if answer.value["left"] == "none" and (parameters or {}).get("mode") != "test":
                raise ProtocolError("no cache in a mode in which there is something to learn")
            left = {"none": NO_BACKWARD, "empty": None, "kept": _KEPT}[answer.value["left"]]
        return out, _Cache(number, left, self._dropped)

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward with the cache of a forward."""
        if current_watch() is not None:
            self._watched |= inside_calls.cotangents(cotangent)
        answer, _ = self._call(BackwardStep(cotangent, cache, names, seed=self._seed))
        with self._code.reading():
            self._note_written(answer)
            found = answer.value["gradients"]
            return {name: value_of(found[name], answer.arrays) for name in names if name in found}

    def expect(self, steps: Sequence[Step]) -> None:
        """Have calls made that come next, unless that is so already."""
        known: list[_Planned] = []
        for planned, step in zip(self._planned, steps, strict=False):
            if not _is_same(planned, step, known):
                self._forget_plan()
                known = []
                break
            known.append(planned)
        manner = (np.geterr()["invalid"] == "ignore", current_watch() is not None)
        for step in steps[len(known) :]:
            number = next(self._numbers) if isinstance(step, ForwardStep) else _number(step.cache, known)
            known.append(_Planned(step, number, manner))
            self._planned.append(known[-1])
        if self._planned and not (self._under_way or self._answers):
            self._make_planned()

    def seed(self, seed: int) -> None:
        """Have the generators there seeded before the next call."""
        self._seed = seed

    def has_drawn(self, seed: int) -> bool:
        """Tell whether numbers were drawn since the generators were seeded."""
        self._forget_plan()
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

    def _call(self, step: Step) -> tuple[Answer, int]:
        """Return the answer to a call, and the number of its cache.

        Raises:
            Exception: the call did.
        """
        self._seed = None
        self.expect([step])
        if not self._answers:
            self._receive()
        number, answer = self._planned.popleft().number, self._answers.popleft()
        self._code.raise_error(answer.value)
        return answer, number

    def _receive(self) -> None:
        """Wait for answers. A death is that of the call that was made last, which may be a later one."""
        under_way, self._under_way = self._under_way, []
        try:
            several = self._code.answer()
        except ProcessDiedError as death:
            if 0 < death.step <= len(under_way) and (when := under_way[death.step - 1].step.when):
                death.add_note(f" when it was called {when}")
            raise
        with self._code.reading():
            if not 0 < len(several.value) <= len(under_way):
                raise ProtocolError("answers to other calls")
            self._answers.extend(Answer(value, several.arrays) for value in several.value)
        self._size = max(self._size, sum(array.nbytes for array in several.arrays) // len(several.value))

    def _make_planned(self) -> None:
        """Have the planned calls made, as many as give and return little together."""
        steps: list[tuple[Any, ...]] = []
        size = 0
        for step, number, manner in self._planned:
            given = step.inputs.values() if isinstance(step, ForwardStep) else _arrays(step.cotangent)
            size += self._size + sum(array.nbytes for array in given)
            if steps and size > LARGE:
                break
            steps.append((manner, *_request(step, number)))
        begins, dropped = self._begins, tuple(self._dropped)
        self._begins = None
        self._dropped.clear()
        self._under_way = [*self._planned][: len(steps)]
        self._code.process.send(inside.call_passes, begins, steps, dropped)

    def _forget_plan(self) -> None:
        """Expect no calls any more; those that are under way come first."""
        if self._under_way:
            self._receive()
        self._planned.clear()
        self._answers.clear()

    def _note_written(self, answer: Answer) -> None:
        if (watch := current_watch()) is not None:
            watch.written = [self._watched[name] for name in answer.value["written"]]


def _request(step: Step, number: int) -> tuple[Any, ...]:
    """Return a call as `inside_calls.make_calls` takes it."""
    if isinstance(step, ForwardStep):
        return ("forward", number, step.seed, dict(step.inputs), step.parameters)
    return ("backward", number, step.seed, step.cotangent, step.names)


def _is_same(planned: _Planned, step: Step, before: Sequence[_Planned]) -> bool:
    """Tell whether a call is the planned one."""
    known = planned.step
    if known.seed != step.seed:
        return False
    if isinstance(known, ForwardStep) and isinstance(step, ForwardStep):
        if known.inputs is step.inputs or known.inputs.keys() != step.inputs.keys():
            return known.inputs is step.inputs and known.parameters is step.parameters
        same = [_are_same(array, step.inputs[name]) for name, array in known.inputs.items()]
        return all(same) and known.parameters is step.parameters
    if isinstance(known, BackwardStep) and isinstance(step, BackwardStep):
        alike = planned.number == _number(step.cache, before) and known.names == step.names
        return alike and all(map(_are_same, _arrays(known.cotangent), _arrays(step.cotangent)))
    return False


def _are_same(one: Array, other: Array) -> bool:
    """Tell whether two arrays are the same in memory, too."""
    if one is other or one.shape != other.shape or one.strides != other.strides or one.dtype != other.dtype:
        return one is other
    return one.tobytes() == other.tobytes()


def _arrays(cotangent: Array | tuple[Array, ...]) -> tuple[Array, ...]:
    return cotangent if isinstance(cotangent, tuple) else (cotangent,)


def _number(cache: object, before: Sequence[_Planned]) -> int:
    """Return the number of a cache, or of that which a call before leaves, whose place is given."""
    return before[cache].number if isinstance(cache, int) else cache.number  # type: ignore[attr-defined]
