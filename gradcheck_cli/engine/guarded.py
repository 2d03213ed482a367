"""An implementation in a process of its own, from outside and from inside."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from gradcheck_cli.engine.blame import Blame, blame
from gradcheck_cli.engine.runner import failed, guarded
from gradcheck_cli.engine.sanitize import sanitized
from gradcheck_cli.guard.clock import timed
from gradcheck_cli.guard.frames import own_lines
from gradcheck_cli.guard.process import BugError, DiedError
from gradcheck_cli.guard.state import undisturbed, usable
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.text.clean import MOST_CHARACTERS, clean, clean_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.engine.runner import Check
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

#: In which phase an implementation crashed whose module could be imported.
WHEN_TRIED = " when it was tried on a small case"

#: Lines of a message that lists candidates to choose from.
_MOST_CHOICES = 60


class UserCodeError(Exception):
    """User code raised where it was loaded or tried, other than in a call; the message says what.

    `traceback` holds its own frames.
    """

    def __init__(self, reason: str, traceback: str | None = None) -> None:
        super().__init__(reason, traceback)  # as it is pickled
        self.reason, self.traceback = reason, traceback

    def __str__(self) -> str:
        return self.reason

    @property
    def blame(self) -> Blame:
        """The same as it is reported."""
        return Blame(reason=self.reason, traceback=self.traceback)


#: What may come of `search`.
EXPECTED = (ImplementationNotFoundError, UserCodeError)


class Guarded:
    """Works in a process of the implementation's own, in which it may hang, crash or print as it likes."""

    def __init__(self, check: Check, spec: str, settings: Settings, limits: Limits) -> None:
        self._check = check
        self._spec, self._settings = spec, settings
        self._process = guarded(spec, limits)
        self._found: tuple[str, str | None] | None = None  # how reports call it, and what to type for it
        self._missing: Blame | None = None  # why it cannot be checked
        self._printed = ""  # while it was loaded

    def open(self, case: Case) -> None:
        """Find the implementation, in the process. What is no fault of its finding is left to the first case."""
        if self._found or self._missing:
            return
        try:
            asked = self._spec, case, self._settings.adapter
            self._found = self._process.call(search, self._spec, _describe, *asked, expected=EXPECTED)
        except ImplementationNotFoundError as error:
            self._missing = Blame(reason=str(error))
            raise
        except UserCodeError as error:
            self._missing = error.blame
        except DiedError as died:
            if not died.imported:
                reason, _ = describe_death(died, "it", self._spec)
                self._missing = Blame(reason=f"{self._spec} cannot be imported: {reason}")
                raise ImplementationNotFoundError(self._missing.reason) from died
            reason, lines = describe_death(died, "the implementation", self._spec, WHEN_TRIED)
            self._missing = Blame(reason=reason, traceback=lines)
        except BugError as error:
            self._missing = bug_in_child(error)
        finally:
            self._printed = self._process.output

    def run(self, case: Case) -> CaseResult:
        """Check one case."""
        started = time.perf_counter()
        with contextlib.suppress(ImplementationNotFoundError):  # it is kept
            self.open(case)
        printed, self._printed = self._printed, ""
        if self._found is None:
            assert self._missing is not None
            result = failed(case, (self._spec, self._spec), self._settings, self._missing)
        else:
            try:
                result = cast("CaseResult", self._process.call(_do, self._check, self._spec, case, self._settings))
            except DiedError as died:
                reason, lines = describe_death(died, "the implementation", self._spec)
                blamed = Blame(reason=reason, traceback=lines)
                result = failed(case, self._found, self._settings, blamed)
            except BugError as error:
                result = failed(case, self._found, self._settings, bug_in_child(error))
            printed += self._process.output
        return replace(result, output=printed, seconds=time.perf_counter() - started)


def bug_in_child(error: BugError) -> Blame:
    """Report a bug of which a guarded process tells nothing but the traceback."""
    text = str(error)
    return Blame(reason=clean(f"a bug in the checker: {text.rpartition(chr(10))[2]}"), bug=text)


def describe_death(died: DiedError, subject: str, spec: str, when: str = "") -> tuple[str, str | None]:
    """Say how a process died, in which function of the user's, and when; and where that was."""
    lines, innermost = own_lines(died.stack, _sources(spec) if died.stack else ())
    hint = "; --timeout allows more" if died.late else ""
    called = subject if innermost in (None, "<module>") else innermost
    return f"{called} {died}{when}{hint}", lines


def _sources(spec: str) -> set[str]:
    """List the files that an implementation is made of; none if they cannot be told."""
    from gradcheck_cli.implementation.loading.source import sources  # only after a crash

    try:
        return {str(file) for file in sources(spec)}
    except (OSError, ValueError, RecursionError, MemoryError):  # files that are no source code
        return set()


def search(spec: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that loads or tries user code, in the guarded process.

    Raises:
        ImplementationNotFoundError: there is no implementation, or it cannot be imported.
        UserCodeError: user code raised.
        Exception: there is a bug in the checker.
    """
    try:
        with timed(), usable():
            return function(*arguments)
    except BaseException as error:
        blamed = blame(error)
        if blamed.bug is not None:
            raise
        reason = clean_lines(blamed.reason, _MOST_CHOICES, MOST_CHARACTERS)
        if isinstance(error, ImplementationNotFoundError):
            raise ImplementationNotFoundError(reason) from None  # what it comes from cannot be pickled
        raise UserCodeError(f"{reason} when {spec} was loaded and tried", blamed.traceback) from None


def _describe(spec: str, case: Case, adapter: str | None) -> tuple[str, str | None]:
    implementation, layer = _loaded(spec, case.layer, adapter), LAYERS[case.layer]
    if not (layer.reference or case.impossible()) and (why := implementation.refusal(layer.problem(case).inputs)):
        raise ImplementationNotFoundError(why)
    return implementation.name, implementation.spec


def _do(check: Check, spec: str, case: Case, settings: Settings) -> CaseResult:
    """Check a case, in the guarded process. What ends a program ends the case, no more."""
    name, typed = spec, cast("str | None", spec)
    try:
        with timed(), usable():  # it is loaded again after a crash
            implementation = _loaded(spec, case.layer, settings.adapter)
        name, typed = implementation.name, implementation.spec
        with undisturbed():
            return sanitized(check(case, implementation, settings))
    except BaseException as error:  # noqa: BLE001  # whatever user code raises, and wherever
        return failed(case, (name, typed), settings, blame(error))


@cache
def loader() -> Loader:
    """Return what loads code in this process, from the folder that is the current one before any of it runs."""
    return Loader()


@cache
def _loaded(spec: str, layer: str, adapter: str | None) -> Implementation:
    return find(spec, LAYERS[layer], adapter, loader())
