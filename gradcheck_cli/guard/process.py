"""A guarded process, from outside: started when it is needed, ended when it does not answer."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import socket
import struct
import sys
import time
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.guard.child import DISCONNECTED, serve
from gradcheck_cli.guard.clock import Clock
from gradcheck_cli.guard.crash import MAX_REPORT, STACK_SIGNAL, crash_stack, main_stack
from gradcheck_cli.guard.descendants import end_descendants
from gradcheck_cli.guard.frames import is_user_code
from gradcheck_cli.guard.output import Output
from gradcheck_cli.guard.signals import describe_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.limits import Limits

#: Seconds for a process that closed its connection to end, and at least for one that began an answer to go on.
_GRACE = 2.0

#: Seconds until the fault handler begins to write the stack that was asked for, and between two of its writes.
_FIRST_WRITE, _NEXT_WRITE = 1.0, 0.1

#: Seconds between two looks at whether a process has ended.
_PAUSE = 0.005

#: How often in a row, a time limit apart, user code must be seen running outside of a call to count as hung.
_STRIKES = 2


class ProcessDiedError(Exception):
    """The process did not answer: it crashed, ended itself, or took too long. The message is the end of a sentence."""

    def __init__(self, reason: str, stack: list[Frame], *, late: bool = False, imported: bool = False) -> None:
        super().__init__(reason)
        self.stack = stack  #: of the code that was running, the innermost frame last, as far as it is known
        self.late = late  #: whether it took too long
        self.imported = imported  #: whether a function of the user had been called before


class BugError(Exception):
    """The function raised an exception that was not expected; the message is the traceback."""


class GuardedProcess:
    """A process in which functions are called one after the other.

    It is forked where that is safe, and then starts in milliseconds. One that died is replaced at the next call. Its
    descendants end with it.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.starts = 0  #: how often a process was started
        _ = np.random.Generator  # imports NumPy before the fork, once for all processes
        self._process: BaseProcess | None = None
        self._calls: Connection
        self._prints: Connection
        self._stacks: Connection
        self._clock: Clock
        self._output = Output()
        self._report = b""  # of the fault handler

    def call(self, function: Callable[..., Any], *arguments: Any, expected: tuple[type[Exception], ...] = ()) -> Any:
        """Call a function of a module, with arguments and a result that can be pickled.

        Raises:
            ProcessDiedError: there was no answer.
            BugError: the function raised.
            Exception: the function raised one of the expected exceptions.
        """
        self._output = Output()
        self._start()
        try:
            self._calls.send((function, arguments, expected))
            kind, what = self._answer()
        except (EOFError, OSError) as error:
            raise self._death() from error
        except ProcessDiedError:
            raise
        except Exception as error:
            raise self._death("wrote into the connection to the checker") from error
        if kind == "expected":
            raise what
        if kind == "replaced":
            raise self._death(f"replaced {what}, which the checker uses")
        if kind == "bug":
            raise BugError(what)
        return what

    @property
    def output(self) -> str:
        """What was written to stdout and stderr during the last call, without the middle if it is long."""
        return self._output.text()

    def close(self) -> None:
        """End the process and all that it has started."""
        if self._process is None:
            return
        process = self._process
        if process.pid is not None:
            end_descendants(process.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.join()
        for end in (self._calls, self._prints, self._stacks):
            end.close()
        self._process = None  # only now: after Ctrl-C within this method, the end of the program ends it
        atexit.unregister(self.close)

    def _start(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self.close()
        # A fork of a process with threads may hang, and elsewhere than on Linux libraries start threads.
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._calls, theirs = context.Pipe()
        _bound_waiting(self._calls, max(self.limits.seconds, _GRACE))
        self._prints, output = context.Pipe(duplex=False)
        self._stacks, stacks = context.Pipe(duplex=False)
        self._clock = Clock(context)
        self._clock.start()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the child would print it too
        self._process = context.Process(target=serve, args=(theirs, output, stacks, self._clock, self.limits))
        # Before it is started, for Ctrl-C may come next; and before multiprocessing's own, which waits for it.
        atexit.register(self.close)
        self._process.start()
        for end in (theirs, output, stacks):
            end.close()
        self.starts += 1

    def _answer(self) -> Any:
        """Wait for the answer as long as no call of user code exceeds the time limit.

        Between such calls the checker's own code runs, unless a stack shows otherwise: user code also runs where an
        object is printed or deleted. When that began is not known, so the stack must show it twice.
        """
        watched = [self._calls, self._prints, self._stacks]
        since, strikes = time.monotonic(), 0
        while True:
            ready = connection.wait(watched, timeout=max(0.0, since + self.limits.seconds - time.monotonic()))
            for end in (self._prints, self._stacks):
                if end in ready and not self._drain(end):
                    watched.remove(end)  # closed by user code, which may go on without output
            if self._calls in ready:
                answer = self._calls.recv()
                self._drain_all()
                return answer
            clock = self._clock.read()
            if clock.since > since:
                since, strikes = clock.since, 0
            if (now := time.monotonic()) < since + self.limits.seconds:
                continue
            stack = self._ask_for_stack()
            strikes = _STRIKES if clock.running else strikes + 1 if not stack or is_user_code(stack) else 0
            if strikes >= _STRIKES:
                raise self._death(stack=stack)
            since = now

    def _ask_for_stack(self) -> list[Frame]:
        """Return the stack of the main thread, or nothing if the process does not answer, as when it is stopped."""
        if STACK_SIGNAL is None or self._process is None or self._process.pid is None:
            return []
        self._report = b""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, STACK_SIGNAL)
        patience = _FIRST_WRITE
        while self._stacks.poll(patience) and self._drain(self._stacks):
            patience = _NEXT_WRITE
        return main_stack(self._report)

    def _drain(self, end: Connection) -> bool:
        """Read some of what was written; return False if there will be no more."""
        try:
            text = os.read(end.fileno(), 2**16)
        except OSError:
            text = b""
        if end is self._stacks:
            self._report = (self._report + text)[-MAX_REPORT:]
        else:
            self._output.add(text)
        return bool(text)

    def _drain_all(self) -> None:
        for end in (self._prints, self._stacks):
            while end.poll() and self._drain(end):
                pass

    def _death(self, reason: str | None = None, stack: list[Frame] | None = None) -> ProcessDiedError:
        """End the process and say how it died: for a given reason, or with a stack because it took too long."""
        process, imported = self._process, self._clock.read().imported
        assert process is not None
        if reason is None and stack is None:
            _await_end(process)
        self._drain_all()
        code = process.exitcode
        self.close()
        if stack is not None:
            late = f"was stopped after {self.limits.seconds:g} s"
            return ProcessDiedError(late, stack, late=True, imported=imported)
        if reason is not None:
            return ProcessDiedError(reason, [], imported=imported)
        if code is None or code == DISCONNECTED:
            return ProcessDiedError("closed the connection to the checker", [], imported=imported)
        how = f"died of {describe_signal(-code)}" if code < 0 else f"ended the process with exit code {code}"
        return ProcessDiedError(how, crash_stack(self._report), imported=imported)


def _await_end(process: BaseProcess) -> None:
    """Wait some seconds for a process to end. `join` would return when user code has closed its descriptors."""
    deadline = time.monotonic() + _GRACE
    while process.exitcode is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _bound_waiting(end: Connection, seconds: float) -> None:
    """Have a read or write fail after some seconds: user code may begin an answer and never finish it."""
    if sys.platform == "linux":
        with socket.socket(fileno=os.dup(end.fileno())) as shared:
            whole, rest = divmod(seconds, 1)
            limit = struct.pack("ll", int(whole), int(rest * 1e6))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
