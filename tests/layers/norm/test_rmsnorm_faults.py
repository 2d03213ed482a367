"""Faults of RMS normalization as students write them; each is named, and right code has no diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gradcheck_cli.layers.norm.layernorm import RmsnormCase
from tests.layers.lines import assert_named, run_lines

RMSNORM = {
    "s": "np.sqrt((x**2).mean(-1, keepdims=True) + eps)",
    "out": "gamma * x / s",
    "g": "gamma * dout",
    "ds": "-(g * x / s**2).sum(-1, keepdims=True)",
    "dx": "g / s + ds * x / (s * x.shape[-1])",
    "dgamma": "(dout * x / s).sum(tuple(range(x.ndim - 1)))",
}
RMSNORM_FAULTS: list[tuple[str | None, Mapping[str, str]]] = [
    (None, {}),
    (None, {"dx": "(g - x / s * (g * x / s).mean(-1, keepdims=True)) / s"}),
    ("variance-path", {"dx": "g / s"}),
    ("variance-path", {"dx": "g / s + 2 * ds * x / (s * x.shape[-1])"}),
    ("variance-path", {"dx": "g / s + ds * x / (2 * s * x.shape[-1])"}),
    ("variance-sign", {"dx": "g / s - ds * x / (s * x.shape[-1])"}),
    ("variance-power", {"ds": "-(g * x / s).sum(-1, keepdims=True)"}),
    ("sum-not-mean", {"dx": "g / s + ds * x / s"}),
    ("gamma-missing", {"g": "dout"}),
    ("scale-missing", {"dx": "g - x / s * (g * x / s).mean(-1, keepdims=True)"}),
    ("mean-path", {"dx": "(g - g.mean(-1, keepdims=True) - x / s * (g * x / s).mean(-1, keepdims=True)) / s"}),
    ("not-normalized", {"dgamma": "(dout * x).sum(tuple(range(x.ndim - 1)))"}),
    ("not-normalized", {"dgamma": "(dout * out).sum(tuple(range(x.ndim - 1)))"}),
    ("summed-axes", {"dgamma": "(dout * x / s).sum(0)"}),
]
RMSNORM_FORWARD_FAULTS = [
    ("eps-missing", {"s": "np.sqrt((x**2).mean(-1, keepdims=True))"}),
    ("eps-outside-root", {"s": "np.sqrt((x**2).mean(-1, keepdims=True)) + eps"}),
    ("root-missing", {"s": "(x**2).mean(-1, keepdims=True) + eps"}),
    ("gamma-missing", {"out": "x / s"}),
    ("sum-not-mean", {"s": "np.sqrt((x**2).sum(-1, keepdims=True) + eps)"}),
    ("mean-path", {"s": "np.sqrt(x.var(-1, keepdims=True) + eps)"}),
]


def rmsnorm(faults: Mapping[str, str]) -> Any:
    """Return both passes; the lines up to `out` are those of forward."""
    lines = {**RMSNORM, **faults}

    def forward(x: Any, gamma: Any, rms_param: Any) -> Any:
        ahead = {name: lines[name] for name in ("s", "out")}
        found = run_lines(ahead, x=x, gamma=gamma, eps=x.dtype.type(rms_param["eps"]))
        return found["out"], found

    def backward(dout: Any, found: Any) -> Any:
        back = {name: line for name, line in lines.items() if name not in ("s", "out")}
        values = run_lines(back, **{**found, "dout": dout})
        return values["dx"], values["dgamma"]

    return forward, backward


@pytest.mark.long
def test_faults_of_rms_normalization_are_named() -> None:
    cases = [RmsnormCase(N=3, D=5, eps=1e-2), RmsnormCase(N=2, D=4, T=3, eps=1e-2), RmsnormCase(dtype="float32")]
    for code, fault in RMSNORM_FAULTS:
        tried = cases[1:2] if code == "summed-axes" else cases
        assert_named(str(fault), tried, rmsnorm(fault), code)
    for code, fault in RMSNORM_FORWARD_FAULTS:
        assert_named(str(fault), cases[:1], rmsnorm(fault), code, ["own-function", "reference-gradient"])
