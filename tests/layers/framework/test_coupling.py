"""Couplings of all layers, against what moving each element of an input does to the output of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv_transpose import ConvTransposeCase
from gradcheck_cli.layers.conv.variants import Conv1dCase, DepthwiseConvCase
from gradcheck_cli.layers.framework.problem import fresh
from gradcheck_cli.layers.norm.groupnorm import GroupnormCase
from gradcheck_cli.layers.pool.maxpool import MaxpoolCase
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: Geometries that no standard set has: unequal strides, pads, dilations, groups; kernels larger than the image.
CASES: list[Case] = [
    ConvCase(N=2, C=4, H=6, W=5, F=6, HH=3, WW=2, stride=(2, 1), pad=(1, 2), dilation=(2, 1), groups=2),
    ConvCase(N=1, C=2, H=2, W=3, F=2, HH=3, WW=3, pad=2, dilation=(1, 2)),
    ConvCase(N=2, C=3, H=7, W=5, F=3, HH=2, WW=2, stride=3, dilation=3, groups=3, pad=1),
    Conv1dCase(N=2, C=2, W=2, F=3, WW=4, pad=3, stride=2),
    DepthwiseConvCase(N=2, C=3, H=4, W=6, HH=3, WW=2, stride=(1, 3), pad=(2, 0)),
    ConvTransposeCase(N=2, C=3, H=3, W=4, F=2, HH=4, WW=3, stride=(2, 1), pad=(1, 2)),
    ConvTransposeCase(N=1, C=2, H=2, W=5, F=3, HH=5, WW=2, stride=(1, 3), pad=(2, 0)),
    ConvTransposeCase(N=2, C=2, H=2, W=1, F=2, HH=7, WW=4, stride=(2, 3), pad=(3, 1)),
    MaxpoolCase(N=2, C=2, H=7, W=4, pool_height=2, pool_width=3, stride=3),
    GroupnormCase(N=2, C=6, H=1, W=2, G=3),
]

#: Elements of these are not said to reach only what they do: where some is dropped or hidden, in statistics and states.
PARTIAL = (
    "dropout",
    "batchnorm",
    "spatial-batchnorm",
    "rnn",
    "lstm",
    "lstm-step",
    "gru",
    "gru-step",
    "attention",
    "multihead-attention",
)


def jacobian_pattern(problem: Problem, layer_name: str, moved: str) -> Array:
    """Which element (row) of an input changes which output (column), by small moves and by some past every kink."""
    layer = LAYERS[layer_name]
    forward = next(iter(layer.builtin.values()))[0]

    def out(values: dict[str, Array]) -> Array:
        given = [] if problem.parameters is None else [fresh(problem.parameters)]
        returned = forward(*values.values(), *given)[: len(layer.outputs)]
        return np.concatenate([np.ravel(a) for a in (*returned, *(given[0][name] for name in layer.state))])

    # An element of w does not show where it meets a zero of x.
    inputs = {
        name: np.where(value == 0, 0.7, value) if value.dtype.kind == "f" else value.copy()
        for name, value in problem.inputs.items()
    }
    base, flat = out(inputs), inputs[moved].reshape(-1)
    pattern = np.zeros((flat.size, base.size), bool)
    for element in range(flat.size):
        for step in (0.1, 100.0, -100.0):
            kept = flat[element]
            flat[element] += step
            pattern[element] |= out(inputs) != base
            flat[element] = kept
    return pattern


def stated_pattern(problem: Problem, name: str) -> tuple[Array, Array]:
    """What the coupling states, in the same form; and in how many colours each element is."""
    coupling, size = problem.coupling[name], problem.inputs[name].size
    pattern, colors = np.zeros((size, problem.cotangent.size), int), np.zeros(size, int)
    for color in range(coupling.colors):
        owner = np.broadcast_to(coupling.owner(color), problem.cotangent.shape).reshape(-1)
        outputs = np.flatnonzero(owner >= 0)
        pattern[owner[outputs], outputs] += 1
        colors[np.unique(owner[outputs])] += 1
    return pattern, colors


def small(case: Case) -> bool:
    return sum(value.size for value in LAYERS[case.layer].problem(case).inputs.values()) <= 250


@pytest.mark.parametrize(
    "name", one_in(3, [name for name in LAYERS if not LAYERS[name].loss and LAYERS[name].reference])
)
def test_couplings_are_those_of_the_jacobian(name: str) -> None:
    """Each output depends on the elements that are said to reach it, and on no others; an element has one colour."""
    for case in [*filter(small, LAYERS[name].standard()), *(case for case in CASES if case.layer == name)]:
        problem = LAYERS[name].problem(case)
        for moved in problem.differentiable:
            found = jacobian_pattern(problem, name, moved)
            if moved not in problem.coupling:
                shared = (found.astype(int) @ found.T).all()  # so that no two elements can be moved together
                assert shared or name in ("rnn", "lstm", "gru", "gru-step", "multihead-attention")
                continue
            stated, colors = stated_pattern(problem, moved)
            assert stated.max(initial=0) <= 1, (case, moved)
            assert colors.max() <= 1, (case, moved)
            assert (stated >= found).all(), (case, moved)
            padded = np.any(case.geometry.get("pad", 0))
            if name not in PARTIAL and not (padded and moved == "w"):  # an element of w may meet nothing but pad
                assert (stated == found).all(), (case, moved)
                if not padded:
                    assert problem.coupling[moved].colors == found.sum(axis=0).max(), "it takes no fewer colours"
