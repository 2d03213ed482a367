"""A call that was submitted to an executor, and its outcome; and the executor that makes each at once, right here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradcheck_cli.engine.interrupts import interruptible

if TYPE_CHECKING:
    from gradcheck_cli.engine.checker import Checker


class CallCancelledError(Exception):
    """The call was cancelled."""


class Call:
    """The part of a `Future` that the engine needs, without its locks and the 4 ms of its import."""

    def __init__(self, wait: Callable[[], None]) -> None:
        """Make a call without an outcome.

        Args:
            wait: returns when the call may have an outcome.
        """
        self._wait = wait
        self._value: Any = None
        self._error: BaseException | None = None
        self.done = False  #: whether it returned, raised or was cancelled

    @classmethod
    def returned(cls, value: Any) -> Call:
        """Make a call that has returned."""
        call = cls(lambda: None)
        call.finish(value)
        return call

    @property
    def succeeded(self) -> bool:
        """Whether it has returned."""
        return self.done and self._error is None

    def finish(self, value: Any = None, error: BaseException | None = None) -> None:
        """Set the outcome, unless there is one: what was returned, or what was raised."""
        if not self.done:
            self._value, self._error = value, error
            self.done = True

    def cancel(self) -> None:
        """Give up a call that has no outcome."""
        self.finish(error=CallCancelledError())

    def result(self) -> Any:
        """Wait for the outcome; return what was returned, or raise what was raised."""
        while not self.done:
            self._wait()
        if self._error is not None:
            raise self._error
        return self._value


class InProcess:
    """Carries out calls in this process."""

    def __init__(self, checker: Checker) -> None:
        """Use a checker, which its owner closes."""
        self._checker = checker

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Call:
        """Call a function with the checker and these arguments. What it raises, Ctrl-C included, is the outcome."""
        call = Call(lambda: None)
        try:
            with interruptible():
                call.finish(function(self._checker, *args))
        except BaseException as error:  # noqa: BLE001  # raised where the result is asked for
            call.finish(error=error)
        return call

    def collect(self) -> None:
        """Do nothing: all calls are finished."""

    def close(self) -> None:
        """Do nothing."""
