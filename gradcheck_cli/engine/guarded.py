"""User code as the checks see it: in a process of its own, where it may hang, crash, print or meddle.

What that process answers is text and arrays, read by the type that is expected. What it says of a bug in the checker
may be its own doing, and is an error of the case.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.errors import ErrorReport
from gradcheck_cli.engine.wire import value_of
from gradcheck_cli.guard.frames import format_user_stack, innermost_of_user
from gradcheck_cli.guard.process import ProcessDiedError, RequestFailedError
from gradcheck_cli.guard.protocol import Answer, ProtocolError
from gradcheck_cli.implementation.calling import current_watch
from gradcheck_cli.implementation.implementation import (
    NO_BACKWARD,
    ForwardStep,
    Implementation,
    ImplementationError,
    ImplementationNotFoundError,
    NotExpressibleError,
)
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.results.encoding import read
from gradcheck_cli.results.result import Place
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gradcheck_cli.engine.task import Names, Task
    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.process import GuardedProcess
    from gradcheck_cli.implementation.implementation import Step
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

    _Class = TypeVar("_Class")

#: The phase in which an implementation crashed whose module could be imported.
WHEN_TRIED = " when it was tried on a small case"

#: What stands in for a cache that holds something.
_KEPT = object()

#: Bytes of inputs and outputs that one request may have.
_TOGETHER = 2**26


class ReportedError(Exception):
    """User code could not be loaded, tried or called, other than because it is not there."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.reason)
        self.report = report


class UserCode:
    """The process of user code, and what it can be asked."""

    def __init__(self, process: GuardedProcess) -> None:
        self.process = process

    def ask(self, function: Callable[..., Answer], *arguments: Any, calls: int = 0) -> Answer:
        """Have a function of `inside` called.

        Raises:
            ImplementationError, NotExpressibleError, ImplementationNotFoundError: as the function does.
            ReportedError: user code raised, or there may be a bug in the checker.
            ProcessDiedError: the process died.
        """
        try:
            answer = self.process.call(function, *arguments, calls=calls)
        except RequestFailedError as error:
            raise ReportedError(_doubtful_bug(str(error))) from error
        with self.reading():
            raised = _error_in(answer.value)
        if raised is not None:
            raise raised
        return answer

    def read(self, cls: type[_Class], function: Callable[..., Answer], *arguments: Any) -> _Class:
        """Ask for an instance of a class of dataclasses. It raises what `ask` does."""
        found = self.read_any(cls, function, *arguments)
        if found is None:
            raise self.process.distrusted()
        return found

    def read_any(self, cls: type[_Class], function: Callable[..., Answer], *arguments: Any) -> _Class | None:
        """Ask for an instance of a class of dataclasses, or none."""
        answer = self.ask(function, *arguments)
        with self.reading():
            return None if answer.value is None else read(cls, answer.value)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """End the process if its answer is not what it should be."""
        try:
            yield
        except (ProtocolError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise self.process.distrusted() from error

    def begin(self, task: Task, case: Case) -> Implementation:
        """Return the implementation of a task, for one case. It raises what `ask` does."""
        calls = _Calls(self)
        answer = self.ask(inside.begin, task, case)
        with self.reading():
            text: dict[str, Any] = {name: _text(answer.value[name]) for name in inside.DESCRIBED}
            given = None
            if answer.value["given"] is not None:
                names, others = answer.value["given"]
                inputs = dict(zip(map(str, names), answer.arrays, strict=True))
                given = partial(_given, inputs, {str(name): None for name in others} or None)
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
        self._written: list[Array] = []  # of these, what was written into
        self._expected: deque[Answer] = deque()  # answers to calls that come next
        self._around: object = None  # the inputs with which outputs were last asked for, which the process keeps
        self._size = 0  # bytes of the latest output

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward; the cache stays there."""
        watch = current_watch()
        if watch is not None:
            self._watched = dict(inputs)
            watch.elsewhere = [lambda: self._written]
        answer = self._take_expected("out") or self._ask(inside.forward, dict(inputs), parameters)
        with self._code.reading():
            self._note_written(answer)
            out = value_of(answer.value["out"], answer.arrays)
            left = {"none": NO_BACKWARD, "empty": None, "kept": _KEPT}[answer.value["left"]]
            cache = _Cache(int(answer.value["cache"]), left, self._dropped)
        return out, cache

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward with the cache of a forward."""
        assert isinstance(cache, _Cache)
        if current_watch() is not None:
            self._watched |= inside.cotangents(cotangent)
        answer = self._take_expected("gradients") or self._ask(inside.backward, cotangent, cache.number, names)
        with self._code.reading():
            self._note_written(answer)
            found = answer.value["gradients"]
            return {name: value_of(found[name], answer.arrays) for name in names if name in found}

    def outputs_at(
        self,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, object] | None,
        name: str,
        points: Sequence[Array],
    ) -> list[object]:
        """Call forward at several values of an input, in as few requests as are reasonable."""
        seed, found = self._seed, []
        first = 0
        while first < len(points):
            together = max(1, _TOGETHER // (points[first].nbytes + self._size)) if self._size else 1
            part = points[first : first + together]
            self._seed = seed
            around = None if self._around is inputs else (dict(inputs), parameters)
            answer = self._ask(inside.outputs_at, around, name, np.stack(part), calls=len(part))
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
        answer = self._ask(inside.several, written, calls=len(written))
        with self._code.reading():
            if len(answer.value) > len(written):
                raise ProtocolError("answers to other calls")
            self._expected = deque(Answer(value, answer.arrays) for value in answer.value)

    def seed(self, seed: int) -> None:
        """Have the generators there seeded before the next call."""
        self._seed = seed

    def has_drawn(self, seed: int) -> bool:
        """Tell whether numbers were drawn since the generators were seeded."""
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

    def _ask(self, function: Callable[..., Answer], *arguments: Any, calls: int = 1) -> Answer:
        manner = inside.Manner(
            seed=self._seed,
            quiet=np.geterr()["invalid"] == "ignore",
            watched=current_watch() is not None,
            dropped=tuple(self._dropped),
        )
        self._seed = None
        del self._dropped[: len(manner.dropped)]
        return self._code.ask(function, *arguments, tuple(manner), calls=calls)

    def _take_expected(self, key: str) -> Answer | None:
        """Return the answer to the call that comes next, if it was expected. It has an entry of this name.

        Raises:
            Exception: the call did.
        """
        if not self._expected:
            return None
        answer = self._expected.popleft()
        with self._code.reading():
            raised = _error_in(answer.value)
        if raised is not None:
            raise raised
        if key in answer.value:
            return answer
        self._expected.clear()
        return None

    def _note_written(self, answer: Answer) -> None:
        if answer.value["written"]:
            self._written = [self._watched[name] for name in answer.value["written"]]


class GuardedRunner:
    """Checks the cases of a task whose code is in a process of its own."""

    def __init__(self, task: Task, process: GuardedProcess) -> None:
        self._task, self._code = task, UserCode(process)
        self._names: Names | None = None
        self._missing: ErrorReport | None = None  # why it cannot be checked

    def find(self, case: Case) -> None:
        """Find the implementation. An error other than that it is not there is left to the first case."""
        from gradcheck_cli.engine.task import Names

        if self._names or self._missing:
            return
        spec = self._task.spec
        try:
            answer = self._code.ask(inside.find_names, self._task, case)
            with self._code.reading():
                shown, typed = answer.value
                self._names = Names(str(shown), None if typed is None else str(typed))
        except ImplementationNotFoundError as error:
            self._missing = ErrorReport(reason=str(error), place=error.frame and place_of(error.frame, spec))
            raise
        except ReportedError as error:
            self._missing = error.report
        except ProcessDiedError as death:
            if not death.imported:
                reason = f"{spec} cannot be imported: {describe_death(death, 'it', spec).reason}"
                self._missing = ErrorReport(reason=reason)
                raise ImplementationNotFoundError(reason) from death
            self._missing = describe_death(death, "the implementation", spec, WHEN_TRIED)

    def check(self, case: Case) -> CaseResult:
        """Check one case."""
        started = time.perf_counter()
        with contextlib.suppress(ImplementationNotFoundError):  # reported below
            self.find(case)
        missing = self._missing
        result = self._check_found(case) if missing is None else self._task.error_result(case, missing)
        return replace(result, output=self._code.process.take_output(), seconds=time.perf_counter() - started)

    def _check_found(self, case: Case) -> CaseResult:
        task = self._task
        try:
            return task.check(case, self._code.begin(task, case), task.settings)
        except ProcessDiedError as death:
            error = describe_death(death, "the implementation", task.spec)
        except ReportedError as reported:
            error = reported.report
        except ImplementationNotFoundError as missing:
            error = ErrorReport(reason=str(missing))
        return task.error_result(case, error, self._names)


def describe_death(death: ProcessDiedError, subject: str, spec: str, when: str = "") -> ErrorReport:
    """Report how a process died: in which function of the user, and when; the subject stands in for that function."""
    sources = _sources(spec) if death.stack else set()
    lines, function = format_user_stack(death.stack, sources)
    frame = innermost_of_user(death.stack)
    hint = "; --timeout allows more" if death.late else ""
    called = subject if function in (None, "<module>") else function
    return ErrorReport(
        reason=f"{called} {death}{when}{hint}", traceback=lines, place=frame and place_of(frame, spec, sources)
    )


def place_of(frame: Frame, spec: str, sources: set[str] | None = None) -> Place | None:
    """Return the place of a frame that the process of user code names."""
    from gradcheck_cli.checks.diagnosis.place.frame import place_of_frame  # only after an error

    return place_of_frame(frame, _sources(spec) if sources is None else sources)


def _sources(spec: str) -> set[str]:
    """Return the files that an implementation is made of, none if that cannot be determined."""
    from gradcheck_cli.implementation.loading.source import sources  # only after a crash

    try:
        return {str(file) for file in sources(spec)}
    except (OSError, ValueError, RecursionError, MemoryError):  # files that are no source code
        return set()


def _doubtful_bug(text: str) -> ErrorReport:
    """Report that the checker's part of the process of user code failed, which that code may have brought about."""
    raised = text.rstrip().rpartition("\n")[2]
    reason = f"the checker failed beside this code, which may have changed what both use ({raised})"
    return ErrorReport(reason=clean(reason), traceback=text)


def _number(cache: object) -> int:
    """Return the number of a cache, or of the step that makes it, counted from -1 downward."""
    return cache.number if isinstance(cache, _Cache) else -1 - cache  # type: ignore[operator]


def _error_in(value: Any) -> Exception | None:
    """Return the error that a request was answered with, if it was."""
    match value:
        case {"raised": raised}:
            return _raised(raised)
        case {"inexpressible": reason}:
            return NotExpressibleError(str(reason))
        case {"missing": [reason, frame]}:
            return ImplementationNotFoundError(str(reason), _frame(frame))
        case {"error": written}:
            report = read(ErrorReport, written)
            return ReportedError(_doubtful_bug(report.bug) if report.bug else report)
    return None


def _raised(written: Any) -> ImplementationError:
    reason, traceback, frame = written
    return ImplementationError(str(reason), None if traceback is None else str(traceback), _frame(frame))


def _frame(written: Any) -> Frame | None:
    if written is None:
        return None
    file, line, name = written
    return str(file), int(line), str(name)


def _text(written: Any) -> str | tuple[str, ...] | None:
    return tuple(map(str, written)) if isinstance(written, list) else None if written is None else str(written)


def _outputs(answer: Answer) -> list[object]:
    if "stacked" in answer.value:
        return [answer.arrays[0][k, ...] for k in range(len(answer.arrays[0]))]  # of no axes, too, an array
    return [
        _raised(one["raised"]) if "raised" in one else value_of(one["out"], answer.arrays)
        for one in answer.value["values"]
    ]


def _given(inputs: Mapping[str, Array], parameters: Mapping[str, None] | None, problem: Problem) -> Problem:
    """Return a problem with the arguments that were given there; of those that are no arrays only the names."""
    axes = {name: anonymous(name, value.ndim) for name, value in inputs.items()}
    return replace(problem, inputs=inputs, parameters=parameters, axes=axes)
