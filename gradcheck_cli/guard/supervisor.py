"""The parent of the process of user code, which ends with it all that it has started.

It does nothing but wait: for the process to end, or for the checker to do so, however that happens. On Linux it is
forked from the checker, in milliseconds, and adopts what leaves the process, daemons included. Elsewhere libraries
start threads, and a fork of a process with threads may hang: there it is a fresh Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gradcheck_cli.guard.descendants import end_descendants, reap

if TYPE_CHECKING:
    from gradcheck_cli.guard.child import Descriptors
    from gradcheck_cli.guard.limits import Limits

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl
_OPEN_TO_OTHERS = 4  # PR_SET_DUMPABLE
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER

#: Milliseconds between two looks at the process where the system has no descriptor for one.
_PAUSE = 20

#: Modules are found where the checker finds them. By -P Python itself does not look in the current folder.
_PROGRAM = """\
import json, sys
path, arguments = json.loads(sys.argv.pop())
sys.path[:] = path
from gradcheck_cli.guard.supervisor import supervise
supervise(*arguments)
"""


class Supervised(NamedTuple):
    """A process and its supervisor."""

    supervisor: int
    pid: int
    #: When it is closed, all ends; when it is readable, the process has ended, and its exit status can be read.
    line: socket.socket


class Fresh(NamedTuple):
    """How a fresh Python is started, which prints to stderr.

    The number of threads of a BLAS that is loaded is fixed, and a fork of a process with threads may hang.
    """

    environment: Mapping[str, str]  #: variables besides those of this process, which are preferred
    folder: str | None = None  #: in which it starts, if not in the current one


def start_supervised(ends: Descriptors, limits: Limits, fresh: Fresh | None) -> Supervised:
    """Start the supervisor, by a fork or as a fresh Python, and have it fork the process that serves.

    Raises:
        OSError: the system has no more processes.
    """
    ours, theirs = socket.socketpair()
    arguments = (theirs.fileno(), *ends, limits.seconds, limits.memory, fresh and fresh.folder)
    if fresh is None:
        pid = os.fork()
        if pid == 0:
            supervise(*arguments)
    else:
        for descriptor in (theirs.fileno(), *ends):
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # it takes no name
        path = [*sys.path, str(Path(__file__).parents[2])]
        command = [sys.executable, "-B", "-P", "-c", _PROGRAM, json.dumps([path, arguments])]
        pid = os.posix_spawn(sys.executable, command, {**fresh.environment, **os.environ})
    theirs.close()
    return Supervised(pid, int.from_bytes(ours.recv(4), "little"), ours)


def supervise(connection: int, *arguments: Any) -> None:
    """Be the supervisor: fork the process before anything can start a thread, wait, and end this one."""
    try:
        line = socket.socket(fileno=connection)
        os.setsid()  # Ctrl-C in the terminal is for the checker
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        adopt_orphans()
        child = os.fork()
        if child == 0:
            _control(_DIE_WITH_PARENT, signal.SIGKILL)
            _control(_OPEN_TO_OTHERS, 1)
            _serve(*arguments)
        else:
            os.closerange(0, connection)
            os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))
            line.send(child.to_bytes(4, "little"))
            _wait(child, line)
    finally:
        os._exit(0)


def _serve(
    channel: int, output: int, stacks: int, shared: int, seconds: float, memory: int | None, folder: str | None
) -> None:
    from gradcheck_cli.guard.child import Descriptors, serve  # in a fresh Python too, after the fork
    from gradcheck_cli.guard.limits import Limits

    serve(Descriptors(channel, output, stacks, shared), Limits(seconds=seconds, memory=memory), folder)


def adopt_orphans() -> None:
    """Stay an ancestor of all that is started from here, daemons included, so that it can be found and ended.

    Its own memory and descriptors are closed to it, unless it has the rights to trace the processes of all users.
    """
    _control(_ADOPT_ORPHANS, 1)
    _control(_OPEN_TO_OTHERS, 0)


def _control(option: int, value: int) -> None:
    """Set what Linux alone has to set of a process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def end_group(pid: int) -> None:
    """End the process group of a process where its descendants cannot be found."""
    if sys.platform != "linux":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _wait(child: int, line: socket.socket) -> None:
    """Wait for the end of the process or of the checker, and end what is left."""
    events = select.poll()
    events.register(line, select.POLLIN)
    timeout: int | None = _PAUSE
    with contextlib.suppress(AttributeError, OSError):  # not everywhere
        events.register(os.pidfd_open(child), select.POLLIN)
        timeout = None
    while True:
        ready = [descriptor for descriptor, _ in events.poll(timeout)]
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            with contextlib.suppress(OSError):  # the checker is gone
                line.send(status.to_bytes(4, "little"))
        if pid or line.fileno() in ready:
            break
    reap(end_descendants(os.getpid()))
    end_group(child)
