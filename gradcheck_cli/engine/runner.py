"""One implementation and what is done with its cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gradcheck_cli.checks.check import check_case, failed_case
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.sanitize import sanitized
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.engine.blame import Blame
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.guard.process import GuardedProcess
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.results.result import CaseResult

#: What is done with a case: `check_case` or `sweep_case`.
Check = Callable[["Case", "Implementation", "Settings"], "CaseResult"]


class Runner(Protocol):
    """Checks cases of one implementation."""

    def open(self, case: Case) -> None:
        """Find the implementation, which else is done at the first case.

        Raises:
            ImplementationNotFoundError: there is none, it cannot be loaded, or it has other inputs than this case.
        """

    def run(self, case: Case) -> CaseResult:
        """Check one case. An implementation that cannot be found is an error of the case."""


@frozen
class Work:
    """What is to be done with the cases of one implementation. It can be pickled, and sent to another process."""

    spec: str  #: what a user has typed
    layer: str
    settings: Settings
    limits: Limits
    check: Check = check_case


def make_runner(work: Work) -> Runner:
    """Make what does the work: what is built in needs no guard."""
    layer = LAYERS[work.layer]
    if work.spec in layer.builtin and work.settings.adapter is None:
        return Here(work.check, work.spec, layer, work.settings)
    from gradcheck_cli.engine.guarded import Guarded  # 20 ms, and not for what is built in

    return Guarded(work.check, work.spec, work.settings, work.limits)


_held: tuple[Work, Runner] | None = None  # what this process was last busy with
_guard: tuple[tuple[str, Limits], GuardedProcess] | None = None  # and the file of whose code a process was made


def do(work: Work, cases: Iterable[Case]) -> list[CaseResult]:
    """Do the work with some cases, in this process. A bug in the checker is an error of its case."""
    return [_done(work, case) for case in cases]


def _done(work: Work, case: Case) -> CaseResult:
    try:
        return sanitized(_runner(work).run(case))
    except Exception as error:  # noqa: BLE001  # met in one case, it must not end the run
        from gradcheck_cli.engine.blame import blame  # only where something was raised

        return failed(case, (work.spec, work.spec), work.settings, blame(error))


def find_out(work: Work, case: Case) -> None:
    """Find the implementation, which else is done at its first case.

    Raises:
        ImplementationNotFoundError: there is none, it cannot be loaded, or it has other inputs than this case.
    """
    _runner(work).open(case)


def guarded(spec: str, limits: Limits) -> GuardedProcess:
    """Return the process for the code of a file. It is kept for what comes of the same file next: one import for all.

    Args:
        spec: what a user has typed, with or without names of functions.
        limits: what it may take.
    """
    global _guard  # noqa: PLW0603  # one for a process
    from gradcheck_cli.implementation.loading.paths import split_spec  # 30 ms, and not for what is built in

    home, _ = split_spec(spec)
    if _guard is None or _guard[0] != (home, limits):
        from gradcheck_cli.guard.originals import remember_originals
        from gradcheck_cli.guard.process import GuardedProcess  # 20 ms

        let_go()
        _ = np.random.Generator  # loads NumPy, before the fork: once for all processes
        remember_originals()
        _guard = (home, limits), GuardedProcess(limits)
    return _guard[1]


def let_go() -> None:
    """End the guarded process of the last implementation, if there is one."""
    global _held, _guard
    guard, _held, _guard = _guard, None, None
    if guard is not None:
        guard[1].close()


def _runner(work: Work) -> Runner:
    global _held  # noqa: PLW0603
    if _held is None or _held[0] != work:
        _held = work, make_runner(work)
    return _held[1]


class Here:
    """Works in this process."""

    def __init__(self, check: Check, spec: str, layer: Layer, settings: Settings) -> None:
        self._check = check
        self._settings = settings
        self._implementation = built_in(layer, spec)

    def open(self, case: Case) -> None:
        """Do nothing: what is built in was found."""

    def run(self, case: Case) -> CaseResult:
        """Check one case."""
        return self._check(case, self._implementation, self._settings)


def failed(case: Case, found: tuple[str, str | None], settings: Settings, blamed: Blame) -> CaseResult:
    """Report a case that came to no verdict."""
    result = failed_case(case, *found, settings, blamed.reason, blamed.traceback)
    return sanitized(replace(result, bug=blamed.bug))
