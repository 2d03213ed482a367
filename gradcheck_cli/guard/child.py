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
from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.guard import clock as clocks
from gradcheck_cli.guard.channel import Channel
from gradcheck_cli.guard.crash import STACK_SIGNAL
from gradcheck_cli.guard.frames import format_bug
from gradcheck_cli.guard.limits import limit_memory
from gradcheck_cli.guard.protocol import Answer, decode_request, encode

if TYPE_CHECKING:
    from gradcheck_cli.guard.limits import Limits

#: The exit code of a process that cannot answer because user code has closed its connection.
DISCONNECTED = 121

#: What the answer is called to a request whose function raised.
FAILED = "failed"

#: Descriptors of the protocol have numbers below this, and above those that programs write to by mistake.
_HIGHEST = 20_000


class Descriptors(NamedTuple):
    """What connects the process with the checker."""

    channel: int  #: a socket
    output: int  #: to print to
    stacks: int  #: for the fault handler
    memory: int  #: that is shared


def serve(ends: Descriptors, limits: Limits, folder: str | None) -> None:
    """Answer requests until there are no more, starting in a folder if one is given.

    A request is (function, arguments). What the function raises is answered with its traceback: whoever asked decides
    what that means, since user code may have raised it, or have changed what the function relies on.
    """
    if folder is not None:
        os.chdir(folder)
    clock = clocks.install(ends.memory)
    channel = _isolate(ends)
    limit_memory(limits.bytes)
    process_id, leave = os.getpid, os._exit  # kept, because user code may replace them
    process = process_id()
    with contextlib.suppress(EOFError):  # the checker is gone
        while True:
            function, arguments = decode_request(*channel.receive())
            clock.start()
            try:
                answer: Answer = function(*arguments)
            except BaseException:  # noqa: BLE001
                answer = Answer({FAILED: format_bug()})
            if process_id() != process:  # a copy that user code made by `os.fork`: one answer is expected
                leave(0)
            _flush()
            try:
                channel.send(*encode(answer))
            except OSError:
                leave(DISCONNECTED)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        with contextlib.suppress(BaseException):  # user code may have put anything there
            stream.flush()  # type: ignore[union-attr]


def _isolate(ends: Descriptors) -> Channel:
    """Separate the process from the checker's terminal: own session, no stdin, output elsewhere.

    The descriptors of the protocol are moved to where nothing is written by mistake.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a fork of a program ignores it until here
    for default in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(default, signal.SIG_DFL if default != signal.SIGPIPE else signal.SIG_IGN)
    stacks = _hide(ends.stacks)
    channel = Channel(socket.socket(fileno=_hide(ends.channel)), ends.memory, asks=False)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(ends.output, 1)
    os.dup2(ends.output, 2)
    _disable_inherited({0, 1, 2, channel.fileno(), stacks})
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the life of the process
    sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable(file=stacks)
    if STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL, file=stacks)
    return channel


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
