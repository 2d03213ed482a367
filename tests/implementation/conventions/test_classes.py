"""Classes of layers that are no convolution: losses, embeddings, normalizations, steps of a recurrence."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.sampling import in_parts

if TYPE_CHECKING:
    from pathlib import Path

#: By layer: a class, how it is understood, and what makes one of its gradients wrong.
CLASSES = {
    "softmax": (
        """
class SoftmaxWithLoss:
    def forward(self, x, y):
        self.y = y
        self.p = np.exp(x - x.max(1, keepdims=True))
        self.p /= self.p.sum(1, keepdims=True)
        return -np.mean(np.log(self.p[np.arange(len(y)), y]))

    def backward(self, dout=1):
        d = self.p.copy()
        d[np.arange(len(self.y)), self.y] -= 1
        return dout * d / len(self.y)
""",
        "class SoftmaxWithLoss().forward, .backward",
        ("dout * d", "2 * dout * d"),
    ),
    "svm": (
        """
class HingeLoss:
    def forward(self, scores, labels):
        rows = np.arange(len(labels))
        margins = np.maximum(0, scores - scores[rows, labels][:, None] + 1)
        margins[rows, labels] = 0
        self.d = (margins > 0).astype(scores.dtype)
        self.d[rows, labels] -= self.d.sum(1)
        return margins.sum() / len(labels)

    def backward(self):
        return self.d / len(self.d)
""",
        "class HingeLoss().forward, .backward",
        ("self.d / len(self.d)", "self.d"),
    ),
    "word-embedding": (
        """
class Embedding:
    def __init__(self, vocab_size, embedding_dim):
        self.W = np.random.randn(vocab_size, embedding_dim)

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout)
""",
        "class Embedding(vocab_size, embedding_dim).forward, .backward",
        ("np.add.at(self.dW, self.idx, dout)", "self.dW[self.idx] = dout"),
    ),
    "layernorm": (
        """
class LayerNorm:
    def __init__(self, dim, eps=1e-5):
        self.gamma, self.beta, self.eps = np.ones(dim), np.zeros(dim), eps

    def forward(self, x):
        self.s = np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.n = (x - x.mean(-1, keepdims=True)) / self.s
        return self.n * self.gamma + self.beta

    def backward(self, g):
        axes = tuple(range(g.ndim - 1))
        self.dgamma, self.dbeta = (g * self.n).sum(axes), g.sum(axes)
        d = g * self.gamma
        return (d - d.mean(-1, keepdims=True) - self.n * (d * self.n).mean(-1, keepdims=True)) / self.s
""",
        "class LayerNorm(dim, eps).forward, .backward",
        ("g.sum(axes)", "0.5 * g.sum(axes)"),
    ),
    "rnn-step": (
        """
class RNNCell:
    def __init__(self, Wx, Wh, b):
        self.params, self.grads = [Wx, Wh, b], [None] * 3

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        self.h, self.cache = np.tanh(x @ Wx + h_prev @ Wh + b), (x, h_prev)
        return self.h

    def backward(self, dh):
        (x, h_prev), (Wx, Wh, b) = self.cache, self.params
        a = dh * (1 - self.h**2)
        self.grads = [x.T @ a, h_prev.T @ a, a.sum(0)]
        return a @ Wx.T, a @ Wh.T
""",
        "class RNNCell(Wx, Wh, b).forward, .backward",
        ("h_prev.T @ a", "-h_prev.T @ a"),
    ),
    "affine": (
        """
class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        input_gradient = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= learning_rate * output_gradient.sum(axis=1, keepdims=True)
        return input_gradient
""",
        "class Dense(input_size, output_size).forward, .backward, samples as columns, w (M, D), b (M, 1)",
        ("self.weights -= learning_rate", "self.weights += learning_rate"),
    ),
    "relu": (
        """
class ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0
""",
        "class ReLU().forward, .backward",
        ("<= 0] = 0", "<= 0] = 1"),
    ),
}


@in_parts(3)
def test_classes_of_other_layers(part: int, tmp_path: Path) -> None:
    for layer, (text, understood, slip) in list(CLASSES.items())[part::3]:
        for which, written in (("right", text), ("wrong", text.replace(*slip))):
            path = tmp_path / f"{which}_{layer.replace('-', '_')}.py"
            path.write_text(f"import numpy as np\n{written}", encoding="utf-8")
            implementation = find(str(path), LAYERS[layer])
            assert implementation.convention == understood
            results = [check_case(case, implementation, Settings()) for case in islice(LAYERS[layer].standard(), 3)]
            expected = Verdict.PASS if which == "right" else Verdict.FAIL
            assert expected in {result.verdict for result in results}, (layer, which)
            if which == "right":
                assert {result.verdict for result in results} == {Verdict.PASS}, layer
