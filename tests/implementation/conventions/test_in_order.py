"""The convention of two functions: what is passed, what may come back, and that no layer can change its inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.implementation.calling import call
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli import CaseResult
    from gradcheck_cli.numeric.arrays import Array
    from tests.conftest import LayerFile

CASE = ConvCase(N=1, C=2, H=3, W=3, F=2)
NAMES = ("x", "w", "b")
CONV = LAYERS["conv"]


def verdicts(result: CaseResult) -> list[Verdict]:
    assert result.forward is not None
    return [result.forward.verdict, *(gradient.verdict for gradient in result.gradients.values())]


def returning(spoil: Callable[..., Any]) -> CaseResult:
    """Check a backward pass that makes something else of the right gradients."""
    return check(CASE, (conv_forward_naive, lambda dout, cache: spoil(*conv_backward_naive(dout, cache))))


def forwarding(spoil: Callable[[Array, Any], Any]) -> CaseResult:
    """Check a forward pass that makes something else of the right output and cache."""
    return check(CASE, (lambda *args: spoil(*conv_forward_naive(*args)), conv_backward_naive))


def greedy_forward(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, Any]:
    out, _ = conv_forward_naive(x, w, b, conv_param)
    cache = x.copy(), w.copy(), b.copy(), dict(conv_param)
    for argument in (x, w, b):
        argument[...] = np.nan
    conv_param.clear()
    return out, cache


def greedy_backward(dout: Array, cache: Any) -> tuple[Array, ...]:
    gradients = conv_backward_naive(dout.copy(), cache)
    dout[...] = np.nan
    return gradients


def test_what_is_passed_and_returned() -> None:
    seen: list[Any] = []

    def forward(*args: Any) -> tuple[str, str]:
        seen.append(args)
        return "out", "cache"

    def backward(*args: Any) -> tuple[str, str, str]:
        seen.append(args)
        return "dx", "dw", "db"

    pair = from_functions((forward, backward), CONV)
    x, w, b, dout = np.zeros((1, 2)), np.zeros(3), np.zeros(4), np.zeros(5)
    out, cache = pair.forward({"x": x, "w": w, "b": b}, {"stride": 2})
    assert out == "out"
    assert pair.backward(dout, cache, NAMES) == {"x": "dx", "w": "dw", "b": "db"}
    (forward_args, backward_args) = seen
    assert [argument.shape for argument in forward_args[:3]] == [(1, 2), (3,), (4,)]
    assert forward_args[3] == {"stride": 2}
    assert (backward_args[0].shape, backward_args[1]) == ((5,), "cache")


def test_a_layer_without_parameters_is_passed_none() -> None:
    pair = from_functions((lambda x: (x + 1, None), lambda dout, cache: dout), LAYERS["relu"])
    out, cache = pair.forward({"x": np.zeros(2)}, None)
    assert np.array_equal(np.asarray(out), [1, 1])
    assert np.array_equal(np.asarray(pair.backward(np.ones(2), cache, ("x",))["x"]), [1, 1])


def test_arguments_are_copies() -> None:
    pair = from_functions((greedy_forward, greedy_backward), CONV)
    problem = LAYERS["conv"].problem(CASE)
    before = {name: value.copy() for name, value in problem.inputs.items()}, problem.cotangent.copy()
    _, cache = pair.forward(problem.inputs, problem.parameters)
    pair.backward(problem.cotangent, cache, NAMES)
    assert all(np.array_equal(problem.inputs[name], value) for name, value in before[0].items())
    assert np.array_equal(problem.cotangent, before[1])
    assert problem.parameters == CASE.settings


def test_a_layer_that_writes_into_its_arguments_spoils_no_derivative() -> None:
    assert verdicts(check(CASE, (greedy_forward, greedy_backward))) == [Verdict.PASS] * 4


def test_buffers_that_are_used_again() -> None:
    buffers = [np.empty((1, 2, 3, 3)), np.empty((2, 2, 3, 3)), np.empty(2), np.empty(CASE.out_shape)]

    def filled(arrays: tuple[Array, ...]) -> list[Array]:
        for buffer, array in zip(buffers, arrays, strict=False):
            buffer[...] = array
        return buffers[:3]

    def forward(*args: Any) -> tuple[Array, Any]:
        buffers[3][...], cache = conv_forward_naive(*args)
        return buffers[3], cache

    assert verdicts(check(CASE, (forward, conv_backward_naive))) == [Verdict.PASS] * 4
    assert verdicts(returning(lambda *gradients: filled(gradients))) == [Verdict.PASS] * 4


def test_lists_for_tuples() -> None:
    assert verdicts(forwarding(lambda out, cache: [out, cache])) == [Verdict.PASS] * 4
    assert verdicts(returning(lambda *gradients: list(gradients))) == [Verdict.PASS] * 4


#: What backward returns, which of dx, dw and db are wrong, and why.
MISSING: list[tuple[Callable[..., Any], str, str]] = [
    (lambda dx, dw, db: (dx, dw), "db", "db is missing"),
    (lambda dx, dw, db: (dx, None, db), "dw", "dw is missing: nothing was returned in its place"),
    (lambda *_: None, "dx dw db", "dx, dw and db are missing: nothing was returned in their place"),
    (lambda dx, dw, db: {"dx": dx, "dw": dw}, "db", "db is missing: nothing was returned in its place"),
    (lambda dx, dw, db: {"db": db, "x": dx, "grad_w": dw}, "", ""),
    (lambda dx, dw, db: (dx, "dw", db.tolist()), "dw db", "dw is no array but a str; db is no array but a list"),
]


def test_gradients_that_are_missing() -> None:
    for spoil, wrong, reason in MISSING:
        result = returning(spoil)
        assert {name for name, one in result.gradients.items() if one.verdict is Verdict.FAIL} == {*wrong.split()}
        assert (result.reason or "").startswith(reason)
        assert "None" not in (result.reason or "")
        assert all(result.gradients[name].shape is None for name in wrong.split())


def test_of_what_is_missing_beside_what_is_wrong() -> None:
    result = returning(lambda dx, dw, db: (None, dw[0], None))
    assert result.reasons[0] == "dx and db are missing: nothing was returned in their place"
    assert [reason.partition(" (")[0] for reason in result.reasons[1:]] == ["dw has shape"]
    result = check(CASE, (lambda *_: (None, None), lambda *_: None))
    assert result.reasons == ("out, dx, dw and db are missing: nothing was returned in their place",)


def test_what_backward_may_not_return() -> None:
    for spoil, said in (
        (lambda dx, dw, db: (dx, dw, db, 1), "returned 4 values, where dx, dw and db must be returned"),
        (lambda dx, dw, db: dx, "returned one array of shape (1, 2, 3, 3), where dx, dw and db must be returned"),
        (lambda dx, dw, db: "dx", "returned a value of type str, where dx, dw and db must be returned"),
    ):
        result = returning(spoil)
        assert (result.verdict, result.traceback) == (Verdict.ERROR, None)
        assert said in (result.reason or "")


def test_what_forward_may_not_return() -> None:
    for spoil, said in (
        (lambda out, cache: out, "returned one array of shape (1, 2, 3, 3), not (out, cache)"),
        (lambda out, cache: None, "returned a value of type NoneType, not (out, cache)"),
        (lambda out, cache: (out, cache, 1), "returned 3 values, not (out, cache)"),
        (lambda out, cache: (out,), "returned 1 values, not (out, cache)"),
    ):
        result = forwarding(spoil)
        assert (result.verdict, result.forward) == (Verdict.ERROR, None)
        assert said in (result.reason or "")


def test_what_out_may_not_be() -> None:
    for spoil, said in (
        (lambda out, cache: (None, cache), "out is missing"),
        (lambda out, cache: (out.tolist(), cache), "out is no array but a list"),
        (lambda out, cache: (out[0], cache), "out has shape (2, 3, 3) instead of (1, 2, 3, 3)"),
        (lambda out, cache: (out.astype(int), cache), "out has dtype int"),
    ):
        result = forwarding(spoil)
        assert result.verdict is Verdict.FAIL
        assert said in (result.reason or "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("once\nand again"), "raised ValueError: once"),
        (RuntimeError(), "raised RuntimeError"),
        (SystemExit(3), "raised SystemExit: 3"),
        (AssertionError("  "), "raised AssertionError"),
    ],
    ids=["two lines", "no message", "an exit", "blanks"],
)
def test_an_exception_is_a_result(error: BaseException, said: str) -> None:
    def forward(*_: object) -> None:
        raise error

    result = check(CASE, (forward, conv_backward_naive))
    assert (result.verdict, result.reason) == (Verdict.ERROR, f"forward {said}")


def test_ctrl_c_passes() -> None:
    def forward(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(CASE, (forward, conv_backward_naive))


def test_a_traceback_has_the_frames_of_the_implementation_only() -> None:
    def inner(x: Array) -> None:
        np.reshape(x, (5, 7))

    def backward(dout: Array, cache: Any) -> None:
        inner(dout)

    traceback = check(CASE, (conv_forward_naive, backward)).traceback or ""
    lines = traceback.splitlines()
    assert lines[0] == "Traceback (your code only):"
    assert lines[1].endswith(", in backward")
    assert lines[2].strip() == "inner(dout)"
    assert [line for line in lines if line.endswith(", in inner")]
    assert lines[-2].startswith("ValueError: cannot reshape array of size 18")
    assert lines[-1] == "It was called as backward(1x2x3x3 float64, tuple of 4)"
    assert not traceback.endswith("\n")
    assert f"{Path('gradcheck_cli', 'implementation')}" not in traceback
    assert f"{Path('gradcheck_cli', 'checks')}" not in traceback


def test_a_call_that_does_not_fit_has_no_frames() -> None:
    with pytest.raises(ImplementationError, match=r"raised TypeError: .*takes 1 positional argument") as caught:
        call(lambda x: (x, x), np.zeros(1), np.zeros(1))
    assert caught.value.traceback is None


def test_prints_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def forward(*args: Any) -> Any:
        print("forward")  # noqa: T201  # what a student does
        return conv_forward_naive(*args)

    check(CASE, (forward, conv_backward_naive))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert set(captured.err.splitlines()) == {"forward"}


def test_functions_of_a_file_know_what_to_type(
    layer_file: LayerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layer_file(name="known_layers.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = import_module("known_layers")
    assert (
        from_functions((module.conv_forward, module.conv_backward), CONV).spec == f"{path}:conv_forward,conv_backward"
    )
    monkeypatch.chdir(tmp_path)
    pair = from_functions((module.conv_forward, module.conv_backward), CONV)
    assert pair.name == pair.spec == "known_layers.py:conv_forward,conv_backward"
    command = check(CASE, (module.conv_forward, module.conv_backward)).command or ""
    assert command.startswith("convcheck known_layers.py:conv_forward,conv_backward --N 1 ")


def test_functions_without_a_place_have_a_name_and_no_command() -> None:
    result = check(CASE, (conv_forward_naive, lambda dout, cache: conv_backward_naive(1 * dout, cache)))
    assert (result.implementation, result.command) == ("conv_forward_naive,<lambda>", None)
    assert result.passed


def test_objects_that_can_be_called() -> None:
    class Forward:
        def __call__(self, x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> Any:
            return conv_forward_naive(x, w, b, conv_param)

    pair = from_functions((Forward(), conv_backward_naive), CONV)
    assert pair.name == "Forward,conv_backward_naive"
    assert pair.convention == "Forward(x, w, b, conv_param) and conv_backward_naive(dout, cache)"


def test_functions_in_another_order_are_read_by_name() -> None:
    def forward(weights: Array, bias: Array, image: Array, stride: int = 1, pad: int = 0) -> Any:
        return conv_forward_naive(image, weights, bias, {"stride": stride, "pad": pad})

    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = conv_backward_naive(dout, cache)
        return dw, db, dx

    result = check(CASE, (forward, backward))
    assert verdicts(result) == [Verdict.PASS] * 4
    assert result.understood == "forward(weights, bias, image, stride, pad) and backward(dout, cache)"


def test_a_class_may_be_handed_over() -> None:
    class Convolution:
        def __init__(self, W: Array, b: Array, stride: int = 1, pad: int = 0) -> None:
            self.W, self.b, self.param = W, b, {"stride": stride, "pad": pad}

        def forward(self, x: Array) -> Array:
            out, self.cache = conv_forward_naive(x, self.W, self.b, self.param)
            return out

        def backward(self, dout: Array) -> Array:
            dx, self.dW, self.db = conv_backward_naive(dout, self.cache)
            return dx

    assert verdicts(check(CASE, Convolution)) == [Verdict.PASS] * 4
