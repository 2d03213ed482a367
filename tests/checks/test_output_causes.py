"""Wrong forward passes of convolutions are named, and nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.layers.conv.conv import standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive
from gradcheck_cli.layers.conv.variants import DepthwiseConvCase, depthwise_conv_backward
from tests.checks.test_causes import as_pair
from tests.sampling import one_in

Pair = tuple[int, int]


def convolved(x: Any, w: Any, b: Any, stride: Pair, pad: Pair, shape: Pair) -> Any:
    """Convolve by the definition; outside of x there are zeros."""
    around, out = 8, np.zeros((len(x), len(w), *shape))
    wide = np.zeros((*x.shape[:2], *(size + 2 * around for size in x.shape[2:])))
    wide[:, :, around:-around, around:-around] = x
    for i, j in np.ndindex(*shape):
        row, column = around + i * stride[0] - pad[0], around + j * stride[1] - pad[1]
        seen = wide[:, :, row : row + w.shape[2], column : column + w.shape[3]]
        out[:, :, i, j] = seen.reshape(len(x), -1) @ w.reshape(len(w), -1).T + b
    return out.astype(x.dtype)


def counts(x: Any, kernel: Pair, stride: Pair, pad: Pair) -> Pair:
    rows, columns = ((x.shape[2 + k] + 2 * pad[k] - kernel[k]) // stride[k] + 1 for k in (0, 1))
    return rows, columns


#: Faults of forward: (x, w, b, stride, pad, the right size of the output) -> out.
FAULTS: dict[str, tuple[Any, str]] = {
    "pad 1": (lambda x, w, b, s, p, shape: convolved(x, w, b, s, (1, 1), shape), "pad-fixed-at-1"),
    "pad 1 and its size": (
        lambda x, w, b, s, p, _: convolved(x, w, b, s, (1, 1), counts(x, w.shape[2:], s, (1, 1))),
        "pad-fixed-at-1",
    ),
    "no pad": (
        lambda x, w, b, s, p, _: convolved(x, w, b, s, (0, 0), counts(x, w.shape[2:], s, (0, 0))),
        "pad-ignored",
    ),
    "no stride": (lambda x, w, b, s, p, shape: convolved(x, w, b, (1, 1), p, shape), "stride-ignored"),
    "no stride in its size": (
        lambda x, w, b, s, p, _: convolved(x, w, b, (1, 1), p, counts(x, w.shape[2:], (1, 1), p)),
        "stride-ignored",
    ),
    "W' of HH": (
        lambda x, w, b, s, p, _: convolved(x, w, b, s, p, counts(x, (w.shape[2], w.shape[2]), s, p)),
        "size-of-wrong-axis",
    ),
    "no bias": (lambda x, w, b, s, p, shape: convolved(x, w, 0 * b, s, p, shape), "bias-missing"),
    "rotated": (lambda x, w, b, s, p, shape: convolved(x, w[:, :, ::-1, ::-1], b, s, p, shape), "kernel-rotated"),
    "a bias of another size": (lambda x, w, b, s, p, shape: convolved(x, w, 1.5 * b, s, p, shape), ""),
}

CASES = (
    *standard()[:9:2],
    ConvCase(N=2, C=2, H=9, W=8, HH=5, WW=2, pad=(2, 1)),
    ConvCase(H=7, W=9, pad=3, stride=(2, 1)),
)


@pytest.mark.parametrize("name", one_in(5, [name for name, (_, code) in FAULTS.items() if code]))
def test_faults_of_forward_are_named(name: str) -> None:
    fault, code = FAULTS[name]

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride, pad = as_pair(conv_param["stride"]), as_pair(conv_param["pad"])
        return fault(x, w, b, stride, pad, counts(x, w.shape[2:], stride, pad)), (x, w, b, conv_param)

    named = 0
    for case in CASES:
        result = check(case, (forward, conv_backward_naive))
        if result.verdict in (Verdict.PASS, Verdict.ERROR):
            assert not result.diagnosis or result.verdict is Verdict.ERROR
            continue
        codes = [found.code for found in result.diagnosis]
        assert codes, result.summary()
        # An output of one size may be that of another fault as well.
        named += codes[0] == code
        assert codes[0] in {fault_code for _, fault_code in FAULTS.values()} | {"last-windows-missed"}, result.summary()
    assert named


def test_what_is_no_known_fault_of_forward_is_not_named() -> None:
    fault, _ = FAULTS["a bias of another size"]

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride, pad = as_pair(conv_param["stride"]), as_pair(conv_param["pad"])
        return fault(x, w, b, stride, pad, counts(x, w.shape[2:], stride, pad)), (x, w, b, conv_param)

    for case in CASES:
        codes = {found.code for found in check(case, (forward, conv_backward_naive)).diagnosis}
        assert codes <= {"reference-gradient", "own-function", "factor"}


def test_a_fault_of_forward_that_other_cases_do_not_have_is_not_named() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride, pad = as_pair(conv_param["stride"]), as_pair(conv_param["pad"])
        bias = 0 * b if x.shape[2] == 11 else b
        return convolved(x, w, bias, stride, pad, counts(x, w.shape[2:], stride, pad)), (x, w, b, conv_param)

    result = check(ConvCase(H=11, W=6), (forward, conv_backward_naive))
    assert result.verdict is Verdict.FAIL
    assert "bias-missing" not in {found.code for found in result.diagnosis}


def test_depthwise_convolutions_have_them_too() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride = as_pair(conv_param["stride"])
        full = np.zeros((w.shape[0], *w.shape))
        full[np.arange(len(w)), np.arange(len(w))] = w
        out = convolved(x, full, b, stride, (1, 1), counts(x, w.shape[1:], stride, (1, 1)))
        from gradcheck_cli.layers.conv.variants import depthwise_conv_forward

        return out, depthwise_conv_forward(x, w, b, conv_param)[1]

    (found, *_) = check(DepthwiseConvCase(C=2, H=6, W=7, pad=2), (forward, depthwise_conv_backward)).diagnosis
    assert found.code == "pad-fixed-at-1"
