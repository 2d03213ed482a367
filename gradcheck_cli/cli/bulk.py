"""Flags for many cases: who computes them, and the file from which a run that was cut is resumed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.outputs import unwritable
from gradcheck_cli.cli.streams import OutputError
from gradcheck_cli.engine.here import InProcess
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.stream import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gradcheck_cli.engine.journal import Journal
    from gradcheck_cli.engine.runner import Work
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

#: Batches for each worker that may be under way while the result that is owed next is waited for. A case that takes
#: all of its time limit does not stop the others, and a result is some kilobytes.
_AHEAD = 500

#: Cases that are sent to a cluster at once, which takes about a millisecond whatever they are; and such batches for
#: each of its threads that may be under way.
_BATCH = 16
_BATCHES = 32


@contextmanager
def crew(jobs: int, dask: str | None, works: Sequence[Work], cases: int) -> Iterator[Crew]:
    """Bring together who computes, and send them home at the end, whatever they are at.

    Args:
        jobs: worker processes on this machine; 1 for none beside this one.
        dask: the address of a Dask scheduler, whose workers compute instead.
        works: what they will be asked to do.
        cases: how many there are; no more workers are started.

    Raises:
        click.UsageError: there is no such cluster, or nothing to reach it with.
    """
    made: Crew
    jobs = min(jobs, cases)
    if dask is not None:
        made = _cluster(dask, works)
    elif jobs > 1:
        from gradcheck_cli.engine.pool import Pool  # not for the one case that most people check

        pool = Pool(jobs)
        made = Crew(executor=pool, ahead=_AHEAD * jobs, collect=pool.collect)
    else:
        made = Crew(executor=InProcess())
    try:
        yield made
    finally:
        made.executor.shutdown(cancel_futures=True)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cluster(address: str, works: Sequence[Work]) -> Crew:
    try:
        from gradcheck_cli.engine.cluster import Cluster, ClusterError  # half a second, and an extra
    except ImportError as error:
        why = f"--dask {address} needs Dask's distributed, which is not there: pip install 'convcheck[dask]'"
        raise click.UsageError(why) from error
    from gradcheck_cli.implementation.loading.source import sources  # only what leaves this machine needs it

    files: dict[Path, bytes] = {}
    for home in _homes(works):
        files |= sources(home, works[0].settings.adapter)
    try:
        with interruptible():
            executor = Cluster(address, files, warn=_warn)
    except ClusterError as error:
        raise click.BadParameter(f"{address!r}: {error}.", param_hint="--dask") from error
    return Crew(executor=executor, ahead=_BATCHES * executor.threads, batch=_BATCH)


def _warn(what: str) -> None:
    click.echo(f"Warning: {what}.", err=True)


@contextmanager
def journal(path: str | None, works: Sequence[Work], versions: dict[str, str]) -> Iterator[KeptResults | None]:
    """Open the file of results that `--resume` names, if it does.

    Raises:
        click.BadParameter: it cannot be used.
    """
    if path is None or not works:
        yield None
        return
    from gradcheck_cli.engine.journal import Journal, UnusableError  # only --resume needs it

    try:
        opened = Journal(Path(path), _described(works, versions))
    except UnusableError as error:
        raise click.BadParameter(f"{path!r} cannot be resumed: {error}.", param_hint="--resume") from error
    except OSError as error:
        raise unwritable(path, "--resume", error) from error
    try:
        yield KeptResults(opened, path)
    finally:
        opened.close()


class KeptResults:
    """A journal that a full disk ends, but not the run: what is finished is still reported."""

    def __init__(self, journal: Journal, path: str) -> None:
        self._journal, self._path = journal, path
        self.error: OutputError | None = None  #: why results are no longer kept, if they are not

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return what was kept of a case, for the implementation of that number."""
        return self._journal.recall(number, case)

    def keep(self, number: int, case: Case, result: CaseResult) -> None:
        """Keep a result that is new, as long as there is room for it."""
        if self.error is not None:
            return
        try:
            self._journal.keep(number, case, result)
        except OSError as error:
            self.error = OutputError(f"--resume {self._path!r} cannot be written: {error.strerror}")
            click.echo(f"Warning: {self.error}; the run goes on, and its results are not kept from here.", err=True)


def _homes(works: Sequence[Work]) -> list[str]:
    """List the files and modules of which there is something to do, each once."""
    from gradcheck_cli.implementation.finding.find import split  # not before it is needed

    return list(dict.fromkeys(split(work.spec)[0] for work in works))


def _described(works: Sequence[Work], versions: dict[str, str]) -> dict[str, Any]:
    """Say what results depend on beside the case."""
    from gradcheck_cli.implementation.loading.source import digest, sources  # only --resume asks

    settings, limits = works[0].settings, works[0].limits
    code = {
        f"the code of {home}": digest(files) for home in _homes(works) if (files := sources(home, settings.adapter))
    }
    return {
        **versions,
        "layers": [work.layer for work in works],
        "implementations": [work.spec for work in works],
        "--method": settings.method,
        "--tol": settings.tol,
        "--step": settings.step,
        "--adapter": settings.adapter,
        "--verbose": settings.keep_arrays,
        "--timeout": limits.seconds,
        "--memory": limits.memory,
        "--skip-duty": list(settings.skipped_duties),
        **code,
    }
