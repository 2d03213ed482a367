"""Tasks with their cases, to a stream of results in the order of the cases, whatever computes them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import field
from itertools import zip_longest
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gradcheck_cli.checks.check import failed_case
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.engine.call import Call
from gradcheck_cli.engine.checker import Checker, gives_up
from gradcheck_cli.layers.framework.case import Case

if TYPE_CHECKING:
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.results.result import CaseResult

    #: Tasks with their cases, in the order of the results.
    Plan = Sequence[tuple[Task, Iterable[Case]]]


class Memory(Protocol):
    """Keeps results beyond the end of a run."""

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return the result of a case of the task with this number, if it was kept."""

    def keep(self, number: int, case: Case, result: CaseResult) -> None:
        """Keep a new result."""


class WorkersLostError(Exception):
    """Nothing computes any more, and not because of the cases. The message names what is gone, without a full stop."""


class WorkerDiedError(Exception):
    """The process that carried out a call died each time. The message is a sentence without a full stop."""


#: Why a case is an error of an implementation that was given up. It counts in a grade as the others do.
GIVEN_UP = "not tried, because two cases before it took longer than --timeout allows"


class Executor(Protocol):
    """Carries out calls of functions whose first argument is the checker of the process in which they are called."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Call:
        """Have a function of a module called with these further arguments."""

    def collect(self) -> None:
        """Take in the outcomes that there are, without waiting."""

    def close(self) -> None:
        """Cancel what is not finished, and end all that was started."""


class _Batch(NamedTuple):
    """Some cases of one task, and the call that computes their results."""

    number: int
    task: Task
    cases: tuple[Case, ...]
    call: Call
    memories: Sequence[Memory] = ()  # that are given the results, if they say something of the implementation

    def results(self) -> list[CaseResult]:
        """Wait for the results. Cases whose worker died are errors, but not of the implementation."""
        try:
            results: list[CaseResult] = self.call.result()
        except WorkersLostError:
            raise
        except WorkerDiedError as error:
            spec, settings = self.task.spec, self.task.settings
            return [failed_case(case, spec, spec, settings, str(error)) for case in self.cases]
        except Exception as error:  # noqa: BLE001  # a bug in one batch must not end the run
            from gradcheck_cli.engine.errors import describe_bug  # only here

            report = describe_bug(error)
            return [self.task.error_result(case, report) for case in self.cases]
        return results


@frozen
class Engine:
    """An executor, and how many cases it is given at a time."""

    executor: Executor
    ahead: int = 0  #: batches that may be in progress besides the one whose results come next
    batch: int = 1  #: cases that are submitted together
    stopped: Event = field(default_factory=Event)  #: set when a run is interrupted or its workers are lost

    def find(self, task: Task, case: Case) -> None:
        """Find the implementation of a task. It raises what `Checker.find` does."""
        self.executor.submit(Checker.find, task, case).result()

    def check(self, task: Task, case: Case) -> CaseResult:
        """Check a single case."""
        results: list[CaseResult] = self.executor.submit(Checker.check, task, (case,)).result()
        return results[0]

    def results(self, plan: Plan, memories: Sequence[Memory] = ()) -> Generator[CaseResult]:
        """Yield the results of all tasks in the order of their cases, each as soon as it can be.

        Cases are made when they are about to be submitted, `ahead` batches before their results are wanted. After an
        interruption all finished results are yielded, also those behind an unfinished one; only then it is raised.

        Args:
            plan: the tasks with their cases.
            memories: have results of earlier runs, the first that has one is believed; all are given each new one.

        Raises:
            KeyboardInterrupt: a signal came while a result was waited for.
            WorkersLostError: the rest will not be computed.
        """
        waiting: deque[_Batch] = deque()
        hung: defaultdict[int, list[CaseResult]] = defaultdict(list)  # of each task

        def deliver_first() -> Iterator[CaseResult]:
            number, before = waiting[0].number, hung[waiting[0].number]
            results = [] if gives_up(before) else waiting[0].results()
            batch = waiting.popleft()
            for case, result in zip_longest(batch.cases, results):
                if gives_up(before):  # whatever came out
                    batch.call.cancel()
                    spec, settings = batch.task.spec, batch.task.settings
                    untried = failed_case(case, before[0].implementation, spec, settings, GIVEN_UP)
                    yield replace(untried, hung=True)
                    continue
                before += [result] if result.hung else []
                for memory in batch.memories if batch.call.succeeded and result.bug is None else ():
                    memory.keep(number, case, result)
                yield result

        try:
            for batch in self._batches(plan, memories, lambda number: gives_up(hung[number])):
                waiting.append(batch)
                while len(waiting) > self.ahead:
                    yield from deliver_first()
            while waiting:
                yield from deliver_first()
        except (KeyboardInterrupt, WorkersLostError):
            self.stopped.set()
            self.executor.collect()
            while waiting:
                if waiting[0].call.succeeded:
                    yield from deliver_first()
                else:
                    waiting.popleft().call.cancel()
            raise
        finally:
            for batch in waiting:
                batch.call.cancel()

    def _batches(self, plan: Plan, memories: Sequence[Memory], given_up: Callable[[int], bool]) -> Iterator[_Batch]:
        """Submit the cases, batch by batch; a recalled result is a batch that is finished, as is one given up."""
        for number, (task, cases) in enumerate(plan):
            gathered: list[Case] = []
            for case in cases:
                if not gathered and given_up(number):
                    yield _Batch(number, task, (case,), Call.returned([]))
                    continue
                known = next((found for one in memories if (found := one.recall(number, case))), None)
                if known is None:
                    gathered.append(case)
                if gathered and (known is not None or len(gathered) == self.batch):
                    yield self._submit(number, task, gathered, memories)
                    gathered = []
                if known is not None:
                    yield _Batch(number, task, (case,), Call.returned([known]))
            if gathered:
                yield self._submit(number, task, gathered, memories)

    def _submit(self, number: int, task: Task, cases: list[Case], memories: Sequence[Memory]) -> _Batch:
        some = tuple(cases)
        return _Batch(number, task, some, self.executor.submit(Checker.check, task, some), memories)
