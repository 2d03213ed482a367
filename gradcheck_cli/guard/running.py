"""A process that runs, with all that connects it with the checker."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.guard.channel import Channel, shared_memory
from gradcheck_cli.guard.child import Descriptors
from gradcheck_cli.guard.clock import Clock
from gradcheck_cli.guard.crash import MAX_REPORT, STACK_SIGNAL, main_stack
from gradcheck_cli.guard.descendants import children, end_descendants, reap
from gradcheck_cli.guard.limits import held_memory
from gradcheck_cli.guard.output import Output, is_ready
from gradcheck_cli.guard.supervisor import Fresh, adopt_orphans, end_group, start_supervised

if TYPE_CHECKING:
    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.limits import Limits

#: Seconds until the fault handler begins to write the stack that was asked for, and between two of its writes.
_FIRST_WRITE, _NEXT_WRITE = 1.0, 0.1

#: Seconds for a process to take a request, at least and at most.
_LEAST_SENDING, _MOST_SENDING = 2.0, 60.0

#: Bytes of output that are kept of its beginning, and of its end: two screens each.
_KEPT = 4096

#: Whether a process is forked from this one. Tests change it.
FORKS = sys.platform == "linux"


class Running:
    """A process that runs, its supervisor, and the connections with it."""

    def __init__(self, limits: Limits, fresh: Fresh | None = None) -> None:
        """Start it: a fork, in milliseconds, or a fresh Python, in a quarter of a second."""
        self.pid = -1
        self._supervisor: int | None = None
        ours, theirs = socket.socketpair()
        memory = shared_memory()
        self.clock = Clock(memory)
        self.clock.start()
        self.channel = Channel(ours, memory, asks=True)
        self.channel.bound_sending(min(max(limits.seconds, _LEAST_SENDING), _MOST_SENDING))
        prints, output = os.pipe() if fresh is None else (-1, os.dup(2))
        self.output = Output(prints, _KEPT, _KEPT) if fresh is None else None
        read, stacks = os.pipe()
        self.stacks = Output(read, 0, MAX_REPORT)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the child would print it too
        adopt_orphans()
        self._others = children(os.getpid())  # that were started before it
        atexit.register(self.close)  # before it is started, for Ctrl-C may come next
        _ = np.random.Generator  # imports NumPy before a fork, once for all processes
        ends = Descriptors(theirs.fileno(), output, stacks, memory)
        started = start_supervised(ends, limits, fresh if FORKS else fresh or Fresh({}))
        self._supervisor, self.pid, self._line = started
        theirs.close()
        for descriptor in ends[1:]:
            os.close(descriptor)
        self.inherited = held_memory(self.pid)  #: bytes that it has of this process
        self._events = select.poll()
        for end in (ours.fileno(), self._line.fileno(), read, *([prints] if self.output else [])):
            self._events.register(end, select.POLLIN)

    def has_ended(self, patience: float = 0) -> bool:
        """Tell whether it has ended, perhaps after some seconds."""
        return is_ready(self._line.fileno(), patience)

    def exit_code(self) -> int:
        """Return how it ended, which does not depend on who still has its descriptors; ask once, when it has."""
        status = self._line.recv(4)
        return os.waitstatus_to_exitcode(int.from_bytes(status, "little")) if len(status) == 4 else -signal.SIGKILL

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds, or until something was printed; tell whether there is something of an answer.

        Raises:
            EOFError: the process has ended.
        """
        ready = dict(self._events.poll(1000 * seconds))
        for output in (self.output, self.stacks):
            if output and output.end in ready and not output.read():
                self._events.unregister(output.end)  # closed by user code, which may go on without output
        if self.channel.fileno() in ready:
            return True
        if self._line.fileno() in ready:
            raise EOFError
        return False

    def stack(self) -> list[Frame]:
        """Return the stack of the main thread, or nothing if the process does not answer, as when it is stopped."""
        if STACK_SIGNAL is None:
            return []
        self.stacks.clear()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, STACK_SIGNAL)
        self.stacks.read_all(_FIRST_WRITE, _NEXT_WRITE)
        return main_stack(self.stacks.bytes())

    def kill(self) -> set[int]:
        """Kill it and what it has started, from any thread: where its answer is waited for, there is none."""
        killed = set() if self._supervisor is None else end_descendants(self._supervisor)
        end_group(self.pid)
        return killed

    def close(self) -> None:
        """End it and all that it has started."""
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
        if self.output:
            self.output.read_all()
            os.close(self.output.end)
        self.channel.connection.close()
        self._line.close()
        os.close(self.stacks.end)
        self._supervisor = None  # only now: after Ctrl-C within this method, the end of the program ends it
        atexit.unregister(self.close)
