"""The evidence that a failing result holds on request: wrong arrays, and plain differences of their worst elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import CaseResult, ConvCase, FunctionCase, Verdict
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

CASE = ConvCase(N=2, C=1, H=4, W=4)


class Counted:
    """The naive convolution, which counts the calls of forward, with dx spoilt."""

    def __init__(self, spoil: Callable[[Array], None], most: int = 10**9) -> None:
        self.calls = 0
        self._spoil, self._most = spoil, most

    def result(self, case: ConvCase = CASE, *, evidence: bool) -> CaseResult:
        def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
            self.calls += 1
            if self.calls > self._most:
                raise ValueError("no more")
            return conv_forward_naive(x, w, b, conv_param)

        def backward(dout: Any, cache: Any) -> Any:
            dx, dw, db = conv_backward_naive(dout, cache)
            self._spoil(dx)
            return dx, dw, db

        implementation = from_functions((forward, backward), LAYERS["conv"])
        return check_case(case, implementation, Settings(keep_wrong=evidence, sweep_wrong=evidence))


def one_wrong(dx: Array) -> None:
    dx[1, 0, 2, 3] += 1


def nothing(dx: Array) -> None: ...


def test_what_is_wrong_is_kept_and_nothing_else() -> None:
    result = Counted(one_wrong).result(evidence=True)
    arrays = {name: gradient.arrays for name, gradient in result.gradients.items()}
    assert arrays["dx"] is not None
    assert arrays["dw"] is arrays["db"] is None
    assert np.argwhere(arrays["dx"].wrong).tolist() == [[1, 0, 2, 3]]
    assert result.arrays == {}
    assert list(result.sweeps) == ["dx"]


def test_nothing_is_kept_unless_asked_for_or_of_a_pass() -> None:
    for result in (Counted(one_wrong).result(evidence=False), Counted(nothing).result(evidence=True)):
        assert not result.sweeps
        assert all(gradient.arrays is None for gradient in result.gradients.values())


def test_the_verdict_is_the_same_and_costs_26_calls_more() -> None:
    without, counted = Counted(one_wrong), Counted(one_wrong)
    plain, kept = without.result(evidence=False), counted.result(evidence=True)
    assert (plain.verdict, plain.reason, plain.diagnosis) == (kept.verdict, kept.reason, kept.diagnosis)
    steps, around = 13, 2
    assert counted.calls - without.calls == 2 * (steps + 1) + around  # and the step of an affine function


def test_the_errors_are_those_of_differences_taken_by_hand() -> None:
    def cube(x: Array) -> tuple[Array, Array]:
        return x**3, x

    def backward(dout: Array, x: Array) -> Any:
        return 2 * dout * x**2

    case = FunctionCase(shape={"x": (3,)})
    result = check_case(case, from_functions((cube, backward), LAYERS["function"]), Settings(sweep_wrong=True))
    assert result.verdict is Verdict.FAIL
    kept = check_case(case, from_functions((cube, backward), LAYERS["function"]), Settings(keep_arrays=True)).arrays
    worst = result.gradients["dx"].worst
    assert worst is not None
    x, dout = kept["x"][worst.index], kept["dout"][worst.index]
    scales = abs(3 * kept["x"] ** 2 * kept["dout"])
    scale = max(scales[worst.index], 0.25 * scales.mean())
    found = {each.step: each.error for each in result.sweeps["dx"].errors}
    for h in (1e-1, 1e-2, 1e-3):
        difference = dout * ((x + h) ** 3 - (x - h) ** 3) / (2 * h)
        assert found[h] == pytest.approx(abs(difference - 3 * x**2 * dout) / scale, rel=1e-2)  # a scale is measured too


def test_a_forward_that_raises_by_then_has_no_sweep_and_the_same_verdict() -> None:
    without = Counted(one_wrong)
    plain = without.result(evidence=False)
    kept = Counted(one_wrong, most=without.calls + 5).result(evidence=True)
    assert not kept.sweeps
    assert (kept.verdict, kept.reason, kept.diagnosis) == (plain.verdict, plain.reason, plain.diagnosis)


def test_where_forward_is_not_defined_the_error_is_infinite() -> None:
    def root(x: Array) -> tuple[Array, Array]:
        if (x < 0).any():
            raise ValueError("below 0")
        return np.sqrt(x), x

    functions = from_functions((root, lambda dout, x: dout), LAYERS["function"])
    case = FunctionCase(shape={"x": (2,)}, range={"x": (0.5, 0.9)})
    result = check_case(case, functions, Settings(sweep_wrong=True))
    errors = {each.step: each.error for each in result.sweeps["dx"].errors}
    assert errors[1] == np.inf
    assert errors[1e-4] < 1e-7
