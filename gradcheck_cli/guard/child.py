"""Inside the process of user code: requests are received, carried out with the clock running, and answered."""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import resource
import secrets
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.guard import clock as clocks
from gradcheck_cli.guard.crash import STACK_SIGNAL
from gradcheck_cli.guard.frames import format_bug
from gradcheck_cli.guard.protocol import (
    HEADER,
    INLINE,
    LARGE,
    SHARED,
    Answer,
    decode_request,
    encode,
    inline,
    write_parts,
)

if TYPE_CHECKING:
    from gradcheck_cli.guard.clock import Clock
    from gradcheck_cli.guard.limits import Limits

#: The exit code of a process that cannot answer because user code has closed its connection.
DISCONNECTED = 121

#: What the answer is called to a request whose function raised.
FAILED = "failed"

#: Descriptors of the protocol have numbers below this, and above those that programs write to by mistake.
_HIGHEST = 20_000


class Wires:
    """The ends of the protocol that the process has, and the memory that it shares with the checker."""

    def __init__(self, channel: socket.socket, output: int, stacks: int, area: memoryview | None) -> None:
        """Take descriptors; of the area the first half is written to by the checker, and the second here."""
        self.channel, self.output, self.stacks, self._area = channel, output, stacks, area

    def hide(self) -> None:
        """Move the descriptors to where nothing is written by mistake."""
        self.channel = _moved(self.channel)
        hidden = _hide(self.stacks)
        os.close(self.stacks)
        self.stacks = hidden

    def receive(self) -> Any:
        """Wait for a request.

        Raises:
            EOFError: the checker is gone.
        """
        message = self._read_into(bytearray(), HEADER.size)
        kind, size, payload_size = HEADER.unpack_from(message)
        start = HEADER.size + size
        message = self._read_into(message, start + (payload_size if kind == INLINE else 0))
        if kind == SHARED and self._area is not None:
            payload = np.frombuffer(self._area[:payload_size], np.uint8).copy().data
        else:
            payload = memoryview(message[start:])
        return decode_request(bytes(message[HEADER.size : start]), payload)

    def send(self, answer: Answer) -> None:
        """Send an answer."""
        text, parts, size = encode(answer)
        if self._area is not None and LARGE < size <= len(self._area) // 2:
            write_parts(parts, self._area[len(self._area) // 2 :])
            self.channel.sendall(HEADER.pack(SHARED, len(text), size) + text)
        else:
            self.channel.sendall(inline(text, parts, size))

    def _read_into(self, message: bytearray, size: int) -> bytearray:
        """Read until a message has a size; the checker sends no other before this one is answered."""
        while len(message) < size:
            text = self.channel.recv(max(size - len(message), 2**16))
            if not text:
                raise EOFError
            message += text
        return message


def serve(wires: Wires, clock: Clock, limits: Limits) -> None:
    """Answer requests until there are no more.

    A request is (function, arguments). What the function raises is answered with its traceback: whoever asked decides
    what that means, since user code may have raised it, or have changed what the function relies on.
    """
    _isolate(wires, limits)
    clocks.install(clock)
    process_id, leave = os.getpid, os._exit  # kept, because user code may replace them
    process = process_id()
    with contextlib.suppress(EOFError):  # the checker is gone
        while True:
            function, arguments = wires.receive()
            clock.start()
            try:
                answer: Answer = function(*arguments)
            except BaseException:  # noqa: BLE001
                answer = Answer({FAILED: format_bug()})
            if process_id() != process:  # a copy that user code made by `os.fork`: one answer is expected
                leave(0)
            _flush()
            try:
                wires.send(answer)
            except OSError:
                leave(DISCONNECTED)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        with contextlib.suppress(BaseException):  # user code may have put anything there
            stream.flush()  # type: ignore[union-attr]


def _isolate(wires: Wires, limits: Limits) -> None:
    """Separate the process from the checker's terminal: own session, no stdin, output to a pipe; and set limits."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a fork of a program ignores it until here
    for default in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(default, signal.SIG_DFL if default != signal.SIGPIPE else signal.SIG_IGN)
    wires.hide()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(wires.output, 1)
    os.dup2(wires.output, 2)
    _disable_inherited({0, 1, 2, wires.channel.fileno(), wires.stacks})
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the life of the process
    sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable(file=wires.stacks)
    if STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL, file=wires.stacks)
    if limits.bytes is not None:
        _limit_memory(limits.bytes)


def _moved(channel: socket.socket) -> socket.socket:
    hidden = _hide(channel.fileno())
    channel.close()
    return socket.socket(fileno=hidden)


def _hide(descriptor: int) -> int:
    """Duplicate a descriptor to a number that cannot be guessed, closed where another program is run."""
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0] % sys.maxsize, _HIGHEST)
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, limit // 2 + secrets.randbelow(limit // 2 - 2))


def _disable_inherited(kept: set[int]) -> None:
    """Replace all other descriptors that a fork has of its parent (reports, results, pipes) by the null device.

    They are not closed: objects of the parent still have their numbers, which files of user code could then get.
    """
    try:
        inherited = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208  # names are enough
    except OSError:
        return
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in inherited:
        if descriptor not in kept:
            with contextlib.suppress(OSError):  # that of the listing
                os.fstat(descriptor)
                os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _limit_memory(limit: int) -> None:
    """Limit what can be written to, for good. What is shared with other processes is not counted by the system."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
