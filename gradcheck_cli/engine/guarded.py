"""Checks the cases of a task whose code is in a process of its own, where it may hang, crash, print or meddle."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine.calls import implementation_in
from gradcheck_cli.engine.description import describe
from gradcheck_cli.engine.user_code import FAILURES, WHEN_TRIED, describe_death, report_failure
from gradcheck_cli.guard.process import ProcessDiedError
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.engine.errors import ErrorReport
    from gradcheck_cli.engine.tally import Tally
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.engine.user_code import UserCode
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult


class GuardedRunner:
    """Checks the cases of a task whose code is in a process of its own."""

    def __init__(self, task: Task, code: UserCode, tally: Tally) -> None:
        self._task, self._code, self._tally = task, code, tally
        self._described: dict[str, Any] = {}  # the implementation, as it was found
        self._missing: ErrorReport | None = None  # why it cannot be checked

    def find(self, case: Case) -> None:
        """Find the implementation. An error other than that it is not there is left to the first case."""
        if self._described or self._missing:
            return
        spec = self._task.spec
        try:
            self._described = describe(self._code, self._task, case, is_first=True)
        except FAILURES as error:
            if isinstance(error, ProcessDiedError) and not error.imported:
                error = ImplementationNotFoundError(
                    f"{spec} cannot be imported: {describe_death(error, 'it', spec).reason}"
                )
            self._missing = report_failure(error, "the implementation", spec, WHEN_TRIED)
            if isinstance(error, ImplementationNotFoundError):
                raise error from None

    def check(self, case: Case) -> CaseResult:
        """Check one case."""
        started = time.perf_counter()
        with contextlib.suppress(ImplementationNotFoundError):  # reported below
            self.find(case)
        task, code, described = self._task, self._code, self._described
        try:
            if self._missing is not None:
                result = task.error_result(case, self._missing)
            else:
                if not LAYERS[task.layer].reference:  # what it is given depends on the case
                    described = describe(code, task, case, is_first=False)
                implementation = self._tally.counted(implementation_in(code, task, case, described))
                result = task.check(case, implementation, task.settings)
        except FAILURES as error:
            names = (described["name"], described["spec"])
            result = task.error_result(case, report_failure(error, "the implementation", task.spec), names)
        return replace(result, output=code.take_output(), seconds=time.perf_counter() - started)
