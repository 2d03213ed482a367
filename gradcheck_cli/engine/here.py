"""An executor that is no other process: what is submitted is done at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.runner import let_go

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Done(Generic[T]):
    """What came of a call that is over, asked for as a `Future` is; importing that one takes 4 ms."""

    def __init__(self, function: Callable[[], T]) -> None:
        """Call it. What it raises, Ctrl-C included, is raised to who asks for the result."""
        self._error: BaseException | None = None
        try:
            self._result = function()
        except BaseException as error:  # noqa: BLE001  # it is the result
            self._error = error

    def result(self) -> T:
        """Return what was returned, or raise what was raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def exception(self) -> BaseException | None:
        """Return what was raised."""
        return self._error

    def done(self) -> bool:
        """Tell that it is over."""
        return True

    def cancelled(self) -> bool:
        """Tell that it was not cancelled."""
        return False

    def cancel(self) -> bool:
        """Tell that it can no longer be cancelled."""
        return False


class InProcess:
    """Works in this process, while it is asked to."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Done[T]:
        """Call a function."""

        def call() -> T:
            with interruptible():
                return function(*args, **kwargs)

        return Done(call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """End the guarded process, if there is one."""
        let_go()
