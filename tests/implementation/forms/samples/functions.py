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
    Form(
        shows="one-by-one no-bias pairs",
        layer="conv",
        text=(
            "def conv(x, w, stride=(1, 1)):\n    s, r = stride\n    F, _, h, k = w.shape\n"
            "    out = np.zeros((len(x), F, (x.shape[2] - h) // s + 1, (x.shape[3] - k) // r + 1))\n"
            "    for i, j in np.ndindex(*out.shape[2:]):\n"
            "        seen = x[:, :, i * s:i * s + h, j * r:j * r + k]\n"
            "        out[:, :, i, j] = np.tensordot(seen, w, ([1, 2, 3], [1, 2, 3]))\n    return out\n\n\n"
            "def conv_dx(dout, w, x_shape, stride=(1, 1)):\n    s, r = stride\n    h, k = w.shape[2:]\n"
            "    dx = np.zeros(x_shape)\n    for i, j in np.ndindex(*dout.shape[2:]):\n"
            "        dx[:, :, i * s:i * s + h, j * r:j * r + k] += np.tensordot(dout[:, :, i, j], w, 1)\n"
            "    return dx\n\n\n"
            "def conv_dw(dout, x, w_shape, stride=(1, 1)):\n    s, r = stride\n    h, k = w_shape[2:]\n"
            "    dw = np.zeros(w_shape)\n    for i, j in np.ndindex(*dout.shape[2:]):\n"
            "        dw += np.tensordot(dout[:, :, i, j], x[:, :, i * s:i * s + h, j * r:j * r + k], (0, 0))\n"
            "    return dw\n"
        ),
        wrong=("dw += np.tensordot", "dw = np.tensordot"),
    ),
    Form(
        shows="one-by-one",
        layer="affine",
        text=(
            "def linear_forward(x, w, b):\n    return x @ w + b\n\n\n"
            "def linear_backward_input(grad, w):\n    return grad @ w.T\n\n\n"
            "def linear_backward_weight(grad, x):\n    return x.T @ grad\n\n\n"
            "def linear_backward_bias(grad):\n    return grad.sum(axis=0)\n"
        ),
        wrong=("return x.T @ grad", "return x.T @ grad * 2"),
    ),
    Form(
        shows="one-by-one unknown",
        layer="function",
        text=(
            "def outer(x, w):\n    return x[:, None] * w[None] ** 2\n\n\n"
            "def outer_grad_x(dout, x, w):\n    return dout @ w**2\n\n\n"
            "def outer_grad_w(dout, x, w):\n    return 2 * w * (x @ dout)\n"
        ),
        wrong=("2 * w * (x @ dout)", "w * (x @ dout)"),
    ),
    Form(
        shows="heads masks settings",
        layer="attention",
        text=(
            "def attention_forward(q, k, v, mask=None, scale=None):\n"
            "    B, H, T, D = q.shape\n    scale = scale or D**-0.5\n"
            "    s = np.einsum('bhtd,bhsd->bhts', q, k) * scale\n"
            "    s = s if mask is None else np.where(mask, s, -1e30)\n"
            "    p = np.exp(s - s.max(-1, keepdims=True))\n    p /= p.sum(-1, keepdims=True)\n"
            "    return np.einsum('bhts,bhsd->bhtd', p, v), (q, k, v, p, scale)\n\n\n"
            "def attention_backward(do, cache):\n    q, k, v, p, scale = cache\n"
            "    dp = np.einsum('bhtd,bhsd->bhts', do, v)\n"
            "    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * scale\n"
            "    dq, dk = np.einsum('bhts,bhsd->bhtd', ds, k), np.einsum('bhts,bhtd->bhsd', ds, q)\n"
            "    return dq, dk, np.einsum('bhts,bhtd->bhsd', p, do)\n"
        ),
        understood=("samples as heads",),
        wrong=("(dp * p).sum(-1", "(dp * p).sum(-2"),
    ),
    Form(
        shows="heads masks",
        most=3,  # the first two have no mask
        layer="attention",
        text=(
            "def causal_attention_forward(query, key, value):\n    _, T, _, D = query.shape\n"
            "    s = np.einsum('nthd,nshd->nhts', query, key) / np.sqrt(D) + np.triu(np.full((T, T), -1e30), 1)\n"
            "    p = np.exp(s - s.max(-1, keepdims=True))\n    p /= p.sum(-1, keepdims=True)\n"
            "    return np.einsum('nhts,nshd->nthd', p, value), (query, key, value, p)\n\n\n"
            "def causal_attention_backward(grad, cache):\n    q, k, v, p = cache\n"
            "    dp = np.einsum('nthd,nshd->nhts', grad, v)\n"
            "    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])\n"
            "    dq, dk = np.einsum('nhts,nshd->nthd', ds, k), np.einsum('nhts,nthd->nshd', ds, q)\n"
            "    return dq, dk, np.einsum('nhts,nthd->nshd', p, grad)\n"
        ),
        understood=("always causal",),
        wrong=("/ np.sqrt(q.shape[-1])", "/ np.sqrt(q.shape[1])"),
    ),
    Form(
        shows="settings several-outputs",
        layer="batchnorm",
        text=(
            "def batchnorm_forward(x, gamma, beta, running_mean, running_var, eps=1e-5, momentum=0.9, mode='train'):\n"
            "    mean, var = (x.mean(0), x.var(0)) if mode == 'train' else (running_mean, running_var)\n"
            "    if mode == 'train':\n"
            "        running_mean = momentum * running_mean + (1 - momentum) * mean\n"
            "        running_var = momentum * running_var + (1 - momentum) * var\n"
            "    z = (x - mean) / np.sqrt(var + eps)\n"
            "    return gamma * z + beta, (z, gamma, var + eps, mode), running_mean, running_var\n\n\n"
            "def batchnorm_backward(dout, cache):\n    z, gamma, s, mode = cache\n    g = dout * gamma\n"
            "    if mode == 'train':\n        g = g - g.mean(0) - z * (g * z).mean(0)\n"
            "    return g / np.sqrt(s), (dout * z).sum(0), dout.sum(0)\n"
        ),
        wrong=(" - z * (g * z).mean(0)", ""),
    ),
    Form(
        shows="settings",
        layer="spatial-batchnorm",
        text=(
            "def batchnorm2d_forward(x, gamma, beta, moving_mean, moving_var, momentum=0.1, eps=1e-5, training=True):\n"
            "    C = x.shape[1]\n    at = np.s_[None, :, None, None]\n"
            "    mean, var = (x.mean((0, 2, 3)), x.var((0, 2, 3))) if training else (moving_mean, moving_var)\n"
            "    s = np.sqrt(var + eps)[at]\n    n = (x - mean[at]) / s\n"
            "    return gamma[at] * n + beta[at], (n, gamma[at], s), moving_mean, moving_var\n\n\n"
            "def batchnorm2d_backward(dout, cache):\n    n, gamma, s = cache\n    g = dout * gamma\n"
            "    mean = lambda a: a.mean((0, 2, 3), keepdims=True)\n"
            "    return (g - mean(g) - n * mean(g * n)) / s, (dout * n).sum((0, 2, 3)), dout.sum((0, 2, 3))\n"
        ),
        wrong=("- n * mean(g * n)", "+ n * mean(g * n)"),
    ),
    Form(
        shows="cache-name unseeded settings",
        layer="dropout",
        text=(
            "def dropout_forward(x, p=0.5, training=True):\n"
            "    mask = (np.random.rand(*x.shape) > p) / (1 - p) if training else np.ones(x.shape)\n"
            "    return x * mask, mask\n\n\n"
            "def dropout_backward(dout, mask):\n    return dout * mask\n"
        ),
        wrong=("dout * mask", "dout * (mask > 0)"),
    ),
    Form(
        shows="unknown one-matrix",
        layer="function",
        text=(
            "def self_attention_forward(x, Wqkv):\n    q, k, v = np.split(x @ Wqkv, 3, -1)\n"
            "    s = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])\n    p = np.exp(s - s.max(-1, keepdims=True))\n"
            "    p /= p.sum(-1, keepdims=True)\n    return p @ v, (x, Wqkv, q, k, v, p)\n\n\n"
            "def self_attention_backward(d, cache):\n    x, Wqkv, q, k, v, p = cache\n    dp = d @ v.swapaxes(1, 2)\n"
            "    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])\n"
            "    dqkv = np.concatenate([ds @ k, ds.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ d], -1)\n"
            "    return dqkv @ Wqkv.T, np.einsum('btc,btd->cd', x, dqkv)\n"
        ),
        wrong=("ds = p * (dp", "ds = (dp"),
    ),
    Form(
        shows="unknown channels-last same",
        layer="function",
        text=(
            "def temporal_conv(x, kernel, bias):\n    p = len(kernel) // 2\n"
            "    wide = np.pad(x, ((0, 0), (p, len(kernel) - 1 - p), (0, 0)))\n"
            "    return sum(wide[:, k:k + x.shape[1]] @ kernel[k] for k in range(len(kernel))) + bias\n\n\n"
            "def temporal_conv_grad(dy, x, kernel, bias):\n    p, T = len(kernel) // 2, x.shape[1]\n"
            "    wide = np.pad(x, ((0, 0), (p, len(kernel) - 1 - p), (0, 0)))\n"
            "    dwide, dkernel = np.zeros_like(wide), np.zeros_like(kernel)\n    for k in range(len(kernel)):\n"
            "        dwide[:, k:k + T] += dy @ kernel[k].T\n"
            "        dkernel[k] = np.tensordot(wide[:, k:k + T], dy, ([0, 1], [0, 1]))\n"
            "    return dwide[:, p:p + T], dkernel, dy.sum((0, 1))\n"
        ),
        wrong=("dwide[:, p:p + T]", "dwide[:, :T]"),
    ),
    Form(
        shows="cache-name no-cache",
        layer="layernorm",
        text=(
            "def layernorm_fwd(x, w, b):\n    mu = x.mean(-1, keepdims=True)\n"
            "    rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)\n"
            "    return (x - mu) * rstd * w + b, mu, rstd\n\n\n"
            "def layernorm_bwd(dout, x, w, rstd, mu):\n    n, g = (x - mu) * rstd, dout * w\n"
            "    dx = (g - g.mean(-1, keepdims=True) - n * (g * n).mean(-1, keepdims=True)) * rstd\n"
            "    axes = tuple(range(x.ndim - 1))\n    return dx, (dout * n).sum(axes), dout.sum(axes)\n"
        ),
        wrong=("- n * (g * n)", "+ n * (g * n)"),
    ),
    Form(
        shows="context cache-name",
        layer="relu",
        text=(
            "def relu_fwd(x, l):\n    l['mask'] = x > 0\n    return x * l['mask']\n\n\n"
            "def relu_bwd(g, l):\n    return g * l['mask']\n"
        ),
        wrong=("return g * l['mask']", "return g * ~l['mask']"),
    ),
    Form(
        shows="settings own-order",
        layer="affine",
        text=(
            "def dense_forward(x, w, b, activation='relu'):\n    z = x @ w + b\n"
            "    return (np.maximum(z, 0) if activation == 'relu' else z), (x, w, z, activation)\n\n\n"
            "def dense_backward(dout, cache):\n    x, w, z, activation = cache\n"
            "    d = dout * (z > 0) if activation == 'relu' else dout\n    return d @ w.T, x.T @ d, d.sum(0)\n"
        ),
        wrong=("d.sum(0)", "d.mean(0)"),
    ),
]
