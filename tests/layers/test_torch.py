"""The references are PyTorch's layers, forward and backward; a new layer is one more entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    Param = Mapping[str, Any]


def _pool(name: str) -> Callable[..., Any]:
    def pool(torch: Any, p: Param, x: Any) -> Any:
        return getattr(torch.nn.functional, name)(x, (p["pool_height"], p["pool_width"]), p["stride"])

    return pool


def _gelu(torch: Any, p: Param, x: Any) -> Any:
    if p["approximate"] == "sigmoid":
        return x * torch.sigmoid(1.702 * x)
    return torch.nn.functional.gelu(x, approximate=p["approximate"])


def _batchnorm(torch: Any, p: Param, x: Any, gamma: Any, beta: Any) -> list[Any]:
    steps = x.dim() == 3  # (N, T, D), where theirs has the features second
    x = x.movedim(-1, 1) if steps else x
    mean, old = torch.tensor(p["running_mean"]), torch.tensor(p["running_var"])
    var, train, kept = old.clone(), p["mode"] == "train", p["momentum"]
    out = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, train, 1 - kept, p["eps"])
    if train:  # theirs runs after the variance of a sample, divided by n - 1; ours after that of the batch
        n = x.numel() / x.shape[1]
        var = kept * old + (var - kept * old) * (n - 1) / n
    return [out.movedim(1, -1) if steps else out, mean, var]


def _weights(torch: Any, Wx: Any, Wh: Any, b: Any) -> list[Any]:
    """Theirs are transposed, have a bias for each of the two products, and gates in the order i, f, g, o."""
    if len(b) == 4 * len(Wh):
        order = torch.arange(len(b)).reshape(4, -1)[[0, 1, 3, 2]].reshape(-1)
        Wx, Wh, b = Wx[:, order], Wh[:, order], b[order]
    return [Wx.T, Wh.T, b, torch.zeros_like(b)]


def _rnn(torch: Any, _: Param, x: Any, h0: Any, *weights: Any) -> Any:
    return torch.rnn_tanh(x, h0[None], _weights(torch, *weights), True, 1, 0.0, False, False, True)[0]


def _lstm(torch: Any, _: Param, x: Any, h0: Any, *weights: Any) -> Any:
    states = [h0[None], torch.zeros_like(h0)[None]]
    return torch.lstm(x, states, _weights(torch, *weights), True, 1, 0.0, False, False, True)[0]


def _gru_step(torch: Any, p: Param, x: Any, h: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    H = h.shape[1]
    if p["update"] == "replace":  # 1 - sigmoid(a) = sigmoid(-a)
        sign = torch.ones_like(b)
        sign[H : 2 * H] = -1
        Wx, Wh, b = Wx * sign, Wh * sign, b * sign
    if p["reset"] == "after":
        return torch.gru_cell(x, h, *_weights(torch, Wx, Wh, b))
    of_x, gates = x @ Wx + b, torch.sigmoid(x @ Wx[:, : 2 * H] + h @ Wh[:, : 2 * H] + b[: 2 * H])
    r, z = gates[:, :H], gates[:, H:]
    return z * h + (1 - z) * torch.tanh(of_x[:, 2 * H :] + (r * h) @ Wh[:, 2 * H :])


def _gru(torch: Any, p: Param, x: Any, h: Any, *weights: Any) -> Any:
    seen = []
    for step in x.unbind(1):
        h = _gru_step(torch, p, step, h, *weights)
        seen.append(h)
    return torch.stack(seen, 1)


def _attention(torch: Any, p: Param, q: Any, k: Any, v: Any) -> Any:
    mask = None if p["mask"] is None else torch.tensor(p["mask"])
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _multihead(torch: Any, p: Param, query: Any, key: Any, value: Any, Wq: Any, Wk: Any, Wv: Any, Wo: Any) -> Any:
    """Theirs has steps first, transposed weights, and a mask that hides."""
    out, _ = torch.nn.functional.multi_head_attention_forward(
        *(x.swapaxes(0, 1) for x in (query, key, value)),
        embed_dim_to_check=query.shape[2],
        num_heads=p["H"],
        in_proj_weight=None,
        in_proj_bias=None,
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=Wo.T,
        out_proj_bias=None,
        attn_mask=None if p["mask"] is None else ~torch.tensor(p["mask"]),
        use_separate_proj_weight=True,
        **{f"{name}_proj_weight": W.T for name, W in zip("qkv", (Wq, Wk, Wv), strict=True)},
    )
    return out.swapaxes(0, 1)


def _temporal_softmax(torch: Any, _: Param, x: Any, y: Any, mask: Any) -> Any:
    ignored = torch.where(mask, y, -1).flatten()
    return torch.nn.functional.cross_entropy(x.flatten(0, 1), ignored, ignore_index=-1, reduction="sum") / len(x)


def _divided(total: Any, x: Any, p: Param) -> Any:
    divisors = {"ND": x.numel(), "NC": x.numel(), "N": len(x), "2ND": 2 * x.numel(), "2N": 2 * len(x), "1": 1, "2": 2}
    return total / divisors[p["divisor"]]


#: (torch, parameters, inputs) -> the outputs, and the state.
EQUIVALENT: dict[str, Callable[..., Any]] = {
    "affine": lambda torch, _, x, w, b: torch.nn.functional.linear(x.flatten(1), w.T, b),
    "relu": lambda torch, _, x: torch.relu(x),
    "sigmoid": lambda torch, _, x: torch.sigmoid(x),
    "tanh": lambda torch, _, x: torch.tanh(x),
    "leaky-relu": lambda torch, p, x: torch.nn.functional.leaky_relu(x, p["alpha"]),
    "elu": lambda torch, p, x: torch.nn.functional.elu(x, p["alpha"]),
    "gelu": _gelu,
    "silu": lambda torch, _, x: torch.nn.functional.silu(x),
    "softplus": lambda torch, _, x: torch.nn.functional.softplus(x, threshold=1000),
    "softmax-activation": lambda torch, _, x: torch.softmax(x, 1),
    "log-softmax": lambda torch, _, x: torch.log_softmax(x, 1),
    "maxpool": _pool("max_pool2d"),
    "avgpool": _pool("avg_pool2d"),
    "maxpool1d": lambda torch, p, x: torch.nn.functional.max_pool1d(x, p["pool_width"], p["stride"]),
    "avgpool1d": lambda torch, p, x: torch.nn.functional.avg_pool1d(x, p["pool_width"], p["stride"]),
    "batchnorm": _batchnorm,
    "spatial-batchnorm": _batchnorm,
    "layernorm": lambda torch, p, x, *rest: torch.nn.functional.layer_norm(x, x.shape[-1:], *rest, p["eps"]),
    "groupnorm": lambda torch, p, x, *rest: torch.nn.functional.group_norm(x, p["G"], *rest, p["eps"]),
    "instancenorm": lambda torch, p, x, *rest: torch.nn.functional.instance_norm(x, None, None, *rest, eps=p["eps"]),
    "rmsnorm": lambda torch, p, x, gamma: torch.nn.functional.rms_norm(x, x.shape[-1:], gamma, p["eps"]),
    "softmax": lambda torch, _, x, y: torch.nn.functional.cross_entropy(x, y),
    "mse": lambda torch, p, x, y: _divided(torch.nn.functional.mse_loss(x, y, reduction="sum"), x, p),
    "bce": lambda torch, p, x, y: _divided(torch.nn.functional.binary_cross_entropy(x, y, reduction="sum"), x, p),
    "cross-entropy": lambda torch, p, x, y: _divided(torch.nn.functional.nll_loss(x.log(), y, reduction="sum"), x, p),
    "kl-divergence": lambda torch, p, x, y: _divided(
        torch.nn.functional.kl_div(x.log() if p["input"] == "probabilities" else x, y, reduction="sum"), x, p
    ),
    # Theirs is divided by the number of classes too.
    "svm": lambda torch, _, x, y: torch.nn.functional.multi_margin_loss(x, y) * x.shape[1],
    "rnn-step": lambda torch, _, x, h, *rest: torch.rnn_tanh_cell(x, h, *_weights(torch, *rest)),
    "rnn": _rnn,
    "lstm-step": lambda torch, _, x, h, c, *rest: torch.lstm_cell(x, [h, c], *_weights(torch, *rest)),
    "attention": _attention,
    "multihead-attention": _multihead,
    "lstm": _lstm,
    "gru-step": _gru_step,
    "gru": _gru,
    "conv1d": lambda torch, p, *x: torch.nn.functional.conv1d(*x, stride=p["stride"], padding=p["pad"]),
    "conv3d": lambda torch, p, *x: torch.nn.functional.conv3d(*x, stride=p["stride"], padding=p["pad"]),
    "word-embedding": lambda torch, _, x, W: torch.nn.functional.embedding(x, W),
    "temporal-affine": lambda torch, _, x, w, b: torch.nn.functional.linear(x, w.T, b),
    "temporal-softmax": _temporal_softmax,
}


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", EQUIVALENT)
def test_equals_pytorch(name: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    layer = LAYERS[name]
    for case in layer.standard():
        posed = layer.problem(replace(case, seed=seed))
        leaves = {key: torch.tensor(value) for key, value in posed.inputs.items()}
        moved = [leaves[key].requires_grad_() for key in posed.differentiable]
        returned = EQUIVALENT[name](torch, posed.parameters, *leaves.values())
        outs = list(returned) if isinstance(returned, list | tuple) else [returned]
        for ours, theirs in zip(posed.parts(posed.expected).values(), outs, strict=True):
            _same(ours, theirs.detach().numpy())
        cotangents = list(posed.parts(posed.cotangent).values())[: posed.cotangents]
        into = [torch.tensor(cotangent) for cotangent in cotangents]
        desired = torch.autograd.grad(outs[: posed.cotangents], moved, into)
        gradients = layer.gradients(posed, posed.inputs, posed.cotangent)
        for ours, theirs in zip(gradients.values(), desired, strict=True):
            _same(ours, theirs.numpy())


def _same(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * max(1.0, abs(theirs).max()))
