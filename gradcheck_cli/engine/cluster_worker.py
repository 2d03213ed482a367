"""The plugin that runs on the workers of a Dask cluster: it has the files of a run and the processes that check them.

A Dask worker has threads and may have no children of multiprocessing's, so that guarded processes cannot be forked
there. Each of its threads has a worker process of ours do the work instead.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker

from gradcheck_cli.engine.engine import WorkerDiedError
from gradcheck_cli.engine.leftovers import fresh_name, remove_leftovers
from gradcheck_cli.engine.pool import MOST_DEATHS
from gradcheck_cli.engine.version import __version__
from gradcheck_cli.engine.worker import Worker
from gradcheck_cli.guard.process import ProcessDiedError

#: How the names of the folders begin in which a Dask worker has the files of a run.
MARKER = "convcheck-files"


class Deployment(WorkerPlugin):
    """The source files of a run on a Dask worker, laid out as at the client below a folder; and its processes."""

    def __init__(self, name: str, current_folder: str, files: Mapping[str, bytes]) -> None:
        """Describe the files.

        Args:
            name: of the run.
            current_folder: of the client.
            files: by absolute path at the client.
        """
        self.name, self._current_folder, self._files = name, current_folder, files
        self.folder = ""
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._closed = False

    def setup(self, worker: object) -> None:  # noqa: ARG002  # Dask passes it
        """Write the files; Dask calls this on every worker, also on those that come later."""
        remove_leftovers(Path(tempfile.gettempdir()), MARKER)
        self.folder = str(Path(tempfile.gettempdir()) / fresh_name(MARKER))
        os.mkdir(self.folder, 0o700)  # noqa: PTH102
        for path, text in self._files.items():
            place = Path(self._below(path))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        Path(self._below(self._current_folder)).mkdir(parents=True, exist_ok=True)

    def teardown(self, worker: object) -> None:  # noqa: ARG002
        """Remove the files, and end the processes."""
        self._closed = True  # first: from now on no process is started
        for process in self._workers:
            if process in self._idle:
                process.close()
            else:
                process.kill()  # the thread that waits for its answer closes it
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Carry out a call in a process among the files."""
        try:
            worker = self._idle.pop()  # several threads take them
        except IndexError:
            worker = Worker(self._below(self._current_folder))
            self._workers.append(worker)
        sent = tuple(map(self._with_paths_here, arguments))
        try:
            for deaths in range(1, MOST_DEATHS + 1):
                try:
                    worker.begin(function, sent)
                    returned = worker.outcome()
                except ProcessDiedError as death:  # rare
                    if deaths == MOST_DEATHS or self._closed:
                        raise WorkerDiedError(f"the worker process {death} ({deaths} times in a row)") from death
                else:
                    break
        finally:
            self._idle.append(worker)
        return [*map(self._with_original_paths, returned)] if isinstance(returned, list) else returned

    def _below(self, path: str) -> str:
        return self.folder + os.path.abspath(path)  # noqa: PTH100

    def _with_paths_here(self, argument: Any) -> Any:
        """Return a task with the absolute paths of this machine."""
        spec = getattr(argument, "spec", None)
        if spec is None:
            return argument
        adapter = argument.settings.adapter
        if os.path.isabs(spec):  # noqa: PTH117
            argument = replace(argument, spec=self.folder + spec)
        if adapter and os.path.isabs(adapter):  # noqa: PTH117
            argument = replace(argument, settings=replace(argument.settings, adapter=self.folder + adapter))
        return argument

    def _with_original_paths(self, result: Any) -> Any:
        """Return a result whose texts name files as at the client."""
        texts = {field.name: text for field in fields(result) if type(text := getattr(result, field.name)) is str}
        changed = {name: text.replace(self.folder, "") for name, text in texts.items() if self.folder in text}
        return replace(result, **changed)


def call_in_deployment(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Carry out a call on the Dask worker that this runs on."""
    deployment = get_worker().plugins[name]
    assert isinstance(deployment, Deployment)
    return deployment.call(function, arguments)


def installed_version() -> str:
    """Return the version of this program on a Dask worker."""
    return __version__
