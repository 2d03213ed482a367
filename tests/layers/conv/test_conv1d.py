"""Convolutions of sequences as people write them: the geometry in arguments, in a constructor, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.results.result import CaseResult

FUNCTIONS = """
import numpy as np

def conv1d_forward(x, w, b, stride=1, pad=0):
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    seen = np.lib.stride_tricks.sliding_window_view(wide, w.shape[2], axis=2)[:, :, ::stride]
    return np.einsum("nclk,fck->nfl", seen, w) + b[:, None], (x.shape[2], wide.shape, seen, w, stride, pad)

def conv1d_backward(dout, cache):
    length, shape, seen, w, stride, pad = cache
    wide = np.zeros(shape)
    for j in range(dout.shape[2]):
        wide[:, :, j * stride : j * stride + w.shape[2]] += np.tensordot(dout[:, :, j], w, 1)
    return wide[:, :, pad : pad + length], np.einsum("nfl,nclk->fck", dout, seen), dout.sum((0, 2))
"""

CLASS = (
    FUNCTIONS.replace("conv1d_", "_")
    + """
class Conv1d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.weight, self.bias = np.zeros((out_channels, in_channels, kernel_size)), np.zeros(out_channels)
        self.stride, self.padding = stride, padding

    def forward(self, x):
        out, self.cache = _forward(x, self.weight, self.bias, self.stride, self.padding)
        return out

    def backward(self, grad):
        dx, self.grad_weight, self.grad_bias = _backward(grad, self.cache)
        return dx
"""
)


def results(path: Path, text: str) -> list[CaseResult]:
    path.write_text(text, encoding="utf-8")
    layer = LAYERS["conv1d"]
    implementation = find(str(path), layer)
    return [check_case(case, implementation, Settings()) for case in layer.standard()]


def test_stride_and_pad_are_passed_as_arguments_and_to_a_constructor(tmp_path: Path) -> None:
    for text in (FUNCTIONS, CLASS):
        for result in results(tmp_path / "sequences.py", text):
            assert result.passed, result.summary()


def test_a_geometry_that_there_is_no_argument_for_is_skipped(tmp_path: Path) -> None:
    fixed = FUNCTIONS.replace("stride=1, pad=0):", "):\n    stride, pad = 1, 0")
    for result in results(tmp_path / "fixed.py", fixed):
        plain = result.case.geometry["stride"] == 1 and result.case.geometry["pad"] == 0
        assert result.verdict is (Verdict.PASS if plain else Verdict.SKIP), result.summary()
        assert plain or "it has no argument for" in (result.reason or "")
