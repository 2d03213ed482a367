"""Faults of softmax and its logarithm as students write them; each is named, and right code has no diagnosis."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli import check
from gradcheck_cli.layers.rowwise.softmax_activation import LAYER, LOG
from tests.layers.lines import assert_named, run_lines

SOFTMAX: list[tuple[str | None, str]] = [
    (None, "p * (dout - (dout * p).sum(1, keepdims=True))"),
    (None, "np.einsum('nij,nj->ni', p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None], dout)"),
    ("softmax-sum", "p * dout"),
    ("softmax-sum", "p * (dout + (dout * p).sum(1, keepdims=True))"),
    ("softmax-sum", "p * (dout - dout.sum(1, keepdims=True))"),
    ("softmax-sum", "p * (dout - (dout * p).mean(1, keepdims=True))"),
    ("diagonal-only", "dout * p * (1 - p)"),
    ("normalized-axes", "p * (dout - (dout * p).sum(0))"),
    ("normalized-axes", "p * (dout - (dout * p).sum())"),
    ("slope-missing", "dout"),
    ("slope-missing", "dout - (dout * p).sum(1, keepdims=True)"),
    ("not-normalized", "np.exp(x) * (dout - (dout * np.exp(x)).sum(1, keepdims=True))"),
]
LOG_SOFTMAX: list[tuple[str | None, str]] = [
    (None, "dout - p * dout.sum(1, keepdims=True)"),
    ("slope-missing", "dout"),
    ("softmax-sum", "dout + p * dout.sum(1, keepdims=True)"),
    ("softmax-sum", "dout - p * dout.mean(1, keepdims=True)"),
    ("softmax-sum", "p * (dout - (dout * p).sum(1, keepdims=True))"),
    ("diagonal-only", "dout * (1 - p)"),
    ("normalized-axes", "dout - p * dout.sum(0)"),
    ("not-normalized", "dout - np.exp(x) * dout.sum(1, keepdims=True)"),
]


def share(x: Any) -> Any:
    exps = np.exp(x - x.max(1, keepdims=True))
    return exps / exps.sum(1, keepdims=True)


def test_faults_in_dx_are_named() -> None:
    case: Any
    for case, faults, forward in (
        (LAYER.case, SOFTMAX, share),
        (LOG.case, LOG_SOFTMAX, lambda x: np.log(share(x))),
    ):
        for code, line in faults:

            def backward(dout: Any, x: Any, line: str = line) -> Any:
                return run_lines({"dx": line}, x=x, p=share(x), dout=dout)["dx"]

            def ahead(x: Any, forward: Any = forward) -> Any:
                return forward(x), x

            assert_named(line, [case(N=4, C=5), case(N=3, C=3)], (ahead, backward), code)


def test_faults_of_forward_are_named() -> None:
    for code, forward in (
        ("normalized-axes", lambda x: np.exp(x) / np.exp(x).sum(0)),
        ("normalized-axes", lambda x: np.exp(x) / np.exp(x).sum()),
        ("not-normalized", lambda x: np.exp(x - x.max(1, keepdims=True))),
    ):
        for case in (LAYER.case(), LOG.case()):
            log = case.layer == "log-softmax"
            if log and code == "not-normalized":
                continue
            result = check(
                case,
                (
                    lambda x, f=forward, log=log: (np.log(f(x)) if log else f(x), share(x)),
                    lambda dout, p, log=log: (
                        dout - p * dout.sum(1, keepdims=True) if log else p * (dout - (dout * p).sum(1, keepdims=True))
                    ),
                ),
            )
            assert code in {cause.code for cause in result.diagnosis}, result.summary()


def test_an_exponential_that_overflows_is_named() -> None:
    def forward(x: Any) -> Any:
        with np.errstate(all="ignore"):
            p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        return p, p

    case_type: Any = LAYER.case
    case = case_type(shift=1000)
    result = check(case, (forward, lambda dout, p: p * (dout - (dout * p).sum(1, keepdims=True))))
    assert "exp-overflow" in {cause.code for cause in result.diagnosis}
