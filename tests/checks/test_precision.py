"""Code that computes in a narrower dtype than its inputs is reported in one sentence, and judged in its own dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.function import FunctionCase

if TYPE_CHECKING:
    from gradcheck_cli.results.result import CaseResult


def _single(*arrays: Any) -> list[Any]:
    return [array.astype(np.float32) for array in arrays]


def _affine(x: Any, w: Any, b: Any) -> Any:
    x, w, b = _single(x, w, b)
    return x.reshape(len(x), -1) @ w + b, (x, w)


def _back_affine(dout: Any, cache: Any) -> Any:
    x, w = cache
    (dout,) = _single(dout)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)


def _strict(x: Any) -> Any:
    if x.dtype != np.float32:
        raise TypeError(f"expected float32, got {x.dtype}")
    return np.tanh(x), np.tanh(x)


def _hinge(x: Any, y: Any) -> Any:
    (x,) = _single(x)
    margins = np.maximum(0, x - x[np.arange(len(x)), y][:, None] + 1)
    margins[np.arange(len(x)), y] = 0
    dx = (margins > 0).astype(np.float32)
    dx[np.arange(len(x)), y] = -dx.sum(1)
    return float(margins.sum() / np.float32(len(x))), dx / np.float32(len(x))


KERNELS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "casts": ("affine", (_affine, _back_affine)),
    "refuses": ("tanh", (_strict, lambda dout, y: dout * (1 - y * y))),
    "returns a Python float": ("svm", (_hinge,)),
}


def _results(layer: str, functions: tuple[Any, ...], dtype: str) -> list[CaseResult]:
    code: Any = functions if len(functions) > 1 else functions[0]
    case: Any = LAYERS[layer].case
    return [check(case(dtype=dtype, seed=seed), code) for seed in range(3)]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_referred_to_its_own_dtype_and_passes_there(name: str) -> None:
    layer, functions = KERNELS[name]
    for result in _results(layer, functions, "float32"):
        assert result.passed, result.summary()
    # A Python float is a kernel of float64 to begin with.
    for dtype in ("float64", *(() if "Python" in name else ("longdouble",))):
        for result in _results(layer, functions, dtype):
            assert result.verdict is (Verdict.ERROR if name == "refuses" else Verdict.FAIL)
            assert (result.reason or "").count("--dtype float32") == 1
            assert result.diagnosis == ()
            if name != "refuses":
                assert result.reasons == (result.reason,)
                assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.INCONCLUSIVE}
                assert result.duties["linear_in_cotangent"].verdict is Verdict.INCONCLUSIVE


def test_a_wrong_kernel_fails_in_its_own_dtype() -> None:
    def doubled(dout: Any, cache: Any) -> Any:
        dx, dw, db = _back_affine(dout, cache)
        return dx, 2 * dw, db

    for result in _results("affine", (_affine, doubled), "float32"):
        assert [name for name, one in result.gradients.items() if one.verdict is Verdict.FAIL] == ["dw"]


def test_functions_are_referred_to_their_own_dtype_too() -> None:
    for dtype, verdict in (("float64", Verdict.FAIL), ("float32", Verdict.PASS)):
        product = from_functions((lambda p, q: np.float32(p) * np.float32(q), _back_product), LAYERS["function"])
        result = check(FunctionCase(shape={"p": (3,), "q": (3,)}, dtype=dtype), product)
        assert result.verdict is verdict, result.summary()
        assert ("--dtype float32" in (result.reason or "")) is (verdict is Verdict.FAIL)


def _back_product(dout: Any, p: Any, q: Any) -> Any:
    (dout,) = _single(dout)
    return dout * np.float32(q), dout * np.float32(p)


def test_what_raises_in_every_dtype_is_not_referred_to_another() -> None:
    def forward(_x: Any) -> Any:
        raise TypeError("no")

    (result, *_) = _results("tanh", (forward, lambda dout, _: dout), "float64")
    assert "--dtype" not in (result.reason or "")


def test_a_gradient_that_alone_is_narrow_is_a_fault_of_backward() -> None:
    functions = (lambda x: (np.tanh(x), np.tanh(x)), lambda dout, y: (dout * (1 - y * y)).astype(np.float32))
    for result in _results("tanh", functions, "float64"):
        assert result.reason == "dx has dtype float32, narrower than the float64 of the inputs"


def test_roundings_of_float32_in_arrays_of_float64_are_no_other_breach() -> None:
    """Forward and backward compute in float32, and return float64: the precision is wrong, and only that."""

    def forward(x: Any, w: Any, b: Any) -> Any:
        out, cache = _affine(x, w, b)
        return out.astype(np.float64), cache

    def backward(dout: Any, cache: Any) -> Any:
        return tuple(gradient.astype(np.float64) for gradient in _back_affine(dout, cache))

    for result in _results("affine", (forward, backward), "float64"):
        assert [cause.code for cause in result.diagnosis] == ["float32-inside"]
        assert {duty.verdict for duty in result.duties.values()} == {Verdict.PASS}

    def adding(dout: Any, cache: Any) -> Any:
        dx, dw, db = backward(dout, cache)
        return dx, dw + np.float32(0.5), db

    for result in _results("affine", (forward, adding), "float64"):
        assert result.duties["linear_in_cotangent"].verdict is Verdict.FAIL


def test_what_few_digits_leave_open_is_decided_by_the_reference() -> None:
    """A curved loss in float32: its differences show 3 digits, its forward and its gradient are the reference's."""

    def loss(x: Any, y: Any) -> Any:
        (x,) = _single(x)
        logs = x - x.max(1, keepdims=True)
        logs = logs - np.log(np.exp(logs).sum(1, keepdims=True))
        dx, rows = np.exp(logs), np.arange(len(x))
        dx[rows, y] -= 1
        return -logs[rows, y].mean(), dx / np.float32(len(x))

    def off(x: Any, y: Any) -> Any:
        value, dx = loss(x, y)
        dx[0, 0] *= np.float32(1 + 2e-4)
        return value, dx

    case: Any = LAYERS["softmax"].case
    methods = set()
    for seed in range(5):
        right, wrong = (check(case(dtype="float32", seed=seed), each, method="dense") for each in (loss, off))
        assert right.passed, right.summary()
        assert not wrong.passed
        methods.add(right.gradients["dx"].method)
    assert "reference" in methods
