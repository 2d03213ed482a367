"""Calls of functions in a process of their own, from outside: started when needed, ended when it will not answer."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing
import os
import re
import signal
import sys
import time
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard.child import serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from gradcheck_cli.guard.limits import Limits

#: What is kept of what is printed during a call, from its beginning and from its end: two screens each.
_KEPT = 4096

#: Beyond the time limit, until a process that does not end itself is killed.
_GRACE = 2.0

#: How a process that was killed died, for people; other signals by their names.
_DEATHS = {
    "SIGSEGV": "a segmentation fault",
    "SIGBUS": "a bus error",
    "SIGFPE": "a floating point exception of the processor",
    "SIGILL": "an illegal instruction",
    "SIGABRT": "an abort",
    "SIGKILL": "SIGKILL, as sent where a machine runs out of memory",
}


class DiedError(Exception):
    """The process did not answer: it crashed, ended itself, or took too long. The message is the end of a sentence.

    `stack` holds (file, line, function) of the code that was running, the innermost last, as far as it is known;
    `late` tells whether it took too long.
    """

    def __init__(self, reason: str, stack: list[tuple[str, int, str]], *, late: bool = False) -> None:
        super().__init__(reason)
        self.stack = stack
        self.late = late


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
        self._output = _Output()

    def call(self, function: Callable[..., Any], *arguments: Any, expected: tuple[type[Exception], ...] = ()) -> Any:
        """Call a function of a module; it, the arguments and what it returns can be pickled.

        Raises:
            DiedError: there was no answer.
            BugError: it raised.
            Exception: it raised one of those expected.
        """
        self._output = _Output()
        self._start()
        try:
            self._calls.send((function, arguments, expected))
            kind, what = self._answer()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if kind == "expected":
            raise what
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
        process, self._process = self._process, None
        atexit.unregister(self.close)
        if process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
        process.join()
        self._calls.close()
        self._printed.close()

    def _start(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self.close()
        # A fork of a process with threads may hang; elsewhere than on Linux libraries start some on their own.
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._calls, theirs = context.Pipe()
        self._printed, prints = context.Pipe(duplex=False)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the child would print it too
        self._process = context.Process(target=serve, args=(theirs, prints, self.limits))
        self._process.start()
        atexit.register(self.close)  # before multiprocessing's own, which waits for processes that nobody ends
        theirs.close()
        prints.close()
        self.starts += 1

    def _answer(self) -> Any:
        patience = time.monotonic() + self.limits.seconds + _GRACE
        watched = [self._calls, self._printed]
        while ready := connection.wait(watched, timeout=max(0.0, patience - time.monotonic())):
            if self._printed in ready and not self._drain():
                watched.remove(self._printed)  # closed by the code, which may go on in silence
            if self._calls in ready:
                answer = self._calls.recv()
                self._drain_all()
                return answer
        # It did not even end itself: stopped by a signal, or it called off the alarm.
        raise self._died(late=True)

    def _drain(self) -> bool:
        """Take in some of what was printed; False where there will be no more."""
        try:
            text = os.read(self._printed.fileno(), 2**16)
        except OSError:
            text = b""
        self._output.add(text)
        return bool(text)

    def _drain_all(self) -> None:
        while self._printed.poll() and self._drain():
            pass

    def _died(self, *, late: bool = False) -> DiedError:
        process = self._process
        assert process is not None
        if not late:
            process.join(_GRACE)
        self._drain_all()
        timeout, stack = self._output.take_stack()
        code = process.exitcode
        self.close()
        if late or timeout or code is None:
            return DiedError(f"was stopped after {self.limits.seconds:g} s", stack, late=True)
        if code < 0:
            name = signal.Signals(-code).name
            return DiedError(f"died of {_DEATHS.get(name, name)}", stack)
        return DiedError(f"ended the process with exit code {code}", stack)


class _Output:
    """The beginning and the end of what was printed."""

    def __init__(self) -> None:
        self._head, self._tail, self._length = b"", b"", 0

    def add(self, text: bytes) -> None:
        self._length += len(text)
        room = _KEPT - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-_KEPT:]

    def text(self) -> str:
        left_out = self._length - len(self._head) - len(self._tail)
        middle = f"\n[... {left_out:,} bytes ...]\n".encode() if left_out else b""
        return (self._head + middle + self._tail).decode(errors="replace")

    def take_stack(self) -> tuple[bool, list[tuple[str, int, str]]]:
        """Cut off what the fault handler wrote at the end: whether for a timeout, and the stack, innermost last."""
        text = (self._head + self._tail).decode(errors="replace")
        begun = max(text.rfind("Fatal Python error: "), text.rfind("Timeout ("))
        if begun < 0:
            return False, []
        report = text[begun:]
        self._head, self._tail, self._length = text[:begun].encode(), b"", begun
        # One block a thread, innermost frames first; the main thread comes last.
        threads = report.split("hread 0x")
        crashed = [block for before, block in itertools.pairwise(threads) if before.endswith("Current t")]
        frames = re.findall(r'^  File "(.*)", line (\d+) in (.*)$', (crashed or threads)[-1], re.MULTILINE)
        return report.startswith("Timeout ("), [(file, int(line), name) for file, line, name in reversed(frames)]
