"""The reference convolutions against the definition, and against PyTorch where it is installed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck_cli import ConvCase
from gradcheck_cli.layers.conv.conv import LAYER, standard
from gradcheck_cli.numeric.arrays import epsilon
from tests import slow_conv
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

PAIRS = pytest.mark.parametrize("name", ["naive", "fast"])

#: Every value of every number that could matter, in geometries small enough for the slow loop.
GRID = [
    ConvCase(N=N, C=C, H=H, W=W, F=F, HH=HH, WW=WW, stride=stride, pad=pad, dilation=dilation, groups=groups)
    for (N, C, F, groups), (H, W), (HH, WW), stride, pad, dilation in itertools.product(
        [(1, 1, 1, 1), (2, 3, 2, 1), (1, 4, 6, 2), (2, 2, 2, 2)],
        [(5, 5), (4, 7)],
        [(1, 1), (3, 3), (2, 3)],
        [(1, 1), (2, 2), (3, 1)],
        [(0, 0), (1, 1), (2, 0)],
        [(1, 1), (1, 2)],
    )
]
CASES = list(dict.fromkeys(case for case in (*GRID, *standard()) if not case.impossible()))


def run(name: str, case: ConvCase) -> tuple[Array, tuple[Array, ...], Any]:
    forward, backward = LAYER.builtin[name]
    posed = LAYER.problem(case)
    out, cache = forward(*posed.inputs.values(), case.settings)
    return out, backward(posed.cotangent, cache), posed


def assert_close(actual: Array, desired: Array, scale: Array, dtype: str, label: str) -> None:
    """Roundings are counted against the sum of the absolute terms; 3 are more than any of these sums ever lost."""
    assert actual.shape == desired.shape, label
    assert actual.dtype == np.dtype(dtype), label
    assert (abs(actual - desired) <= 3 * epsilon(dtype) * scale).all(), label


def assert_right(case: ConvCase) -> None:
    posed = LAYER.problem(case)
    x, w, b = posed.inputs.values()
    dout = posed.cotangent
    desired = slow_conv.forward(case, x, w, b), *slow_conv.backward(case, dout, x, w)
    x, w, b, dout = map(abs, (x, w, b, dout))
    scales = slow_conv.forward(case, x, w, b), *slow_conv.backward(case, dout, x, w)
    for name in LAYER.builtin:
        out, gradients, _ = run(name, case)
        for actual, want, scale in zip((out, *gradients), desired, scales, strict=True):
            assert_close(actual, want, scale, case.dtype, f"{name}: {case.label()}")


@in_parts(4)
def test_both_equal_the_definition(part: int) -> None:
    for case in CASES[part::4]:
        assert_right(case)


@pytest.mark.parametrize("dtype", ["float16", "float32", "longdouble"])
def test_both_equal_the_definition_in_every_dtype(dtype: str) -> None:
    for case in standard()[3:6]:
        assert_right(ConvCase(**case.geometry, dtype=dtype))


@st.composite
def geometries(draw: st.DrawFn) -> ConvCase:
    """Draw the output size and what the windows leave over; then every geometry is possible."""
    number = st.integers(1, 3)
    groups = draw(st.integers(1, 2))
    sizes = []
    for _ in range(2):
        kernel, stride, dilation, out = (draw(number) for _ in range(4))
        whole = dilation * (kernel - 1) + 1 + stride * (out - 1) + draw(st.integers(0, stride - 1))
        pad = draw(st.integers(0, (whole - 1) // 2))
        sizes.append((whole - 2 * pad, kernel, stride, pad, dilation))
    (H, HH, sv, pv, dv), (W, WW, sh, ph, dh) = sizes
    C, F = (groups * draw(st.integers(1, 2)) for _ in range(2))
    return ConvCase(
        N=draw(st.integers(1, 2)),
        C=C,
        H=H,
        W=W,
        F=F,
        HH=HH,
        WW=WW,
        stride=(sv, sh),
        pad=(pv, ph),
        dilation=(dv, dh),
        groups=groups,
        seed=draw(st.integers(0, 1000)),
    )


@given(case=geometries())
@settings(max_examples=50, deadline=None)
def test_both_equal_the_definition_in_random_geometries(case: ConvCase) -> None:
    assert case.impossible() is None
    assert_right(case)


@PAIRS
def test_rows_that_no_window_sees_have_no_gradient(name: str) -> None:
    _, (dx, _, _), _ = run(name, ConvCase(H=6, W=6, HH=3, WW=3, stride=2, pad=0))
    assert (dx[:, :, -1, :] == 0).all()
    assert (dx[:, :, :, -1] == 0).all()
    assert (dx[:, :, :-1, :-1] != 0).all()


def test_impossible_geometries_are_those_without_an_output() -> None:
    assert ConvCase(H=2, HH=5, pad=1).impossible()
    assert ConvCase(W=4, WW=3, pad=0, dilation=(1, 2)).impossible()
    assert ConvCase(C=3, F=2, groups=2).impossible()
    assert ConvCase(C=2, F=3, groups=2).impossible()
    just_fits = ConvCase(H=2, W=5, HH=4, WW=3, pad=(1, 0), dilation=(1, 2))
    assert just_fits.impossible() is None
    assert just_fits.out_shape == (4, 2, 1, 1)
    assert_right(just_fits)


def test_parameters_are_plain_where_they_can_be() -> None:
    assert ConvCase(stride=2, pad=0).settings == {"stride": 2, "pad": 0}
    assert ConvCase(stride=(2, 1), dilation=2, groups=2, C=2).settings == {
        "stride": (2, 1),
        "pad": 1,
        "dilation": 2,
        "groups": 2,
    }


@pytest.mark.torch
@PAIRS
def test_equals_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    for case in CASES:
        assert_as_pytorch(torch, name, case)


def assert_as_pytorch(torch: Any, name: str, case: ConvCase) -> None:
    out, gradients, posed = run(name, case)
    leaves = [torch.tensor(value, requires_grad=True) for value in posed.inputs.values()]
    geometry = case.geometry
    theirs = torch.nn.functional.conv2d(
        *leaves, geometry["stride"], geometry["pad"], geometry["dilation"], geometry["groups"]
    )
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=case.label())
    desired = torch.autograd.grad(theirs, leaves, torch.tensor(posed.cotangent))
    for actual, want in zip(gradients, desired, strict=True):
        np.testing.assert_allclose(actual, want.numpy(), rtol=1e-12, atol=1e-12, err_msg=case.label())
