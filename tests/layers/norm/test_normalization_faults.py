"""Faults of normalizations as students write them, term by term; each is named, and right code has no diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.norm.batchnorm import SpatialBatchnormCase
from gradcheck_cli.layers.norm.groupnorm import GroupnormCase, InstancenormCase
from gradcheck_cli.layers.norm.layernorm import LayernormCase, RmsnormCase
from tests.faults.normalizations import NORMALIZATIONS
from tests.layers.lines import assert_named, run_lines
from tests.sampling import in_parts, one_in

#: dx in steps, of sets in rows, with v the variance; a fault replaces one of these lines.
STEPS = {
    "r": "np.sqrt(v + eps)",
    "dvar": "-0.5 * (g * c).sum(1, keepdims=True) * (v + eps) ** -1.5",
    "dmean": "-g.sum(1, keepdims=True) / np.sqrt(v + eps)",
    "direct": "g / r",
    "through_v": "dvar * 2 * c / n",
    "through_m": "dmean / n",
    "dx": "direct + through_v + through_m",
}
#: And in one formula, with z kept from forward.
FORMULA = {"s": "np.sqrt(v + eps)", "z": "c / np.sqrt(v + eps)"} | {
    "dx": "(g - g.mean(1, keepdims=True) - z * (g * z).mean(1, keepdims=True)) / s"
}

FAULTS: dict[str, tuple[str | None, dict[str, str]]] = {
    "right": (None, STEPS),
    "right formula": (None, FORMULA),
    "sign of dvar": ("variance-sign", STEPS | {"dvar": STEPS["dvar"][1:]}),
    "sign of the variance term": ("variance-sign", STEPS | {"dx": "direct - through_v + through_m"}),
    "sign of dmean": ("mean-sign", STEPS | {"dmean": STEPS["dmean"][1:]}),
    "both signs": ("variance-sign", STEPS | {"dx": "direct - through_v - through_m"}),
    "no variance term": ("variance-path", STEPS | {"dx": "direct + through_m"}),
    "no mean term": ("mean-path", STEPS | {"dx": "direct + through_v"}),
    "no 0.5": ("variance-path", STEPS | {"dvar": STEPS["dvar"].replace("0.5", "1")}),
    "no 2": ("variance-path", STEPS | {"through_v": "dvar * c / n"}),
    "no 1/n in the variance term": ("sum-not-mean", STEPS | {"through_v": "dvar * 2 * c"}),
    "no 1/n in the mean term": ("sum-not-mean", STEPS | {"through_m": "dmean"}),
    "n - 1": ("divided-by-n-minus-1", STEPS | {"through_v": "dvar * 2 * c / (n - 1)"}),
    "power -0.5": ("variance-power", STEPS | {"dvar": STEPS["dvar"].replace("-1.5", "-0.5")}),
    "no eps in dvar": ("eps-missing", STEPS | {"dvar": STEPS["dvar"].replace("(v + eps)", "v")}),
    "no eps": ("eps-missing", FORMULA | {"s": "np.sqrt(v)"}),
    "eps outside": ("eps-outside-root", FORMULA | {"s": "np.sqrt(v) + eps"}),
    "other eps": ("eps-fixed", FORMULA | {"s": "np.sqrt(v + 1e-8)"}),
    "no root": ("root-missing", FORMULA | {"s": "v + eps"}),
    "no division": ("scale-missing", FORMULA | {"s": "1"}),
    "other axis": ("normalized-axes", FORMULA | {"dx": FORMULA["dx"].replace("1, keepdims", "None, keepdims")}),
    "constants": ("statistics-constant", STEPS | {"dx": "direct"}),
}

#: Of each layer a case with sets of unlike sizes, and an eps that shows.
CASES: dict[str, Any] = {
    "batchnorm": LAYERS["batchnorm"].case(N=7, D=3, eps=1e-2),  # type: ignore[call-arg]
    "spatial-batchnorm": SpatialBatchnormCase(N=2, C=3, H=3, W=2, eps=1e-2),
    "layernorm": LayernormCase(N=3, D=7, eps=1e-2),
    "instancenorm": InstancenormCase(N=2, C=3, H=3, W=2, eps=1e-2),
    "groupnorm": GroupnormCase(N=2, C=6, H=2, W=3, G=3, eps=1e-2),
}


def with_lines(layer: str, lines: dict[str, str]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a layer whose dx is what some lines make of its sets, in rows."""
    forward, right, rows = NORMALIZATIONS[layer]

    def backward(dout: Any, kept: Any) -> Any:
        cache, x, gamma, param = kept
        _, dgamma, dbeta = right(dout, cache)
        g = rows(dout * gamma.reshape(-1, *[1] * (x.ndim - 2)), param)
        sets, kind = rows(x, param), x.dtype.type
        centred, variance = sets - sets.mean(1, keepdims=True), sets.var(1, keepdims=True)
        found = run_lines(lines, g=g, n=kind(sets.shape[1]), eps=kind(param["eps"]), c=centred, v=variance)
        dx = np.zeros(x.shape, x.dtype)  # in C order, whatever that of x is
        dx.reshape(-1)[rows(np.arange(x.size).reshape(x.shape), param)] = found["dx"]
        return dx, dgamma, dbeta

    def remembering(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = forward(x, gamma, beta, param)
        return out, (cache, x, gamma, dict(param))

    return remembering, backward


@pytest.mark.parametrize("layer", one_in(6, NORMALIZATIONS))
def test_faults_in_dx_are_named(layer: str) -> None:
    """Each in float64; in float32, where an eps of 1e-8 is none, those of one in three."""
    for number, (fault, (code, lines)) in enumerate(FAULTS.items()):
        case = replace(CASES[layer], seed=4)
        assert_named(fault, [case], with_lines(layer, lines), code)
        if number % 3 == 0:
            also = ["eps-missing"] if code == "eps-fixed" else []
            assert_named(fault, [replace(case, dtype="float32")], with_lines(layer, lines), code, also)


#: A student's batch normalization in train mode; a fault replaces some lines.
BATCHNORM = {
    "m": "x.mean(0)",
    "v": "x.var(0)",
    "s": "np.sqrt(v + eps)",
    "out": "gamma * (x - m) / s + beta",
    "mean": "momentum * running_mean + (1 - momentum) * x.mean(0)",
    "var": "momentum * running_var + (1 - momentum) * x.var(0)",
    "dgamma": "dout * (x - m) / s",
    "dbeta": "dout",
}

FORWARD = ("m", "v", "s", "out", "mean", "var")

PASSES: dict[str, tuple[str | None, dict[str, str], str]] = {
    "right": (None, {}, ""),
    "eps outside": ("eps-outside-root", {"s": "np.sqrt(v) + eps"}, "out"),
    "no eps": ("eps-missing", {"s": "np.sqrt(v)"}, "out"),
    "n - 1": ("divided-by-n-minus-1", {"v": "x.var(0, ddof=1)"}, "out"),
    "momentum": (
        "running-statistics",
        {
            "mean": "(1 - momentum) * running_mean + momentum * x.mean(0)",
            "var": "(1 - momentum) * running_var + momentum * x.var(0)",
        },
        "momentum and 1 - momentum exchanged",
    ),
    "momentum of the mean": (
        "running-statistics",
        {"mean": "(1 - momentum) * running_mean + momentum * x.mean(0)"},
        "running_mean is updated with momentum and 1 - momentum exchanged",
    ),
    "eps in the variance": (
        "running-statistics",
        {"var": "momentum * running_var + (1 - momentum) * (x.var(0) + eps)"},
        "running_var is updated by the variance with eps added",
    ),
    "n - 1 in the running variance": (
        "running-statistics",
        {"var": "momentum * running_var + (1 - momentum) * x.var(0, ddof=1)"},
        "N - 1, as PyTorch does",
    ),
    "deviation": (
        "running-statistics",
        {"var": "momentum * running_var + (1 - momentum) * np.sqrt(x.var(0) + eps)"},
        "sqrt(var + eps)",
    ),
    "gamma in dgamma": ("gamma-extra", {"dgamma": "dout * gamma * (x - m) / s"}, "dgamma"),
    "out in dgamma": ("not-normalized", {"dgamma": "dout * (gamma * (x - m) / s + beta)"}, "out, not by z"),
    "nothing in dgamma": ("not-normalized", {"dgamma": "dout"}, "not multiplied by z"),
    "not divided in dgamma": ("not-normalized", {"dgamma": "dout * (x - m)"}, "x - mean"),
}


def batchnorm(**fault: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    lines = {**BATCHNORM, **fault}

    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        found = run_lines({name: lines[name] for name in FORWARD}, x=x, gamma=gamma, beta=beta, **bn_param)
        bn_param["running_mean"], bn_param["running_var"] = found["mean"], found["var"]
        return found["out"], found

    def backward(dout: Any, found: Any) -> Any:
        g, c, s, n = dout * found["gamma"], found["x"] - found["m"], found["s"], len(dout)
        # The slope of s in the variance is 1 / (2 (s - what is outside of the root)), over the divisor of v.
        root = s - found["eps"] if lines["s"].endswith("+ eps") else s
        divisor = n - 1 if "ddof" in lines["v"] else n
        dx = g / s - (g / s).mean(0) - c * (g * c).sum(0) / (divisor * s * s * root)
        sums = run_lines({name: lines[name] for name in ("dgamma", "dbeta")}, **found | {"dout": dout})
        return dx, sums["dgamma"].sum(0), sums["dbeta"].sum(0)

    return forward, backward


@in_parts(2)
def test_faults_in_the_passes_of_a_batch_normalization_are_named(part: int) -> None:
    for code, lines, text in list(PASSES.values())[part::2]:
        for momentum, eps in ((0.9, 1e-2), (0.7, 1e-3)):
            result = check(replace(CASES["batchnorm"], momentum=momentum, eps=eps), batchnorm(**lines))
            assert [cause.code for cause in result.diagnosis] == ([code] if code else []), result.diagnosis
            assert result.passed is (code is None), result.summary()
            assert text in "".join(cause.text for cause in result.diagnosis)


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_faults_that_momentum_cannot_tell_apart_are_both_named(momentum: float) -> None:
    """Where momentum is 0 or 1, one of two faults is not named without the other."""
    exchanged = dict(PASSES["momentum"][1])
    for lines in (exchanged, {"mean": "running_mean", "var": "running_var"} if momentum == 0 else exchanged):
        result = check(replace(CASES["batchnorm"], momentum=momentum), batchnorm(**lines))
        (found,) = result.diagnosis
        assert found.code == "running-statistics"
        assert ", or updated with momentum and 1 - momentum exchanged" in found.text


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
