"""A real Dask scheduler with two workers on loopback: the same results, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from distributed import Client
from distributed.comm.core import CommClosedError

pytest.importorskip("distributed")

from gradcheck_cli.engine.cluster import Cluster, ClusterError
from gradcheck_cli.engine.here import InProcess
from gradcheck_cli.engine.stream import Crew, run
from gradcheck_cli.implementation.source import sources
from gradcheck_cli.layers.conv import ConvCase
from gradcheck_cli.result import Verdict
from tests.conftest import PROGRAMS, clean_environment, report_of
from tests.engine.test_stream import alone, results, small, work
from tests.guard.test_process import is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
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
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    cluster = Local(tmp_path_factory.mktemp("dask"))
    for _ in range(2):
        cluster.add_worker()
    yield cluster
    cluster.close()


def test_a_cluster_gives_what_this_process_does_though_a_worker_is_killed(local: Local) -> None:
    cases = list(small(4))[:600]
    one = alone(cases, [work()])
    assert results(Crew(executor=Cluster(local.address, {}), ahead=20, batch=16), cases, [work()]) == one

    local.add_worker()
    victim = local.workers.pop(0)
    crew, found = Crew(executor=Cluster(local.address, {}), ahead=100, batch=4), []
    for result in run(crew, [(work(), cases)]):
        found.append(replace(result, seconds=0.0))
        if len(found) == 300:
            victim.kill()
    crew.executor.shutdown()
    assert found == one
    assert victim.wait() == -signal.SIGKILL


def _folders_there() -> int:
    from gradcheck_cli.engine import cluster

    return len(cluster._folders)


def test_a_client_that_is_gone_without_a_word_leaves_nothing_behind(local: Local) -> None:
    with Client(local.address, set_as_default=False) as looking:
        executor = Cluster(local.address, {})
        assert set(looking.run(_folders_there).values()) == {1}
        executor._client.close()
        for _ in range(100):
            if set(left := looking.run(_folders_there).values()) == {0}:
                break
            time.sleep(0.05)
        assert set(left) == {0}
        in_order = Cluster(local.address, {})
        in_order.shutdown()
        assert set(looking.run(_folders_there).values()) == {0}


def test_a_worker_that_is_lost_at_the_very_end_spoils_nothing(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Cluster(local.address, {})
    unregister, asked = executor._client.unregister_worker_plugin, []

    def lost_at_first(name: str) -> object:
        asked.append(name)
        if len(asked) == 1:
            raise CommClosedError("Stream is closed")
        return unregister(name)

    monkeypatch.setattr(executor._client, "unregister_worker_plugin", lost_at_first)
    executor.shutdown()
    assert len(asked) == 2


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
    cases, works = [ConvCase(N=1), ConvCase(N=2)], [work(spec) for spec in specs]
    one = results(Crew(executor=InProcess()), cases, works)
    assert [result.verdict for result in one] == [Verdict.FAIL] * 4 + [Verdict.ERROR] * 2
    assert str(raising) in (one[-1].traceback or "")
    assert results(Crew(executor=Cluster(local.address, files), ahead=20, batch=2), cases, works) == one


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


def test_an_interrupt_takes_leave_of_the_cluster(local: Local, layer_file: LayerFile, tmp_path: Path) -> None:
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


def test_a_cluster_that_cannot_be_used_is_told(convcheck: Program, tmp_path: Path) -> None:
    for address in ("tcp://127.0.0.1:1", "nonsense://1"):
        run = convcheck("--dask", address)
        assert run.returncode == 2
        assert "Invalid value for --dask" in run.stderr
        assert "Traceback" not in run.stderr
    empty = Local(tmp_path)
    with pytest.raises(ClusterError, match="no workers"):
        Cluster(empty.address, {})
    empty.close()
