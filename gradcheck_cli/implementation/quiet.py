"""Nothing is heard of code that is only tried."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator

import numpy as np

from gradcheck_cli.guard.state import preserve_state
from gradcheck_cli.implementation.calling import BRIEF


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing be heard of what is tried, which is not what the user asked for, and change nothing."""
    with (
        preserve_state(),
        contextlib.ExitStack() as stack,
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        stack.callback(BRIEF.reset, BRIEF.set(True))
        warnings.simplefilter("ignore")
        yield
