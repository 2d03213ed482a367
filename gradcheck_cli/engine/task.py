"""A task: one implementation to check, in a form that can be sent to another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gradcheck_cli.checks.check import check_case, failed_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.guard.state import current_folder
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.result import CaseResult

if TYPE_CHECKING:
    from gradcheck_cli.engine.errors import ErrorReport
    from gradcheck_cli.guard.limits import Limits

#: What is done with a case: `check_case` or `sweep_case`.
Check = Callable[["Case", "Implementation", "Settings"], "CaseResult"]


@frozen
class Task:
    """An implementation to check, and how."""

    spec: str  #: as the user typed it
    layer: str
    settings: Settings
    limits: Limits
    check: Check = check_case

    @property
    def is_built_in(self) -> bool:
        """Whether the implementation is one that the layer has."""
        return self.spec in LAYERS[self.layer].builtin and self.settings.adapter is None

    def error_result(self, case: Case, error: ErrorReport, names: tuple[str, str | None] | None = None) -> CaseResult:
        """Return the result of a case that came to no verdict; `names` are as reports show it, and as users type it."""
        from gradcheck_cli.checks.diagnosis.place.frame import shown_place  # only after an error

        shown, typed = names or (self.spec, self.spec)
        place = error.place and shown_place(error.place, current_folder(), typed)
        result = failed_case(case, shown, typed, self.settings, error.reason, error.traceback, place)
        return sanitize(replace(result, bug=error.bug, hung=error.hung))
