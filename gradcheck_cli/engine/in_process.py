"""An executor without other processes: a submitted call is carried out at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcheck_cli.engine.call import Call
from gradcheck_cli.engine.interrupts import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.engine.checker import Checker


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
