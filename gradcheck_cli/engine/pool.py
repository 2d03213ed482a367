"""An executor with worker processes on this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from multiprocessing import connection
from typing import Any, cast

from gradcheck_cli.engine.call import Call
from gradcheck_cli.engine.engine import WorkerDiedError
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.worker import Worker
from gradcheck_cli.guard.process import ProcessDiedError

#: Workers that a call may cost. One dies when a machine runs out of memory; a call that kills three kills any.
MOST_DEATHS = 3


class Pool:
    """Worker processes, each with one call at a time; started when there is a call to carry out.

    There are no threads: outcomes are taken in while one of them is waited for. Calls with the same first argument go
    to the same worker as far as that leaves no worker idle, because a worker keeps the process of its user code.
    """

    def __init__(self, workers: int) -> None:
        """Make a pool of at most so many workers."""
        self._most = workers
        self._queue: deque[_PoolCall] = deque()
        self._busy: dict[Worker, _PoolCall] = {}
        self._idle: list[Worker] = []
        self._subjects: dict[Worker, object] = {}  # of all workers, the first argument of the latest call

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.pid for worker in self._subjects]

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Call:
        """Have a function called in a worker, with the checker of the worker and these arguments."""
        call = _PoolCall(self, function, args)
        self._queue.append(call)
        self._hand_out()
        return call

    def collect(self) -> None:
        """Take in the outcomes that there are, without waiting and without handing out more calls."""
        answering = {worker.fileno(): worker for worker in self._busy}
        for worker in (answering[cast("int", fileno)] for fileno in connection.wait(list(answering), timeout=0)):
            call = self._busy.pop(worker)
            try:
                call.finish(worker.outcome())
            except ProcessDiedError as death:
                call.deaths += 1
                if call.deaths < MOST_DEATHS:
                    self._queue.appendleft(call)
                else:
                    why = f"the worker process {death} ({call.deaths} times in a row)"
                    call.finish(error=WorkerDiedError(why))
            except Exception as error:  # noqa: BLE001  # raised where the result is asked for
                call.finish(error=error)
            self._idle.append(worker)

    def close(self) -> None:
        """End all workers, whatever they are doing, and cancel all calls."""
        workers, calls = self._subjects, (*self._busy.values(), *self._queue)
        self._busy, self._idle, self._subjects = {}, [], {}
        self._queue.clear()
        for worker in workers:
            worker.close()
        for call in calls:
            call.cancel()

    def wait(self) -> None:
        """Wait until a worker has answered or died, and give idle ones something to do."""
        self._hand_out()
        with interruptible():
            connection.wait([worker.fileno() for worker in self._busy])
        self.collect()
        self._hand_out()

    def abandon(self, call: _PoolCall) -> None:
        """End the worker that carries out a call, if one does."""
        for worker in [worker for worker, its in self._busy.items() if its is call]:
            worker.close()
            del self._busy[worker]
            self._idle.append(worker)

    def _hand_out(self) -> None:
        self._queue = deque(call for call in self._queue if not call.done)
        while self._queue and (self._idle or len(self._subjects) < self._most):
            worker = self._idle.pop() if self._idle else Worker()
            call = self._next_for(worker)
            self._subjects[worker] = call.subject
            worker.begin(call.function, call.arguments)
            self._busy[worker] = call

    def _next_for(self, worker: Worker) -> _PoolCall:
        """Take the first call with the subject of the worker, else with that of no worker, else any."""
        own = (call for call in self._queue if call.subject is self._subjects.get(worker, self))
        others = [subject for other, subject in self._subjects.items() if other is not worker]
        new = (call for call in self._queue if not any(call.subject is subject for subject in others))
        chosen = next(own, None) or next(new, None) or self._queue[0]
        self._queue.remove(chosen)
        return chosen


class _PoolCall(Call):
    """A call, with what a worker needs for it."""

    def __init__(self, pool: Pool, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(pool.wait)
        self._pool, self.function, self.arguments = pool, function, arguments
        self.subject = arguments[0] if arguments else None
        self.deaths = 0

    def cancel(self) -> None:
        """Give up the call, and the worker that carries it out."""
        super().cancel()
        self._pool.abandon(self)
