"""Calls of functions in a process of their own, from outside: started when needed, ended when it will not answer."""

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard.child import CUT_OFF, serve
from gradcheck_cli.guard.clock import Clock
from gradcheck_cli.guard.faults import ASK, MOST, crash_stack, main_stack
from gradcheck_cli.guard.frames import is_user_code
from gradcheck_cli.guard.output import Output
from gradcheck_cli.guard.signals import describe_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from gradcheck_cli.guard.faults import Frame
    from gradcheck_cli.guard.limits import Limits

#: Seconds for a process that closed its connection to end, and at least for one that began an answer to go on.
_GRACE = 2.0

#: Seconds until the fault handler of a process that was asked for its stack begins to answer, and between two writes.
_BEGINS, _GOES_ON = 1.0, 0.1

#: How often it is looked for what a process has started, when that is ended.
_ROUNDS = 5

#: Seconds between two looks at whether a process has ended.
_PAUSE = 0.005

#: How often in a row user code must be seen running outside of a call, a time limit apart each, to be called hung.
_STRIKES = 2


class DiedError(Exception):
    """The process did not answer: it crashed, ended itself, or took too long. The message is the end of a sentence.

    `stack` holds (file, line, function) of the code that was running, the innermost last, as far as it is known;
    `late` tells whether it took too long, and `imported` whether a function of the user's had been called before.
    """

    def __init__(self, reason: str, stack: list[Frame], *, late: bool = False, imported: bool = False) -> None:
        super().__init__(reason)
        self.stack = stack
        self.late = late
        self.imported = imported


class BugError(Exception):
    """The function raised what it never should; the message is the traceback."""


class GuardedProcess:
    """A process in which functions are called one after the other.

    It is forked where that is safe, so that it starts in milliseconds. A process that died is replaced at the next
    call. Its descendants end with it.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.starts = 0  #: how often a process was started
        self._process: BaseProcess | None = None
        self._calls: Connection
        self._printed: Connection
        self._faults: Connection
        self._clock: Clock
        self._output = Output()
        self._report = b""  # of the fault handler

    def call(self, function: Callable[..., Any], *arguments: Any, expected: tuple[type[Exception], ...] = ()) -> Any:
        """Call a function of a module; it, the arguments and what it returns can be pickled.

        Raises:
            DiedError: there was no answer.
            BugError: it raised.
            Exception: it raised one of those expected.
        """
        self._output = Output()
        self._start()
        try:
            self._calls.send((function, arguments, expected))
            kind, what = self._answer()
        except (EOFError, OSError) as error:
            raise self._died() from error
        except DiedError:
            raise
        except Exception as error:
            raise self._died("wrote into the connection to the checker") from error
        if kind == "expected":
            raise what
        if kind == "replaced":
            raise self._died(f"replaced {what}, which the checker uses")
        if kind == "bug":
            raise BugError(what)
        return what

    @property
    def output(self) -> str:
        """What was printed during the last call, stdout and stderr together, without its middle where it is long."""
        return self._output.text()

    def close(self) -> None:
        """End the process and all that it started."""
        if self._process is None:
            return
        process = self._process
        if process.pid is not None:
            _end_descendants(process.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.join()
        for end in (self._calls, self._printed, self._faults):
            end.close()
        self._process = None  # only now: Ctrl-C within this leaves it to the end of the program
        atexit.unregister(self.close)

    def _start(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self.close()
        # A fork of a process with threads may hang; elsewhere than on Linux libraries start some on their own.
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._calls, theirs = context.Pipe()
        _bound_waiting(self._calls, max(self.limits.seconds, _GRACE))
        self._printed, prints = context.Pipe(duplex=False)
        self._faults, faults = context.Pipe(duplex=False)
        self._clock = Clock(context)
        self._clock.start()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the child would print it too
        self._process = context.Process(target=serve, args=(theirs, prints, faults, self._clock, self.limits))
        # Before it is started, for Ctrl-C may come next; and before multiprocessing's own, which waits for it.
        atexit.register(self.close)
        self._process.start()
        for end in (theirs, prints, faults):
            end.close()
        self.starts += 1

    def _answer(self) -> Any:
        """Wait for the answer as long as each call of user code keeps to the time limit.

        Whatever else is running is the checker's own code, unless a stack shows otherwise: user code also runs where
        an object is printed or deleted. That its time began at the latest event is not known, so it is asked twice.
        """
        watched = [self._calls, self._printed, self._faults]
        since, strikes = time.monotonic(), 0
        while True:
            ready = connection.wait(watched, timeout=max(0.0, since + self.limits.seconds - time.monotonic()))
            for end in (self._printed, self._faults):
                if end in ready and not self._drain(end):
                    watched.remove(end)  # closed by user code, which may go on in silence
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
                raise self._died(stack=stack)
            since = now

    def _ask_for_stack(self) -> list[Frame]:
        """Return the stack of the main thread, or nothing where it does not answer: it may be stopped."""
        if ASK is None or self._process is None or self._process.pid is None:
            return []
        self._report = b""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, ASK)
        patience = _BEGINS
        while self._faults.poll(patience) and self._drain(self._faults):
            patience = _GOES_ON
        return main_stack(self._report)

    def _drain(self, end: Connection) -> bool:
        """Take in some of what was written; False where there will be no more."""
        try:
            text = os.read(end.fileno(), 2**16)
        except OSError:
            text = b""
        if end is self._faults:
            self._report = (self._report + text)[-MOST:]
        else:
            self._output.add(text)
        return bool(text)

    def _drain_all(self) -> None:
        for end in (self._printed, self._faults):
            while end.poll() and self._drain(end):
                pass

    def _died(self, reason: str | None = None, stack: list[Frame] | None = None) -> DiedError:
        """End the process, and say how it died: for a reason, or with a stack because it took too long."""
        process, imported = self._process, self._clock.read().imported
        assert process is not None
        if reason is None and stack is None:
            _await_end(process)
        self._drain_all()
        code = process.exitcode
        self.close()
        if stack is not None:
            late = f"was stopped after {self.limits.seconds:g} s"
            return DiedError(late, stack, late=True, imported=imported)
        if reason is not None:
            return DiedError(reason, [], imported=imported)
        if code is None or code == CUT_OFF:
            return DiedError("closed the connection to the checker", [], imported=imported)
        how = f"died of {describe_signal(-code)}" if code < 0 else f"ended the process with exit code {code}"
        return DiedError(how, crash_stack(self._report), imported=imported)


def _end_descendants(pid: int) -> None:
    """Kill what a process has started, on Linux also what has left its session. A few rounds, for it may go on."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        new = set(_descendants(pid)) - killed
        for one in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        if not new:
            return
        killed |= new


def _descendants(pid: int) -> list[int]:
    """List the processes that descend from one; none where the system does not say."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):  # it has ended
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += [int(child) for child in children.read_text(encoding="ascii").split()]
    return found[1:]


def _await_end(process: BaseProcess) -> None:
    """Wait some seconds for a process to end. `join` takes it for ended when user code has closed its descriptors."""
    deadline = time.monotonic() + _GRACE
    while process.exitcode is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _bound_waiting(end: Connection, seconds: float) -> None:
    """Let a read or write fail after some seconds: user code may begin an answer and never end it."""
    if sys.platform == "linux":
        with socket.socket(fileno=os.dup(end.fileno())) as shared:
            whole, rest = divmod(seconds, 1)
            limit = struct.pack("ll", int(whole), int(rest * 1e6))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
