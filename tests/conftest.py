"""What several tests need: a right layer as source text, files made from it, and the programs as a shell runs them."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.program import run_program

# Tests run side by side and their arrays are small: threads of a linear algebra library only get into each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Without caches each program that is started would compile the package anew, for half a second.
sys.dont_write_bytecode = False

PROGRAMS = Path(sys.executable).parent

#: Flags of a case that takes a few milliseconds.
SMALL = ("--N", "1", "--C", "1", "--H", "3", "--W", "3", "--F", "1")

#: Variables that change what a program prints or writes, or whether its stdout is buffered.
_MEDDLING = {
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONIOENCODING",
    "PYTHONUNBUFFERED",
}

#: Its forward is fast, without np.pad or np.tensordot: hundreds of runs of the programs spend their time there.
_RIGHT_PAIR = """\
import numpy as np


def conv_forward(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    x_padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), x.dtype)
    x_padded[:, :, pad : H + pad, pad : W + pad] = x
    rows, columns = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out, kernels = np.zeros((N, F, rows, columns), x.dtype), w.reshape(F, -1).T
    for i in range(rows):
        for j in range(columns):
            window = x_padded[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = window.reshape(N, -1) @ kernels + b
    return out, (x, w, b, conv_param)


def conv_backward(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    H, W = x.shape[2:]
    HH, WW = w.shape[2:]
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx_padded, dw = np.zeros_like(x_padded), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = np.s_[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            dw += np.tensordot(dout[:, :, i, j], x_padded[window], ([0], [0]))
            dx_padded[window] += np.tensordot(dout[:, :, i, j], w, ([1], [0]))
    dx = dx_padded[:, :, pad : pad + H, pad : pad + W]
    db = dout.sum(axis=(0, 2, 3))
    return dx, dw, db
"""


#: A right layer that takes a millisecond on its standard set.
RELU = """\
import numpy as np


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return dout * (cache > 0)
"""


#: Modules that together run in seconds and see each package: `pytest -m quick`.
_QUICK = {
    *("engine.test_journal", "text.test_clean"),
    *("cases.test_product", "cases.test_shard"),
    *("checks.test_comparison", "checks.test_plain_differences", "checks.test_zero_probe"),
    *("cli.test_debug",),
    *("engine.test_errors", "engine.test_interrupts", "engine.test_leftovers"),
    *("guard.test_frames", "guard.test_protocol", "engine.test_wire", "hostile.test_program"),
    *("implementation.conventions.test_in_order", "implementation.conventions.test_layout"),
    *("implementation.conventions.test_own_function", "implementation.finding.test_adapter"),
    *("implementation.vocabulary.test_vocabulary",),
    *("layers.framework.test_axes", "layers.framework.test_layer"),
    *("layers.framework.test_problem",),
    *("numeric.test_estimate", "checks.test_method", "numeric.test_richardson", "numeric.test_rounding"),
    *("numeric.test_tiles",),
    *("report.test_grades", "report.test_json", "report.test_skipped", "report.test_sweep", "report.test_table"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    assert all((folder / f"{name.replace('.', '/')}.py").exists() for name in _QUICK), "a quick module was renamed"
    for item in items:
        module = item.nodeid.partition("::")[0].removeprefix("tests/").removesuffix(".py").replace("/", ".")
        if module in _QUICK:
            item.add_marker(pytest.mark.quick)
    if "long" not in config.option.markexpr and not any("::" in argument for argument in config.args):
        left_out = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the garbage collector from going through all modules and tests again and again: a twentieth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class LayerFile(Protocol):
    """Writes the right pair to a file, with something replaced."""

    def __call__(self, *replacements: tuple[str, str], name: str = "layers.py") -> Path: ...


class Program(Protocol):
    """Runs a program to its end."""

    def __call__(self, *args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def right_pair() -> str:
    return _RIGHT_PAIR


@pytest.fixture
def layer_file(tmp_path: Path, right_pair: str) -> LayerFile:
    def write(*replacements: tuple[str, str], name: str = "layers.py") -> Path:
        text = right_pair
        for old, new in replacements:
            assert old in text, f"nothing to replace: {old!r}"
            text = text.replace(old, new)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def convcheck(tmp_path: Path) -> Program:
    return _program("convcheck", tmp_path)


@pytest.fixture
def gradcheck(tmp_path: Path) -> Program:
    return _program("gradcheck", tmp_path)


def notebook_of(source: str) -> str:
    """Make a notebook of one cell."""
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    return json.dumps({"cells": [{**cell, "source": source}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment of this process without what would change what a program prints."""
    kept = {name: value for name, value in os.environ.items() if name not in _MEDDLING}
    return {name: value for name, value in kept.items() if not name.startswith("GRADCHECK_")} | more


def report_of(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Parse the JSON that a program wrote to stdout; a number that JSON does not have is an error."""
    report: dict[str, Any] = json.loads(run.stdout, parse_constant=_no_such_number)
    return report


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _program(name: str, folder: Path) -> Program:
    def run(*args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        environment = clean_environment(**(env or {}))
        of_python = {variable for variable in env or () if variable.startswith("PYTHON")}
        if sys.platform == "linux" and of_python <= {"PYTHONPATH"}:
            return run_program(name, args, folder, environment)
        return subprocess.run(
            [PROGRAMS / name, *args],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run
