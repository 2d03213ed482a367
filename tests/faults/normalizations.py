"""Normalizations with one fault each, as people make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck_cli.layers.norm.batchnorm import (
    batchnorm_backward,
    batchnorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from gradcheck_cli.layers.norm.groupnorm import (
    groupnorm_backward,
    groupnorm_forward,
    instancenorm_backward,
    instancenorm_forward,
)
from gradcheck_cli.layers.norm.layernorm import layernorm_backward, layernorm_forward
from tests.faults.layer_fault import FAULTS, LayerFault, in_backward, in_forward

#: What dx comes to with a slip, of g = gamma dout, x and eps, each with the elements of a set in a row.
_DX_SLIPS: list[tuple[str, Callable[[Any, Any, float], Any]]] = []


def _slip(code: str) -> Callable[..., Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        _DX_SLIPS.append((code, function))
        return function

    return add


def _mean(rows: Any) -> Any:
    return rows.mean(axis=1, keepdims=True)


@_slip("mean-path")
def _without_mean_path(g: Any, x: Any, eps: float) -> Any:
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return g / s - (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3


@_slip("variance-path")
def _without_variance_path(g: Any, x: Any, eps: float) -> Any:
    return (g - _mean(g)) / np.sqrt(x.var(axis=1, keepdims=True) + eps)


@_slip("statistics-constant")
def _of_constants(g: Any, x: Any, eps: float) -> Any:
    return g / np.sqrt(x.var(axis=1, keepdims=True) + eps)


@_slip("variance-path")
def _variance_path_twice(g: Any, x: Any, eps: float) -> Any:
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return (g - _mean(g)) / s - 2 * (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3


@_slip("variance-path")
def _variance_path_halved(g: Any, x: Any, eps: float) -> Any:
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return (g - _mean(g)) / s - (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3 / 2


@_slip("divided-by-n-minus-1")
def _sample_variance(g: Any, x: Any, eps: float) -> Any:
    s, path = np.sqrt(x.var(axis=1, keepdims=True) + eps), (g * (x - _mean(x))).sum(axis=1, keepdims=True)
    return (g - _mean(g)) / s - (x - _mean(x)) * path / (x.shape[1] - 1) / s**3


@_slip("divided-by-n-minus-1")
def _sample_mean_and_variance(g: Any, x: Any, eps: float) -> Any:
    s, path = np.sqrt(x.var(axis=1, keepdims=True) + eps), (g * (x - _mean(x))).sum(axis=1, keepdims=True)
    return g / s - (g.sum(axis=1, keepdims=True) / s + (x - _mean(x)) * path / s**3) / (x.shape[1] - 1)


@_slip("eps-missing")
def _without_eps(g: Any, x: Any, _: float) -> Any:
    s = x.std(axis=1, keepdims=True)
    return (g - _mean(g)) / s - (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3


#: Of each normalization its passes, and its x with the elements of a set in a row.
NORMALIZATIONS: dict[str, tuple[Any, Any, Callable[[Any, Any], Any]]] = {
    "batchnorm": (batchnorm_forward, batchnorm_backward, lambda x, _: x.T),
    "spatial-batchnorm": (
        *(spatial_batchnorm_forward, spatial_batchnorm_backward),
        lambda x, _: x.swapaxes(0, 1).reshape(x.shape[1], -1),
    ),
    "layernorm": (layernorm_forward, layernorm_backward, lambda x, _: x),
    "instancenorm": (
        *(instancenorm_forward, instancenorm_backward),
        lambda x, _: x.reshape(x.shape[0] * x.shape[1], -1),
    ),
    "groupnorm": (groupnorm_forward, groupnorm_backward, lambda x, p: x.reshape(len(x) * p["G"], -1)),
}


def _normalization(layer: str, slip: Callable[[Any, Any, float], Any]) -> tuple[Any, Any]:
    right, right_backward, rows = NORMALIZATIONS[layer]

    def forward(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = right(x, gamma, beta, param)
        return out, (cache, x, gamma, param)

    def backward(dout: Any, kept: Any) -> Any:
        cache, x, gamma, param = kept
        dx, *rest = right_backward(dout, cache)
        if param.get("mode") != "test":
            g = dout * gamma.reshape(-1, *[1] * (x.ndim - 2))
            places = rows(np.arange(x.size).reshape(x.shape), param)
            dx = np.zeros(x.shape, x.dtype)  # in C order, whatever that of x is
            dx.reshape(-1)[places] = slip(rows(g, param), rows(x, param), param["eps"])
        return dx, *rest

    return forward, backward


FAULTS += [
    LayerFault(f"{layer}-{slip.__name__.strip('_')}", layer, _normalization(layer, slip), code)
    for layer in NORMALIZATIONS
    for code, slip in _DX_SLIPS
]


@in_forward("batchnorm", batchnorm_backward)
def statistics_in_test_mode(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
    found = batchnorm_forward(x, gamma, beta, bn_param)
    if bn_param["mode"] == "test":
        bn_param["running_mean"] = 0.9 * bn_param["running_mean"] + 0.1 * x.mean(axis=0)
    return found


@in_forward("batchnorm", batchnorm_backward)
def statistics_not_updated(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
    return batchnorm_forward(x, gamma, beta, dict(bn_param))


def _without_gamma(layer: str) -> tuple[Any, Any]:
    right, right_backward, _ = NORMALIZATIONS[layer]

    def forward(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = right(x, gamma, beta, param)
        return out, (cache, gamma.reshape(-1, *[1] * (x.ndim - 2)))

    def backward(dout: Any, kept: Any) -> Any:
        cache, gamma = kept
        return right_backward(dout / gamma, cache)[0], *right_backward(dout, cache)[1:]

    return forward, backward


FAULTS += [
    LayerFault(f"{layer}-without_gamma", layer, _without_gamma(layer), "gamma-missing") for layer in NORMALIZATIONS
]


@in_backward("batchnorm", batchnorm_forward, "mode-ignored")
@in_backward("spatial-batchnorm", spatial_batchnorm_forward, "mode-ignored")
def mode_forgotten(dout: Any, cache: Any) -> Any:
    right = spatial_batchnorm_backward if dout.ndim == 4 else batchnorm_backward
    return right(dout, (*cache[:-1], True))


@in_backward("batchnorm", lambda x, *rest: (batchnorm_forward(x, *rest)[0], (x, *rest)), "mode-ignored")
def statistics_of_the_batch_again(dout: Any, given: Any) -> Any:
    x, gamma, beta, param = given
    return batchnorm_backward(dout, batchnorm_forward(x, gamma, beta, {**param, "mode": "train"})[1])


@in_backward("layernorm", layernorm_forward)
def over_samples(dout: Any, cache: Any) -> Any:
    normal, gamma, deviation = cache
    _, dgamma, dbeta = layernorm_backward(dout, cache)
    g = dout * gamma
    return (g - g.mean(axis=0) - normal * (g * normal).mean(axis=0)) / deviation, dgamma, dbeta
