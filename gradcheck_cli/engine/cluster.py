"""An executor of workers elsewhere: a Dask cluster, to which the implementations' files are sent along.

On every Dask worker a process of ours does the work, one for each of its threads (see `worker.py`): a Dask worker has
threads and may have no children of multiprocessing's, so that guarded processes cannot be forked there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
import time
import uuid
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker, SchedulerPlugin, WorkerPlugin
from distributed.comm.registry import get_backend
from distributed.security import Security

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.leftovers import fresh_name, remove_leftovers
from gradcheck_cli.engine.stream import LostError
from gradcheck_cli.engine.version import __version__
from gradcheck_cli.engine.worker import DiedError, Worker
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Seconds to wait for the scheduler, and for a first worker.
_PATIENCE = 10.0

#: Seconds without any worker until that is told, and until they are given up; and from one look for them to the next.
_SHORTEST_IDLE, _LONGEST_IDLE, _PAUSE = 5.0, 60.0, 1.0

#: Seconds that a result is waited for before it is seen to whether it can come.
_TURN = 0.1

#: What a client is when its scheduler is gone, and was not found again.
_GONE = ("closing", "closed")

#: How the names of folders begin, in which a worker has the files of a run.
_MARKER = "convcheck-files"

#: How often a case may take its worker along before it is given up.
_MOST_DEATHS = 3


class ClusterError(Exception):
    """The cluster cannot be used; the message says why."""


@frozen
class _Files(WorkerPlugin):
    """Source files, laid out on a worker as they are here, below a folder of their own."""

    name: str
    here: str  #: the current folder
    files: Mapping[str, bytes]  #: by absolute path

    def setup(self, worker: object) -> None:  # noqa: ARG002  # Dask gives it
        """Write the files; Dask calls this on every worker, also on those that come later."""
        remove_leftovers(Path(tempfile.gettempdir()), _MARKER)
        folder = str(Path(tempfile.gettempdir()) / fresh_name(_MARKER))
        os.mkdir(folder, 0o700)  # noqa: PTH102
        _folders[self.name] = folder
        for path, text in self.files.items():
            place = Path(_below(folder, path))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        Path(_below(folder, self.here)).mkdir(parents=True, exist_ok=True)

    def teardown(self, worker: object) -> None:  # noqa: ARG002
        """Remove them, and end what worked with them."""
        folder = _folders.pop(self.name, "")  # first: without one, nobody starts another process
        for held in _workers.pop(self.name, []):
            held.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Farewell(SchedulerPlugin):
    """Removes the files of a run whose client is gone without a word: killed, or cut off."""

    def __init__(self, files: str, client: str) -> None:
        self.name, self._files, self._client = f"{files}-farewell", files, client

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Unregister the files, unless the client has done it; Dask calls this on the scheduler."""
        if client == self._client:
            if self._files in scheduler.worker_plugins:
                scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, self._files)
            scheduler.remove_plugin(self.name)


#: On a Dask worker, by the name of the run: where its files are, and the processes that work for it.
_folders: dict[str, str] = {}
_workers: dict[str, list[Worker]] = {}
_of_this_thread = threading.local()


class Cluster(Executor):
    """Works on a Dask cluster."""

    def __init__(self, address: str, files: Mapping[Path, bytes], warn: Callable[[str], None] | None = None) -> None:
        """Connect, and send the files.

        Args:
            address: of the scheduler.
            files: what implementations are made of, by absolute path.
            warn: is told, once, that there are no workers left to wait for.

        Raises:
            ClusterError: there is no scheduler, no worker, or none that has this program in this version.
        """
        self._name = f"convcheck-{uuid.uuid4().hex}"
        self._here = os.getcwd()  # noqa: PTH109
        self._address, self._warn = address, warn
        self._looked = 0.0  # when it was last seen to
        self._idle_since: float | None = None  # when it was first seen to have no workers
        for quiet in ("distributed.client", "distributed.core", "distributed.comm"):
            logging.getLogger(quiet).setLevel(logging.CRITICAL)  # what they say comes as exceptions too
        scheme, _, place = address.rpartition("://")
        if scheme in ("", "tcp", "tls") and not place.rpartition(":")[2].isdecimal():
            raise ClusterError("it has no port; a scheduler's address is like tcp://192.168.0.1:8786")
        _require_protocol(scheme or "tcp")
        try:
            self._client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except Exception as error:  # a scheme that lacks its certificates, an address that is none
            raise ClusterError(f"no scheduler answers there ({_in_short(error)})") from error
        try:
            self._prepare(files)
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False, retries=0)

    def _prepare(self, files: Mapping[Path, bytes]) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise ClusterError("it has no workers; start some with `dask worker ADDRESS`") from error
        for worker, version in self._client.run(_version, on_error="return").items():
            if version != __version__:
                has = f"{version}" if isinstance(version, str) else f"none that can be imported ({version})"
                raise ClusterError(f"its worker {worker} has convcheck {has}, and this is {__version__}")
        plugin = _Files(name=self._name, here=self._here, files={str(path): text for path, text in files.items()})
        self._client.register_plugin(plugin)
        with contextlib.suppress(Exception):  # a scheduler need not have this program: then files stay if we are killed
            self._client.register_plugin(_Farewell(self._name, self._client.id))

    @property
    def threads(self) -> int:
        """How many calls the cluster can carry out at once."""
        return sum(self._client.nthreads().values())

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function of a module called on a worker; of a worker that is lost its calls go to another.

        Raises:
            LostError: there is no scheduler any more.
        """
        assert not kwargs
        if self._client.status in _GONE:
            raise self._lost()
        return _Call(self, self._executor.submit(_on_worker, self._name, self._here, function, args))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Call off what is not done, remove the files, and take leave; of a scheduler that does not answer, without."""
        leaving = threading.Thread(target=self._leave, daemon=True)
        leaving.start()
        leaving.join(_PATIENCE)

    def watch(self) -> None:
        """See whether there is anybody to wait for.

        Raises:
            LostError: the scheduler is gone, or has had no workers for a minute.
        """
        if self._client.status in _GONE:
            raise self._lost()
        now = time.monotonic()
        if self._idle_since is None or now > self._looked + _PAUSE:
            self._looked = now
            if self._has_workers():
                self._idle_since = None
                return
            self._idle_since = self._idle_since or now
        idle = now - self._idle_since
        if idle > _LONGEST_IDLE:
            raise LostError(f"the Dask cluster {self._address} has had no workers for {_LONGEST_IDLE:.0f} s")
        if idle > _SHORTEST_IDLE and self._warn is not None:
            patience = f"waiting {_LONGEST_IDLE - idle:.0f} s for new ones"
            self._warn(f"the Dask cluster {self._address} has no workers left; {patience}")
            self._warn = None

    def _has_workers(self) -> bool:
        try:
            return bool(self._client.nthreads())
        except Exception:  # noqa: BLE001  # the scheduler does not answer just now, which is found out elsewhere
            return True

    def _lost(self) -> LostError:
        return LostError(f"the Dask scheduler {self._address} is gone")

    def _leave(self) -> None:
        with contextlib.suppress(Exception):  # whatever it is, results are there, and the cluster tidies up by itself
            self._executor.shutdown(wait=False)
        for _ in range(2):
            if self._client.status in _GONE:
                break
            try:
                self._client.unregister_worker_plugin(self._name)
                break
            except Exception:  # noqa: BLE001, S112  # a worker was lost so lately that the scheduler did not know
                continue
        with contextlib.suppress(Exception):
            self._client.close()


class _Call(Future[Any]):
    """A call on a cluster: what becomes of it, told in terms of this package."""

    def __init__(self, cluster: Cluster, future: Future[Any]) -> None:
        super().__init__()
        self._cluster = cluster
        future.add_done_callback(self._translate)

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002  # nobody gives one
        """Wait for the result, as long as there is hope of one."""
        # In short turns: a KeyboardInterrupt in the midst of waiting for a lock could leave that in disorder.
        while not self.done():
            with contextlib.suppress(TimeoutError):
                super().result(_TURN)
            if not self.done():
                with interruptible():
                    pass
                self._cluster.watch()
        return super().result()

    def _translate(self, done: Future[Any]) -> None:
        if self.cancelled():
            return
        try:
            self.set_result(done.result())
        except KilledWorker:
            self.set_exception(BrokenExecutor("the Dask workers that ran it died"))
        except CancelledError:  # not by us: it has forgotten the call
            self.set_exception(LostError("the Dask scheduler is gone, or was restarted"))
        except BaseException as error:  # noqa: BLE001  # it is what the call came to
            self.set_exception(error)


def _require_protocol(scheme: str) -> None:
    """Refuse what a client cannot connect with: it would end badly, and late.

    Raises:
        ClusterError: this installation of Dask has not all that the protocol needs.
    """
    why = None
    try:
        get_backend(scheme).get_connector()
        if scheme in ("tls", "wss") and Security().get_connection_args("client")["ssl_context"] is None:
            why = "distributed.comm.tls in Dask's configuration names no certificates"
    except Exception as error:  # noqa: BLE001  # of ucx:// many kinds
        why = _in_short(error)
    if scheme == "inproc":
        why = "it is for a single process"
    if why is not None:
        raise ClusterError(f"{scheme}:// cannot be used here ({why}); tcp:// always can")


def _in_short(error: Exception) -> str:
    """Return the first line of what an exception says."""
    return clean(str(error).strip().partition("\n")[0] or type(error).__name__, 200)


def _version() -> str:
    return __version__


def _on_worker(name: str, here: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Carry out a call in a process of this thread's, among the files of the run."""
    folder = _folders[name]
    for attempt in range(_MOST_DEATHS):
        worker = _worker(name, _below(folder, here), fresh=attempt > 0)
        try:
            worker.send(function, tuple(_moved(argument, folder) for argument in arguments))
            returned = worker.receive()
        except DiedError as error:
            if name not in _folders:  # the run is over, and has ended it
                raise
            died = error
        else:
            return [_as_here(result, folder) for result in returned] if isinstance(returned, list) else returned
    raise BrokenExecutor(f"the worker process {died}, {_MOST_DEATHS} times in a row")


def _worker(name: str, folder: str, *, fresh: bool) -> Worker:
    held: tuple[str, Worker] | None = getattr(_of_this_thread, "held", None)
    if held is None or held[0] != name or fresh:
        held = name, Worker(folder)
        _workers.setdefault(name, []).append(held[1])
        _of_this_thread.held = held
        if name not in _folders:  # the run has ended meanwhile
            held[1].close()
    return held[1]


def _below(folder: str, path: str) -> str:
    return folder + os.path.abspath(path)  # noqa: PTH100


def _moved(argument: Any, folder: str) -> Any:
    """Name absolute files as they are on the worker."""
    spec = getattr(argument, "spec", None)
    if spec is None:
        return argument
    adapter = argument.settings.adapter
    if os.path.isabs(spec):  # noqa: PTH117
        argument = replace(argument, spec=folder + spec)
    if adapter and os.path.isabs(adapter):  # noqa: PTH117
        argument = replace(argument, settings=replace(argument.settings, adapter=folder + adapter))
    return argument


def _as_here(result: Any, folder: str) -> Any:
    """Name files in a result, and in the texts that it holds, as they are where it is reported."""
    texts = {field.name: text for field in fields(result) if type(text := getattr(result, field.name)) is str}
    return replace(result, **{name: text.replace(folder, "") for name, text in texts.items() if folder in text})
