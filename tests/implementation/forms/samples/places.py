"""Code in other places: classes, folders, packages, notebooks."""

from __future__ import annotations

import json

from tests.implementation.forms.checked import Form

_START = "import numpy as np\n\n\n"
_RELU = "def relu_forward(x):\n    return np.maximum(x, 0), x\n\n\n"
_RELU_BACK = "def relu_backward(dout, x):\n    return dout * (x > 0)\n"
_LINEAR = """\
class Linear:
    def __init__(self, n_in, n_out):
        w, b = np.random.randn(n_in, n_out), np.zeros(n_out)
        {kept}

    def forward(self, x):
        self.x = x
        return x @ {w} + {b}

    def backward(self, dout):
        {set}
        return dout @ {w}.T
"""


def _linear(shows: str, wrong: tuple[str, str], **parts: str) -> Form:
    return Form(shows=f"classes {shows}", layer="affine", text=_LINEAR.format(**parts), wrong=wrong)


def _notebook(*cells: str) -> str:
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell.splitlines(True)} for cell in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


_ACTIVATION = """\
class {name}:
    def forward(self, x):
        self.x, self.output = x, {out}

    def backward(self, dout):
        self.dinputs = dout * {slope}
"""


SAMPLES = [
    *(
        Form(
            shows="classes returns-none",
            layer=name.lower(),
            text=_ACTIVATION.format(name=name, out=out, slope=slope),
            wrong=("= dout *", "= -dout *"),
        )
        for name, out, slope in (
            ("ReLU", "np.maximum(x, 0)", "(self.x > 0)"),
            ("Tanh", "np.tanh(x)", "(1 - self.output**2)"),
        )
    ),
    _linear(
        "param-lists",
        ("dout.sum(0)", "dout.mean(0)"),
        kept="self.params, self.grads = [w, b], [0 * w, 0 * b]",
        w="self.params[0]",
        b="self.params[1]",
        set="self.grads[0][...], self.grads[1][...] = self.x.T @ dout, dout.sum(0)",
    ),
    _linear(
        "param-lists dictionaries",
        ("self.x.T @ dout", "self.x.T @ abs(dout)"),
        kept="self.params, self.grads = {'W': w, 'b': b}, {}",
        w="self.params['W']",
        b="self.params['b']",
        set="self.grads = {'W': self.x.T @ dout, 'b': dout.sum(0)}",
    ),
    _linear(
        "nested",
        ("self.x.T @ dout", "-self.x.T @ dout"),
        kept="self.w, self.b = {'val': w}, {'val': b}",
        w="self.w['val']",
        b="self.b['val']",
        set="self.w['grad'], self.b['grad'] = self.x.T @ dout, dout.sum(0)",
    ),
    Form(
        shows="classes nested",
        layer="affine",
        text="class Parameter:\n    def __init__(self, data):\n        self.data, self.grad = data, 0 * data\n\n\n"
        + _LINEAR.format(
            kept="self.W, self.b = Parameter(w), Parameter(b)",
            w="self.W.data",
            b="self.b.data",
            set="self.W.grad, self.b.grad = self.x.T @ dout, dout.sum(0)",
        ),
        wrong=("dout.sum(0)", "dout.sum()"),
    ),
    Form(
        shows="context classes",
        layer="tanh",
        text=(
            "class Tanh:\n    @staticmethod\n    def forward(ctx, x):\n        y = np.tanh(x)\n"
            "        ctx.save_for_backward(y)\n        return y\n\n"
            "    @staticmethod\n    def backward(ctx, grad_output):\n        (y,) = ctx.saved_tensors\n"
            "        return grad_output * (1 - y**2)\n"
        ),
        wrong=("y**2", "y"),
    ),
    *(
        Form(
            shows="context",
            layer="tanh",
            text=(
                "class Tanh:\n    @staticmethod\n    def forward(ctx, x):\n        y = np.tanh(x)\n"
                "        ctx.save_for_backward(y)\n        return y\n\n"
                f"    @staticmethod\n    def backward(ctx, grad_output):\n        (y,) = ctx.{saved}\n"
                "        return grad_output * (1 - y**2)\n"
            ),
            wrong=("y**2", "y"),
        )
        for saved in ("_saved", "get_saved_tensors()")
    ),
    Form(
        shows="context settings",
        layer="leaky-relu",
        text=(
            "class Function:\n    @classmethod\n    def apply(cls, *tensors, **settings):\n        ctx = cls()\n"
            "        for name, value in settings.items():\n            setattr(ctx, name, value)\n"
            "        return cls.forward(ctx, *tensors, **settings)\n\n\n"
            "class LeakyReLU(Function):\n    @staticmethod\n    def forward(ctx, x, slope=0.01):\n"
            "        ctx.save_for_backward(x)\n        return np.where(x > 0, x, slope * x)\n\n"
            "    @staticmethod\n    def backward(ctx, grad_output):\n        (x,) = ctx.saved_tensors\n"
            "        return grad_output * np.where(x > 0, 1, ctx.slope)\n"
        ),
        wrong=("1, ctx.slope", "ctx.slope, 1"),
    ),
    Form(
        shows="halves",
        layer="relu",
        text={"forward.py": _START + _RELU, "backward.py": _START + _RELU_BACK},
        folder=True,
        wrong=("x > 0", "x < 0"),
    ),
    Form(
        shows="odd-names halves",
        layer="relu",
        text={"0-relu_forward.py": _START + _RELU, "1-relu_backward.py": _START + _RELU_BACK},
        folder=True,
        wrong=("dout * (x > 0)", "dout"),
    ),
    Form(
        shows="odd-names",
        layer="relu",
        text={"3-my relu.py": _START + _RELU + _RELU_BACK},
        wrong=("dout * (x > 0)", "dout"),
    ),
    Form(
        shows="packages",
        layer="relu",
        text={
            "ops.py": "from engine import Function\n" + _START + _RELU + _RELU_BACK,
            "engine.py": "import ops\n\n\nclass Function:\n    pass\n",
        },
        wrong=("dout * (x > 0)", "x > 0"),
    ),
    Form(
        shows="packages",
        layer="relu",
        text=("import notthere\n\n\ndef load(x: int | notthere.Tensor) -> None: ...\n\n\n" + _RELU + _RELU_BACK),
        wrong=("x > 0", "x > 1"),
    ),
    Form(
        shows="notebooks",
        layer="relu",
        text={"homework.ipynb": _notebook("%matplotlib inline\nimport numpy as np", "!ls", _RELU + _RELU_BACK)},
        wrong=("x > 0", "x < 0"),
    ),
    Form(
        shows="notebooks",
        layer="affine",
        text={
            "homework.ipynb": _notebook(
                "import numpy as np\n",
                "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n",
                "def affine_backward(dout, cache):\n    x, w = cache\n"
                "    return dout @ w.T, x.T @ dout, dout.sum(0)\nprint('done')\n",
            )
        },
        wrong=("x.T @ dout", "x.T @ dout * 2"),
    ),
    Form(
        shows="callables",
        layer="relu",
        text=(
            "class Relu:\n    def ahead(self, x):\n        return np.maximum(x, 0), x\n\n"
            "    def behind(self, dout, cache):\n        return dout * (cache > 0)\n\n\n"
            "relu = Relu()\nrelu_forward, relu_backward = relu.ahead, relu.behind\n"
        ),
        wrong=("(cache > 0)", "(cache > 1)"),
    ),
    Form(
        shows="callables",
        layer="sigmoid",
        text=(
            "class Sigmoid:\n    def __call__(self, x):\n        y = 1 / (1 + np.exp(-x))\n        return y, y\n\n\n"
            "class Slope:\n    def __call__(self, dout, cache):\n        return dout * cache * (1 - cache)\n\n\n"
            "sigmoid_forward, sigmoid_backward = Sigmoid(), Slope()\n"
        ),
        names="sigmoid_forward,sigmoid_backward",
        wrong=("(1 - cache)", "(1 + cache)"),
    ),
    Form(
        shows="classes",
        layer="affine",
        text=(
            "class Dense:\n    def __init__(self, units):\n        self.units = units\n\n"
            "    def build(self, n_in):\n        self.W = np.random.randn(n_in, self.units)\n"
            "        self.b = np.zeros(self.units)\n\n"
            "    def forward(self, x):\n        self.x = x\n        return x @ self.W + self.b\n\n"
            "    def backward(self, dout):\n        self.dW, self.db = self.x.T @ dout, dout.sum(0)\n"
            "        return dout @ self.W.T\n"
        ),
        wrong=("dout.sum(0)", "dout.mean(0)"),
    ),
    Form(
        shows="classes unknown",
        layer="function",
        text=(
            "class Whiten:\n    def __init__(self, D):\n        self.var = np.ones(D)\n\n"
            "    def forward(self, x):\n        self.x = x\n        return x / np.sqrt(self.var)\n\n"
            "    def backward(self, dout):\n        self.dvar = (-0.5 * dout * self.x * self.var**-1.5).sum(0)\n"
            "        return dout / np.sqrt(self.var)\n"
        ),
        wrong=("-0.5", "-0.25"),
    ),
]
