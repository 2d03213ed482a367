"""An executor on the workers of a Dask cluster, to which the files of the implementations are sent."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker, SchedulerPlugin
from distributed.comm.registry import get_backend
from distributed.security import Security

from gradcheck_cli.engine.call import Call
from gradcheck_cli.engine.cluster_worker import Deployment, call_in_deployment, installed_version
from gradcheck_cli.engine.engine import WorkerDiedError, WorkersLostError
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.version import __version__
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from concurrent.futures import Future

#: Seconds to wait for the scheduler, and for a first worker.
_PATIENCE = 10.0

#: Seconds without any worker before a warning, and before giving up; and seconds between two looks for workers.
_SHORTEST_IDLE, _LONGEST_IDLE, _PAUSE = 5.0, 60.0, 1.0

#: Seconds between two looks at whether a result can still come.
_TURN = 0.1

#: The states of a client whose scheduler is gone, and was not found again.
_GONE = ("closing", "closed")


class ClusterError(Exception):
    """The cluster cannot be used; the message says why."""


class _Farewell(SchedulerPlugin):
    """Removes the deployment of a client that is gone without closing: killed, or cut off."""

    def __init__(self, deployment: str, client: str) -> None:
        self.name, self._deployment, self._client = f"{deployment}-farewell", deployment, client

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Unregister the deployment, unless the client has done so; Dask calls this on the scheduler."""
        if client == self._client:
            if self._deployment in scheduler.worker_plugins:
                scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, self._deployment)
            scheduler.remove_plugin(self.name)


class Cluster:
    """Has calls carried out on a Dask cluster."""

    def __init__(self, address: str, files: Mapping[Path, bytes], warn: Callable[[str], None] | None = None) -> None:
        """Connect, and send the files.

        Args:
            address: of the scheduler.
            files: what the implementations are made of, by absolute path.
            warn: called once, when no workers are left.

        Raises:
            ClusterError: there is no scheduler, no worker, or a worker that has this program in another version.
        """
        self._name = f"convcheck-{uuid.uuid4().hex}"
        self._address, self._warn = address, warn
        self._looked_at = 0.0  # when there were last looked for workers
        self._idle_since: float | None = None  # when there were first no workers
        for quiet in ("distributed.client", "distributed.core", "distributed.comm"):
            logging.getLogger(quiet).setLevel(logging.CRITICAL)  # their messages come as exceptions too
        scheme, _, place = address.rpartition("://")
        if scheme in ("", "tcp", "tls") and not place.rpartition(":")[2].isdecimal():
            raise ClusterError("it has no port; a scheduler's address is like tcp://192.168.0.1:8786")
        _require_protocol(scheme or "tcp")
        try:
            self._client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except Exception as error:  # certificates are lacking, or it is not an address
            raise ClusterError(f"no scheduler answers there ({_first_line(error)})") from error
        try:
            self._deploy(files)
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False, retries=0)

    @property
    def threads(self) -> int:
        """How many calls the cluster can carry out at the same time."""
        return sum(self._client.nthreads().values())

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Call:
        """Have a function called in a worker; if that is lost, in another one.

        Raises:
            WorkersLostError: the scheduler is gone.
        """
        if self._client.status in _GONE:
            raise self._scheduler_lost()
        future = self._executor.submit(call_in_deployment, self._name, function, args)
        return _ClusterCall(future, self._require_workers)

    def collect(self) -> None:
        """Do nothing: outcomes arrive by themselves."""

    def close(self) -> None:
        """Cancel all calls, remove the files and disconnect; a scheduler that does not answer is not waited for."""
        closing = threading.Thread(target=self._disconnect, daemon=True)
        closing.start()
        closing.join(_PATIENCE)

    def _deploy(self, files: Mapping[Path, bytes]) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise ClusterError("it has no workers; start some with `dask worker ADDRESS`") from error
        for worker, version in self._client.run(installed_version, on_error="return").items():
            if version != __version__:
                has = f"{version}" if isinstance(version, str) else f"none that can be imported ({version})"
                raise ClusterError(f"its worker {worker} has convcheck {has}, and this is {__version__}")
        current_folder = os.getcwd()  # noqa: PTH109
        texts = {str(path): text for path, text in files.items()}
        self._client.register_plugin(Deployment(self._name, current_folder, texts))
        with contextlib.suppress(Exception):  # the scheduler may lack this program: if we are killed, files stay
            self._client.register_plugin(_Farewell(self._name, self._client.id))

    def _require_workers(self) -> None:
        """Find out whether there is anything to wait for.

        Raises:
            WorkersLostError: the scheduler is gone, or has had no workers for a minute.
        """
        if self._client.status in _GONE:
            raise self._scheduler_lost()
        now = time.monotonic()
        if self._idle_since is None or now > self._looked_at + _PAUSE:
            self._looked_at = now
            if self._has_workers():
                self._idle_since = None
                return
            self._idle_since = self._idle_since or now
        idle = now - self._idle_since
        if idle > _LONGEST_IDLE:
            raise WorkersLostError(f"the Dask cluster {self._address} has had no workers for {_LONGEST_IDLE:.0f} s")
        if idle > _SHORTEST_IDLE and self._warn is not None:
            patience = f"waiting {_LONGEST_IDLE - idle:.0f} s for new ones"
            self._warn(f"the Dask cluster {self._address} has no workers left; {patience}")
            self._warn = None

    def _has_workers(self) -> bool:
        try:
            return bool(self._client.nthreads())
        except Exception:  # noqa: BLE001  # the scheduler does not answer now: found out elsewhere
            return True

    def _scheduler_lost(self) -> WorkersLostError:
        return WorkersLostError(f"the Dask scheduler {self._address} is gone")

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):  # the results are there, and the cluster cleans up by itself
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


class _ClusterCall(Call):
    """A call on a cluster. Its outcome is set in a thread of Dask's."""

    def __init__(self, future: Future[Any], require_workers: Callable[[], None]) -> None:
        super().__init__(self._wait_a_turn)
        self._future, self._require_workers = future, require_workers
        self._finished = threading.Event()
        future.add_done_callback(self._take_over)

    def cancel(self) -> None:
        """Give up the call, on the cluster too."""
        super().cancel()
        self._future.cancel()

    def _wait_a_turn(self) -> None:
        # In short turns: a KeyboardInterrupt while a lock is waited for could leave it in disorder.
        if not self._finished.wait(_TURN):
            with interruptible():
                pass
            self._require_workers()

    def _take_over(self, future: Future[Any]) -> None:
        try:
            self.finish(future.result())
        except KilledWorker:
            self.finish(error=WorkerDiedError("the Dask workers that ran it died"))
        except CancelledError:  # by the scheduler: it has forgotten the call
            self.finish(error=WorkersLostError("the Dask scheduler is gone, or was restarted"))
        except BaseException as error:  # noqa: BLE001  # raised where the result is asked for
            self.finish(error=error)
        self._finished.set()


def _require_protocol(scheme: str) -> None:
    """Refuse a protocol that a client cannot use: its failure would come late and be hard to understand.

    Raises:
        ClusterError: this installation of Dask lacks something that the protocol needs.
    """
    why = None
    try:
        get_backend(scheme).get_connector()
        if scheme in ("tls", "wss") and Security().get_connection_args("client")["ssl_context"] is None:
            why = "distributed.comm.tls in Dask's configuration names no certificates"
    except Exception as error:  # noqa: BLE001  # ucx:// raises many kinds
        why = _first_line(error)
    if scheme == "inproc":
        why = "it is for a single process"
    if why is not None:
        raise ClusterError(f"{scheme}:// cannot be used here ({why}); tcp:// always can")


def _first_line(error: Exception) -> str:
    return clean(str(error).strip().partition("\n")[0] or type(error).__name__, 200)
