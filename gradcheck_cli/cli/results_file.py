"""The results file of `--resume`: each result as it comes, and what a run needs not do again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.plan import Plan
from gradcheck_cli.cli.request import Request
from gradcheck_cli.cli.streams import OutputError
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.result import CaseResult

if TYPE_CHECKING:
    from gradcheck_cli.engine.journal import Journal


@contextmanager
def open_results_file(request: Request, plan: Plan, versions: Mapping[str, str]) -> Iterator[ResultsFile | None]:
    """Open the results file, if there is one; after the block an error of writing it is raised.

    Raises:
        click.BadParameter: it cannot be used.
        OutputError: it could not be written to its end.
    """
    if (path := request.resume) is None or not plan.tasks:
        yield None
        return
    from pathlib import Path  # only --resume needs these

    from gradcheck_cli.cli.output_file import unwritable
    from gradcheck_cli.engine.journal import Journal, UnusableError

    try:
        file = ResultsFile(Journal(Path(path), _description(request, plan, versions)), path)
    except UnusableError as error:
        raise click.BadParameter(f"{path!r} cannot be resumed: {error}.", param_hint="--resume") from error
    except OSError as error:
        raise unwritable(path, "--resume", error) from error
    try:
        yield file
    finally:
        file.journal.close()
    if file.error is not None:
        raise file.error


class ResultsFile:
    """A journal whose failure, such as on a full disk, does not end the run."""

    def __init__(self, journal: Journal, path: str) -> None:
        self.journal, self._path = journal, path
        self.recall = journal.recall
        self.error: OutputError | None = None  #: why results are no longer kept, if they are not

    def keep(self, number: int, case: Case, result: CaseResult) -> None:
        """Keep a new result, as long as there is room for it."""
        if self.error is not None:
            return
        try:
            self.journal.keep(number, case, result)
        except OSError as error:
            self.error = OutputError(f"--resume {self._path!r} cannot be written: {error.strerror}")
            click.echo(f"Warning: {self.error}; the run goes on, and its results are not kept from here.", err=True)


def _description(request: Request, plan: Plan, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what results depend on beside the case: a run with another description cannot be resumed."""
    from gradcheck_cli.cli.origin import settings_that_matter  # only --resume asks
    from gradcheck_cli.implementation.loading.imports import digest, sources

    code = {home: sources(home, request.adapter) for home in plan.homes()}
    return {
        **versions,
        "layers": [task.layer for task in plan.tasks],
        "implementations": [task.spec for task in plan.tasks],
        **settings_that_matter(request),
        "--verbose": request.settings.keep_arrays,
        "--html": request.settings.sweep_wrong,
        **{f"the code of {home}": digest(files) for home, files in code.items() if files},
    }
