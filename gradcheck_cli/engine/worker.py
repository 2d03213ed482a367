"""A worker: a process that carries out calls, from both sides. It is a fresh Python whose BLAS uses one thread.

It is started rather than forked. That takes a quarter of a second where a fork takes a few milliseconds, once in a run.
But the number of threads of a BLAS that is loaded is fixed, a fork of a process with threads may hang, and a Dask
worker, which has threads, cannot do anything else. It runs the checker only: user code runs in a guarded process that
the worker forks.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.guard.signals import signal_name
from gradcheck_cli.guard.supervisor import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

#: Each of several processes on a machine gets one core. A user's own setting is kept.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

#: Modules are found where the parent finds them, as with multiprocessing's "spawn". By -P Python itself does not look
#: in the current folder, where a `json.py` may be somebody's homework.
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv.pop())
from gradcheck_cli.engine.worker import serve
serve()
"""

#: Seconds for a worker to end what it has started, before it is killed. It takes some milliseconds.
_GRACE = 2.0


class WorkerEndedError(Exception):
    """The worker ended during a call. The message is the end of a sentence."""


class Worker:
    """A process that carries out one call at a time."""

    def __init__(self, folder: str | None = None) -> None:
        """Start it, in the current folder or another."""
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-B", "-P", "-c", _PROGRAM, json.dumps(_search_path())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_ONE_THREAD | os.environ,
            cwd=folder,
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to answer
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._calls, self._answers = self._process.stdin, self._process.stdout
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an answer."""
        return self._answers.fileno()

    def send(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Have a function of a module called with the checker of the worker and these arguments.

        Raises:
            WorkerEndedError: the worker has ended.
        """
        try:
            pickle.dump((function, arguments), self._calls)
            self._calls.flush()
        except OSError as error:
            raise self._ended() from error

    def receive(self) -> Any:
        """Wait for the answer.

        Raises:
            WorkerEndedError: there is none.
            Exception: the function raised it.
        """
        try:
            returned, value = pickle.load(self._answers)  # noqa: S301  # from ourselves
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if not returned:
            raise value
        return value

    def end(self) -> None:
        """Have it end, without waiting."""
        self._process.terminate()

    def close(self) -> None:
        """End it and what it has started, and wait for that."""
        atexit.unregister(self.close)
        self.end()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        with contextlib.suppress(OSError):  # data that could not be sent
            self._calls.close()

    def _ended(self) -> WorkerEndedError:
        self.close()
        code = self._process.returncode
        return WorkerEndedError(f"died of {signal_name(-code)}" if code < 0 else f"ended with exit code {code}")


def serve() -> None:
    """Carry out the calls that come on stdin, until it is closed, and write the answers to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    die_with_parent()
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # prints go to stderr
    checker = Checker()
    with contextlib.closing(checker), contextlib.suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            function, arguments = pickle.load(calls)  # noqa: S301  # from ourselves
            answers.write(_carry_out(function, checker, *arguments))
            answers.flush()


def _search_path() -> list[str]:
    """Return where modules are found, and last where this package is, which may have been found otherwise."""
    return [*sys.path, str(Path(__file__).parents[2])]


def _carry_out(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Call a function, and pickle what it returns or raises."""
    try:
        return pickle.dumps((True, function(*arguments)))
    except Exception as error:  # noqa: BLE001  # raised again in the parent
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)  # noqa: S301  # our own: an exception of several arguments may not come back
        except Exception:  # noqa: BLE001  # any class may fail to be pickled
            return pickle.dumps((False, RuntimeError(traceback.format_exc())))
        return answer
