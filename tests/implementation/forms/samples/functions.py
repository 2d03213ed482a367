"""Functions of convolutions, poolings, dense layers, norms, attention and losses, in many vocabularies."""

from __future__ import annotations

from tests.implementation.forms.checked import Form

SAMPLES = [
    Form(
        shows="columns dictionaries",
        layer="affine",
        text=(
            "def linear_forward(A, W, b):\n"
            "    return W @ A + b, (A, W)\n\n\n"
            "def linear_backward(dZ, cache):\n"
            "    A, W = cache\n"
            "    return {'dA': W.T @ dZ, 'dW': dZ @ A.T, 'db': dZ.sum(1, keepdims=True)}\n"
        ),
        wrong=("dZ @ A.T", "dZ @ A.T / A.shape[1]"),
    ),
    Form(
        shows="no-cache settings",
        layer="leaky-relu",
        text=(
            "def leaky_relu(x, slope=0.01):\n    return np.where(x > 0, x, slope * x)\n\n\n"
            "def leaky_relu_backward(dout, x, slope=0.01):\n    return dout * np.where(x > 0, 1, slope)\n"
        ),
        wrong=("1, slope)", "1, 0)"),
    ),
]
