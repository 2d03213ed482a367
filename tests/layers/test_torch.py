"""Layers beside convolution against PyTorch, where it is installed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli.layers import LAYERS


def _temporal_softmax(torch: Any, x: Any, y: Any, mask: Any) -> Any:
    ignored = torch.where(mask, y, -1).reshape(-1)
    rows = x.reshape(-1, x.shape[2])
    return torch.nn.functional.cross_entropy(rows, ignored, ignore_index=-1, reduction="sum") / len(x)


#: (torch, inputs...) -> the output.
THEIRS: dict[str, Any] = {
    "word-embedding": lambda torch, x, W: torch.nn.functional.embedding(x, W),
    "temporal-affine": lambda torch, x, w, b: torch.nn.functional.linear(x, w.T, b),
    "temporal-softmax": _temporal_softmax,
}


@pytest.mark.torch
@pytest.mark.parametrize("name", THEIRS)
def test_equals_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    layer = LAYERS[name]
    for case in layer.standard():
        posed = layer.problem(replace(case, seed=2))
        leaves = {key: torch.tensor(value) for key, value in posed.inputs.items()}
        owed = [leaves[key].requires_grad_() for key in posed.differentiable]
        out = THEIRS[name](torch, *leaves.values())
        np.testing.assert_allclose(posed.expected, out.detach().numpy(), rtol=1e-12, atol=1e-12)
        desired = torch.autograd.grad(out, owed, torch.tensor(posed.cotangent))
        found = layer.gradients(posed, posed.inputs, posed.cotangent)
        for actual, want in zip(found.values(), desired, strict=True):
            np.testing.assert_allclose(actual, want.numpy(), rtol=1e-12, atol=1e-12)
