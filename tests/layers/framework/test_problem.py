"""The common problem: what is drawn, what is expected, and its scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import FEATURE, SAMPLE, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size

if TYPE_CHECKING:
    from random import Random

    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class ToyCase(Case):
    """Sizes of out = x w, of x (N, D) and w (D,)."""

    layer: ClassVar[str] = "toy"

    axes = declare(x="N D", w="D", out="N D")

    N: int = size(3, "samples")
    D: int = size(4, "features")


@frozen
class SumCase(ToyCase):
    """The same with a state, the sum of x and what was there."""

    axes = declare(x="N D", w="D", out="N D", total="D")


def problem_of(case: ToyCase, w: tuple[int, ...] | None = None, **steps: Any) -> Problem:
    def draw(case: ToyCase, source: Random) -> dict[str, Array]:
        return {"x": signed_uniform(source, (case.N, case.D)), "w": signed_uniform(source, w or (case.D,))}

    pairs = {"toy": (forward, backward)}
    return Layer(case=type(case), builtin=pairs, standard=lambda: (), draw=draw, **steps).problem(case)


def forward(x: Array, w: Array, param: dict[str, Any] | None = None) -> tuple[Array, None]:
    if param is not None:
        param["total"] = param["total"] + x.sum(axis=0)
    return x * w, None


def backward(dout: Array, _: None) -> Array:
    return dout


def test_inputs_are_drawn_and_scaled_by_absolute_values() -> None:
    for dtype in ("float16", "float64"):
        problem = problem_of(ToyCase(dtype=dtype, seed=3))
        x, w = (problem.inputs[name] for name in ("x", "w"))
        assert (x.shape, w.shape, x.dtype.name, w.dtype.name) == ((3, 4), (4,), dtype, dtype)
        assert (np.abs(x[x != 0]) >= 0.5).all()
        assert np.count_nonzero(x) == 11, "one element in eight is zero, of w none"
        assert w.all()
        assert (x < 0).any()
        assert (x > 0).any()
        np.testing.assert_array_equal(problem.expected, x.astype(float) * w.astype(float))
        np.testing.assert_array_equal(problem.expected_scale, abs(problem.expected))
        assert problem.cotangent.dtype == dtype
        assert {name: coupling.colors for name, coupling in problem.coupling.items()} == {"x": 1, "w": 1}


def test_shapes_and_relations_that_a_layer_states_take_precedence() -> None:
    relations = {"x": {FEATURE: EACH}, "w": {FEATURE: EACH}}
    problem = problem_of(ToyCase(D=6), w=(1,), relations=lambda *_: relations)
    assert problem.inputs["w"].shape == (1,)
    assert problem.coupling["x"].colors == 6
    np.testing.assert_array_equal(problem.coupling["x"].owner(2), [[2], [8], [14]])
    assert "w" not in problem.coupling, "all its elements share outputs"


def test_state_is_an_output_without_a_cotangent() -> None:
    problem = problem_of(
        SumCase(),
        parameters=lambda *_: {"total": np.arange(4.0)},
        state=("total",),
    )
    x = problem.inputs["x"]
    parts, weights = problem.parts(problem.expected), problem.parts(problem.cotangent)
    np.testing.assert_array_equal(parts["total"], np.arange(4.0) + x.sum(axis=0))
    assert weights["out"].all()
    assert not weights["total"].any()
    assert problem.parameters is not None
    np.testing.assert_array_equal(problem.parameters["total"], np.arange(4.0))  # forward writes into a copy
    # Samples meet in `total`, so that of x each has a colour; a column owns its place in both outputs.
    assert problem.coupling["x"].colors == 3
    np.testing.assert_array_equal(problem.coupling["x"].owner(1), [4, 5, 6, 7] * 4)
    assert SAMPLE not in problem.axes["total"]
