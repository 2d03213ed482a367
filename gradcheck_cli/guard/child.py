"""Inside the guarded process: calls are received, carried out with the clock running, and answered."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard import clock as clocks
from gradcheck_cli.guard.crash import STACK_SIGNAL
from gradcheck_cli.guard.frames import format_bug
from gradcheck_cli.guard.originals import remember_originals, restore_originals

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from gradcheck_cli.guard.clock import Clock
    from gradcheck_cli.guard.limits import Limits

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER

#: The exit code of a process that cannot answer because user code has closed its connection.
DISCONNECTED = 121


def serve(calls: Connection, output: Connection, stacks: Connection, clock: Clock, limits: Limits) -> None:
    """Answer calls until there are no more.

    A call is (function, arguments, exceptions that may be answered with). An answer is (kind, value); the kinds are
    "returned", "expected" (one of those exceptions), "replaced" (the name of what user code replaced, which made the
    call fail) and "bug" (any other exception, as text).
    """
    _isolate(calls, output, stacks, limits)
    remember_originals()
    clocks.install(clock)
    process_id = os.getpid  # kept, because user code may replace it
    process = process_id()
    with contextlib.suppress(EOFError):  # the parent is gone
        while True:
            function, arguments, expected = calls.recv()
            clock.start()
            answer = _carry_out(function, arguments, expected)
            if process_id() != process:  # a copy that user code made by `os.fork`: the parent expects one answer
                os._exit(0)
            for stream in (sys.stdout, sys.stderr, sys.__stdout__):
                with contextlib.suppress(BaseException):  # user code may have put anything there
                    stream.flush()  # type: ignore[union-attr]
            try:
                calls.send_bytes(answer)
            except OSError:
                os._exit(DISCONNECTED)


def _carry_out(function: Any, arguments: tuple[Any, ...], expected: tuple[type[Exception], ...]) -> bytes:
    """Call a function, and pickle the outcome."""
    try:
        try:
            answer = "returned", function(*arguments)
        except expected as error:
            answer = "expected", error
        return pickle.dumps(answer)
    except BaseException:  # noqa: BLE001  # the last resort: the parent raises it again
        if replaced := restore_originals():
            return pickle.dumps(("replaced", replaced))
        return pickle.dumps(("bug", format_bug()))


def _isolate(calls: Connection, output: Connection, stacks: Connection, limits: Limits) -> None:
    """Separate the process from the parent's terminal: own session, no stdin, output to a pipe; and set limits."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in the terminal is for the parent, and all descendants can be ended at once
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a fork of a program ignores it until here
    die_with_parent()
    _adopt_orphans()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    _disable_inherited({0, 1, 2, calls.fileno(), stacks.fileno()})
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the life of the process
    sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable(file=stacks.fileno())
    if STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL, file=stacks.fileno())
    if limits.bytes is not None:
        _limit_memory(limits.bytes)


def _disable_inherited(kept: set[int]) -> None:
    """Replace all other descriptors that a fork has of its parent (reports, results, pipes) by the null device.

    They are not closed: objects of the parent still have their numbers, which files of user code could then get.
    """
    try:
        inherited = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208  # names are enough
    except OSError:  # as on Windows, where nothing is inherited
        return
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in inherited:
        if descriptor not in kept:
            with contextlib.suppress(OSError):  # that of the listing
                os.fstat(descriptor)
                os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def die_with_parent() -> None:
    """Have this process killed when its parent ends, however that ends. Without effect elsewhere than on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Stay an ancestor of all that is started from here, daemons included, so that it can be found and ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1)


def _limit_memory(limit: int) -> None:
    try:
        import resource  # not on Windows
    except ImportError:
        return
    # RLIMIT_DATA counts what can be written to, and on Linux only that: RLIMIT_AS would also count the address space
    # that a GPU's driver reserves. Elsewhere it may be without effect.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
