"""Functions that are checked with the arguments of one call: in Python, and by --example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check, check_function

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((5, 4)), np.array([0, 2, 1, 1, 0])
PARAMS = {"W": RNG.standard_normal((4, 3)), "b": RNG.standard_normal(3)}
LAYERS = [RNG.standard_normal((4, 3)), RNG.standard_normal((3, 2))]


def loss(params: Any, X: Any, y: Any, reg: float = 0.0) -> Any:
    p = np.exp(X @ params["W"] + params["b"])
    p /= p.sum(1, keepdims=True)
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    d /= len(y)
    value = -np.log(p[np.arange(len(y)), y]).mean() + reg * (params["W"] ** 2).sum()
    return value, ({"dW": X.T @ d + 2 * reg * params["W"], "db": d.sum(0)}, d @ params["W"].T)


def chain(x: Any, ws: Any, *, scale: float = 1.0) -> Any:
    return scale * x @ ws[0] @ ws[1]


def chain_backward(dout: Any, x: Any, ws: Any, *, scale: float = 1.0) -> Any:
    d = scale * dout
    return d @ (ws[0] @ ws[1]).T, [x.T @ d @ ws[1].T, (x @ ws[0]).T @ d]


def pick(x: Any, mode: str, rows: Any) -> Any:
    return x[rows] * (2 if mode == "double" else 1)


def pick_backward(dout: Any, x: Any, mode: str, rows: Any) -> Any:
    dx = np.zeros_like(x)
    np.add.at(dx, rows, dout * (2 if mode == "double" else 1))
    return dx


def test_arrays_are_differentiated_wherever_they_are() -> None:
    for result, names in (
        (check_function(loss, None, PARAMS, X, Y), ["dparams.W", "dparams.b", "dX"]),
        (check_function(loss, None, PARAMS, X=X, y=Y, reg=0.1), ["dparams.W", "dparams.b", "dX"]),
        (check_function(chain, chain_backward, X, LAYERS), ["dx", "dws.0", "dws.1"]),
        (check_function(chain, chain_backward, X, LAYERS, scale=2.0), ["dx", "dws.0", "dws.1"]),
        (check_function(pick, pick_backward, X, "double", [0, 2, 2]), ["dx"]),
    ):
        assert result.passed, result.summary()
        assert list(result.gradients) == names


def test_what_is_wrong_is_named_by_its_path() -> None:
    def doubled(dout: Any, x: Any, ws: Any) -> Any:
        dx, (first, second) = chain_backward(dout, x, ws)
        return dx, [first, 2 * second]

    def without_bias(params: Any, X: Any, y: Any) -> Any:
        value, (grads, dx) = loss(params, X, y)
        return value, ({"dW": grads["dW"]}, dx)

    found = check_function(chain, doubled, X, LAYERS)
    assert found.verdict is Verdict.FAIL
    assert "dws.1 is 2 times the derivative" in found.summary()
    assert "dparams.b" in (check_function(without_bias, None, PARAMS, X, Y).reason or "")


def test_given_arrays_are_used_and_not_changed() -> None:
    seen: list[Any] = []

    def square(x: Any) -> Any:
        seen.append(x.copy())
        x *= x
        return x

    x = np.array([1.0, 2.0, 3.0], "float32")
    result = check_function(square, lambda dout, x: 2 * x * dout, x)
    assert np.array_equal(x, [1, 2, 3])
    assert any(np.array_equal(one, [1, 2, 3]) for one in seen)
    assert result.case.dtype == "float32"
    assert result.duties["inputs_unchanged"].verdict is Verdict.FAIL


def test_mistakes_are_told() -> None:
    with pytest.raises(TypeError, match="cannot be called with these arguments: missing a required argument: 'X'"):
        check_function(loss, None, PARAMS)
    with pytest.raises(TypeError, match="nothing to differentiate"):
        check_function(pick, pick_backward, [1, 2], "double", [0])


def test_every_layer_is_checked_by_its_name() -> None:
    assert check("lstm", N=2, T=3).passed
    assert check("relu", (lambda x: (np.maximum(x, 0), x), lambda dout, x: dout * (x > 0)), dtype="float32").passed
    with pytest.raises(ValueError, match="there is no layer 'lstn'"):
        check("lstn")
    with pytest.raises(TypeError, match="lstm has no 'K'; it has D, H, N, T"):
        check("lstm", K=2)


def test_an_example_is_a_function_that_returns_arguments(tmp_path: Path, gradcheck: Program) -> None:
    text = (
        "import numpy as np\n\ndef chain(x, ws, scale=1.0):\n    return scale * x @ ws[0] @ ws[1]\n\n\n"
        "def chain_grad(d, x, ws, scale=1.0):\n    d = scale * d\n"
        "    return d @ (ws[0] @ ws[1]).T, [x.T @ d @ ws[1].T, (x @ ws[0]).T @ d]\n\n\n"
        "def draw(*shape):\n    return np.random.standard_normal(shape)\n\n\n"
        "def positional():\n    return draw(5, 4), [draw(4, 3), draw(3, 2)]\n\n\n"
        "def named():\n    return {'x': draw(5, 4), 'ws': (draw(4, 3), draw(3, 2)), 'scale': 3.0}\n\n\n"
        "def both():\n    return positional(), {'scale': 2.0}\n\n\ndef nothing():\n    pass\n"
    )
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    for make in ("positional", "named", "both"):
        run = gradcheck("function", "mine.py:chain,chain_grad", "--example", f"mine.py:{make}")
        assert run.returncode == 0, run.stdout + run.stderr
        assert "dws.1" in run.stdout
    (tmp_path / "wrong.py").write_text(text.replace("d = scale * d", "pass"), encoding="utf-8")
    run = gradcheck("function", "wrong.py:chain,chain_grad", "--example", "wrong.py:both")
    assert run.returncode == 1
    assert "--example wrong.py:both" in run.stdout
    for flags, said in (
        (["--example", "mine.py:nothing"], "it returned None, not the arguments of one call"),
        (["--example", "mine.py"], "give FILE.py:function"),
        (["--example", "mine.py:positional", "--shape", "x=3"], "--example returns all arguments"),
    ):
        run = gradcheck("function", "mine.py:chain,chain_grad", *flags)
        assert run.returncode == 2, run.stdout
        assert said in run.stderr
