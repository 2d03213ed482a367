"""Inside the guarded process: calls are taken in, carried out under watch, and answered."""

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
from gradcheck_cli.guard.faults import ASK
from gradcheck_cli.guard.frames import bug_text
from gradcheck_cli.guard.originals import put_back

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from gradcheck_cli.guard.clock import Clock
    from gradcheck_cli.guard.limits import Limits

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER

#: The exit code of a process whose connection user code has closed, so that it cannot answer.
CUT_OFF = 121


def serve(calls: Connection, printed: Connection, faults: Connection, clock: Clock, limits: Limits) -> None:
    """Answer calls until there are no more.

    A call is (function, arguments, exceptions that may be answered with); an answer is (kind, what), with kind one of
    "returned", "expected" (one of those exceptions), "replaced" (the name of what user code replaced, for which the
    call failed) and "bug" (any other exception, as text).
    """
    _settle(calls, printed, faults, limits)
    clocks.install(clock)
    process_id = os.getpid  # kept, because user code may replace it
    process = process_id()
    with contextlib.suppress(EOFError):  # the parent is gone
        while True:
            function, arguments, expected = calls.recv()
            clock.start()
            answer = _carry_out(function, arguments, expected)
            if process_id() != process:  # a copy that user code made by `os.fork`: the parent wants one answer
                os._exit(0)
            for stream in (sys.stdout, sys.stderr, sys.__stdout__):
                with contextlib.suppress(BaseException):  # user code may have put anything there
                    stream.flush()  # type: ignore[union-attr]
            try:
                calls.send_bytes(answer)
            except OSError:
                os._exit(CUT_OFF)


def _carry_out(function: Any, arguments: tuple[Any, ...], expected: tuple[type[Exception], ...]) -> bytes:
    """Call a function, and pickle what it comes to."""
    try:
        try:
            answer = "returned", function(*arguments)
        except expected as error:
            answer = "expected", error
        return pickle.dumps(answer)
    except BaseException:  # noqa: BLE001  # the last resort: the parent raises it again
        if replaced := put_back():
            return pickle.dumps(("replaced", replaced))
        return pickle.dumps(("bug", bug_text()))


def _settle(calls: Connection, printed: Connection, faults: Connection, limits: Limits) -> None:
    """Take leave of the parent's terminal: own session, no stdin, prints into a pipe, limits set."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in the terminal is the parent's to answer, and all descendants can be ended at once
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a fork of a program ignores it until here
    die_with_parent()
    _adopt_orphans()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(printed.fileno(), 1)
    os.dup2(printed.fileno(), 2)
    _leave_descriptors({0, 1, 2, calls.fileno(), faults.fileno()})
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for good
    sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable(file=faults.fileno())
    if ASK is not None:
        faulthandler.register(ASK, file=faults.fileno())
    if limits.bytes is not None:
        _limit_memory(limits.bytes)


def _leave_descriptors(kept: set[int]) -> None:
    """Put the null device in the place of all descriptors that a fork has of its parent's: reports, results, pipes.

    They are not closed: objects of the parent's still have their numbers, which user code's own files could get.
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
    """Have this process killed when its parent ends, however that ends; elsewhere than on Linux do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Stay an ancestor of whatever is started from here, also of daemons, so that it can be found and ended."""
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
