"""Checks the cases of tasks in this process; user code runs in a process that the checker starts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.engine.tally import Tally
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.engine.guarded import GuardedRunner
    from gradcheck_cli.engine.survey import Survey
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.engine.user_code import UserCode
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult


#: Cases of an implementation that hang, after which the others are not tried: each may take as long as these.
_MOST_HANGS = 2


def gives_up(results: Iterable[CaseResult]) -> bool:
    """Tell whether so many cases of an implementation hung that the others are not worth the time."""
    return sum(result.hung for result in results) >= _MOST_HANGS


class Checker:
    """Checks cases, for one task after the other.

    The latest implementation is kept, and so is the process in which the latest file of user code is loaded: several
    tasks of one file load it once. Whoever makes a checker closes it.
    """

    def __init__(self) -> None:
        self._runner: tuple[Task, GuardedRunner] | None = None
        self._code: tuple[str, UserCode] | None = None  # and the file that is loaded there
        self.tally = Tally()

    def find(self, task: Task, case: Case) -> None:
        """Find the implementation of a task, which otherwise happens at its first case.

        Raises:
            ImplementationNotFoundError: there is none, it cannot be loaded, or its inputs are not those of the case.
        """
        if not task.is_built_in:
            self._runner_of(task).find(case)

    def check(self, task: Task, cases: Iterable[Case]) -> list[CaseResult]:
        """Check some cases, up to the last that is worth the time. A bug in the checker is an error of its case."""
        results: list[CaseResult] = []
        for case in cases:
            if gives_up(results):
                break
            results.append(self._check(task, case))
        return results

    def survey(self, spec: str, limits: Limits) -> Survey:
        """Find all that can be checked in a file or module. It raises what `survey.survey` does."""
        from gradcheck_cli.engine.survey import survey  # only where no layer is named

        return survey(spec, self._code_of(spec, limits))

    def close(self) -> None:
        """End the process of user code, if there is one."""
        code, self._runner, self._code = self._code, None, None
        if code is not None:
            code[1].close()

    def _check(self, task: Task, case: Case) -> CaseResult:
        try:
            if task.is_built_in:
                return task.check(case, self.tally.counted(_built_in(task.layer, task.spec)), task.settings)
            return sanitize(self._runner_of(task).check(case))
        except Exception as error:  # noqa: BLE001  # a bug in one case must not end the run
            from gradcheck_cli.engine.errors import describe_error  # only where something was raised

            return task.error_result(case, describe_error(error))
        finally:
            self.tally.clear()

    def _runner_of(self, task: Task) -> GuardedRunner:
        if self._runner is None or self._runner[0] != task:
            from gradcheck_cli.engine.guarded import GuardedRunner  # 20 ms, and not for built-in layers

            self._runner = task, GuardedRunner(task, self._code_of(task.spec, task.limits), self.tally)
        return self._runner[1]

    def _code_of(self, spec: str, limits: Limits) -> UserCode:
        """Return the process in which the file of an implementation is loaded, or a new one."""
        from gradcheck_cli.engine.user_code import UserCode  # 20 ms, and not for built-in layers
        from gradcheck_cli.implementation.loading.paths import split_spec  # 30 ms

        home, _ = split_spec(spec)
        if self._code is None or self._code[0] != home or self._code[1].limits != limits:
            self.close()
            self._code = home, UserCode(limits)
        return self._code[1]


@cache
def _built_in(layer: str, name: str) -> Implementation:
    return built_in(LAYERS[layer], name)
