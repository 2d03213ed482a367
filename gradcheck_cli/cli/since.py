"""`--since OLD.json`: results of an earlier run, carried over where nothing that they depend on has changed.

A result that may be stale is never carried over: whatever cannot be told to be the same is checked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.plan import Plan
from gradcheck_cli.cli.recorded import Recorded, UnreadableError, read_report
from gradcheck_cli.cli.request import Request
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine.journal import changes
from gradcheck_cli.implementation.loading.paths import files_of, split_spec
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from gradcheck_cli.cli.origin import Sources

#: How reasons begin that are not the implementation's.
_NOT_ITS_OWN = ("a bug in the checker", "the worker process", "the Dask workers")


class Since:
    """The results of an earlier run that still hold."""

    def __init__(self, request: Request, sources: Sources, versions: Mapping[str, str]) -> None:
        """Read the report of the earlier run, and say on stderr if nothing of it can be used.

        Raises:
            click.BadParameter: it cannot be read.
        """
        assert request.since is not None
        self._request, self._sources = request, sources
        try:
            old = read_report(request.since)
        except UnreadableError as error:
            raise click.BadParameter(f"{request.since!r} cannot be read: {error}.", param_hint="--since") from error
        self._old = old
        self._unchanged: dict[str, bool] = {}  # by what was named
        self._tasks: list[Mapping[Case, CaseResult]] = []
        self._usable = True
        if why := _difference(old, request, sources, versions):
            self._usable = False
            click.echo(f"Warning: --since {clean(request.since)}: all is checked again: {clean(why)}.", err=True)

    def survey(self, file: str) -> list[CaseResult]:
        """Return all results of a file; none if it has to be looked through again."""
        if not self._old.complete or not self._is_unchanged(file):
            return []
        homes = {one: split_spec(one)[0] for one in dict.fromkeys(one.implementation for one in self._old.results)}
        if any(home != file and file in files_of(home) for home in homes.values()):
            return []  # half of a pair is in it, and the other elsewhere
        results = [one for one in self._old.results if homes[one.implementation] == file]
        request = self._request
        for one in results:
            if not one.ran and (
                not _is_its_own(one) or (one.case.dtype, one.case.seed) != (request.dtypes[0], request.seed)
            ):
                return []
        return [replace(one, carried_over=True) for one in results]

    def set_plan(self, plan: Plan) -> None:
        """Find the earlier results of each task of a plan."""
        self._tasks = [self._results_of(task.spec, task.layer) for task in plan.tasks]

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return the earlier result of a case of the task with this number, if it still holds."""
        result = self._tasks[number].get(case)
        if result is None or not _is_its_own(result) or not self._is_enough(result):
            return None
        return replace(result, carried_over=True)

    def keep(self, number: int, case: Case, result: CaseResult) -> None:
        """Do nothing: the report of this run keeps it."""

    def remark(self) -> str | None:
        """Say how much of what was named has not changed; None if nothing can be used."""
        if not self._usable:
            return None
        count, of = sum(self._unchanged.values()), len(self._unchanged)
        what = "files" if self._request.layer is None else "implementations"
        unchanged = f"{count} of {of} {what} have not changed, and their results are carried over"
        text = f"since {clean(self._request.since)}: {unchanged}"
        reaching = [name for name in self._unchanged if self._sources.take(name) is None]
        more = f"; checked again, as it may depend on more than its imports: {', '.join(reaching)}"
        return text + (clean(more) if reaching else "")

    def _is_unchanged(self, name: str) -> bool:
        if name not in self._unchanged:
            before = self._old.origin.sources.get(name) if self._usable and self._old.origin else None
            self._unchanged[name] = before is not None and before == self._sources.take(name)
        return self._unchanged[name]

    def _results_of(self, spec: str, layer: str) -> Mapping[Case, CaseResult]:
        """Return the earlier results of a task by their cases, the first of each."""
        home = split_spec(spec)[0]
        name = home if self._request.layer is None else spec
        if not self._is_unchanged(name):
            return {}
        assert self._old.origin
        alone = [one for one in self._old.origin.sources if split_spec(one)[0] == home] == [spec]
        results = [
            one
            for one in reversed(self._old.results)
            if one.ran
            and one.smallest is None
            and one.layer == layer
            and (one.implementation == spec or (alone and split_spec(one.implementation)[0] == home))
        ]
        return {one.case: one for one in results}

    def _is_enough(self, result: CaseResult) -> bool:
        """Tell whether an earlier result has all that the reports of this run need."""
        if result.verdict not in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            return True
        settings = self._request.settings
        in_full = bool(result.gradients) or result.forward is not None
        return in_full and not (settings.keep_arrays or settings.keep_wrong or settings.sweep_wrong)


def _is_its_own(result: CaseResult) -> bool:
    return not (result.reason or "").startswith(_NOT_ITS_OWN)


def _difference(old: Recorded, request: Request, sources: Sources, versions: Mapping[str, str]) -> str | None:
    """Say why no result of an earlier run can be used, if so."""
    if old.origin is None:
        return "the report does not say what its results depend on"
    new = sources.origin()
    now = {name: version for name, version in versions.items() if name != request.program}
    now["the checker"] = versions[request.program]
    then: dict[str, Any] = {**old.versions, "the layer": old.origin.layer, "the platform": old.origin.platform}
    compared = {**now, "the layer": new.layer, "the platform": new.platform, **new.settings}
    then |= old.origin.settings
    return "; ".join(changes(then, compared)) or None
