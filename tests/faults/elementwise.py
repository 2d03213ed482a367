"""Activations and dropout with one fault each, as people make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.layers.elementwise.dropout import dropout_backward, dropout_forward
from gradcheck_cli.layers.elementwise.relu import relu_forward
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward, tanh_forward
from tests.faults.layer_fault import in_backward, in_forward


@in_backward("relu", relu_forward)
def slope_of_dout(dout: Any, x: Any) -> Any:
    return dout * (dout > 0)


@in_backward("relu", relu_forward)
def slope_one(dout: Any, x: Any) -> Any:
    return dout


@in_backward("sigmoid", sigmoid_forward)
def not_squared(dout: Any, out: Any) -> Any:
    return dout * (1 - out)


@in_backward("tanh", tanh_forward)
def once(dout: Any, out: Any) -> Any:
    return dout * (1 - out)


@in_backward("dropout", dropout_forward, "mask-ignored")
def mask_forgotten(dout: Any, mask: Any) -> Any:
    return dout


@in_backward("dropout", dropout_forward, "dropout-scale")
def not_scaled(dout: Any, mask: Any) -> Any:
    return dout if mask is None else dout * (mask > 0)


@in_backward("dropout", lambda x, param: (dropout_forward(x, param)[0], param))
def mask_drawn_again(dout: Any, param: Any) -> Any:
    return dropout_forward(dout, {**param, "seed": param["seed"] + 1})[0]


@in_forward("dropout", dropout_backward)
def dropped_in_test_mode(x: Any, param: Any) -> Any:
    return dropout_forward(x, {**param, "mode": "train"})


@in_forward("dropout", dropout_backward)
def not_inverted(x: Any, param: Any) -> Any:
    _, mask = dropout_forward(x, param)
    return (param["p"] * x, None) if mask is None else (x * (mask > 0), mask * param["p"])


@in_forward("dropout", dropout_backward)
def kept_where_dropped(x: Any, param: Any) -> Any:
    if param["mode"] == "test":
        return x, None
    mask = (np.random.default_rng(param["seed"]).random(x.shape) >= param["p"]) / x.dtype.type(param["p"])
    return x * mask, mask


@in_forward("dropout", dropout_backward)
def nothing_dropped(x: Any, param: Any) -> Any:
    mask = None if param["mode"] == "test" else np.full(x.shape, 1 / param["p"], x.dtype)
    return x if mask is None else x * mask, mask
