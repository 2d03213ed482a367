"""Where cases are computed: in this process, in worker processes, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gradcheck_cli.cli.plan import Plan
from gradcheck_cli.cli.request import Request
from gradcheck_cli.engine.call import InProcess
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.engine import Engine
from gradcheck_cli.engine.interrupts import interruptible

if TYPE_CHECKING:
    from pathlib import Path

#: Batches for each worker that may be in progress while the next result is waited for. A case that takes all of its
#: time limit does not stop the others, and a result is some kilobytes.
_AHEAD = 500

#: Cases that are sent to a cluster at once, which takes about a millisecond whatever they are; and such batches for
#: each of its threads that may be in progress.
_BATCH = 16
_BATCHES = 32


@contextmanager
def open_engine(request: Request, plan: Plan, checker: Checker) -> Iterator[Engine]:
    """Open what computes the cases, the checker or others, and close the others at the end, whatever they are doing.

    Raises:
        click.UsageError: there is no such cluster, or no package to reach it with.
    """
    workers = min(request.jobs or available_cores(), plan.count)
    if request.dask is not None:
        opened = _cluster(request.dask, plan)
    elif workers > 1:
        from gradcheck_cli.engine.pool import Pool  # not for the one case that most people check

        opened = Engine(executor=Pool(workers), ahead=_AHEAD * workers)
    else:
        opened = Engine(executor=InProcess(checker))
    try:
        yield opened
    finally:
        opened.executor.close()


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cluster(address: str, plan: Plan) -> Engine:
    try:
        from gradcheck_cli.engine.cluster import Cluster, ClusterError  # half a second, and an extra
    except ImportError as error:
        from gradcheck_cli.text.install import install_command  # only here

        why = f"--dask {address} needs Dask's distributed, which is not installed: {install_command('distributed')}"
        raise click.UsageError(why) from error
    from gradcheck_cli.implementation.loading.imports import sources  # only what leaves this machine needs it

    files: dict[Path, bytes] = {}
    for home in plan.homes():
        files |= sources(home, plan.tasks[0].settings.adapter)
    try:
        with interruptible():
            executor = Cluster(address, files, warn=lambda what: click.echo(f"Warning: {what}.", err=True))
    except ClusterError as error:
        raise click.BadParameter(f"{address!r}: {error}.", param_hint="--dask") from error
    return Engine(executor=executor, ahead=_BATCHES * executor.threads, batch=_BATCH)
