"""One implementation and what is done with its cases: in this process, or in a guarded one."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import numpy as np

from gradcheck_cli.checks.check import check_case, failed_case
from gradcheck_cli.checks.sweep import failed_sweep, sweep_case
from gradcheck_cli.implementation.find import ImplementationNotFoundError, find, split
from gradcheck_cli.implementation.implementation import own_frames, own_lines
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.result import CaseResult, StepSweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.guard.process import DiedError, GuardedProcess
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.layer import Case, Layer

Result = TypeVar("Result", bound=CaseResult | StepSweep)
Result_co = TypeVar("Result_co", bound=CaseResult | StepSweep, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Result]):
    """What is done with each case."""

    do: Callable[[Case, Implementation, Settings], Result]
    #: what is reported where nothing could be done: (case, name, spec, settings, reason, traceback)
    failed: Callable[[Case, str, str | None, Settings, str, str | None], Result]


CHECK = Task(do=check_case, failed=failed_case)
SWEEP = Task(do=sweep_case, failed=failed_sweep)


class Runner(Protocol[Result_co]):
    """Does a task with cases of one implementation."""

    def open(self, case: Case) -> None:
        """Find the implementation, which else is done at the first case.

        Raises:
            ImplementationNotFoundError: there is none, it cannot be loaded, or it has other inputs than this case.
        """

    def run(self, case: Case) -> Result_co:
        """Do the task with one case. An implementation that cannot be found is an error of the case."""


@dataclass(frozen=True, kw_only=True)
class Work(Generic[Result]):
    """What is to be done with the cases of one implementation. It can be pickled, and sent to another process."""

    task: Task[Result]
    spec: str  #: what a user has typed
    layer: str
    settings: Settings
    limits: Limits


def make_runner(work: Work[Result]) -> Runner[Result]:
    """Make what does the work: what is built in needs no guard."""
    layer = LAYERS[work.layer]
    if work.spec in layer.builtin and work.settings.adapter is None:
        return Here(work.task, work.spec, layer, work.settings)
    return Guarded(work.task, work.spec, work.settings, work.limits)


_held: tuple[Work[Any], Runner[Any]] | None = None  # what this process was last busy with
_guard: tuple[tuple[str, Limits], GuardedProcess] | None = None  # and the file of whose code a process was made


def do(work: Work[Result], cases: Iterable[Case]) -> list[Result]:
    """Do the work with some cases, in this process."""
    runner = _runner(work)
    return [runner.run(case) for case in cases]


def find_out(work: Work[Result], case: Case) -> None:
    """Find the implementation, which else is done at its first case.

    Raises:
        ImplementationNotFoundError: there is none, it cannot be loaded, or it has other inputs than this case.
    """
    _runner(work).open(case)


def guarded(spec: str, limits: Limits) -> GuardedProcess:
    """Return the process for the code of a file. It is kept for what comes of the same file next: one import for all.

    Args:
        spec: what a user has typed, with or without names of functions.
        limits: what it may take.
    """
    global _guard  # noqa: PLW0603  # one for a process
    home, _ = split(spec)
    if _guard is None or _guard[0] != (home, limits):
        from gradcheck_cli.guard.process import GuardedProcess  # 20 ms, and not for what is built in

        let_go()
        _ = np.ndarray  # loads NumPy, before the fork: once for all processes
        _guard = (home, limits), GuardedProcess(limits)
    return _guard[1]


def let_go() -> None:
    """End the guarded process of the last implementation, if there is one."""
    global _held, _guard
    guard, _held, _guard = _guard, None, None
    if guard is not None:
        guard[1].close()


def _runner(work: Work[Result]) -> Runner[Result]:
    global _held  # noqa: PLW0603
    if _held is None or _held[0] != work:
        _held = work, make_runner(work)
    return _held[1]


class Here(Generic[Result]):
    """Works in this process."""

    def __init__(self, task: Task[Result], spec: str, layer: Layer, settings: Settings) -> None:
        self._task = task
        self._settings = settings
        self._implementation = find(spec, layer)

    def open(self, case: Case) -> None:
        """Do nothing: what is built in was found."""

    def run(self, case: Case) -> Result:
        """Do the task with one case."""
        return self._task.do(case, self._implementation, self._settings)


class Guarded(Generic[Result]):
    """Works in a process of the implementation's own, in which it may hang, crash or print as it likes."""

    def __init__(self, task: Task[Result], spec: str, settings: Settings, limits: Limits) -> None:
        from gradcheck_cli.guard.process import DiedError  # not for what is built in

        self._task = task
        self._spec, self._settings = spec, settings
        self._process, self._died = guarded(spec, limits), DiedError
        self._found: tuple[str, str | None] | None = None  # how reports call it, and what to type for it
        self._missing: str | None = None  # why it cannot be found
        self._printed = ""  # while it was loaded

    def open(self, case: Case) -> None:
        """Find the implementation, in the process."""
        try:
            expected = (ImplementationNotFoundError,)
            self._found = self._process.call(_described, self._spec, case, self._settings.adapter, expected=expected)
        except self._died as died:
            reason, _ = told(died, "it")
            raise ImplementationNotFoundError(f"{self._spec} cannot be imported: {reason}") from died
        finally:
            self._printed = self._process.output

    def run(self, case: Case) -> Result:
        """Do the task with one case."""
        started = time.perf_counter()
        try:
            if self._found is None and self._missing is None:
                self.open(case)
        except ImplementationNotFoundError as error:
            self._missing = str(error)
        printed, self._printed = self._printed, ""
        if self._found is None:
            result = self._task.failed(case, self._spec, self._spec, self._settings, self._missing or "", None)
        else:
            try:
                result = cast("Result", self._process.call(_do, self._task, self._spec, case, self._settings))
            except self._died as died:
                reason, lines = told(died, "the implementation")
                result = self._task.failed(case, *self._found, self._settings, reason, lines)
            printed += self._process.output
        return replace(result, output=printed, seconds=time.perf_counter() - started)


def told(died: DiedError, subject: str) -> tuple[str, str | None]:
    """Say how a process died, in which function of the user's; and where that was."""
    lines, innermost = own_lines(died.stack)
    hint = "; --timeout allows more" if died.late else ""
    called = subject if innermost in (None, "<module>") else innermost
    return f"{called} {died}{hint}", lines


def _described(spec: str, case: Case, adapter: str | None) -> tuple[str, str | None]:
    implementation, layer = _loaded(spec, case.layer, adapter), LAYERS[case.layer]
    if not (layer.reference or case.impossible()) and (why := implementation.refusal(layer.problem(case).inputs)):
        raise ImplementationNotFoundError(why)
    return implementation.name, implementation.spec


def _do(task: Task[Result], spec: str, case: Case, settings: Settings) -> Result:
    """Do a task with a case, in the guarded process. What ends a program ends the case, no more."""
    from gradcheck_cli.guard.state import undisturbed

    implementation = _loaded(spec, case.layer, settings.adapter)
    try:
        with undisturbed():
            return task.do(case, implementation, settings)
    except (KeyboardInterrupt, SystemExit, MemoryError) as error:
        said = f"the implementation raised {type(error).__name__}"
        if isinstance(error, MemoryError):
            said = "there is not memory enough; --memory allows more, up to what the machine has"
        return task.failed(case, implementation.name, implementation.spec, settings, said, own_frames(error))


_IMPLEMENTATIONS: dict[tuple[str, str, str | None], Implementation] = {}


def _loaded(spec: str, layer: str, adapter: str | None) -> Implementation:
    if (spec, layer, adapter) not in _IMPLEMENTATIONS:
        _IMPLEMENTATIONS[spec, layer, adapter] = find(spec, LAYERS[layer], adapter)
    return _IMPLEMENTATIONS[spec, layer, adapter]
