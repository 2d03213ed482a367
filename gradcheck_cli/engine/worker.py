"""A worker: a process in which the checker carries out calls. It is a fresh Python whose BLAS uses one thread.

User code runs in a process that the worker starts.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.guard.limits import NO_LIMITS
from gradcheck_cli.guard.process import Process
from gradcheck_cli.guard.protocol import Answer
from gradcheck_cli.guard.supervisor import Fresh

#: Each of several processes on a machine gets one core. A user's own setting is kept.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class Worker(Process):
    """A process that carries out one call at a time, and is replaced after it has died."""

    def __init__(self, folder: str | None = None) -> None:
        """Make one that works in a folder, or in the current one; it is started by the first call."""
        super().__init__(NO_LIMITS, Fresh(_ONE_THREAD, folder))

    def begin(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Have a function of a module called with the checker of the worker and these arguments."""
        self.send(_carry_out, function, arguments)

    def outcome(self) -> Any:
        """Wait for what the function returns.

        Raises:
            ProcessDiedError: the worker has ended.
            Exception: the function raised it.
        """
        returned, value = pickle.loads(self.receive().arrays[0].tobytes())  # noqa: S301  # from ourselves
        if not returned:
            raise value
        return value


@cache
def _checker() -> Checker:
    """Return the checker of a worker."""
    return Checker()


def _carry_out(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    """Call a function in a worker, and pickle what it returns or raises."""
    try:
        answer = pickle.dumps((True, function(_checker(), *arguments)))
    except Exception as error:  # noqa: BLE001  # raised again in the parent
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)  # noqa: S301  # our own: an exception of several arguments may not come back
        except Exception:  # noqa: BLE001  # any class may fail to be pickled
            answer = pickle.dumps((False, RuntimeError(traceback.format_exc())))
    return Answer(None, [np.frombuffer(answer, np.uint8)])
