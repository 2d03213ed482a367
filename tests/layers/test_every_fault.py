"""Every fault of a layer is wrong somewhere: one that is right in all cases explains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.faults import faults_to_try

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

#: Layers whose faults are, as those of convolution, mostly those that any layer can have.
RELATED_TO_CONVOLUTION = ("affine", "avgpool", "conv1d", "conv-transpose", "depthwise-conv", "maxpool")
LAYERS_WITH_EQUATIONS = (
    *(
        "batchnorm",
        "spatial-batchnorm",
        "layernorm",
        "groupnorm",
        "instancenorm",
        "rmsnorm",
        "softmax",
        "temporal-softmax",
        "svm",
    ),
    *("rnn-step", "rnn", "lstm-step", "lstm", "gru-step", "attention", "multihead-attention"),
)
OTHER_LAYERS = (
    *("leaky-relu", "elu", "gelu", "silu", "softplus"),
    *("mse", "bce", "cross-entropy", "kl-divergence", "softmax-activation", "log-softmax"),
)


def differs(found: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Tell whether some array is another than the right one of its name."""
    return any(
        found[name].shape != right[name].shape or not np.allclose(found[name], right[name], rtol=1e-6, atol=0)
        for name in found
    )


def wrong_somewhere(layer: Layer, *, of_any_layer: bool = False) -> dict[tuple[str, str], bool]:
    """Tell of each fault, in backward and in forward, whether it makes a difference in some standard case.

    Args:
        layer: whose faults.
        of_any_layer: whether those are included that any layer can have.
    """
    seen: dict[tuple[str, str], bool] = {}
    for case in layer.standard():
        problem = layer.problem(case)
        right = layer.gradients(problem, problem.inputs, problem.cotangent)
        for fault in faults_to_try(layer, case, problem) if of_any_layer else layer.faults(case, problem):
            key = fault.code, fault.cause
            wrong = differs(fault.gradients(problem.inputs, problem.cotangent), right)
            seen[key] = seen.get(key, False) or wrong
        outputs = problem.parts(problem.expected)
        for forward_fault in layer.forward_faults(case, problem, problem.expected):
            key = forward_fault.code, forward_fault.cause
            seen[key] = seen.get(key, False) or differs(forward_fault.outputs, outputs)
    return seen


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a wrong formula may divide by 0
@pytest.mark.parametrize("name", LAYERS_WITH_EQUATIONS + OTHER_LAYERS)
def test_every_fault_makes_a_difference(name: str) -> None:
    seen = wrong_somewhere(LAYERS[name])
    assert len(seen) >= (8 if name in LAYERS_WITH_EQUATIONS else 4)
    assert [key for key, wrong in seen.items() if not wrong] == []


@pytest.mark.parametrize("name", RELATED_TO_CONVOLUTION)
def test_every_fault_that_any_layer_can_have_makes_a_difference(name: str) -> None:
    seen = wrong_somewhere(LAYERS[name], of_any_layer=True)
    assert len(seen) >= 6
    never = {code for (code, _), wrong in seen.items() if not wrong}
    assert never <= {"filters-permuted"}, never  # of a depthwise kernel, one for each channel
