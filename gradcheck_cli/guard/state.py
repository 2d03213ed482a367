"""What code can change in its process, preserved: so that one case does not influence the next."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck_cli.guard.generators import keep_generators


@contextmanager
def preserve_state() -> Iterator[None]:
    """Restore after a block what it may have changed.

    Warning filters, the global generators of Python, NumPy and PyTorch, NumPy's error state and print options, the
    current folder, the environment, the module search path, the recursion limit and the standard streams.
    """
    environment, path = _environment(), list(sys.path)
    recursion_limit = sys.getrecursionlimit()
    put_generators_back = keep_generators()
    try:
        with preserve_basics(), preserve_folder(), warnings.catch_warnings(), np.errstate(), np.printoptions():
            yield
    finally:
        put_generators_back()
        sys.setrecursionlimit(recursion_limit)
        sys.path[:] = path
        if _environment() != environment:
            os.environ.clear()
            os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()})


def _environment() -> dict[Any, Any]:
    """Return the variables as the system has them: to decode them, twice in a case, would take 70 us."""
    return dict(getattr(os.environ, "_data", os.environ))


@contextmanager
def preserve_basics() -> Iterator[None]:
    """Restore after a block what the checker itself needs: the standard streams, and room on the stack.

    For a block that loads user code, whose other changes should persist, a higher recursion limit among them.
    """
    streams, recursion_limit = (sys.stdin, sys.stdout, sys.stderr), sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        if sys.getrecursionlimit() < recursion_limit:
            sys.setrecursionlimit(recursion_limit)


@contextmanager
def preserve_folder() -> Iterator[None]:
    """Return after a block to the current folder, wherever user code has gone."""
    folder = current_folder()
    try:
        yield
    finally:
        if folder and folder != current_folder():
            with contextlib.suppress(OSError):  # it is gone
                os.chdir(folder)


def current_folder() -> str | None:
    """Return the current folder; None if it was deleted."""
    try:
        return os.getcwd()  # noqa: PTH109  # a string, which is what chdir takes back
    except OSError:
        return None
