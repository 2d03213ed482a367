"""A process that is asked: started when it is needed, ended when it does not answer, and replaced at the next request.

User code is loaded and called in one, within limits; and the checker itself works in others, side by side.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.guard.channel import Channel, shared_area
from gradcheck_cli.guard.child import DISCONNECTED, FAILED, Ends, serve
from gradcheck_cli.guard.clock import BYTES, Clock
from gradcheck_cli.guard.crash import MAX_REPORT, STACK_SIGNAL, crash_stack, main_stack
from gradcheck_cli.guard.descendants import children, end_descendants, reap
from gradcheck_cli.guard.limits import held_memory
from gradcheck_cli.guard.output import Output, is_ready
from gradcheck_cli.guard.protocol import Answer, ProtocolError, decode, encode_request
from gradcheck_cli.guard.signals import describe_signal
from gradcheck_cli.guard.supervisor import adopt_orphans, end_group, start_fresh, start_supervised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.limits import Limits

#: Seconds for a process that closed its connection to end, and for one to go on where no call of user code runs.
_GRACE = 2.0

#: Seconds until the fault handler begins to write the stack that was asked for, and between two of its writes.
_FIRST_WRITE, _NEXT_WRITE = 1.0, 0.1

#: Seconds between two looks at the memory of a process, and for it to take a request.
_PAUSE, _MOST_SENDING = 0.1, 60.0

#: Time limits that a request may take, and one for each of the calls in it, whatever the clock shows; and seconds.
_MOST_LIMITS, _MOST_SECONDS = 10, 5.0

#: Bytes of output that are kept of its beginning, and of its end: two screens each.
_KEPT = 4096

#: Whether a process is forked from this one. Tests change it.
FORKS = sys.platform == "linux"

_WROTE = "wrote into the connection to the checker"


class ProcessDiedError(BaseException):
    """The process did not answer: it crashed, ended itself, or took too long. The message is the end of a sentence.

    It is no `Exception`: nothing that copes with what user code raises can go on without the process.
    """

    def __init__(self, reason: str, stack: list[Frame], *, late: bool = False, imported: bool = False) -> None:
        super().__init__(reason)
        self.stack = stack  #: of the code that was running, the innermost frame last, as far as it is known
        self.late = late  #: whether it took too long
        self.imported = imported  #: whether a function of the user had been called before


class RequestFailedError(Exception):
    """The function of a request raised; the message is the traceback."""


class Process:
    """A process in which functions are called one after the other.

    It is forked, in milliseconds, or a fresh Python, in a quarter of a second. What it has started ends with it.
    """

    def __init__(
        self, limits: Limits, *, fresh: bool = False, folder: str | None = None, environment: Mapping[str, str] = {}
    ) -> None:
        """Start nothing yet.

        Args:
            limits: of time and memory.
            fresh: whether it is a fresh Python even where processes are forked; it prints to stderr, and its output is
                not kept. The number of threads of a BLAS that is loaded is fixed, and a fork of a process with threads
                may hang.
            folder: in which a fresh one starts, if not in the current one.
            environment: variables that a fresh one has besides those of this process, which are preferred.
        """
        self.limits = limits
        self.starts = 0  #: how often a process was started
        self.pid = -1
        self._fresh, self._folder, self._environment = fresh, folder, environment
        self._supervisor: int | None = None
        self._others: list[int] = []  # that were started before it
        self._deadline = 0.0
        self._area: memoryview | None = None
        self._channel: Channel
        self._alive = self._ended = -1
        self._output: Output | None = None
        self._stacks: Output
        self._events: select.poll
        self._inherited = 0  # bytes that the process has of this one
        self._clock: Clock
        self._has_ended = False
        self._kept = ""  # output of a process that has ended

    def call(self, function: Callable[..., Answer], *arguments: object, calls: int = 0) -> Answer:
        """Call a function of a module, with arguments that can be pickled.

        Args:
            function: returns an answer.
            arguments: its arguments.
            calls: of user code that are known to be part of it, for which there is more time.

        Raises:
            ProcessDiedError: there was no answer.
            RequestFailedError: the function raised.
        """
        try:
            self.send(function, *arguments, calls=calls)
            return self.receive()
        except KeyboardInterrupt:
            self.close()  # its answer would be taken for that to the next request
            raise

    def send(self, function: Callable[..., Answer], *arguments: object, calls: int = 0) -> None:
        """Have a function called, and do not wait. It raises what `call` does."""
        self._start()
        self._deadline = time.monotonic() + (_MOST_LIMITS + calls) * self.limits.seconds + _MOST_SECONDS
        try:
            self._channel.send(*encode_request((function, arguments)))
        except OSError as error:
            raise self._death() from error

    def receive(self) -> Answer:
        """Wait for the answer, as long as no call of user code exceeds the time limit. It raises what `call` does."""
        try:
            answer = decode(*self._channel.receive(self._wait))
        except (EOFError, OSError) as error:
            raise self._death() from error
        except ProtocolError as error:
            raise self._death(_WROTE) from error
        if isinstance(answer.value, dict) and FAILED in answer.value:
            raise RequestFailedError(str(answer.value[FAILED]))
        return answer

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an answer."""
        return self._channel.fileno()

    def distrusted(self) -> ProcessDiedError:
        """End the process because of an answer that means nothing; return what to raise."""
        return self._death(_WROTE)

    def take_output(self) -> str:
        """Return what was written to stdout and stderr since this was last asked, without the middle if it is long."""
        text, self._kept = self._kept, ""
        if self._supervisor is not None and self._output is not None:
            self._output.read_all()
            text += self._output.text()
            self._output.clear()
        return text

    def kill(self) -> set[int]:
        """Kill the process and what it has started, from any thread: where its answer is waited for, there is none."""
        killed = set() if self._supervisor is None else end_descendants(self._supervisor)
        end_group(self.pid)
        return killed

    def close(self) -> None:
        """End the process and all that it has started."""
        if self._supervisor is None:
            return
        killed = self.kill()
        with contextlib.suppress(ChildProcessError):  # it was waited for before Ctrl-C
            ended, status = os.waitpid(self._supervisor, os.WNOHANG)
            if not ended:
                os.kill(self._supervisor, signal.SIGKILL)
                os.waitpid(self._supervisor, 0)
            elif status:  # user code has killed it: its orphans are ours
                killed |= end_descendants(os.getpid(), spared=self._others)
        reap(killed)
        self._kept = self.take_output()
        self._channel.connection.close()
        for end in (self._alive, self._ended, self._stacks.end, *([self._output.end] if self._output else [])):
            os.close(end)
        self._supervisor = None  # only now: after Ctrl-C within this method, the end of the program ends it
        atexit.unregister(self.close)

    def _start(self) -> None:
        if self._supervisor is not None and not self._has_ended and not is_ready(self._ended):
            return
        self.close()
        fresh = self._fresh or not FORKS
        ours, theirs = socket.socketpair()
        self._area = self._area or (None if fresh else shared_area())
        self._channel = Channel(ours, self._area, asks=True)
        self._channel.bound_sending(min(max(self.limits.seconds, _GRACE), _MOST_SENDING))
        prints, output = (-1, os.dup(2)) if self._fresh else os.pipe()
        self._output = None if self._fresh else Output(prints, _KEPT, _KEPT)
        read, stacks = os.pipe()
        self._stacks, self._has_ended = Output(read, 0, MAX_REPORT), False
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the child would print it too
        adopt_orphans()
        self._others = children(os.getpid())
        # Before it is started, for Ctrl-C may come next.
        atexit.register(self.close)
        if fresh:
            with tempfile.TemporaryFile() as file:
                file.truncate(BYTES)
                self._clock = Clock(file.fileno())
                self._clock.start()
                descriptors, environment = (theirs.fileno(), output, stacks, file.fileno()), self._environment
                supervised = start_fresh(descriptors, self.limits, self._folder, environment | os.environ)
        else:
            self._clock = Clock()
            self._clock.start()
            _ = np.random.Generator  # imports NumPy before the fork, once for all processes
            ends = Ends(Channel(theirs, self._area, asks=False), output, stacks)
            supervised = start_supervised(lambda: serve(ends, self._clock, self.limits))
        self._supervisor, self.pid, self._alive, self._ended = supervised
        theirs.close()
        os.close(output)
        os.close(stacks)
        self._inherited = held_memory(self.pid)
        self._events = select.poll()
        for end in (ours.fileno(), self._ended, self._stacks.end, *([prints] if self._output else [])):
            self._events.register(end, select.POLLIN)
        self.starts += 1

    def _wait(self) -> None:
        """Wait until something of the answer has come.

        Raises:
            EOFError: the process has ended, or closed its connection.
            ProcessDiedError: it took too long, or too much memory.
        """
        seconds, most = self.limits.seconds, self.limits.bytes
        since = 0.0
        while True:
            patience = min(_PAUSE, seconds, max(self._deadline - time.monotonic(), 0.001))
            ready = dict(self._events.poll(1000 * patience))
            for output in (self._output, self._stacks):
                if output and output.end in ready and not output.read():
                    self._events.unregister(output.end)  # closed by user code, which may go on without output
            if self._channel.fileno() in ready:
                return
            if self._ended in ready:
                raise EOFError
            if ready:
                continue
            now, clock = time.monotonic(), self._clock.read()
            since = min(max(since, clock.since), now)
            if now > min(since + (seconds if clock.running else 2 * seconds + _GRACE), self._deadline):
                raise self._death(late=True)
            if most is not None and held_memory(self.pid) > most + self._inherited + 2 * self._channel.largest:
                raise self._death("took more memory than --memory allows")

    def _death(self, reason: str | None = None, *, late: bool = False) -> ProcessDiedError:
        """End the process and say how it died: because it took too long, for a given reason, or by itself."""
        imported = self._clock.read().imported
        code: int | None = None
        stack: list[Frame] = []
        if late:
            reason, stack = f"was stopped after {self.limits.seconds:g} s", self._running()
        elif reason is None:
            code = self._exit_code()
            self._stacks.read_all()
            stack = crash_stack(self._stacks.bytes())
        self.close()
        if reason is None:
            if code is None or code == DISCONNECTED:
                reason, stack = "closed the connection to the checker", []
            else:
                reason = f"died of {describe_signal(-code)}" if code < 0 else f"ended the process with exit code {code}"
        return ProcessDiedError(reason, stack, late=late, imported=imported)

    def _running(self) -> list[Frame]:
        """Return the stack of the main thread, or nothing if the process does not answer, as when it is stopped."""
        if STACK_SIGNAL is None:
            return []
        self._stacks.clear()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, STACK_SIGNAL)
        self._stacks.read_all(_FIRST_WRITE, _NEXT_WRITE)
        return main_stack(self._stacks.bytes())

    def _exit_code(self) -> int | None:
        """Return how the process ended, which does not depend on who still has its descriptors; None if it has not."""
        if not is_ready(self._ended, _GRACE):
            return None
        status = os.read(self._ended, 4)
        self._has_ended = True
        return os.waitstatus_to_exitcode(int.from_bytes(status, "little")) if len(status) == 4 else -signal.SIGKILL
