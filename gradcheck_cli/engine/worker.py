"""A process that carries out calls, from both sides: a fresh Python, whose BLAS uses one thread.

It is started rather than forked. That takes a quarter of a second where a fork takes a few milliseconds, once in a run;
but a BLAS that is loaded has made up its mind about threads, a fork of a process with threads may hang, and in a Dask
worker, which has them, nothing else is possible. What it runs is this package's own code: code of others runs in a
guarded process, which this one forks.
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

from gradcheck_cli.engine.runner import let_go
from gradcheck_cli.guard.child import die_with_parent
from gradcheck_cli.guard.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of several processes on a machine each gets one core. A user's own setting is left as it is.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

#: Modules are found where the parent finds them, as with multiprocessing's "spawn". Python itself is told by -P not to
#: look in the current folder, where a `json.py` may be somebody's homework.
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv.pop())
from gradcheck_cli.engine.worker import serve
serve()
"""


def _search_path() -> list[str]:
    """Return where modules are found, and at last where this package is, which may have been found otherwise."""
    return [*sys.path, str(Path(__file__).parents[2])]


#: Seconds for a worker to end what it has started, before it is killed. It takes some milliseconds.
_GRACE = 2.0


class DiedError(Exception):
    """The worker is gone, and took the call along. The message is the end of a sentence."""


class Worker:
    """A process that carries out one call at a time."""

    def __init__(self, folder: str | None = None) -> None:
        """Start it, in a folder of its own if one is given."""
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-B", "-P", "-c", _PROGRAM, json.dumps(_search_path())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ONE_THREAD | os.environ,
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
        """What can be read from when there is an answer."""
        return self._answers.fileno()

    def send(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Ask for a call of a function of a module; all that goes to and fro can be pickled.

        Raises:
            DiedError: there is nobody to ask.
        """
        try:
            pickle.dump((function, arguments), self._calls)
            self._calls.flush()
        except OSError as error:
            raise self._died() from error

    def receive(self) -> Any:
        """Wait for the answer.

        Raises:
            DiedError: there is none.
            Exception: the function raised it.
        """
        try:
            returned, value = pickle.load(self._answers)  # noqa: S301  # from ourselves
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise self._died() from error
        if not returned:
            raise value
        return value

    def end(self) -> None:
        """Ask it to end, without waiting."""
        self._process.terminate()

    def close(self) -> None:
        """End it and what it has started."""
        atexit.unregister(self.close)
        self.end()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        with contextlib.suppress(OSError):  # what could not be sent
            self._calls.close()

    def _died(self) -> DiedError:
        self.close()
        code = self._process.returncode
        return DiedError(f"died of {signal_name(-code)}" if code < 0 else f"ended with exit code {code}")


def serve() -> None:
    """Carry out calls from stdin until there are no more, and answer on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    die_with_parent()
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # whatever is printed here
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent has gone, or wants no more
        try:
            while True:
                function, arguments = pickle.load(calls)  # noqa: S301  # from ourselves
                answers.write(_carry_out(function, arguments))
                answers.flush()
        finally:
            let_go()


def _carry_out(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
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
