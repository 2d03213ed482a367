"""What code can change in its process, preserved: so that one case does not influence the next."""

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
def preserve_state() -> Iterator[None]:
    """Restore after a block what it may have changed.

    Warning filters, the global generators of `random` and NumPy, NumPy's error state and print options, the current
    folder, the environment, the module search path, the recursion limit and the standard streams.
    """
    folder, environment, path = _current_folder(), dict(os.environ), list(sys.path)
    recursion_limit = sys.getrecursionlimit()
    generator, numpy_generator = random.getstate(), np.random.get_state()  # noqa: NPY002  # the user's, not ours
    try:
        with preserve_basics(), warnings.catch_warnings(), np.errstate(), np.printoptions():
            yield
    finally:
        random.setstate(generator)
        np.random.set_state(numpy_generator)  # noqa: NPY002
        sys.setrecursionlimit(recursion_limit)
        sys.path[:] = path
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        if folder is not None:
            with contextlib.suppress(OSError):  # it is gone
                os.chdir(folder)


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


def _current_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # restored by chdir
    except OSError:  # it was deleted
        return None
