"""A real Dask scheduler with two workers on loopback: the same results, even if workers are lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from distributed import Client
from distributed.comm.core import CommClosedError

pytest.importorskip("distributed")

from gradcheck_cli.engine.cluster import Cluster, ClusterError
from gradcheck_cli.engine.engine import Engine, WorkersLostError
from gradcheck_cli.engine.leftovers import fresh_name
from gradcheck_cli.implementation.loading.imports import sources
from gradcheck_cli.layers.conv.conv import ConvCase
from gradcheck_cli.results.result import Verdict
from tests.conftest import PROGRAMS, clean_environment, report_of
from tests.engine.test_engine import alone, results, small, task
from tests.engine.test_leftovers import dead_process
from tests.guard.test_process import is_gone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

ADDRESS = "tcp://127.0.0.1:"


class Local:
    """A scheduler, and two workers with a thread each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self._log = folder / "scheduler.log"
        self._scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-show", log=self._log)
        self.address = next(word for word in self._waited(ADDRESS).split() if word.startswith(ADDRESS))

    def add_worker(self) -> None:
        number = len(self.workers)
        self.workers.append(
            self._start(
                "worker", self.address, "--nthreads", "1", "--no-nanny", log=self.folder / f"worker{number}.log"
            )
        )

    def close(self) -> None:
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()

    def _start(self, *args: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen(
                [PROGRAMS / "dask", *args, "--no-dashboard"],
                cwd=self.folder,  # where none of the files are
                env=clean_environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def _waited(self, what: str) -> str:
        for _ in range(600):
            if what in (text := self._log.read_text()):
                return text
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    cluster = Local(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


def test_a_cluster_without_workers_is_refused(scheduler: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck_cli.engine.cluster._PATIENCE", 2.0)
    assert not scheduler.workers, "this test comes before those that start some"
    with pytest.raises(ClusterError, match="no workers"):
        Cluster(scheduler.address, {})


@pytest.fixture(scope="module")
def local(scheduler: Local) -> Local:
    for _ in range(2):
        scheduler.add_worker()
    return scheduler


def test_a_cluster_gives_what_this_process_does_though_a_worker_is_killed(local: Local) -> None:
    cases = list(small(4))[:90]
    one = alone(cases, [task()])
    assert results(Engine(executor=Cluster(local.address, {}), ahead=20, batch=16), cases, [task()]) == one

    local.add_worker()
    victim = local.workers.pop(0)
    engine, found = Engine(executor=Cluster(local.address, {}), ahead=60, batch=4), []
    for result in engine.results([(task(), cases)]):
        found.append(replace(result, seconds=0.0))
        if len(found) == 40:
            victim.kill()
    engine.executor.close()
    assert found == one
    assert victim.wait() == -signal.SIGKILL


def _deployments(dask_worker: Any) -> int:
    from gradcheck_cli.engine.cluster_worker import Deployment

    return sum(isinstance(plugin, Deployment) for plugin in dask_worker.plugins.values())


@pytest.mark.long
def test_a_client_that_is_gone_without_a_word_leaves_nothing_behind(local: Local) -> None:
    with Client(local.address, set_as_default=False) as looking:
        executor = Cluster(local.address, {})
        assert set(looking.run(_deployments).values()) == {1}
        executor._client.close()
        for _ in range(100):
            if set(left := looking.run(_deployments).values()) == {0}:
                break
            time.sleep(0.05)
        assert set(left) == {0}
        in_order = Cluster(local.address, {})
        in_order.close()
        assert set(looking.run(_deployments).values()) == {0}


@pytest.mark.long
def test_a_worker_that_is_lost_at_the_very_end_spoils_nothing(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Cluster(local.address, {})
    unregister, asked = executor._client.unregister_worker_plugin, []

    def lost_at_first(name: str) -> object:
        asked.append(name)
        if len(asked) == 1:
            raise CommClosedError("Stream is closed")
        return unregister(name)

    monkeypatch.setattr(executor._client, "unregister_worker_plugin", lost_at_first)
    executor.close()
    assert len(asked) == 2


@pytest.mark.long
def test_files_and_their_helpers_are_sent_and_named_as_here(
    local: Local, layer_file: LayerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub" / "helpers").mkdir(parents=True)
    (tmp_path / "sub" / "helpers" / "factors.py").write_text("two = 2.0\n")
    wrong = layer_file(
        ("import numpy as np\n", "import numpy as np\nfrom helpers.factors import two\n"),
        ("db = dout.sum(axis=(0, 2, 3))", "db = two * dout.sum(axis=(0, 2, 3))"),
        name="sub/wrong.py",
    )
    raising = layer_file(("    F, _, HH, WW = w.shape", "    F, _, HH, WW, more = w.shape"), name="raising.py")
    monkeypatch.chdir(tmp_path)
    specs = ["sub/wrong.py", str(wrong), str(raising)]
    files = {path: text for spec in specs for path, text in sources(spec).items()}
    sent = {str(path.relative_to(tmp_path)) for path in files}
    assert sent == {"sub/wrong.py", "sub/helpers/factors.py", "raising.py"}
    cases, tasks = [ConvCase(N=1), ConvCase(N=2)], [task(spec) for spec in specs]
    one = alone(cases, tasks)
    assert [result.verdict for result in one] == [Verdict.FAIL] * 4 + [Verdict.ERROR] * 2
    assert str(raising) in (one[-1].traceback or "")
    assert results(Engine(executor=Cluster(local.address, files), ahead=20, batch=2), cases, tasks) == one


@pytest.mark.long
def test_from_the_command_line(local: Local, convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file()
    arguments = ("layers.py", "fast", "--N", "1,2", "--pad", "0,1", "--format", "json")
    one, other = report_of(convcheck(*arguments)), report_of(convcheck(*arguments, "--dask", local.address))
    for report in one, other:
        for result in report["results"]:
            del result["seconds"]
    assert other["results"] == one["results"]
    assert convcheck("nowhere.py", "--dask", local.address).stderr.startswith(
        "Error: nowhere.py: there is no such file"
    )


@pytest.mark.long
def test_an_interrupt_disconnects_from_the_cluster(local: Local, layer_file: LayerFile, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    note = f"def note():\n    with open({str(pid)!r}, 'a') as file:\n        file.write(f'{{os.getpid()}} ')\n"
    layer_file(
        ("import numpy as np\n", f"import os, time\nimport numpy as np\n\n\n{note}"),
        ("    N, C, H, W = x.shape", "    N, C, H, W = x.shape\n    N == 9 and (note(), time.sleep(1000))"),
    )
    run = subprocess.Popen(
        [PROGRAMS / "convcheck", "layers.py", "--N", "1..20", "--dask", local.address],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(400):
        if pid.exists() and pid.read_text().endswith(" "):
            break
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (130, "")
    assert "of 20 cases" in out
    assert is_gone(int(pid.read_text().split()[0]))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:1", "no scheduler answers there"),
        ("127.0.0.1", "it has no port"),
        ("nonsense://1", "nonsense:// cannot be used here"),
        ("tls://127.0.0.1:1", "tls:// cannot be used here (distributed.comm.tls in Dask's configuration"),
        ("ucx://127.0.0.1:1", "ucx:// cannot be used here"),
        ("inproc://127.0.0.1/1/1", "inproc:// cannot be used here (it is for a single process)"),
    ],
)
def test_an_address_that_cannot_be_used_is_reported(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck_cli.engine.cluster._PATIENCE", 0.5)
    with pytest.raises(ClusterError, match=re.escape(said)):
        Cluster(address, {})


def test_from_the_command_line_an_address_that_cannot_be_used_is_two_lines(convcheck: Program) -> None:
    run = convcheck("--dask", "tls://127.0.0.1:1")
    assert (run.returncode, len(run.stderr.splitlines())) == (2, 2), run.stderr
    assert run.stderr.startswith("Error: Invalid value for --dask: 'tls://127.0.0.1:1': tls:// cannot be used here")


SLOW = (
    "import time\nimport numpy as np\n\n\ndef relu_forward(x):\n    time.sleep(0.004)\n    return np.maximum(x, 0), x\n"
)
SLOW += "\n\ndef relu_backward(dout, x):\n    return dout * (x > 0)\n"


@pytest.mark.long
def test_a_scheduler_that_is_lost_loses_nothing_that_was_finished(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "dask").mkdir()
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    cluster = Local(tmp_path / "dask")
    cluster.add_worker()
    shapes = ",".join(f"{rows}x{columns}" for rows in range(1, 10) for columns in range(1, 10))
    flags = ("relu", "slow.py", "--shape", shapes, "--resume", "kept.jsonl", "--json", "report.json")
    with subprocess.Popen(
        [PROGRAMS / "gradcheck", *flags, "--dask", cluster.address],
        cwd=tmp_path,
        env=clean_environment(DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s"),  # in which it may come back
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        kept = tmp_path / "kept.jsonl"
        while not kept.exists() or kept.read_bytes().count(b"\n") < 5:
            time.sleep(0.05)
        cluster.close()
        out, err = run.communicate(timeout=60)
    finished = kept.read_bytes().count(b"\n") - 1
    assert 0 < finished < 81
    assert (run.returncode, err) == (
        3,
        f"Error: the Dask scheduler is gone, or was restarted: {81 - finished} of 81 cases were not run.\n",
    )
    assert f"cut short after {finished} of 81 cases: {finished} passed" in out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (len(report["results"]), report["summary"]["stopped"]) == (finished, True)


@pytest.mark.long
def test_lost_workers_are_reported_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, seconds in ("_SHORTEST_IDLE", 0.3), ("_LONGEST_IDLE", 3.0), ("_PAUSE", 0.1):
        monkeypatch.setattr(f"gradcheck_cli.engine.cluster.{name}", seconds)
    cluster, told = Local(tmp_path), list[str]()
    cluster.add_worker()
    executor = Cluster(cluster.address, {}, told.append)
    for worker in cluster.workers:
        worker.kill()
    with pytest.raises(WorkersLostError, match=r"has had no workers for 3 s"):
        list(Engine(executor=executor, ahead=1).results([(task(), list(small(3))[:4])]))
    executor.close()
    (warning,) = told
    assert "has no workers left; waiting" in warning
    cluster.close()


def test_a_worker_removes_what_killed_ones_have_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradcheck_cli.engine.cluster_worker import MARKER, Deployment

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / fresh_name(MARKER).replace(f"-{os.getpid()}-", f"-{dead_process()}-")
    (left / "inner").mkdir(parents=True)
    files = Deployment("this run", "/", {"/layers.py": b"x = 1"})
    files.setup(None)
    (there,) = tmp_path.iterdir()
    assert there != left
    assert (there / "layers.py").read_bytes() == b"x = 1"
    assert there.stat().st_mode & 0o777 == 0o700
    files.teardown(None)
    assert list(tmp_path.iterdir()) == []
