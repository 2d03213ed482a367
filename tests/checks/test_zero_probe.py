"""Functions without a reference, at inputs of 0: faults are found there, and kinks and poles are no faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers.function import FunctionCase
from tests.sampling import one_in

RIGHT: dict[str, Any] = {
    "abs": (abs, lambda dout, x: dout * np.sign(x)),
    "rectifier": (lambda x: np.maximum(x, 0), lambda dout, x: dout * (x > 0)),
    "its other side": (lambda x: np.maximum(x, 0), lambda dout, x: dout * (x >= 0)),
    "pole": (lambda x: 1 / x, lambda dout, x: -dout / x**2),
    "logarithm": (lambda x: np.log(abs(x)), lambda dout, x: dout / x),
    "root": (np.cbrt, lambda dout, x: dout / 3 / np.cbrt(x) ** 2),
    "power": (lambda x: abs(x) ** 1.5, lambda dout, x: 1.5 * dout * np.sign(x) * abs(x) ** 0.5),
    "guarded sign": (lambda x: x / (abs(x) + 1e-10), lambda dout, x: dout * 1e-10 / (abs(x) + 1e-10) ** 2),
    "smooth": (np.tanh, lambda dout, x: dout / np.cosh(x) ** 2),
    "dead zone": (lambda x: np.where(abs(x) > 1e-3, x, 0), lambda dout, x: dout * (abs(x) > 1e-3)),
    "smooth once": (lambda x: x * abs(x), lambda dout, x: 2 * dout * abs(x)),
}
WRONG: dict[str, Any] = {
    "out / x": (lambda x: 3 * x, lambda dout, x: dout * np.where(x == 0, 1, 3 * x / x)),
    "x != 0": (np.tanh, lambda dout, x: dout * (x != 0) / np.cosh(x) ** 2),
    "NaN": (np.sin, lambda dout, x: dout * np.cos(x) * x / x),
    "no zero": (lambda x: x * x, lambda dout, x: dout * np.where(x == 0, 1, 2 * x)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", one_in(4, [*RIGHT, *WRONG]))
def test_what_is_smooth_at_zero_is_checked_there(name: str, dtype: str) -> None:
    for seed, shape in enumerate([(2,), (4, 5), (24,)]):
        result = check(FunctionCase(shape={"x": shape}, dtype=dtype, seed=seed), (RIGHT | WRONG)[name])
        if name in RIGHT:
            assert result.passed or (name == "guarded sign" and result.verdict is Verdict.INCONCLUSIVE), (
                result.summary()
            )
            assert result.diagnosis == ()
            continue
        assert result.verdict is Verdict.FAIL
        assert [cause.code for cause in result.diagnosis] == ["wrong-at-zero"]
        wrong = result.gradients["dx"].wrong
        assert wrong is not None
        assert wrong.count == max(1, np.prod(shape) // 8)
        assert (result.reason or "").endswith("where x is 0")


def test_only_the_input_that_is_wrong_is_named() -> None:
    def backward(dout: Any, x: Any, w: Any) -> Any:
        return dout * w, dout * x * (w != 0)

    result = check(FunctionCase(shape={"x": (3,), "w": (3,)}), (lambda x, w: x * w, backward))
    assert [name for name, one in result.gradients.items() if one.verdict is Verdict.FAIL] == ["dw"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_range_without_zero_and_a_number_are_not_probed() -> None:
    pair = WRONG["x != 0"]
    assert check(FunctionCase(shape={"x": (4,)}, range={"x": (0.5, 2.0)}), pair).passed
    assert check(FunctionCase(shape={"x": ()}), pair).passed


def test_a_sum_over_calls_is_no_evidence_at_another_point() -> None:
    total: list[Any] = [0.0]

    def backward(dout: Any, x: Any) -> Any:
        total[0] = total[0] + 2 * x * dout
        return total[0]

    result = check(FunctionCase(shape={"x": (9,)}), (lambda x: x * x, backward))
    assert result.gradients["dx"].verdict is Verdict.PASS
    assert result.duties["deterministic"].verdict is Verdict.FAIL
    assert result.diagnosis == ()
    total[0] = 0.0
    skipped = check(FunctionCase(shape={"x": (9,)}), (lambda x: x * x, backward), skipped_duties=("deterministic",))
    assert skipped.gradients["dx"].verdict is Verdict.PASS
