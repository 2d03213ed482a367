"""Passes in two files, of a folder or named on the command line; their names may be ones that cannot be imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

_FILES = {
    "0-affine_forward.py": "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n",
    "1-affine_backward.py": (
        "def affine_backward(dout, cache):\n    x, w = cache\n    return dout @ w.T, x.T @ dout, dout.sum(0)\n"
    ),
    "blend.py": "def blend(x, y):\n    return x * np.tanh(y), (x, y)\n",
    "blend-back.py": (
        "def blend_backward(dout, cache):\n    x, y = cache\n"
        "    return dout * np.tanh(y), dout * x * (1 - np.tanh(y) ** 2)\n"
    ),
    "whole.py": "def relu_forward(x):\n    return np.maximum(x, 0), x\n\n\n"
    "def relu_backward(dout, x):\n    return dout * (x > 0)\n\n\ndef tanh_forward(x):\n    return np.tanh(x), x\n",
}
_JOINED = {
    "layers/0-affine_forward.py+layers/1-affine_backward.py:affine_forward,affine_backward",
    "layers/blend.py+layers/blend-back.py:blend,blend_backward",
}


def _write(folder: Path, change: tuple[str, str] = ("", ""), *, unknown: bool = False) -> None:
    folder.mkdir()
    for name, text in _FILES.items():
        if unknown or not name.startswith("blend"):  # to find out that it is of no known layer takes a second
            (folder / name).write_text(f"import numpy as np\n\n\n{text.replace(*change)}", encoding="utf-8")


def test_halves_in_a_folder_are_joined(tmp_path: Path, gradcheck: Program) -> None:
    _write(tmp_path / "layers", unknown=True)
    run = gradcheck("layers", "layers/blend.py", "--json", "-")
    results = report_of(run)["results"]
    assert run.returncode == 0, run.stdout
    assert {one["implementation"] for one in results if one["verdict"] == "pass"} == {
        *_JOINED,
        "layers/whole.py:relu_forward,relu_backward",
    }
    assert {one["implementation"]: one["reason"] for one in results if one["verdict"] == "skip"}[
        "layers/whole.py:tanh_forward"
    ] == "there is no other pass that goes with it"
    assert "affine_forward" not in run.stderr


def test_what_is_wrong_in_one_half_is_found_and_replayed(tmp_path: Path, gradcheck: Program) -> None:
    _write(tmp_path / "layers", ("dout.sum(0)", "dout.mean(0)"))
    run = gradcheck("layers", "--json", "-")
    failed = [one for one in report_of(run)["results"] if one["verdict"] == "fail"]
    assert {one["implementation"] for one in failed} == {min(_JOINED)}
    again = gradcheck(*failed[0]["command"].split()[1:])
    assert again.returncode == 1
    assert "layers/1-affine_backward.py" in again.stdout  # the place
    assert gradcheck("affine", "layers", "--N", "2").returncode == 1
    assert gradcheck("layers/0-affine_forward.py", "layers/1-affine_backward.py").returncode == 1
    together = "layers/0-affine_forward.py+layers/1-affine_backward.py"
    assert gradcheck("affine", together, "--N", "2").returncode == 1


def test_of_several_that_may_be_meant_one_has_to_be_named(tmp_path: Path, gradcheck: Program) -> None:
    _write(tmp_path / "layers")
    again = (tmp_path / "layers/0-affine_forward.py").read_text()
    (tmp_path / "layers/2-affine_forward.py").write_text(again, encoding="utf-8")
    results = report_of(gradcheck("layers", "--json", "-"))["results"]
    reasons = {one["reason"] for one in results if "affine" in one["implementation"] and one["verdict"] == "skip"}
    assert len(reasons) == 1
    said = reasons.pop()
    assert said.startswith("affine_forward is in layers/0-affine_forward.py and layers/2-affine_forward.py")
    assert gradcheck(*said.partition(": gradcheck ")[2].split()).returncode == 0
    run = gradcheck("affine", "layers")
    assert run.returncode == 2
    assert "affine_forward is in layers/0-affine_forward.py and layers/2-affine_forward.py" in run.stderr
    together = run.stderr.partition("name what belongs together, ")[2].split()[0].rstrip(".")
    assert gradcheck("affine", together).returncode == 0


@pytest.mark.long
def test_what_changed_in_one_half_is_checked_again(tmp_path: Path, gradcheck: Program) -> None:
    _write(tmp_path / "layers")
    assert gradcheck("layers", "--json", "old.json").returncode == 0
    file = tmp_path / "layers/1-affine_backward.py"
    file.write_text(file.read_text().replace("dout.sum(0)", "dout.mean(0)"), encoding="utf-8")
    run = gradcheck("layers", "--since", "old.json", "--json", "-")
    assert run.returncode == 1
    results = report_of(run)["results"]
    assert {one["implementation"] for one in results if one["verdict"] == "fail"} == {min(_JOINED)}
    passed = {one["implementation"] for one in results if one["verdict"] == "pass"}
    assert "layers/whole.py:relu_forward,relu_backward" in passed
    assert gradcheck("layers", "--json", "layers/whole.py").returncode == 2
