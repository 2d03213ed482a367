"""Losses: what is drawn for them, what overflows, and how they are called."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.loss.svm import SvmCase
from tests.faults.layers import FAULTS


def _flat_with_weights(x: Any, y: Any, mask: Any) -> Any:
    rows, labels, weights = x.reshape(-1, x.shape[2]), y.reshape(-1), mask.reshape(-1) / x.dtype.type(len(x))
    lowered = rows - rows.max(axis=1, keepdims=True)
    logs = lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))
    dx = np.exp(logs)
    dx[np.arange(len(rows)), labels] -= 1
    return -(weights * logs[np.arange(len(rows)), labels]).sum(), (dx * weights[:, None]).reshape(x.shape)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("scale", [1.0, 10.0, 1000.0])
def test_no_margin_is_near_its_kink_and_one_is_missed(scale: float, dtype: str) -> None:
    for seed in range(100):
        problem = LAYERS["svm"].problem(SvmCase(N=3, C=4, scale=scale, dtype=dtype, seed=seed))
        x, y = problem.inputs["x"].astype(float), problem.inputs["y"]
        margins = [x[n, c] - x[n, y[n]] + 1 for n, c in np.ndindex(x.shape) if c != y[n]]
        assert min(map(abs, margins)) >= 0.008 * scale
        assert max(margins[:3]) > 0


@pytest.mark.parametrize(("layer", "fault"), [("softmax", "overflowing"), ("temporal-softmax", "scores_not_lowered")])
def test_what_overflows_fails_at_large_scores_alone(layer: str, fault: str) -> None:
    (function,) = [other.functions for other in FAULTS if other.name == f"{layer}-{fault}"]
    case = next(iter(LAYERS[layer].standard()))
    large = partial(LAYERS[layer].case, **{**case.geometry, "scale": 1000.0})
    for seed in range(4):
        assert check(replace(case, seed=seed), function).passed
        result = check(large(seed=seed), function)
        assert result.verdict is Verdict.FAIL
        assert result.forward is not None
        assert result.forward.verdict is Verdict.FAIL


def test_steps_count_and_do_not() -> None:
    layer = LAYERS["temporal-softmax"]
    for case in layer.standard():
        for seed in range(10):
            mask = layer.problem(replace(case, seed=seed)).inputs["mask"]
            assert mask.dtype == bool
            assert 0 < mask.sum() < mask.size


def test_a_loss_is_one_function() -> None:
    case = next(iter(LAYERS["softmax"].standard()))
    (function,) = next(iter(LAYERS["softmax"].builtin.values()))
    assert check(case, function).passed
    with pytest.raises(TypeError, match="softmax loss is one function, not 2"):
        check(case, (function, function))
    assert "not (loss, gradient)" in str(check(case, lambda x, y: function(x, y)[0]).reason)


def test_steps_as_samples_with_weights_are_right() -> None:
    for seed, case in enumerate(LAYERS["temporal-softmax"].standard()):
        dtype = ("float16", "float32", "float64")[seed % 3]
        result = check(replace(case, dtype=dtype, seed=seed), _flat_with_weights)
        assert result.passed, result.summary()
        assert result.diagnosis == ()
