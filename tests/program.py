"""The programs without an interpreter's start: a copy of this process, made when its modules are loaded, runs them.

A copy has descriptors, signal handlers, module state and an exit code of its own, as a program has. What differs from a
program is how it starts, and how its worker processes do: tests of the start (`tests/cli/test_flags.py`,
`test_streams.py`), of workers (`tests/engine`) and of signals run the installed executables or start workers anew.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import gradcheck_cli
from gradcheck_cli.guard import supervisor

if TYPE_CHECKING:
    from typing import IO

_posix_spawn = os.posix_spawn

#: What a copy imports itself: the module that starts a program, and those that import what is not always installed.
_LEFT_TO_COPIES = ("cli.main", "engine.cluster", "engine.cluster_worker", "report.plot", "__main__")


@functools.cache
def _load_all() -> None:
    """Import all modules of the package, and what they import when it is needed, so that no copy has to."""
    for module in pkgutil.walk_packages(gradcheck_cli.__path__, "gradcheck_cli."):
        if module.name.partition(".")[2] not in _LEFT_TO_COPIES:
            importlib.import_module(module.name)
    for name in "json", "multiprocessing.sharedctypes", "numpy.ma", "numpy.random", "rich.progress":
        importlib.import_module(name)
    _use_once()


def _use_once() -> None:
    """Check a right and a wrong layer: what is computed once need not be in each copy, a fifth of its time."""
    from gradcheck_cli.checks.check import check_case
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.guard.state import preserve_state
    from gradcheck_cli.implementation.finding.find import find
    from gradcheck_cli.layers import LAYERS

    layer, text = LAYERS["tanh"], "def tanh_forward(x):\n    return np.tanh(x), x\n"
    with preserve_state(), tempfile.TemporaryDirectory() as folder:
        for name, slope in ("right", "1 - np.tanh(x) ** 2"), ("wrong", "np.cos(x)"):
            path = Path(folder, f"{name}.py")
            backward = f"def tanh_backward(dout, x):\n    return dout * ({slope})\n"
            path.write_text(f"import numpy as np\n{text}{backward}", encoding="utf-8")
            check_case(next(iter(layer.standard())), find(str(path), layer), Settings())


def run_program(
    program: str, args: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `convcheck` or `gradcheck` in a folder, with nothing on stdin; return its exit code and what it wrote.

    Raises:
        subprocess.TimeoutExpired: it did not end within `timeout` seconds.
    """
    _load_all()
    command = [program, *map(str, args)]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _become(command, folder, environment, stdout, stderr)
        code = _wait(child, command, timeout)
        texts = []
        for stream in stdout, stderr:
            stream.seek(0)
            texts.append(stream.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess(command, code, *texts)


def _fork_worker(path: str, command: list[str], environment: Mapping[str, str]) -> int:
    """Start a worker as a copy of the program; anything else as it is. A fresh Python takes a quarter of a second."""
    if supervisor._PROGRAM not in command:
        return _posix_spawn(path, command, environment)
    child = os.fork()
    if child == 0:
        os.environ.update(environment)
        _, arguments = json.loads(command[-1])
        supervisor.supervise(*arguments)
    return child


def _wait(child: int, command: list[str], timeout: float) -> int:
    deadline, pause = time.monotonic() + timeout, 0.001
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise subprocess.TimeoutExpired(command, timeout)
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def _become(
    command: list[str], folder: Path, environment: Mapping[str, str], stdout: IO[bytes], stderr: IO[bytes]
) -> NoReturn:
    """Be the program from here on, free of what the test runner has changed in this process."""
    code = 1
    try:
        atexit._clear()
        faulthandler.disable()
        for descriptor, source in enumerate((os.open(os.devnull, os.O_RDONLY), stdout.fileno(), stderr.fileno())):
            os.dup2(source, descriptor)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        sys.excepthook = sys.__excepthook__
        warnings.resetwarnings()
        for category in DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning:
            warnings.simplefilter("ignore", category)
        sys.meta_path[:] = [finder for finder in sys.meta_path if not type(finder).__module__.startswith("_pytest")]
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for path in filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)):
            sys.path.insert(0, path)
            if Path(path, "sitecustomize.py").exists():  # as an interpreter does when it starts
                sys.modules.pop("sitecustomize", None)
                importlib.import_module("sitecustomize")
        os.posix_spawn = _fork_worker  # type: ignore[assignment]  # it is given no keywords
        sys.argv = list(command)
        main = importlib.import_module("gradcheck_cli.cli.main")
        try:
            getattr(main, command[0])()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001  # a traceback instead of a second run of the tests
        traceback.print_exc()
    finally:
        for stream in sys.stdout, sys.stderr:
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
