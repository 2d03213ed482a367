"""The process of user code, from the checker: started when it is needed, ended when it does not answer."""

from __future__ import annotations

import atexit
import contextlib
import mmap
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.guard.child import DISCONNECTED, FAILED, Wires, serve
from gradcheck_cli.guard.clock import BYTES, Clock
from gradcheck_cli.guard.crash import MAX_REPORT, STACK_SIGNAL, crash_stack, main_stack
from gradcheck_cli.guard.descendants import children, end_descendants, reap
from gradcheck_cli.guard.output import Output
from gradcheck_cli.guard.protocol import (
    HEADER,
    INLINE,
    LARGE,
    MOST_TEXT,
    SHARED,
    Answer,
    ProtocolError,
    decode,
    encode_request,
    inline,
    write_parts,
)
from gradcheck_cli.guard.signals import describe_signal
from gradcheck_cli.guard.supervisor import adopt_orphans, end_group, start_fresh, start_supervised

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.limits import Limits

#: Seconds for a process that closed its connection to end, and for one to go on where no call of user code runs.
_GRACE = 2.0

#: Seconds until the fault handler begins to write the stack that was asked for, and between two of its writes.
_FIRST_WRITE, _NEXT_WRITE = 1.0, 0.1

#: Seconds between two looks at the memory of a process.
_PAUSE = 0.1

#: Time limits that a request may take, and one for each of the calls in it, whatever the clock shows; and seconds.
_MOST_LIMITS, _MOST_SECONDS = 10, 5.0

#: Bytes of address space that are shared for large arrays, half for each direction. Memory is taken as it is used.
_AREA = 2**33
_NO_RESERVE = 0x4000  # MAP_NORESERVE of Linux

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


class GuardedProcess:
    """A process in which functions are called one after the other.

    On Linux it is forked, in milliseconds. One that died is replaced at the next call. What it has started ends too.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.starts = 0  #: how often a process was started
        _ = np.random.Generator  # imports NumPy before the fork, once for all processes
        self._supervisor: int | None = None
        self._pid = -1
        self._others: list[int] = []  # that were started before it
        self._has_ended = False
        self._channel: socket.socket
        self._alive = self._ended = self._prints = self._stacks = -1
        self._events: select.poll
        self._area: memoryview | None = None
        self._inherited = self._unlimited = 0  # bytes that the process has of this one, also with the area
        self._clock: Clock
        self._received = bytearray()
        self._output = Output()
        self._report = b""  # of the fault handler

    def call(self, function: Callable[..., Answer], *arguments: Any, calls: int = 0) -> Answer:
        """Call a function of a module, with arguments that can be pickled.

        Args:
            function: returns an answer.
            arguments: its arguments.
            calls: of user code that are known to be part of it, for which there is more time.

        Raises:
            ProcessDiedError: there was no answer.
            RequestFailedError: the function raised.
        """
        self._start()
        deadline = time.monotonic() + (_MOST_LIMITS + calls) * self.limits.seconds + _MOST_SECONDS
        try:
            self._send((function, arguments))
            answer = self._receive(deadline)
        except (EOFError, OSError) as error:
            raise self._death() from error
        except ProtocolError as error:
            raise self._death(_WROTE) from error
        except KeyboardInterrupt:
            self.close()  # its answer would be taken for that to the next request
            raise
        if isinstance(answer.value, dict) and FAILED in answer.value:
            raise RequestFailedError(str(answer.value[FAILED]))
        return answer

    def distrusted(self) -> ProcessDiedError:
        """End the process because of an answer that means nothing; return what to raise."""
        return self._death(_WROTE)

    def take_output(self) -> str:
        """Return what was written to stdout and stderr since this was last asked, without the middle if it is long."""
        if self._supervisor is not None:
            self._drain_all()
        text = self._output.text()
        self._output = Output()
        return text

    def close(self) -> None:
        """End the process and all that it has started."""
        if self._supervisor is None:
            return
        killed = end_descendants(self._supervisor)
        end_group(self._pid)
        with contextlib.suppress(ChildProcessError):  # it was waited for before Ctrl-C
            if os.waitpid(self._supervisor, os.WNOHANG)[0]:  # user code has ended it: its orphans are ours
                killed |= end_descendants(os.getpid(), spared=self._others)
            else:
                os.kill(self._supervisor, signal.SIGKILL)
                os.waitpid(self._supervisor, 0)
        reap(killed)
        self._channel.close()
        for end in (self._alive, self._ended, self._prints, self._stacks):
            os.close(end)
        self._supervisor = None  # only now: after Ctrl-C within this method, the end of the program ends it
        atexit.unregister(self.close)

    def _start(self) -> None:
        if self._supervisor is not None and not self._has_ended and not _is_ready(self._ended):
            return
        self.close()
        self._channel, theirs = socket.socketpair()
        _bound_waiting(self._channel, max(self.limits.seconds, _GRACE))
        self._prints, output = os.pipe()
        self._stacks, stacks = os.pipe()
        file = None if FORKS else tempfile.TemporaryFile()  # noqa: SIM115  # closed below
        if file is not None:
            file.truncate(BYTES)
        self._clock = Clock() if file is None else Clock(file.fileno())
        self._clock.start()
        self._area = self._area or (_shared_area() if FORKS else None)
        self._received, self._has_ended, self._report = bytearray(), False, b""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or the child would print it too
        wires = Wires(theirs, output, stacks, self._area)
        adopt_orphans()
        self._others = children(os.getpid())
        # Before it is started, for Ctrl-C may come next.
        atexit.register(self.close)
        if file is None:
            supervised = start_supervised(lambda: serve(wires, self._clock, self.limits))
        else:
            limits = self.limits.seconds, self.limits.memory
            supervised = start_fresh(theirs.fileno(), output, stacks, file.fileno(), limits)
            file.close()
        self._supervisor, self._pid, self._alive, self._ended = supervised
        theirs.close()
        os.close(output)
        os.close(stacks)
        self._inherited = self._unlimited = _memory(self._pid)
        self._events = select.poll()
        for end in (self._channel.fileno(), self._ended, self._prints, self._stacks):
            self._events.register(end, select.POLLIN)
        self.starts += 1

    def _send(self, request: object) -> None:
        text, parts, size = encode_request(request)
        if self._area is not None and LARGE < size <= len(self._area) // 2:
            write_parts(parts, self._area)
            self._unlimited = max(self._unlimited, self._inherited + size)
            self._channel.sendall(HEADER.pack(SHARED, len(text), size) + text)
            return
        self._channel.sendall(inline(text, parts, size))

    def _receive(self, deadline: float) -> Answer:
        """Wait for the answer, as long as no call of user code exceeds the time limit.

        Raises:
            EOFError: the process has ended, or closed its connection.
            ProtocolError: what comes is no answer.
            ProcessDiedError: it took too long, or too much memory.
        """
        received = self._received
        while len(received) < HEADER.size:
            self._read_more(deadline)
            if not any(kind.startswith(received[:4]) for kind in (INLINE, SHARED)):
                raise ProtocolError("no header")
        kind, size, payload_size = HEADER.unpack_from(received)
        inline = payload_size if kind == INLINE else 0
        half = 0 if self._area is None else len(self._area) // 2
        if kind not in (INLINE, SHARED) or size > MOST_TEXT or payload_size > (_AREA if kind == INLINE else half):
            raise ProtocolError("no header")
        start, end = HEADER.size + size, HEADER.size + size + inline
        while len(received) < end:
            self._read_more(deadline)
        if len(received) > end:
            raise ProtocolError("more than one answer")
        text = bytes(received[HEADER.size : start])
        if kind == SHARED and self._area is not None:
            self._unlimited = max(self._unlimited, self._inherited + 2 * payload_size)
            payload = np.frombuffer(self._area[half : half + payload_size], np.uint8).copy()
        else:
            payload = np.frombuffer(received, np.uint8)[start:].copy()
        self._received = bytearray()
        return decode(text, payload)

    def _read_more(self, deadline: float) -> None:
        """Wait until something of the answer has come, and take it in."""
        since = 0.0
        while True:
            now = time.monotonic()
            ready = dict(self._events.poll(1000 * min(_PAUSE, self.limits.seconds, max(deadline - now, 0.001))))
            for end in (self._prints, self._stacks):
                if end in ready and not self._drain(end):
                    self._events.unregister(end)  # closed by user code, which may go on without output
            if self._channel.fileno() in ready:
                text = self._channel.recv(2**16, socket.MSG_DONTWAIT)
                if not text:
                    raise EOFError
                self._received += text
                return
            if self._ended in ready:
                raise EOFError
            if ready:
                continue
            now, clock = time.monotonic(), self._clock.read()
            since = min(max(since, clock.since), now)
            patience = self.limits.seconds if clock.running else 2 * self.limits.seconds + _GRACE
            if now > min(since + patience, deadline):
                raise self._death(stack=self._ask_for_stack())
            if self.limits.bytes is not None and _memory(self._pid) > self.limits.bytes + self._unlimited:
                raise self._death("took more memory than --memory allows")

    def _ask_for_stack(self) -> list[Frame]:
        """Return the stack of the main thread, or nothing if the process does not answer, as when it is stopped."""
        if STACK_SIGNAL is None:
            return []
        self._report = b""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, STACK_SIGNAL)
        patience = _FIRST_WRITE
        while select.select([self._stacks], [], [], patience)[0] and self._drain(self._stacks):
            patience = _NEXT_WRITE
        return main_stack(self._report)

    def _drain(self, end: int) -> bool:
        """Read some of what was written; return False if there will be no more."""
        try:
            text = os.read(end, 2**16)
        except OSError:
            text = b""
        if end == self._stacks:
            self._report = (self._report + text)[-MAX_REPORT:]
        else:
            self._output.add(text)
        return bool(text)

    def _drain_all(self) -> None:
        for end in (self._prints, self._stacks):
            while _is_ready(end) and self._drain(end):
                pass

    def _death(self, reason: str | None = None, stack: list[Frame] | None = None) -> ProcessDiedError:
        """End the process and say how it died: for a given reason, or with a stack because it took too long."""
        imported = self._clock.read().imported
        code = self._exit_code(_GRACE) if reason is None and stack is None else None
        self._drain_all()
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

    def _exit_code(self, patience: float) -> int | None:
        """Return how the process ended, which does not depend on who still has its descriptors; None if it has not."""
        if not _is_ready(self._ended, patience):
            return None
        status = os.read(self._ended, 4)
        self._has_ended = True
        return os.waitstatus_to_exitcode(int.from_bytes(status, "little")) if len(status) == 4 else -signal.SIGKILL


def _is_ready(descriptor: int, patience: float = 0) -> bool:
    return bool(select.select([descriptor], [], [], patience)[0])


def _shared_area() -> memoryview | None:
    """Return memory that is shared with processes that are forked later; None where there is none."""
    try:
        return memoryview(mmap.mmap(-1, _AREA, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _NO_RESERVE))
    except OSError:
        return None


def _memory(pid: int) -> int:
    """Return the bytes that a process holds; memory that it shares with others is not counted by the system's limit."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        found = (status.partition(f"{kind}:")[2].split(None, 1)[0] for kind in ("RssAnon", "RssShmem"))
        return 1024 * sum(map(int, found))
    except (OSError, ValueError, IndexError):
        return 0


def _bound_waiting(end: socket.socket, seconds: float) -> None:
    """Have a write fail after some seconds: user code may stop the process while a request is sent."""
    whole, rest = divmod(seconds, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(whole), int(rest * 1e6)))
