"""Losses with one fault each, as people make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.layers.loss.softmax import softmax_loss, temporal_softmax_loss
from gradcheck_cli.layers.loss.svm import svm_loss
from tests.faults.layer_fault import in_backward


@in_backward("softmax", code="factor")
def not_averaged(x: Any, y: Any) -> Any:
    loss, dx = softmax_loss(x, y)
    return loss, dx * len(y)


@in_backward("softmax")
def overflowing(x: Any, y: Any) -> Any:
    n = np.arange(len(y))
    with np.errstate(all="ignore"):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        loss, dx = -np.log(p[n, y]).mean(), p.copy()
    dx[n, y] -= 1
    return loss, dx / len(y)


@in_backward("temporal-softmax", code="factor")
def not_averaged_over_samples(x: Any, y: Any, mask: Any) -> Any:
    loss, dx = temporal_softmax_loss(x, y, mask)
    return loss, dx * len(x)


@in_backward("temporal-softmax", code="factor")
def averaged_over_steps(x: Any, y: Any, mask: Any) -> Any:
    loss, dx = temporal_softmax_loss(x, y, mask)
    return loss, dx / x.shape[1]


@in_backward("temporal-softmax", code="mask-ignored")
def mask_ignored(x: Any, y: Any, mask: Any) -> Any:
    n, t = np.indices(y.shape)
    dx = np.exp(x - x.max(axis=2, keepdims=True))
    dx /= dx.sum(axis=2, keepdims=True)
    dx[n, t, y] -= 1
    return temporal_softmax_loss(x, y, mask)[0], dx / len(x)


@in_backward("temporal-softmax")
def scores_not_lowered(x: Any, y: Any, mask: Any) -> Any:
    n, t = np.indices(y.shape)
    with np.errstate(all="ignore"):
        p = np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)
        loss, dx = -(mask * np.log(p[n, t, y])).sum() / len(x), p.copy()
    dx[n, t, y] -= 1
    return loss, dx * mask[..., None] / len(x)


@in_backward("svm")
def label_forgotten(x: Any, y: Any) -> Any:
    loss, dx = svm_loss(x, y)
    return loss, np.maximum(dx, 0)
