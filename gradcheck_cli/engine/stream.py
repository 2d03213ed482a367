"""Works with their cases, to a stream of results in the order of the cases, whoever computes them."""

from __future__ import annotations

from collections import deque
from dataclasses import field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Protocol

from gradcheck_cli.checks.check import failed_case
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.here import Done
from gradcheck_cli.engine.runner import do, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from gradcheck_cli.engine.here import InProcess
    from gradcheck_cli.engine.runner import Work
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

    #: What is to be done, and with which cases: gone through in this order.
    Plan = Sequence[tuple[Work, Iterable[Case]]]


class Memory(Protocol):
    """Keeps results beyond the end of a run."""

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return what was kept of a case, for the implementation of that number."""

    def keep(self, number: int, case: Case, result: CaseResult) -> None:
        """Keep a result that is new."""


class Forgetful:
    """Keeps nothing."""

    def recall(self, number: int, case: Case) -> None:
        """Know nothing."""

    def keep(self, number: int, case: Case, result: object) -> None:
        """Do nothing."""


class LostError(Exception):
    """Nobody computes any more, and not because of the cases. The message says who is gone, without a full stop."""


def _nothing() -> None:
    """Have nothing to take in."""


@frozen
class Crew:
    """Who computes, and in which portions it is asked to."""

    executor: Executor | InProcess
    ahead: int = 0  #: batches that may be under way beside the one whose results are owed next
    batch: int = 1  #: cases handed over at once
    ended: Event = field(default_factory=Event)  #: set when a run is interrupted or lost: nothing new is begun
    collect: Callable[[], None] = _nothing  #: takes in what is finished and was not asked for yet, without waiting


@frozen
class _Batch:
    """Some cases of one implementation, and what will come of them."""

    number: int
    work: Work
    cases: tuple[Case, ...]
    future: Future[list[CaseResult]] | Done[list[CaseResult]]
    new: bool

    def finished(self) -> bool:
        """Tell whether results are there."""
        return self.future.done() and not self.future.cancelled() and self.future.exception() is None

    def results(self) -> Iterator[tuple[Case, CaseResult, bool]]:
        """Wait for them: the case, its result, and whether that is worth keeping.

        Cases that nobody lived to finish are errors, but not the implementation's.
        """
        try:
            results, keep = self.future.result(), self.new
        except LostError:
            raise
        except Exception as error:  # noqa: BLE001  # met in one batch, it must not end the run
            results, keep = self._failed(error), False
        return ((case, result, keep) for case, result in zip(self.cases, results, strict=True))

    def _failed(self, error: Exception) -> list[CaseResult]:
        """Report a call that raised for each of its cases."""
        spec, settings = self.work.spec, self.work.settings
        if is_broken(error):
            return [failed_case(case, spec, spec, settings, str(error)) for case in self.cases]
        from gradcheck_cli.engine.blame import bug  # only here

        blamed = bug(error)
        return [failed(case, (spec, spec), settings, blamed) for case in self.cases]


def is_broken(error: BaseException) -> bool:
    """Tell whether nobody lived to finish a call."""
    from concurrent.futures import BrokenExecutor  # 4 ms, and only where a call has failed

    return isinstance(error, BrokenExecutor)


def run(crew: Crew, plan: Plan, memory: Memory | None = None) -> Generator[CaseResult]:
    """Do every work with each of its cases; results come in the order of the cases, each as soon as it can.

    Cases are made when they are about to be computed, `crew.ahead` batches before their results are asked for.
    When it is interrupted, or those who compute are lost, all results that are there are given out, also those of
    cases behind one that is not finished; only then is that raised.

    Args:
        crew: who computes.
        plan: what is to be done, an implementation at a time, and with which cases.
        memory: what need not be done again, and what is told of each new result.

    Raises:
        KeyboardInterrupt: a signal came while a result was waited for.
        LostError: the rest will not be computed.
    """
    memory = Forgetful() if memory is None else memory
    waiting: deque[_Batch] = deque()
    there: deque[tuple[int, Case, CaseResult, bool]] = deque()

    def await_first() -> None:
        results = waiting[0].results()
        number = waiting.popleft().number
        there.extend((number, *rest) for rest in results)

    def deliver() -> Iterator[CaseResult]:
        while there:
            number, case, result, keep = there.popleft()
            if keep and result.bug is None:
                memory.keep(number, case, result)
            yield result

    try:
        for batch in _batches(crew, plan, memory):
            waiting.append(batch)
            while len(waiting) > crew.ahead:
                await_first()
                yield from deliver()
        while waiting:
            await_first()
            yield from deliver()
    except (KeyboardInterrupt, LostError):
        crew.ended.set()
        crew.collect()
        while waiting:
            if waiting[0].finished():
                await_first()
            else:
                waiting.popleft().future.cancel()
        yield from deliver()
        raise
    finally:
        for batch in waiting:
            batch.future.cancel()


def _batches(crew: Crew, plan: Plan, memory: Memory) -> Iterator[_Batch]:
    """Hand cases over to be computed; what is remembered is a batch that is done."""

    def handed_over(some: list[Case]) -> Iterator[_Batch]:
        if some:
            future = crew.executor.submit(do, work, tuple(some))
            yield _Batch(number=number, work=work, cases=tuple(some), future=future, new=True)
            some.clear()

    for number, (work, cases) in enumerate(plan):
        gathered: list[Case] = []
        for case in cases:
            if (known := memory.recall(number, case)) is not None:
                yield from handed_over(gathered)
                done: Done[list[CaseResult]] = Done(partial(list, [known]))
                yield _Batch(number=number, work=work, cases=(case,), future=done, new=False)
                continue
            gathered.append(case)
            if len(gathered) == crew.batch:
                yield from handed_over(gathered)
        yield from handed_over(gathered)
