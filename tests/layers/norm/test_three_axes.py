"""An x of three axes: checked where forward takes it, skipped where it does not, whatever two axes come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS


def standardize(x: Any, axes: Any, eps: float) -> tuple[Any, Any]:
    spread = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return (x - x.mean(axis=axes, keepdims=True)) / spread, spread


def layernorm(own: Any, back: Any, shared: Any) -> tuple[Any, Any]:
    """Write a layer normalization: axes over which forward and backward average, and over which samples are summed."""

    def forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> Any:
        z, spread = standardize(x, own, ln_param["eps"])
        return gamma * z + beta, (z, spread, gamma)

    def backward(dout: Any, cache: Any) -> Any:
        z, spread, gamma = cache
        g = gamma * dout
        dx = (g - g.mean(axis=back, keepdims=True) - z * (g * z).mean(axis=back, keepdims=True)) / spread
        rows = shared(dout) if callable(shared) else shared
        return dx, (dout * z).sum(axis=rows), dout.sum(axis=rows)

    return forward, backward


def batchnorm(own: Any, back: Any) -> tuple[Any, Any]:
    """Write a batch normalization: from an array to the axes over which forward averages, and backward does."""

    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        train = bn_param["mode"] == "train"
        mean, var = (x.mean(own(x)), x.var(own(x))) if train else (bn_param["running_mean"], bn_param["running_var"])
        if train:
            for name, seen in (("running_mean", mean), ("running_var", var)):
                bn_param[name] = bn_param["momentum"] * bn_param[name] + (1 - bn_param["momentum"]) * seen
        spread = np.sqrt(var + bn_param["eps"])
        z = (x - mean) / spread
        return gamma * z + beta, (z, spread, gamma, train)

    def backward(dout: Any, cache: Any) -> Any:
        z, spread, gamma, train = cache
        g, axes = gamma * dout, back(dout)
        dx = (g - g.mean(axis=axes) - z * (g * z).mean(axis=axes)) / spread if train else g / spread
        rows = tuple(range(dout.ndim - 1))
        return dx, (dout * z).sum(axis=rows), dout.sum(axis=rows)

    return forward, backward


def leading(x: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


def refusing(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    """Have backward take two axes alone."""

    def backward(dout: Any, cache: Any) -> Any:
        N, _ = dout.shape
        assert N
        return pair[1](dout, cache)

    return pair[0], backward


def forgetting(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    """Give dx of the first step to every step, as if there were one."""

    def backward(dout: Any, cache: Any) -> Any:
        dx, dgamma, dbeta = pair[1](dout, cache)
        return dx if dx.ndim == 2 else np.repeat(dx[:, :1], dx.shape[1], axis=1), dgamma, dbeta

    return pair[0], backward


ANY, SKIPPED, WRONG = Verdict.PASS, Verdict.SKIP, Verdict.FAIL
#: The causes of those that are wrong.
CAUSES = {
    "backward averages over axis 1": ["normalized-axes"],
    "backward averages over samples": ["normalized-axes"],
    "backward sums over axis 0": ["summed-axes", "bias-axes"],
    "backward sums over axis 1 as well": ["summed-axes", "bias-axes"],
    "backward forgets the later steps": ["two-axes-only"],
}
PAIRS: dict[str, tuple[str, Verdict, Any]] = {
    "any axes": ("layernorm", ANY, layernorm(-1, -1, lambda d: tuple(range(d.ndim - 1)))),
    "over axis 1": ("layernorm", SKIPPED, layernorm(1, 1, 0)),
    "backward refuses three": ("layernorm", SKIPPED, refusing(layernorm(-1, -1, 0))),
    "backward averages over axis 1": ("layernorm", WRONG, layernorm(-1, 1, lambda d: tuple(range(d.ndim - 1)))),
    "backward sums over axis 0": ("layernorm", WRONG, layernorm(-1, -1, 0)),
    "backward sums over axis 1 as well": ("layernorm", WRONG, layernorm(-1, -1, lambda d: (0, 1)[: d.ndim - 1][-1:])),
    "backward forgets the later steps": ("layernorm", WRONG, forgetting(layernorm(-1, -1, leading))),
    "any leading axes": ("batchnorm", ANY, batchnorm(leading, leading)),
    "over samples alone": ("batchnorm", SKIPPED, batchnorm(lambda _: 0, lambda _: 0)),
    "backward averages over samples": ("batchnorm", WRONG, batchnorm(leading, lambda _: 0)),
}


@pytest.mark.long
def test_three_axes_are_what_forward_makes_of_them() -> None:
    for name, (layer, verdict, pair) in PAIRS.items():
        case_class: Any = LAYERS[layer].case
        two, *three = case_class(N=5, D=3), case_class(N=4, T=3, D=5, eps=0.1), case_class(N=2, T=4, D=3)
        for case in (two, *three, replace(three[0], dtype="float32")):
            result = check(replace(case, seed=2), pair)
            assert result.verdict is (Verdict.PASS if case is two else verdict), (name, result.summary())
            if result.verdict is SKIPPED:
                assert "an x of three axes" in (result.reason or "")
            codes = [cause.code for cause in result.diagnosis]
            assert codes == (CAUSES[name] if result.verdict is WRONG else []), name


@pytest.mark.parametrize("layer", ["layernorm", "batchnorm"])
def test_a_forward_that_is_wrong_in_two_axes_fails_there(layer: str) -> None:
    forward, backward = PAIRS["any axes" if layer == "layernorm" else "any leading axes"][2]

    def shifted(*given: Any) -> Any:
        out, cache = forward(*given)
        return out + 1, cache

    verdicts = {case.geometry["T"]: check(case, (shifted, backward)).verdict for case in LAYERS[layer].standard()}
    assert verdicts[1] is Verdict.FAIL
    assert {verdict for T, verdict in verdicts.items() if T > 1} == {Verdict.SKIP}
