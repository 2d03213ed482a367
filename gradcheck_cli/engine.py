"""Cases times implementations, to a stream of results; each implementation here, or in a guarded process."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from gradcheck_cli.checks.check import check_case, failed_case
from gradcheck_cli.implementation.find import ImplementationNotFoundError, find
from gradcheck_cli.implementation.implementation import own_frames, own_lines
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.guard.process import DiedError
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.layer import Case, Layer
    from gradcheck_cli.result import CaseResult


class Checker(Protocol):
    """Checks cases of one implementation."""

    def open(self) -> None:
        """Find the implementation, which else is done at the first case.

        Raises:
            ImplementationNotFoundError: there is none, or it cannot be loaded.
        """

    def check(self, case: Case) -> CaseResult:
        """Check one case. An implementation that cannot be found is an error of the case."""

    def close(self) -> None:
        """Give back what is held."""


def run(cases: Iterable[Case], checkers: Sequence[Checker]) -> Generator[CaseResult]:
    """Check every case of every implementation, each result as soon as it is there.

    Args:
        cases: gone through once for each implementation.
        checkers: one for each implementation. Each is closed when it has had its cases, or the run is cut short.
    """
    for checker in checkers:
        with closing(checker):
            for case in cases:
                yield checker.check(case)


def make_checker(spec: str, layer: Layer, settings: Settings, limits: Limits) -> Checker:
    """Make the checker for what a user has typed: what is built in needs no guard."""
    if spec in layer.builtin and settings.adapter is None:
        return Here(spec, layer, settings)
    return Guarded(spec, layer, settings, limits)


class Here:
    """Checks an implementation in this process."""

    def __init__(self, spec: str, layer: Layer, settings: Settings) -> None:
        self._spec, self._layer, self._settings = spec, layer, settings
        self._implementation: Implementation | None = None

    def open(self) -> None:
        """Find the implementation."""
        self._implementation = find(self._spec, self._layer)

    def check(self, case: Case) -> CaseResult:
        """Check one case."""
        if self._implementation is None:
            self.open()
        assert self._implementation is not None
        return check_case(case, self._implementation, self._settings)

    def close(self) -> None:
        """Nothing is held."""


class Guarded:
    """Checks an implementation in a process of its own, which may hang, crash or print as it likes."""

    def __init__(self, spec: str, layer: Layer, settings: Settings, limits: Limits) -> None:
        from gradcheck_cli.guard.process import GuardedProcess  # 20 ms, and not needed for what is built in

        self._spec, self._layer, self._settings = spec, layer, settings
        self._process = GuardedProcess(limits)
        self._found: tuple[str, str | None] | None = None  # how reports call it, and what to type for it
        self._missing: str | None = None  # why it cannot be found
        self._printed = ""  # while it was loaded

    def open(self) -> None:
        """Find the implementation, in the process."""
        from gradcheck_cli.guard.process import DiedError

        try:
            expected = (ImplementationNotFoundError,)
            self._found = self._process.call(
                _described, self._spec, self._layer.name, self._settings.adapter, expected=expected
            )
        except DiedError as died:
            reason, _ = _told(died, "it")
            raise ImplementationNotFoundError(f"{self._spec} cannot be imported: {reason}") from died
        finally:
            self._printed = self._process.output

    def check(self, case: Case) -> CaseResult:
        """Check one case."""
        from gradcheck_cli.guard.process import DiedError

        started = time.perf_counter()
        try:
            if self._found is None and self._missing is None:
                self.open()
        except ImplementationNotFoundError as error:
            self._missing = str(error)
        printed, self._printed = self._printed, ""
        if self._found is None:
            result = failed_case(case, self._spec, self._spec, self._settings, self._missing or "")
        else:
            try:
                result = self._process.call(_check, self._spec, case, self._settings)
            except DiedError as died:
                result = failed_case(case, *self._found, self._settings, *_told(died, "the implementation"))
            printed += self._process.output
        return replace(result, output=printed, seconds=time.perf_counter() - started)

    def close(self) -> None:
        """End the process."""
        self._process.close()


def _told(died: DiedError, subject: str) -> tuple[str, str | None]:
    """Say how a process died, in which function of the user's; and where that was."""
    lines, innermost = own_lines(died.stack)
    hint = "; --timeout allows more" if died.late else ""
    called = subject if innermost in (None, "<module>") else innermost
    return f"{called} {died}{hint}", lines


def _described(spec: str, layer: str, adapter: str | None) -> tuple[str, str | None]:
    implementation = _loaded(spec, layer, adapter)
    return implementation.name, implementation.spec


def _check(spec: str, case: Case, settings: Settings) -> CaseResult:
    """Check a case, in the guarded process. What only ends a program here ends the case."""
    from gradcheck_cli.guard.state import undisturbed

    implementation = _loaded(spec, case.layer, settings.adapter)
    try:
        with undisturbed():
            return check_case(case, implementation, settings)
    except (KeyboardInterrupt, SystemExit, MemoryError) as error:
        said = f"the implementation raised {type(error).__name__}"
        if isinstance(error, MemoryError):
            said = "there is not memory enough; --memory allows more, up to what the machine has"
        return failed_case(case, implementation.name, implementation.spec, settings, said, own_frames(error))


_IMPLEMENTATIONS: dict[tuple[str, str, str | None], Implementation] = {}


def _loaded(spec: str, layer: str, adapter: str | None) -> Implementation:
    if (spec, layer, adapter) not in _IMPLEMENTATIONS:
        _IMPLEMENTATIONS[spec, layer, adapter] = find(spec, LAYERS[layer], adapter)
    return _IMPLEMENTATIONS[spec, layer, adapter]
