"""Whole networks, each parameter with a gradient: more of them are in `test_networks.py`."""

from __future__ import annotations

from tests.implementation.forms.checked import Form

_KEPT = """\
class Network:
    def __init__(self, input_size, hidden_size, output_size):
        self.W1, self.W2 = np.random.randn(input_size, hidden_size), np.random.randn(hidden_size, output_size)

    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.W1)
        return self.h @ self.W2

"""

SAMPLES = [
    Form(
        shows="networks",
        layer="function",
        wrong=("(1 - self.h**2)", "self.h"),
        text=_KEPT
        + """\
    def loss(self, X, y):
        d = self.forward(X) - y
        dh = d @ self.W2.T * (1 - self.h**2)
        return 0.5 * (d**2).sum(), {"W1": X.T @ dh, "W2": self.h.T @ d}
""",
    ),
    Form(
        shows="networks",
        layer="function",
        wrong=("self.W1 -= lr * self.X.T", "self.W1 -= lr * abs(self.X.T)"),
        text=_KEPT
        + """\
    def loss(self, output, y):
        self.d = (output - y) / len(y)
        return 0.5 * ((output - y) ** 2).sum() / len(y)

    def backward(self, lr=0.1):
        dh = self.d @ self.W2.T * (1 - self.h**2)
        self.W2 -= lr * self.h.T @ self.d
        self.W1 -= lr * self.X.T @ dh
""",
    ),
]
