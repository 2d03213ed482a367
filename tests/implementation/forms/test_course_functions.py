"""Functions as courses and blogs write them: vectors for batches, gradients in an order of their own, p - y."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.implementation.conventions.network import shortened
from gradcheck_cli.implementation.finding.examine import examine
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.loading.load import Loader
from tests.implementation.forms.checked import Form
from tests.sampling import in_parts

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = {
    "a dense layer": Form(
        text=(
            "def dense(x, W, b):\n    return x @ W + b\n\n\n"
            "def dense_backward(dout, cache_x, W):\n    return W @ dout, np.outer(cache_x, dout), dout.copy()\n"
        ),
        wrong=("np.outer(cache_x, dout)", "np.outer(cache_x, dout) * 2"),
        understood=("one sample at a time, without an axis for it",),
    ),
    "a softmax": Form(
        text=(
            "def softmax_forward(a):\n    e = np.exp(a - a.max())\n    return e / e.sum()\n\n\n"
            "def softmax_backward(b, gb):\n    return (np.diag(b) - np.outer(b, b)) @ gb\n"
        ),
        wrong=("np.diag(b) - np.outer(b, b)", "np.diag(b)"),
        understood=("one sample at a time",),
    ),
}

ORDERS = {
    "an image": Form(
        text=(
            "def conv_forward(x, filters, bias):\n    k, fh, fw, _ = filters.shape\n"
            "    out = np.zeros((x.shape[0] - fh + 1, x.shape[1] - fw + 1, k))\n"
            "    for i in range(out.shape[0]):\n        for j in range(out.shape[1]):\n"
            "            out[i, j] = np.tensordot(filters, x[i:i + fh, j:j + fw], 3) + bias\n    return out\n\n\n"
            "def conv_backward(d_out, x, filters):\n    dW, dx = np.zeros_like(filters), np.zeros_like(x)\n"
            "    fh, fw = filters.shape[1:3]\n"
            "    for i in range(d_out.shape[0]):\n        for j in range(d_out.shape[1]):\n"
            "            dW += d_out[i, j][:, None, None, None] * x[i:i + fh, j:j + fw]\n"
            "            dx[i:i + fh, j:j + fw] += np.tensordot(d_out[i, j], filters, 1)\n"
            "    db = d_out.sum((0, 1))\n    return dW, db, dx\n"
        ),
        wrong=("d_out.sum((0, 1))", "d_out.mean((0, 1))"),
    ),
    "one sample": Form(
        text=(
            "def linear_forward(a, w):\n    return w @ a\n\n\n"
            "def linear_backward(a, w, gb):\n    gw = np.outer(gb, a)\n    ga = w.T @ gb\n    return gw, ga\n"
        ),
        wrong=("w.T @ gb", "-w.T @ gb"),
    ),
    "parameters in a dictionary": Form(
        text=(
            "def rnn_forward(x, h0, p):\n    hs = [h0]\n    for t in range(len(x)):\n"
            "        hs.append(np.tanh(p['Wx'] @ x[t] + p['Wh'] @ hs[-1] + p['b']))\n"
            "    return np.array(hs[1:]), (x, hs, p)\n\n\n"
            "def rnn_backward(dh, cache):\n    x, hs, p = cache\n"
            "    grads = {k: np.zeros_like(v) for k, v in p.items()}\n"
            "    dX, dh_next = np.zeros_like(x), np.zeros_like(hs[0])\n    for t in reversed(range(len(x))):\n"
            "        da = (dh[t] + dh_next) * (1 - hs[t + 1] ** 2)\n        grads['Wx'] += np.outer(da, x[t])\n"
            "        grads['Wh'] += np.outer(da, hs[t])\n        grads['b'] += da\n"
            "        dX[t], dh_next = p['Wx'].T @ da, p['Wh'].T @ da\n    return grads, dh_next, dX\n"
        ),
        wrong=("np.outer(da, hs[t])", "np.outer(da, hs[t + 1])"),
    ),
}

MATRICES = {
    "loops over rows and columns": Form(
        text=(
            "def relu_forward(x):\n    n, d = x.shape\n    out = np.zeros_like(x)\n    for i in range(n):\n"
            "        for j in range(d):\n            out[i, j] = max(0.0, x[i, j])\n    return out, x\n\n\n"
            "def relu_backward(dout, x):\n    dx = np.zeros_like(x)\n    for i in range(len(x)):\n"
            "        for j in range(len(x[i])):\n            dx[i, j] = dout[i, j] * (x[i, j] > 0)\n    return dx\n"
        ),
        wrong=("(x[i, j] > 0)", "(x[i, j] < 0)"),
        most=7,
        passed=3,
    ),
}

ARGUMENTS = {
    "a generator": Form(
        text=(
            "def dropout_forward(x, p, rng, training):\n    if not training:\n        return x, None\n"
            "    mask = (rng.random(x.shape) >= p) / (1 - p)\n    return x * mask, mask\n\n\n"
            "def dropout_backward(dout, mask):\n    return dout if mask is None else dout * mask\n"
        ),
        wrong=("else dout * mask", "else dout"),
        layer="dropout",
        most=7,
    ),
    "a generator of code that is not known, which may be None": Form(
        text=(
            "def blur_forward(x, width, rng=None):\n    rng = rng or np.random.default_rng()\n"
            "    noise = rng.standard_normal(x.shape)\n    return x + width * noise, noise\n\n\n"
            "def blur_backward(dout, noise):\n    return dout, (dout * noise).sum()\n"
        ),
        wrong=("(dout * noise).sum()", "noise.sum()"),
        layer="function",
    ),
    "running means that are None by default": Form(
        text=(
            "def batchnorm_forward(x, gamma, beta, eps=1e-5, training=True, running_mean=None, running_var=None,\n"
            "                      momentum=0.9):\n    if not training:\n"
            "        n = (x - running_mean) / np.sqrt(running_var + eps)\n"
            "        return gamma * n + beta, None, running_mean, running_var\n"
            "    mu, var = x.mean(0), x.var(0)\n    n = (x - mu) / np.sqrt(var + eps)\n"
            "    kept = momentum * running_mean + (1 - momentum) * mu, momentum * running_var + (1 - momentum) * var\n"
            "    return gamma * n + beta, (n, var, gamma, eps), *kept\n\n\n"
            "def batchnorm_backward(dout, cache):\n    n, var, gamma, eps = cache\n    d = dout * gamma\n"
            "    dx = (d - d.mean(0) - n * (d * n).mean(0)) / np.sqrt(var + eps)\n"
            "    return dx, (dout * n).sum(0), dout.sum(0)\n"
        ),
        wrong=("- n * (d * n).mean(0)", "- n * d.mean(0)"),
        layer="batchnorm",
    ),
}

RETURNED = {
    "a dictionary": Form(
        text=(
            "def relu_forward(x):\n    return {'y': np.maximum(x, 0), 'cache': {'x': x}}\n\n\n"
            "def relu_backward(dy, cache):\n    return np.where(cache['x'] > 0, dy, 0)\n"
        ),
        wrong=("cache['x'] > 0", "cache['x'] < 0"),
        layer="relu",
    ),
    "a dictionary of what is not known": Form(
        text=(
            "def cube_forward(x, k):\n    return {'cache': (x, k), 'out': k * x**3}\n\n\n"
            "def cube_backward(dout, cache):\n    x, k = cache\n"
            "    return {'dx': dout * 3 * k * x**2, 'dk': (dout * x**3).sum()}\n"
        ),
        wrong=("3 * k", "2 * k"),
        layer="function",
    ),
    "an accuracy": Form(
        text=(
            "def softmax_loss(scores, y):\n    z = scores - scores.max(1, keepdims=True)\n"
            "    logs, rows = z - np.log(np.exp(z).sum(1, keepdims=True)), np.arange(len(y))\n"
            "    d = np.exp(logs)\n    d[rows, y] -= 1\n"
            "    return -logs[rows, y].mean(), d / len(y), (scores.argmax(1) == y).mean()\n"
        ),
        wrong=("d / len(y)", "d"),
        layer="softmax",
    ),
}

LOSSES = {
    "in the scores of a softmax": Form(
        text=(
            "def cross_entropy(y_true, y_pred):\n"
            "    return -np.sum(y_true * np.log(y_pred + 1e-12)) / len(y_true)\n\n\n"
            "def cross_entropy_derivative(y_true, y_pred):\n    return (y_pred - y_true) / len(y_true)\n"
        ),
        wrong=("(y_pred - y_true)", "(y_true - y_pred)"),
        understood=("the gradient in the scores of which y_pred is the softmax",),
    ),
    "in the scores of a sigmoid": Form(
        text=(
            "def bce_loss(y, a):\n    return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))\n\n\n"
            "def bce_loss_der(y, a):\n    return (a - y) / y.size\n"
        ),
        wrong=("(a - y) / y.size", "(a - y) / y.size / 2"),
        understood=("the gradient in the scores of which a is the sigmoid",),
    ),
    "of an index": Form(
        text=(
            "def softmaxLossAndGradient(centerVec, outsideIdx, outsideVectors, dataset):\n"
            "    s = outsideVectors @ centerVec\n    p = np.exp(s - s.max())\n    p /= p.sum()\n"
            "    loss = -np.log(p[outsideIdx])\n    p[outsideIdx] -= 1\n"
            "    gradCenterVec, gradOutsideVectors = p @ outsideVectors, np.outer(p, centerVec)\n"
            "    return loss, gradCenterVec, gradOutsideVectors\n"
        ),
        wrong=("np.outer(p, centerVec)", "np.outer(p, 2 * centerVec)"),
    ),
    "with one bias for all samples": Form(
        text=(
            "def propagate(w, b, X, Y):\n    m = X.shape[1]\n    A = 1 / (1 + np.exp(-w.T @ X - b))\n"
            "    cost = -(Y @ np.log(A).T + (1 - Y) @ np.log(1 - A).T) / m\n"
            "    grads = {'dw': X @ (A - Y).T / m, 'db': np.sum(A - Y, axis=1) / m}\n    return grads, cost\n"
        ),
        wrong=("np.sum(A - Y, axis=1) / m", "np.sum(A - Y, axis=1)"),
    ),
}


NETWORKS = {
    "of characters, with long axes that are globals": Form(
        text=(
            "H, V = 40, 30\n"
            "Wx, Wh, Wy = np.random.randn(H, V) * 0.01, np.random.randn(H, H) * 0.01, np.random.randn(V, H) * 0.01\n"
            "bh, by = np.zeros((H, 1)), np.zeros((V, 1))\n\n\n"
            "def lossFun(inputs, targets, hprev):\n    xs, hs, ps, loss = {}, {-1: hprev}, {}, 0\n"
            "    for t in range(len(inputs)):\n        xs[t] = np.zeros((V, 1))\n        xs[t][inputs[t]] = 1\n"
            "        hs[t] = np.tanh(Wx @ xs[t] + Wh @ hs[t - 1] + bh)\n        y = np.exp(Wy @ hs[t] + by)\n"
            "        ps[t] = y / y.sum()\n        loss += -np.log(ps[t][targets[t], 0])\n"
            "    dWx, dWh, dWy, dbh, dby = (np.zeros_like(one) for one in (Wx, Wh, Wy, bh, by))\n"
            "    later = np.zeros((H, 1))\n    for t in reversed(range(len(inputs))):\n"
            "        d = ps[t].copy()\n        d[targets[t]] -= 1\n        dWy += d @ hs[t].T\n        dby += d\n"
            "        da = (Wy.T @ d + later) * (1 - hs[t] ** 2)\n        dWx += da @ xs[t].T\n"
            "        dWh += da @ hs[t - 1].T\n        dbh += da\n        later = Wh.T @ da\n"
            "    return loss, dWx, dWh, dWy, dbh, dby, hs[len(inputs) - 1]\n"
        ),
        wrong=("later = Wh.T @ da", "later = Wh @ da"),
        understood=("with axes of 4 for 30 and 5 for 40",),
        most=1,
    ),
}


@in_parts(2)
@pytest.mark.parametrize("forms", [VECTORS, ORDERS, MATRICES, ARGUMENTS, RETURNED, LOSSES, NETWORKS])
def test_functions_of_courses_are_understood(forms: dict[str, Form], part: int, tmp_path: Path) -> None:
    for number, form in enumerate([*forms.values()][part::2]):
        (folder := tmp_path / str(number)).mkdir()
        form.assert_understood(folder)


def test_gradients_in_the_order_of_a_course_must_keep_to_it(tmp_path: Path) -> None:
    text = "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n\n\n"
    text += "def affine_backward(dout, cache):\n    x, w = cache\n"
    text += "    dw, db, dx = x.T @ dout, dout.sum(0), dout @ w.T\n    return dx, dw, db\n"
    Form(text=text, wrong=("return dx, dw, db", "return dw, db, dx"), layer="affine").assert_understood(tmp_path)


def test_shorter_lengths_keep_multiples_and_sums() -> None:
    for lengths in ((10, 13, 40), (100, 63, 163), (50, 7, 57, 150), (1, 9)):
        short = shortened(lengths)
        assert {*short} == {1, *lengths}
        assert len({*short.values()}) == len(short)
        for one, other in itertools.product(lengths, lengths):
            assert one + other not in short or 1 in (one, other) or short[one + other] == short[one] + short[other]
            assert 4 * one not in short or one == 1 or short[4 * one] == 4 * short[one]
    assert max(shortened((100, 63, 163)).values()) < 10


#: Code that is not checked, by words of the reason.
SKIPPED = {
    "is the softmax, but 4 times that": (
        "def cross_entropy(y_true, y_pred):\n    return np.mean(-np.sum(y_true * np.log(y_pred), axis=1))\n\n\n"
        "def cross_entropy_derivative(y_true, y_pred):\n    return y_pred - y_true\n"
    ),
    "takes no cotangent but `Y`, as the gradient of a loss does": (
        "def rnn_forward(X, Y, h0, parameters, size=9):\n    h, loss = h0, 0.0\n    for x, y in zip(X, Y):\n"
        "        one = np.zeros((size, 1))\n        one[x] = 1\n"
        "        h = np.tanh(parameters['U'] @ one + parameters['W'] @ h + parameters['c'])\n"
        "        loss -= h[y, 0]\n    return loss, (h, one)\n\n\n"
        "def rnn_backward(X, Y, parameters, cache):\n"
        "    return {name: 0 * p for name, p in parameters.items()}, cache\n"
    ),
}


def test_what_is_no_gradient_of_its_forward_is_told(tmp_path: Path) -> None:
    for number, (why, text) in enumerate(SKIPPED.items()):
        path = tmp_path / f"layers{number}.py"
        path.write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
        (offer,) = take_inventory(str(path), Loader()).offers
        found = examine(offer, Loader())
        assert found is not None
        assert why in str(found.reason)
