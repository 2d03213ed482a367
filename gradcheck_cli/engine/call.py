"""A call that was submitted to an executor, and its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


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
