"""Convolutions of other forms than images: transposed, depthwise, and of sequences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import CaseResult, check
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv_transpose import ConvTransposeCase
from gradcheck_cli.layers.conv.variants import DepthwiseConvCase
from gradcheck_cli.results.result import Verdict
from tests.layers.slow import SLOW, gradients
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.layers.framework.case import Case
    from tests.conftest import Program

#: Every stride, pad and kernel different down and across; and gaps along one axis, overlaps along the other.
RECTANGULAR: list[Case] = [
    ConvTransposeCase(N=2, C=3, H=3, W=4, F=2, HH=4, WW=3, stride=(2, 1), pad=(1, 2)),
    ConvTransposeCase(N=1, C=2, H=2, W=5, F=3, HH=5, WW=2, stride=(1, 3), pad=(2, 0)),
    ConvTransposeCase(N=2, C=2, H=2, W=1, F=2, HH=7, WW=4, stride=(2, 3), pad=(3, 1)),
    DepthwiseConvCase(N=2, C=3, H=6, W=5, HH=4, WW=2, stride=(2, 1), pad=(1, 0)),
    DepthwiseConvCase(N=1, C=2, H=5, W=7, HH=2, WW=3, stride=(1, 3), pad=(0, 2)),
]


def all_cases() -> list[Case]:
    return [*RECTANGULAR, *LAYERS["conv-transpose"].standard(), *LAYERS["depthwise-conv"].standard()]


@pytest.mark.parametrize("case", RECTANGULAR, ids=lambda case: case.label())
def test_rectangular_geometries_are_what_the_definition_says(case: Case) -> None:
    layer = LAYERS[case.layer]
    problem = layer.problem(case)
    (out,) = SLOW[case.layer](*problem.inputs.values(), problem.parameters)
    np.testing.assert_allclose(problem.expected, out.real, rtol=1e-13, atol=1e-13)
    slow = gradients(case.layer, problem.inputs, problem.parameters, [problem.cotangent])
    for name, gradient in layer.gradients(problem, problem.inputs, problem.cotangent).items():
        np.testing.assert_allclose(gradient, slow[name], rtol=1e-13, atol=1e-13)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.layer} {case.label()}")
def test_equals_pytorch(case: Case, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    case = replace(case, dtype=dtype)
    problem, layer = LAYERS[case.layer].problem(case), LAYERS[case.layer]
    forward, backward = next(iter(layer.builtin.values()))
    out, cache = forward(*problem.inputs.values(), dict(problem.parameters or {}))
    x, w, b = (torch.tensor(value, requires_grad=True) for value in problem.inputs.values())
    stride, pad = case.geometry["stride"], case.geometry["pad"]
    theirs = (
        torch.nn.functional.conv_transpose2d(x, w, b, stride, pad)
        if case.layer == "conv-transpose"
        else torch.nn.functional.conv2d(x, w[:, None], b, stride, pad, groups=w.shape[0])
    )
    close = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=close, atol=close)
    desired = torch.autograd.grad(theirs, (x, w, b), torch.tensor(problem.cotangent))
    for actual, want in zip(backward(problem.cotangent, cache), desired, strict=True):
        assert actual.dtype == np.dtype(dtype)
        np.testing.assert_allclose(actual, want.numpy(), rtol=close, atol=close)


def test_impossible_geometries_are_those_without_an_output(gradcheck: Program) -> None:
    assert ConvTransposeCase(H=2, HH=3, pad=2).impossible() == "pad 2 cuts off all of the output's height of 4"
    assert ConvTransposeCase(W=1, WW=3, pad=(0, 2)).impossible() == "pad 2 cuts off all of the output's width of 3"
    assert ConvTransposeCase(H=2, HH=3, stride=2, pad=2).impossible() is None
    assert DepthwiseConvCase(H=2, HH=5, pad=1).impossible()
    run = gradcheck("conv-transpose", "--H", "2", "--HH", "3", "--pad", "2")
    assert run.returncode == 2
    assert "pad 2 cuts off all of the output's height of 4" in run.stderr


HEADER = "import numpy as np\nfrom gradcheck_cli.layers.conv.{module} import {name}_forward, {name}_backward\n"

#: Code of others, as a file, the layer that it is, and how it is understood.
SOURCES = {
    "one kernel a channel, in an axis of its own": (
        "depthwise-conv",
        """
def depthwise_forward(X, W, b, stride=1, padding=0):
    out, cache = depthwise_conv_forward(X, W[:, 0], b, {"stride": stride, "pad": padding})
    return out, cache

def depthwise_backward(dout, cache):
    dX, dW, db = depthwise_conv_backward(dout, cache)
    return dX, dW[:, None], db
""",
        "w (C, 1, HH, WW)",
    ),
    "channels last": (
        "depthwise-conv",
        """
class DepthwiseConv2D:
    def __init__(self, channels, kernel_size, stride=1, padding=0):
        self.weights = np.random.randn(kernel_size, kernel_size, channels)
        self.bias = np.zeros(channels)
        self.param = {"stride": stride, "pad": padding}

    def forward(self, x):
        w = self.weights.transpose(2, 0, 1)
        out, self.cache = depthwise_conv_forward(x.transpose(0, 3, 1, 2), w, self.bias, self.param)
        return out.transpose(0, 2, 3, 1)

    def backward(self, dout):
        dx, dw, self.db = depthwise_conv_backward(dout.transpose(0, 3, 1, 2), self.cache)
        self.dW = dw.transpose(1, 2, 0)
        return dx.transpose(0, 2, 3, 1)
""",
        "channels last",
    ),
    "filters first": (
        "conv-transpose",
        """
def deconv_forward(x, w, b, conv_param):
    return conv_transpose_forward(x, w.swapaxes(0, 1), b, conv_param)

def deconv_backward(dout, cache):
    dx, dw, db = conv_transpose_backward(dout, cache)
    return dx, dw.swapaxes(0, 1), db
""",
        "w (F, C, HH, WW)",
    ),
    "a class": (
        "conv-transpose",
        """
class ConvTranspose2d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.weight = np.random.randn(in_channels, out_channels, kernel_size, kernel_size)
        self.bias = np.zeros(out_channels)
        self.param = {"stride": stride, "pad": padding}

    def forward(self, x):
        out, self.cache = conv_transpose_forward(x, self.weight, self.bias, self.param)
        return out

    def backward(self, dout):
        dx, self.dweight, self.dbias = conv_transpose_backward(dout, self.cache)
        return dx
""",
        "class ConvTranspose2d(in_channels, out_channels, kernel_size, stride, padding)",
    ),
}


@pytest.mark.parametrize("name", one_in(2, SOURCES))
def test_code_of_others_is_understood(name: str, tmp_path: Path) -> None:
    layer, source, said = SOURCES[name]
    module = {"depthwise-conv": "variants", "conv-transpose": "conv_transpose"}[layer]
    names: dict[str, Any] = {"module": module, "name": layer.replace("-", "_")}
    path = tmp_path / "theirs.py"
    path.write_text(HEADER.format(**names) + source, encoding="utf-8")
    implementation = find(str(path), LAYERS[layer])
    assert said in (implementation.convention or "")
    results = [check(case, implementation) for case in LAYERS[layer].standard()]
    assert {result.verdict for result in results} <= {"pass", "skip"}
    assert sum(result.passed for result in results) >= 8


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
