"""Functions of convolutions, poolings, dense layers, norms, attention and losses, in many vocabularies."""

from __future__ import annotations

from gradcheck_cli.results.result import Verdict
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
    Form(
        shows="dictionaries",
        layer="affine",
        text=(
            "def dense_forward(x, params):\n    return x @ params['W1'] + params['b1'], x\n\n\n"
            "def dense_backward(grad, x, params):\n"
            "    return grad @ params['W1'].T, {'dW1': x.T @ grad, 'db1': grad.sum(axis=0)}\n"
        ),
        wrong=("grad.sum(axis=0)", "grad.mean(axis=0)"),
    ),
    Form(
        shows="lists settings",
        layer="layernorm",
        text=(
            "def layer_norm(x, params, eps=1e-5):\n    gain, shift = params\n"
            "    s = np.sqrt(x.var(-1, keepdims=True) + eps)\n    n = (x - x.mean(-1, keepdims=True)) / s\n"
            "    return gain * n + shift, (n, s)\n\n\n"
            "def layer_norm_backward(dy, params, saved):\n    n, s = saved\n    g = dy * params[0]\n"
            "    dx = (g - g.mean(-1, keepdims=True) - n * (g * n).mean(-1, keepdims=True)) / s\n"
            "    axes = tuple(range(dy.ndim - 1))\n    return dx, [(dy * n).sum(axes), dy.sum(axes)]\n"
        ),
        wrong=("n * (g * n)", "n * g"),
    ),
    Form(
        shows="lists own-order",
        layer="affine",
        text=(
            "def linear(weights, x):\n    w, b = weights\n    return x @ w + b\n\n\n"
            "def linear_backward(weights, x, g):\n    return (x.T @ g, g.sum(0)), g @ weights[0].T\n"
        ),
        wrong=("x.T @ g, g.sum(0)", "g.sum(0), x.T @ g"),
        wrong_verdicts=frozenset({Verdict.FAIL, Verdict.ERROR}),
    ),
    Form(
        shows="dictionaries channels-last",
        layer="conv",
        text=(
            "def conv_forward(x, layer):\n    w, b, s = layer.w, layer.b, layer.stride\n"
            "    kh, kw = w.shape[:2]\n    rows, columns = (x.shape[1] - kh) // s + 1, (x.shape[2] - kw) // s + 1\n"
            "    out = np.zeros((len(x), rows, columns, w.shape[3]))\n    for i, j in np.ndindex(rows, columns):\n"
            "        seen = x[:, i * s:i * s + kh, j * s:j * s + kw]\n"
            "        out[:, i, j] = np.tensordot(seen, w, 3) + b\n    return out, (x, layer)\n\n\n"
            "def conv_backward(dout, cache):\n    x, layer = cache\n    w, s = layer.w, layer.stride\n"
            "    dx, dw = np.zeros_like(x), np.zeros_like(w)\n    for i, j in np.ndindex(*dout.shape[1:3]):\n"
            "        at = np.s_[:, i * s:i * s + w.shape[0], j * s:j * s + w.shape[1]]\n"
            "        dx[at] += np.tensordot(dout[:, i, j], w, (1, 3))\n"
            "        dw += np.tensordot(x[at], dout[:, i, j], (0, 0))\n"
            "    return {'x': dx, 'w': dw, 'b': dout.sum((0, 1, 2))}\n"
        ),
        wrong=("dx[at] +=", "dx[at] ="),
    ),
    Form(
        shows="returns-none",
        layer="affine",
        text=(
            "def linear_forward(out, x, w, b):\n    out[...] = x @ w + b\n\n\n"
            "def linear_backward(dx, dw, db, dout, x, w):\n"
            "    dx += dout @ w.T\n    dw += x.T @ dout\n    db += dout.sum(0)\n"
        ),
        wrong=("db += dout.sum(0)", "pass"),
    ),
    Form(
        shows="returns-none no-cache",
        layer="relu",
        text=(
            "def relu_forward(x, y):\n    np.maximum(x, 0, out=y)\n\n\n"
            "def relu_backward(dy, x, dx):\n    np.multiply(dy, x > 0, out=dx)\n"
        ),
        wrong=("x > 0", "x < 0"),
    ),
    Form(
        shows="returns-none dictionaries context",
        layer="affine",
        text=(
            "def affine_forward(x, params, cache):\n    cache['x'] = x\n    return x @ params['W'] + params['b']\n\n\n"
            "def affine_backward(dout, params, cache, grads):\n    grads['W'] = cache['x'].T @ dout\n"
            "    grads['b'] = dout.sum(0)\n    return dout @ params['W'].T\n"
        ),
        wrong=("grads['b'] = dout.sum(0)", "grads['b'] = dout.sum(1)"),
    ),
    Form(
        shows="named-only cache-name",
        layer="affine",
        text=(
            "def fc_forward(*args):\n    x, w, b = args\n    return x @ w + b, args\n\n\n"
            "def fc_backward(dout, *kept):\n    x, w, b = kept\n"
            "    return dout @ w.T, x.T @ dout, dout.sum(0)\n"
        ),
        wrong=("dout @ w.T", "dout @ abs(w).T"),
    ),
    Form(
        shows="named-only",
        layer="sigmoid",
        text=(
            "def sigmoid_forward(x, **options):\n    s = 1 / (1 + np.exp(-x))\n    return s, {'s': s}\n\n\n"
            "def sigmoid_backward(dout, **cache):\n    return dout * cache['s'] * (1 - cache['s'])\n"
        ),
        wrong=("(1 - cache['s'])", "(1 + cache['s'])"),
    ),
    Form(
        shows="cache-name",
        layer="softmax-activation",
        text=(
            "def softmax(x, axis=-1):\n    e = np.exp(x - x.max(axis, keepdims=True))\n"
            "    return e / e.sum(axis, keepdims=True)\n\n\n"
            "def softmax_backward(upstream, l):\n"
            "    return l * (upstream - (upstream * l).sum(-1, keepdims=True))\n"
        ),
        wrong=("(upstream * l).sum(-1, keepdims=True)", "upstream * l"),
    ),
    Form(
        shows="no-cache",
        layer="tanh",
        text=(
            "def tanh(x):\n    return np.tanh(x)\n\n\n"
            "def tanh_backward(dout, pre):\n    return dout * (1 - np.tanh(pre) ** 2)\n"
        ),
        wrong=("- np.tanh(pre) ** 2", "- np.tanh(pre)"),
    ),
]
