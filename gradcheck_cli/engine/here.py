"""An executor that is no other process: what is submitted is done at once."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.runner import let_go

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class InProcess(Executor):
    """Works in this process, while it is asked to."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function. What it raises, Ctrl-C included, is raised to who asks for the result."""
        future: Future[T] = Future()
        try:
            with interruptible():
                returned = function(*args, **kwargs)
            future.set_result(returned)
        except BaseException as error:  # noqa: BLE001  # it is the result
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """End the guarded process, if there is one."""
        let_go()
