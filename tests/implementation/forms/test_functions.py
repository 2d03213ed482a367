"""Functions of which only their own forward tells what is right: where arrays, outputs and gradients are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.results.result import Verdict
from tests.conftest import report_of
from tests.implementation.forms.checked import Form
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

FORMS = {
    "parameters looked up in a dictionary": Form(
        layer="function",
        text=(
            "def mix_forward(x, params):\n    a = np.tanh(x @ params['Win'])\n"
            "    return a @ params['Wout'], (x, a, params)\n\n\n"
            "def mix_backward(dout, cache):\n    x, a, params = cache\n"
            "    da = dout @ params['Wout'].T * (1 - a * a)\n"
            "    return da @ params['Win'].T, x.T @ da, a.T @ dout\n"
        ),
        wrong=("(1 - a * a)", "(1 - a)"),
    ),
    "parameters in attributes, gradients in a dictionary": Form(
        layer="function",
        text=(
            "def blend(p, x):\n    h = x @ p.U\n    return h * h + p.shift, (x, h)\n\n\n"
            "def blend_backward(p, cache, g):\n    x, h = cache\n    dh = 2 * g * h\n"
            "    return {'U': x.T @ dh, 'shift': g.sum(0)}, dh @ p.U.T\n"
        ),
        wrong=("x.T @ dh", "x.T @ g"),
    ),
    "a flag of backward alone says what it takes": Form(
        layer="function",
        text=(
            "def bend(x, w):\n    return np.arctan(x @ w)\n\n\n"
            "def bend_backward(x, w, dout, of_product=True):\n    z = x if of_product else x @ w\n"
            "    d = dout / (1 + z**2)\n    return d @ w.T, x.T @ d\n"
        ),
        wrong=("(1 + z**2)", "(1 + z)"),
        understood=("of_product=False",),
    ),
    "the cotangent is that of the second output": Form(
        layer="function",
        text=(
            "def look(q, k, v):\n    s = q @ k.T\n    return s, s @ v\n\n\n"
            "def look_backward(q, k, v, dout):\n    ds = dout @ v.T\n    return ds @ k, ds.T @ q, (q @ k.T).T @ dout\n"
        ),
        wrong=("ds.T @ q", "ds @ q"),
        wrong_verdicts=frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.SKIP}),
    ),
    "an output that is not differentiated, and a cache": Form(
        layer="function",
        text=(
            "def pick_forward(x, w):\n    a = np.tanh(x @ w)\n    return a, a.argmax(-1), (x, w, a)\n\n\n"
            "def pick_backward(da, cache):\n    x, w, a = cache\n    d = da * (1 - a**2)\n    return d @ w.T, x.T @ d\n"
        ),
        wrong=("1 - a**2", "1 - a"),
    ),
    "backward takes by name what forward returned": Form(
        layer="function",
        text=(
            "def squash(x, w):\n    hid = np.tanh(x @ w)\n    out = hid**2\n    return out, hid, x\n\n\n"
            "def squash_backward(dout, hid, x, w):\n    d = 2 * dout * hid * (1 - hid**2)\n"
            "    return d @ w.T, x.T @ d\n"
        ),
        wrong=("2 * dout", "dout"),
    ),
    "all inputs in a tuple": Form(
        layer="function",
        text=(
            "def gate(u, v):\n    s = 1 / (1 + np.exp(-u))\n    return s * v, s\n\n\n"
            "def gate_backward(grad, inputs, cache):\n    u, v = inputs\n"
            "    return grad * cache * (1 - cache) * v, grad * cache\n"
        ),
        wrong=("(1 - cache)", "(1 + cache)"),
    ),
    "the parts of a cache as *args": Form(
        layer="function",
        text=(
            "def bend_forward(x, w):\n    a = np.tanh(x @ w)\n    return a, x, w, a\n\n\n"
            "def bend_backward(dout, *kept, scale=1.0):\n    x, w, a = kept\n    d = scale * dout * (1 - a**2)\n"
            "    return d @ w.T, x.T @ d\n"
        ),
        wrong=("x.T @ d", "x.T @ dout"),
    ),
    "a length that only backward takes": Form(
        layer="function",
        text=(
            "def level_forward(x):\n    return x.mean(axis=2) ** 2, x.mean(axis=2)\n\n\n"
            "def level_backward(g, m, T):\n    return np.repeat(2 * (g * m)[:, :, None], T, axis=2) / T\n"
        ),
        wrong=(" / T", ""),
    ),
    "a loss with the gradients of some arguments, which their names say": Form(
        layer="function",
        text=(
            "def low_rank_loss_and_grads(x, base, a, b_low, target, alpha):\n"
            "    y = x @ base + alpha * (x @ a) @ b_low\n"
            "    r = y - target\n    grad_b = alpha * (x @ a).T @ r\n    grad_a = alpha * x.T @ r @ b_low.T\n"
            "    return float((r * r).sum() / 2), grad_a, grad_b\n"
        ),
        wrong=("x.T @ r @ b_low.T", "x.T @ r @ b_low.T / 2"),
    ),
    "a function that makes the backward pass of another": Form(
        layer="affine",
        text=(
            "def dot(x, w):\n    return x @ w\n\n\n"
            "def dot_make_vjp(x, w):\n    def vjp(g):\n        return g @ w.T, x.T @ g\n    return vjp\n"
        ),
        wrong=("x.T @ g", "x.T @ g / len(x)"),
    ),
    "cotangents called g_next": Form(
        layer="sigmoid",
        text=(
            "def sigmoid_forward(a_curr):\n    return 1 / (1 + np.exp(-a_curr))\n\n\n"
            "def sigmoid_backward(a_curr, h_curr, g_next):\n    return g_next * h_curr * (1 - h_curr)\n"
        ),
        wrong=("(1 - h_curr)", "h_curr"),
    ),
    "a scale that is added to 1": Form(
        layer="rmsnorm",
        text=(
            "def rmsnorm_forward(x, w, eps=1e-6):\n    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)\n"
            "    return x * r * (1 + w), (x, w, r)\n\n\n"
            "def rmsnorm_backward(dy, cache):\n    x, w, r = cache\n    n, g = x.shape[-1], dy * (1 + w)\n"
            "    dx = r * g - r**3 * x * (g * x).sum(-1, keepdims=True) / n\n"
            "    return dx, (dy * x * r).reshape(-1, n).sum(0)\n"
        ),
        wrong=("dy * (1 + w)", "dy * w"),
    ),
    "running statistics without a mode": Form(
        layer="batchnorm",
        text=(
            "def batchnorm_forward(x, g, b, eps=1e-5, state=None):\n    m, v = x.mean(0), x.var(0)\n"
            "    if state is not None:\n"
            "        state['running_mean'] = state['momentum'] * state['running_mean'] + (1 - state['momentum']) * m\n"
            "        state['running_var'] = state['momentum'] * state['running_var'] + (1 - state['momentum']) * v\n"
            "    s = np.sqrt(v + eps)\n    n = (x - m) / s\n    return n * g + b, (n, g, s)\n\n\n"
            "def batchnorm_backward(dout, cache):\n    n, g, s = cache\n    d = dout * g\n"
            "    dx = (d - d.mean(0) - n * (d * n).mean(0)) / s\n    return dx, (dout * n).sum(0), dout.sum(0)\n"
        ),
        wrong=("n * (d * n)", "n * d"),
    ),
    "what is written for vectors": Form(
        text=(
            "def relu(x):\n    return np.maximum(x, 0)\n\n\n"
            "def relu_backward(dout, x):\n    slope = np.zeros(len(x))\n    slope[x > 0] = 1\n    return dout * slope\n"
        ),
        wrong=("= 1", "= 2"),
        wrong_verdicts=frozenset({Verdict.FAIL, Verdict.ERROR}),
    ),
    "static methods of a class without passes": Form(
        layer="function",
        text=(
            "class Costs:\n    @staticmethod\n    def bce(p, y):\n"
            "        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))\n\n    @staticmethod\n"
            "    def bce_backward(p, y):\n"
            "        return (p - y) / (p * (1 - p)) / p.size\n"
        ),
        wrong=("(p - y)", "(y - p)"),
    ),
    "lists of numbers": Form(
        layer="function",
        text=(
            "def pull_loss(y, p):\n    return sum((b - a) ** 2 for a, b in zip(y, p)) / len(p)\n\n\n"
            "def pull_grad(y, p):\n    return [2 * (b - a) / len(p) for a, b in zip(y, p)]\n"
        ),
        wrong=("2 * (b - a)", "(b - a)"),
    ),
    "targets of as many axes as predictions": Form(
        layer="function",
        text=(
            "def mse_forward(Y_hat, Y):\n    return np.sum((Y - Y_hat) ** 2) / Y.shape[1]\n\n\n"
            "def mse_backward(Y_hat, Y):\n    return -2 * (Y - Y_hat) / Y.shape[1]\n"
        ),
        wrong=(" / Y.shape[1]\n\n\n", " / 2\n\n\n"),
    ),
}


@pytest.mark.parametrize("name", one_in(7, FORMS))
def test_a_form_is_understood_and_its_fault_is_caught(name: str, tmp_path: Path) -> None:
    FORMS[name].assert_understood(tmp_path)


#: What is no pass of what it is called after, or cannot be asked: skipped with the reason, never failed.
NOT_EXPRESSIBLE = {
    "takes no cotangent but `Y`": (
        "def softmax(z):\n    e = np.exp(z - z.max(-1, keepdims=True))\n    return e / e.sum(-1, keepdims=True)\n\n\n"
        "def softmax_backward(A, Y):\n    return A - Y\n"
    ),
    "takes no cotangent, such as dout": (
        "def linear(x, w, b):\n    return x @ w + b\n\n\ndef linear_grad_w(cache):\n    return cache[0]\n\n\n"
        "def linear_grad_x(cache):\n    return cache[1]\n"
    ),
    "takes no cotangent, and dx has shape": (
        "def softmax(x):\n    e = np.exp(x - x.max(-1, keepdims=True))\n    return e / e.sum(-1, keepdims=True)\n\n\n"
        "def softmax_grad(x):\n    p = softmax(x)\n    return p[..., None] * (np.eye(p.shape[-1]) - p[..., None, :])\n"
    ),
    "it computes with variables of a framework": (
        "def linear_forward(x, W):\n    return x @ W.data.T, (x, W)\n\n\n"
        "def linear_backward(g, cache):\n    x, W = cache\n    W.grad += g.T @ x\n    return g @ W.data\n"
    ),
    "of which the meaning is not known, and does not run": (
        "def attention_forward(h, p, prefix, heads):\n    y = h @ p[f'{prefix}.W']\n"
        "    return y, (h, y, heads // 2)\n\n\n"
        "def attention_backward(dout, cache, p, prefix):\n    return dout @ p[f'{prefix}.W'].T\n"
    ),
}


@in_parts(3)
def test_what_cannot_be_asked_is_skipped_with_the_reason(part: int, tmp_path: Path, gradcheck: Program) -> None:
    for said, text in list(NOT_EXPRESSIBLE.items())[part::3]:
        (tmp_path / "mine.py").write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
        rows = report_of(gradcheck("mine.py", "--json", "-"))["results"]
        assert {row["verdict"] for row in rows} == {"skip"}, rows
        assert any(said in row["reason"] for row in rows), rows


def test_code_that_says_float32_is_checked_in_it(tmp_path: Path, gradcheck: Program) -> None:
    text = (
        "import numpy as np\n\n\ndef dropout_forward(x, rate, training):\n    if not training:\n"
        "        return x, None\n"
        "    mask = (np.random.rand(*x.shape) > rate).astype(np.float32) / (1 - rate)\n    return x * mask, mask\n\n\n"
        "def dropout_backward(g, mask):\n    return g if mask is None else g * mask\n"
    )
    for code, wrong in ((text, False), (text.replace("g * mask", "g * mask / 2"), True)):
        (tmp_path / "mine.py").write_text(code, encoding="utf-8")
        rows = report_of(gradcheck("mine.py", "--json", "-"))["results"]
        assert {row["case"]["dtype"] for row in rows} == {"float32"}
        assert ("fail" in {row["verdict"] for row in rows}) == wrong, rows
    rows = report_of(gradcheck("mine.py", "--dtype", "float16", "--shard", "1/7", "--json", "-"))["results"]
    assert {row["case"]["dtype"] for row in rows} == {"float16"}


def test_a_loss_that_returns_one_value_is_none_with_gradients(tmp_path: Path, gradcheck: Program) -> None:
    text = "import numpy as np\n\n\ndef mse_loss(p, y):\n    loss = np.mean((p - y) ** 2)\n    return loss\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    run = gradcheck("mine.py")
    assert run.returncode == 2
    assert "mse_loss" in run.stderr
