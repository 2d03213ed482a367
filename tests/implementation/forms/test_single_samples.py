"""Code that takes one sample, and has no axis for samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.results.result import Verdict
from tests.implementation.forms.checked import Form
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

_CONV = """\
def conv_forward(x, w, b, stride, pad):
    {before}F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    rows, columns = (xp.shape[1] - HH) // stride + 1, (xp.shape[2] - WW) // stride + 1
    out = np.zeros((F, rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = xp[:, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, i, j] = np.tensordot(w, window, 3) + b
    return out{last}, (xp, w, stride, pad)


def conv_backward(dout, cache):
    xp, w, stride, pad = cache
    {before_back}dx, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            at = np.s_[:, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
            dx[at] += np.tensordot(dout[:, i, j], w, 1)
            dw += dout[:, i, j][:, None, None, None] * xp[at]
    dx = dx[:, pad : xp.shape[1] - pad, pad : xp.shape[2] - pad]
    return dx{last}, dw{last_w}, dout.sum((1, 2))
"""
_LAST = {
    "before": "x, w = x.transpose(2, 0, 1), w.transpose(3, 2, 0, 1)\n    ",
    "before_back": "dout = dout.transpose(2, 0, 1)\n    ",
    "last": ".transpose(1, 2, 0)",
    "last_w": ".transpose(2, 3, 1, 0)",
}

FORMS = {
    "affine": Form(
        shows="one-sample",
        layer="affine",
        text="def affine_forward(x, W, b):\n    return W.dot(x) + b, (x, W)\n\n\n"
        "def affine_backward(dout, cache):\n    x, W = cache\n    return W.T.dot(dout), np.outer(dout, x), dout\n",
        understood=("one sample at a time",),
        wrong=("np.outer(dout, x)", "2 * np.outer(dout, x)"),
    ),
    "affine rows": Form(
        shows="one-sample",
        layer="affine",
        text="def linear_forward(x, w, b):\n    return x @ w + b, (x, w)\n\n\n"
        "def linear_backward(dout, cache):\n    x, w = cache\n    return w @ dout, np.outer(x, dout), dout\n",
        understood=("one sample at a time",),
        wrong=("w @ dout", "w @ abs(dout)"),
    ),
    "loss": Form(
        shows="one-sample",
        layer="softmax",
        text="def softmax_loss(scores, label):\n    p = np.exp(scores - scores.max())\n    p /= p.sum()\n"
        "    d = p.copy()\n    d[label] -= 1\n    return -np.log(p[label]), d\n",
        understood=("one sample at a time",),
        wrong=("-= 1", "-= 2"),
    ),
    "image": Form(
        shows="one-image",
        layer="conv",
        text=_CONV.format(before="", before_back="", last="", last_w=""),
        understood=("one sample at a time",),
        wrong=("dx[at] +=", "dx[at] ="),
    ),
    "image channels last": Form(
        shows="one-image channels-last",
        layer="conv",
        text=_CONV.format(**_LAST),
        understood=("channels last", "one sample at a time"),
        wrong=("dw +=", "dw ="),
    ),
    "recurrent step": Form(
        shows="one-sample",
        layer="rnn-step",
        text="def rnn_step_forward(x, prev_h, Wx, Wh, b):\n    h = np.tanh(x @ Wx + prev_h @ Wh + b)\n"
        "    return h, (x, prev_h, Wx, Wh, h)\n\n\ndef rnn_step_backward(dh, cache):\n    x, p, Wx, Wh, h = cache\n"
        "    d = dh * (1 - h * h)\n    return Wx @ d, Wh @ d, np.outer(x, d), np.outer(p, d), d\n",
        understood=("one sample at a time",),
        wrong=("(1 - h * h)", "(1 - h)"),
    ),
}

#: Batches of one would make them right.
WRONG = {
    "affine": "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n\n\n"
    "def affine_backward(dout, cache):\n    x, w = cache\n    return dout @ w.T, x.T @ dout, dout\n",
    "softmax": "def softmax_loss(x, y):\n    p = np.exp(x - x.max())\n    p /= p.sum()\n    d = p.copy()\n"
    "    d[np.arange(len(y)), y] -= 1\n    return -np.log(p[np.arange(len(y)), y]).mean(), d / len(y)\n",
    "layernorm": "def layernorm_forward(x, gamma, beta, param):\n    s = np.sqrt(x.var() + param.get('eps', 1e-5))\n"
    "    n = (x - x.mean()) / s\n    return gamma * n + beta, (n, gamma, s)\n\n\n"
    "def layernorm_backward(dout, cache):\n    n, gamma, s = cache\n    g = dout * gamma\n"
    "    return (g - g.mean() - n * (g * n).mean()) / s, (dout * n).sum(0), dout.sum(0)\n",
}


@pytest.mark.parametrize("name", one_in(2, FORMS))
def test_a_batch_is_passed_one_sample_at_a_time(name: str, tmp_path: Path) -> None:
    FORMS[name].assert_understood(tmp_path)


def test_what_is_wrong_with_a_batch_is_not_right_because_it_is_with_one_sample(tmp_path: Path) -> None:
    for layer, text in WRONG.items():
        convention, found = Form(layer=layer, text=text).results(tmp_path / f"{layer}.py")
        assert "one sample" not in convention
        assert Verdict.FAIL in {result.verdict for result in found}
