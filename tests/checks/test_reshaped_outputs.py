"""A reshape where a transpose is due, in forward and in a normalization of images; and what test mode tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.norm.batchnorm import (
    BatchnormCase,
    SpatialBatchnormCase,
    batchnorm_backward,
    batchnorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from gradcheck_cli.results.result import Verdict


def _images(array: Any) -> Any:
    """Take (N, C, H, W) for (N, H, W, C)."""
    N, C, H, W = array.shape
    return array.reshape(N, H, W, C).transpose(0, 3, 1, 2)


def test_an_output_reshaped_without_a_transpose_is_named() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out.transpose(1, 0, 2, 3).reshape(out.shape), cache

    cause, _ = check(ConvCase(N=2, C=2, H=5, W=6, F=3), (forward, conv_backward_naive)).diagnosis
    assert cause.code == "reshaped-not-transposed"
    assert cause.text.startswith(
        "out is reshaped, not transposed, from an array with the axes (filter, sample, row, column). "
    )


@pytest.mark.parametrize("mode", ["train", "test"])
def test_images_reshaped_to_rows_of_features_are_named(mode: str) -> None:
    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        N, C, H, W = x.shape
        out, _ = batchnorm_forward(x.reshape(-1, C), gamma, beta, bn_param)
        _, cache = spatial_batchnorm_forward(x, gamma, beta, dict(bn_param))
        return out.reshape(N, C, H, W), cache if mode == "train" else None

    result = check(SpatialBatchnormCase(N=2, C=3, H=2, W=4, mode=mode), (forward, spatial_batchnorm_backward))
    first = result.diagnosis[0]
    assert first.code == "reshaped-not-transposed"
    assert "x is reshaped as if its axes were (N, H, W, C), without a transpose." in first.text


def test_a_cotangent_of_images_reshaped_to_rows_is_named() -> None:
    def backward(dout: Any, cache: Any) -> Any:
        return spatial_batchnorm_backward(_images(dout), cache)

    (cause,) = check(SpatialBatchnormCase(N=2, C=3, H=2, W=4), (spatial_batchnorm_forward, backward)).diagnosis
    assert cause.text.startswith("In dx, dgamma and dbeta dout is reshaped as if its axes were (N, H, W, C)")


def test_a_mistake_of_test_mode_is_not_refuted_by_train_mode() -> None:
    """With no cache there, no gradient is checked either."""

    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        if bn_param["mode"] == "train":
            return batchnorm_forward(x, gamma, beta, bn_param)
        return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"]) + beta, None

    result = check(BatchnormCase(N=6, D=4, mode="test"), (forward, batchnorm_backward))
    assert result.verdict is Verdict.FAIL
    assert [cause.code for cause in result.diagnosis] == ["eps-missing"]
