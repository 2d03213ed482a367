"""Whatever a layer does to its process is an error of its case; the next case runs, and nothing is left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SMALL, report_of
from tests.guard.test_process import is_gone
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

#: Where backward does what it does at pad 0, and only there; its process, and one that it started, are written down.
BEFORE = "    db = dout.sum(axis=(0, 2, 3))\n"
PLANT = """\
    if pad == 0:
        import ctypes, os, signal, subprocess, sys, time
        if not os.path.exists("pids"):
            child = subprocess.Popen(["sleep", "1000"])
            with open("pids", "w") as pids:
                print(os.getpid(), child.pid, file=pids)
        {deed}
"""

DEATHS = {
    "hangs": ("time.sleep(1000)", "conv_backward was stopped after 1 s; --timeout allows more"),
    "spins": ("while True: pass", "conv_backward was stopped after 1 s; --timeout allows more"),
    "stops": ("os.kill(os.getpid(), signal.SIGSTOP)", "the implementation was stopped after 1 s"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", "the implementation died of SIGKILL"),
    "crashes": ("ctypes.string_at(0)", "conv_backward died of a segmentation fault"),
    "aborts": ("os.abort()", "conv_backward died of an abort"),
    "exits": ("sys.exit('enough')", "conv_backward raised SystemExit: enough"),
    "exits at once": ("os._exit(0)", "the implementation ended the process with exit code 0"),
    "takes all memory": ("bytearray(2**40)", "conv_backward raised MemoryError"),
    "takes memory bit by bit": (
        "hoard = [bytearray(2**28) for _ in range(2**20)]",
        "conv_backward raised MemoryError",
    ),
    "is interrupted": ("raise KeyboardInterrupt", "conv_backward raised KeyboardInterrupt"),
    "recurs": ("return conv_backward(dout, cache)", "conv_backward raised RecursionError"),
    "closes everything": ("os.closerange(0, 30_000)", "the implementation closed the connection to the checker"),
}


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text(encoding="utf-8").split()]


@pytest.mark.parametrize("death", one_in(3, DEATHS))
def test_each_death_is_an_error_of_its_case_and_the_next_case_runs(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path, death: str
) -> None:
    deed, reason = DEATHS[death]
    path = layer_file((BEFORE, BEFORE + PLANT.format(deed=deed)))
    # A gigabyte of zeros can take more than two seconds beside other tests.
    limit = "30" if "memory" in death else "1" if "stopped" in reason else "2"
    run = convcheck(path, *SMALL, "--pad", "0,1", "--timeout", limit, "--memory", "1", "--json", "-")
    assert run.returncode == 1
    report = report_of(run)
    died, passed = report["results"]
    assert (died["verdict"], passed["verdict"]) == ("error", "pass")
    assert died["reason"].startswith(reason)
    assert "--pad 0 " in died["command"]
    assert {gradient["verdict"] for gradient in died["gradients"].values()} <= {"error"}
    assert pids(tmp_path)
    assert all(is_gone(pid) for pid in pids(tmp_path))


@pytest.mark.parametrize(("deed", "said"), [("time.sleep(1000)", "2 s"), ("os._exit(5)", "exit code 5")])
def test_an_import_that_dies_is_an_implementation_that_cannot_be_loaded(
    convcheck: Program, layer_file: LayerFile, deed: str, said: str
) -> None:
    path = layer_file(("import numpy as np\n", f"import os, time\n{deed}\nimport numpy as np\n"))
    run = convcheck(path, *SMALL, "--timeout", "2")
    assert (run.returncode, run.stdout) == (2, "")
    assert "cannot be imported" in run.stderr
    assert said in run.stderr


def test_no_change_that_one_case_makes_reaches_the_next(convcheck: Program, layer_file: LayerFile) -> None:
    """Each case fails where it finds anything that another left behind."""
    meddles = """\
    import os, random, sys, warnings
    state = [os.getcwd(), os.environ.get("MEDDLED"), np.geterr()["over"], len(sys.path)]
    state += [random.random(), np.random.rand()]
    if not hasattr(conv_backward, "state"):
        conv_backward.state = state
    assert pad == getattr(conv_backward, "pad", pad) or state == conv_backward.state, state
    conv_backward.pad = pad
    os.chdir("/")
    os.environ["MEDDLED"] = "1"
    np.seterr(over="raise")
    sys.path.append("/nowhere")
"""
    # Within a case the deeds stay done; so only the first backward of each case is looked at.
    run = convcheck(layer_file((BEFORE, BEFORE + meddles)), *SMALL, "--pad", "0,1,2", "--skip-duty", "deterministic")
    assert "3 cases passed" in run.stdout, run.stdout


def test_an_exception_shows_the_frames_the_call_and_the_geometry(convcheck: Program, layer_file: LayerFile) -> None:
    run = convcheck(layer_file((BEFORE, BEFORE + "    dx[9]\n")), *SMALL)
    assert run.returncode == 1
    assert "conv_backward raised IndexError: index 9 is out of bounds for axis 0 with size 1" in run.stdout
    assert "    dx[9]\n" in run.stdout
    assert "It was called as conv_backward(1x1x3x3 float64, tuple of 4)" in run.stdout
    assert "1x1x3x3 * 1x1x3x3 stride 1 pad 1" in run.stdout
    assert "gradcheck_cli" not in run.stdout
    assert os.sep + "guard" + os.sep not in run.stdout
