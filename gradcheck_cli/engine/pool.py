"""An executor with worker processes on this machine."""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.worker import DiedError, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

#: Workers that a call may cost. One dies when a machine runs out of memory; a call that kills three kills any.
_MOST_DEATHS = 3


class Pool(Executor):
    """Worker processes, each carrying out one call at a time; started when there is something to do.

    No threads: answers are taken in while somebody waits for one. Calls with the same first argument go to the same
    worker as far as that leaves none idle, because what is made for it is kept there (a guarded process).
    """

    def __init__(self, workers: int) -> None:
        self._most = workers
        self._calls: deque[_Call] = deque()
        self._busy: dict[Worker, _Call] = {}
        self._idle: list[Worker] = []
        self._subjects: dict[Worker, object] = {}  # what each worker was last busy with

    @property
    def pids(self) -> list[int]:
        """The process ids of all workers that were started and not closed."""
        return [worker.pid for worker in self._subjects]

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function of a module called in a worker. The result's time comes while some result is waited for."""
        assert not kwargs
        call = _Call(self, function, args)
        self._calls.append(call)
        self._hand_out()
        return call

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """End all workers, whatever they are at."""
        for worker in self._subjects:
            worker.end()
        for worker in self._subjects:
            worker.close()
        for call in (*self._busy.values(), *self._calls):
            call.cancel()
        self._calls.clear()
        self._busy, self._idle, self._subjects = {}, [], {}

    def pump(self) -> None:
        """Wait until a worker has answered or died, and give it, and all that are idle, something to do."""
        with interruptible():
            connection.wait([worker.fileno() for worker in self._busy])
        self._take_in()
        self._hand_out()

    def collect(self) -> None:
        """Take in the answers that are there, without waiting and without handing out more."""
        self._take_in()

    def _take_in(self) -> None:
        answering = {worker.fileno(): worker for worker in self._busy}
        for worker in (answering[cast("int", fileno)] for fileno in connection.wait(list(answering), timeout=0)):
            call = self._busy.pop(worker)
            try:
                answer = worker.receive()
            except DiedError as error:
                self._lost(worker, call, error)
                continue
            except Exception as error:  # noqa: BLE001  # it is what the call came to
                if not call.cancelled():
                    call.set_exception(error)
            else:
                if not call.cancelled():
                    call.set_result(answer)
            self._idle.append(worker)

    def _hand_out(self) -> None:
        self._calls = deque(call for call in self._calls if not call.cancelled())
        while self._calls and (self._idle or len(self._subjects) < self._most):
            worker = self._idle.pop() if self._idle else Worker()
            call = self._next_for(worker)
            self._subjects[worker] = call.subject
            try:
                worker.send(call.function, call.arguments)
            except DiedError as error:
                self._lost(worker, call, error)
            else:
                self._busy[worker] = call

    def _next_for(self, worker: Worker) -> _Call:
        """Take the first call about what the worker knows, else about what no worker knows, else any."""
        taken = self._calls[0]
        if worker not in self._subjects or taken.subject is not self._subjects[worker]:
            own = (call for call in self._calls if worker in self._subjects and call.subject is self._subjects[worker])
            known = [subject for other, subject in self._subjects.items() if other is not worker]
            new = (call for call in self._calls if not any(call.subject is subject for subject in known))
            taken = next(own, None) or next(new, taken)
        self._calls.remove(taken)
        return taken

    def _lost(self, worker: Worker, call: _Call, error: DiedError) -> None:
        """Carry out a call again whose worker is gone."""
        del self._subjects[worker]
        call.deaths += 1
        if call.deaths < _MOST_DEATHS:
            self._calls.appendleft(call)
        elif not call.cancelled():
            call.set_exception(BrokenExecutor(f"the worker process {error}, {call.deaths} times in a row"))


class _Call(Future[Any]):
    """A call that is made, and will have a result."""

    def __init__(self, pool: Pool, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self._pool = pool
        self.function, self.arguments = function, arguments
        self.subject = arguments[0] if arguments else None
        self.deaths = 0

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result."""
        while not self.done():
            self._pool.pump()
        return super().result(timeout)
