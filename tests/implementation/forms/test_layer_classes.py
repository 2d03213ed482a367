"""Classes of layers that have modes, running statistics, or hidden units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.implementation.forms.checked import Form
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

_BATCHNORM = """\
class BatchNorm:
    def __init__(self, {D}, momentum=0.9, eps=1e-5):
        self.gamma, self.beta = np.ones({shape}), np.zeros({shape})
        self.momentum, self.eps = momentum, eps
        self.{mean}, self.{var} = np.zeros({shape}), np.ones({shape})

    def forward(self, x, {train}=True):
        mu, var = self.{mean}, self.{var}
        if {train}:
            mu, var = x.mean(0), x.var(0)
            self.{mean} = self.momentum * self.{mean} + (1 - self.momentum) * mu
            self.{var} = self.momentum * self.{var} + (1 - self.momentum) * var
        self.std = np.sqrt(var + self.eps)
        self.xn = (x - mu) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta, self.dgamma = dout.sum(0).reshape(self.beta.shape), (dout * self.xn).sum(0).reshape(self.beta.shape)
        g = dout * self.gamma
        return (g - g.mean(0) - self.xn * (g * self.xn).mean(0)) / self.std
"""


def _batchnorm(D: str, shape: str, mean: str, var: str, train: str) -> str:
    return _BATCHNORM.format(D=D, shape=shape, mean=mean, var=var, train=train)


_DROPOUT = """\
class Dropout:
    def __init__(self, {p}=0.5):
        self.{p} = {p}

    def forward(self, x, {train}=True):
        if not {train}:
            return x
        self.mask = (np.random.rand(*x.shape) {keeps} self.{p}) / {kept}
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
"""

_RNN = """\
class RNN:
    def __init__(self, {sizes}):
        self.Wx, self.Wh = np.random.randn({D}, {H}), np.random.randn({H}, {H})
        self.b = np.zeros({H})

    def forward(self, x, h0):
        self.x, self.h = x, [h0]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] @ self.Wx + self.h[-1] @ self.Wh + self.b))
        return np.stack(self.h[1:], 1)

    def backward(self, dh):
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dx, later = np.zeros_like(self.x), 0
        for t in reversed(range(dh.shape[1])):
            d = (dh[:, t] + later) * (1 - self.h[t + 1] ** 2)
            dx[:, t], later = d @ self.Wx.T, d @ self.Wh.T
            self.dWx += self.x[:, t].T @ d
            self.dWh += self.h[t].T @ d
            self.db += d.sum(0)
        return dx, later
"""

_SOFTMAX_LOSS = """\
class SoftmaxLossCategoricalCrossentropy:
    def forward(self, inputs, y_true):
        p = np.exp(inputs - inputs.max(1, keepdims=True))
        self.output = p / p.sum(1, keepdims=True)
        return -np.mean(np.log(np.clip(self.output, 1e-7, 1 - 1e-7)[range(len(p)), y_true]))

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs = self.dinputs / len(dvalues)
"""

_CROSS_ENTROPY = """\
class CrossEntropyWithLogits:
    def forward(self, y_hat, y_true):
        most = y_hat.max(1, keepdims=True)
        return np.mean(np.log(np.exp(y_hat - most).sum(1)) - ((y_hat - most) * y_true).sum(1))

    def backward(self, y_hat, y_true):
        p = np.exp(y_hat - y_hat.max(1, keepdims=True))
        return (p / p.sum(1, keepdims=True) - y_true) / len(p)
"""

#: The layer, right code, what makes it wrong, and how many of the standard cases pass.
CLASSES = {
    "batchnorm": (
        "batchnorm",
        _batchnorm("num_features", "num_features", "running_mean", "running_var", "training"),
        ("g - g.mean(0)", "g"),
        9,
    ),
    "batchnorm with rows": (
        "batchnorm",
        _batchnorm("D", "(1, D)", "moving_mean", "moving_var", "train_flg"),
        ("(dout * self.xn).sum(0)", "(dout * self.xn).mean(0)"),
        9,
    ),
    "dropout": (
        "dropout",
        _DROPOUT.format(p="p", train="train", keeps="<", kept="self.p"),
        ("dout *", "2 * dout *"),
        7,
    ),
    "dropout by rate": (
        "dropout",
        _DROPOUT.format(p="dropout_ratio", train="train_flg", keeps=">", kept="(1 - self.dropout_ratio)"),
        ("dout * self.mask", "dout * (self.mask > 0)"),
        7,
    ),
    "softmax and loss, given what forward has kept": ("softmax", _SOFTMAX_LOSS, (" / len(dvalues)", ""), 7),
    "loss given its inputs again": ("softmax", _CROSS_ENTROPY, ("- y_true)", "+ y_true)"), 7),
    "rnn": ("rnn", _RNN.format(sizes="D, H", D="D", H="H"), ("(dh[:, t] + later)", "dh[:, t]"), 6),
    "rnn by sizes": (
        "rnn",
        _RNN.format(sizes="input_size, hidden_size", D="input_size", H="hidden_size"),
        ("** 2)", "** 3)"),
        6,
    ),
}


@pytest.mark.parametrize("name", one_in(4, CLASSES))
def test_a_class_is_understood(name: str, tmp_path: Path) -> None:
    layer, text, wrong, passed = CLASSES[name]
    form = Form(layer=layer, asked=True, text=text, wrong=wrong, passed=passed, most=99)
    form.assert_understood(tmp_path)
