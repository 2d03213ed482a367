"""`--debug`: the arrays of a failing case, in a file that the command in the report can read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.layers.conv.conv import LAYER
from tests import slow_conv
from tests.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

DOUBLED = ("    db = dout.sum(axis=(0, 2, 3))\n", "    db = dout.sum(axis=(0, 2, 3))\n    dw *= 2\n")
CROPPED = ("pad : pad + H, pad : pad + W]", "pad : pad + H, pad:-pad]")


def test_the_arrays_are_those_of_the_first_failing_case(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    run = convcheck(layer_file(DOUBLED), "--N", "1", "--pad", "0,1", "--debug", "case.npz", "--json", "-")
    assert run.returncode == 1
    case = ConvCase(N=1, pad=0)
    posed = LAYER.problem(case)
    dx, dw, db = slow_conv.backward(case, posed.cotangent, posed.inputs["x"], posed.inputs["w"])
    with np.load(tmp_path / "case.npz") as kept:
        for name, array in posed.inputs.items():
            np.testing.assert_array_equal(kept[name], array)
        np.testing.assert_array_equal(kept["dout"], posed.cotangent)
        np.testing.assert_allclose(kept["out"], posed.expected, rtol=1e-12)
        for name, array in {"dx": dx, "dw": dw, "db": db}.items():
            np.testing.assert_allclose(kept[f"{name}_numeric"], array, rtol=1e-9)
            assert (abs(kept[f"{name}_numeric"] - array) <= kept[f"{name}_error_bound"] + 1e-12).all()
        np.testing.assert_allclose(kept["dw"], 2 * dw, rtol=1e-9)


def test_the_lines_that_are_shown_read_it(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    run = convcheck(layer_file(DOUBLED), *SMALL, "--debug", "case.npz")
    said, *lines = run.stderr.splitlines()
    assert said.startswith("arrays of ")
    assert len(lines) == 3
    shown = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    assert shown.stdout.startswith("[[[[")


def test_what_was_returned_is_there_even_if_it_could_not_be_compared(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    convcheck(layer_file(CROPPED), *SMALL, "--pad", "0", "--debug", "case.npz")
    with np.load(tmp_path / "case.npz") as kept:
        assert kept["dx"].shape == (1, 1, 3, 0)
        assert "dx_numeric" not in kept.files


@pytest.mark.parametrize("there", [False, True])
def test_nothing_is_written_where_nothing_fails(convcheck: Program, tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "case.npz").write_bytes(b"as it was")
    run = convcheck(*SMALL, "--debug", "case.npz")
    assert run.returncode == 0
    assert "was not written" in run.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([b"as it was"] if there else [])


def test_a_place_that_cannot_be_written_is_2_before_anything_runs(convcheck: Program) -> None:
    run = convcheck(*SMALL, "--debug", "nowhere/case.npz")
    assert (run.returncode, run.stdout) == (2, "")
    assert "--debug" in run.stderr
