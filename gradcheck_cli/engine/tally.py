"""How many calls a case has made, and how many there will be, from which the time that is left is estimated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import replace

if TYPE_CHECKING:
    from gradcheck_cli.implementation.implementation import Implementation


class Tally:
    """Counts the calls of the passes in the running case."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Count anew: the next case begins."""
        self._made = self._expected = 0

    def announce(self, calls: int) -> None:
        """Expect so many more calls in this case."""
        self._expected = self._made + calls

    def share_done(self) -> float:
        """Return which share of the calls of the case was made; 0 while it is not known how many there will be."""
        return min(self._made / self._expected, 1.0) if self._expected else 0.0

    def counted(self, implementation: Implementation) -> Implementation:
        """Return an implementation whose calls are counted."""

        def counting(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                self._made += 1
                return function(*arguments)

            return call

        forward, backward = counting(implementation.forward), counting(implementation.backward)
        return replace(implementation, forward=forward, backward=backward, announce=self.announce)
