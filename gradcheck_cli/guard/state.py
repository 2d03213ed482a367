"""What code can change in its process, put back: so that one case does not reach the next."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back, at the end, what a block may have changed.

    Warning filters, the global generators of `random` and NumPy, NumPy's error state and print options, the working
    directory, the environment, the module search path, the recursion limit and the standard streams.
    """
    environment, path = dict(os.environ), list(sys.path)
    streams, recursion = (sys.stdin, sys.stdout, sys.stderr), sys.getrecursionlimit()
    generator, numpy_generator = random.getstate(), np.random.get_state()  # noqa: NPY002  # theirs, not ours
    try:
        with keep_folder(), warnings.catch_warnings(), np.errstate(), np.printoptions():
            yield
    finally:
        random.setstate(generator)
        np.random.set_state(numpy_generator)  # noqa: NPY002
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.setrecursionlimit(recursion)
        sys.path[:] = path
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)


@contextmanager
def usable() -> Iterator[None]:
    """Put back, at the end, what the checker itself needs: the standard streams, and room on the stack.

    For a block that loads user code, whose other changes are to stay: a higher recursion limit, too.
    """
    streams, recursion = (sys.stdin, sys.stdout, sys.stderr), sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        if sys.getrecursionlimit() < recursion:
            sys.setrecursionlimit(recursion)


@contextmanager
def keep_folder() -> Iterator[None]:
    """Return at the end to the current folder, wherever user code has gone."""
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
