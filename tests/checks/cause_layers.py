"""Right layers as text, into which the examples of `gradcheck explain` are put."""

from __future__ import annotations

from tests.checks.place.sources import COLUMNS, LOOPS

_START = "import numpy as np\n\n\n"

AFFINE = """\
def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(x.shape[0], -1)
    dx = (dout @ w.T).reshape(x.shape)
    dw = rows.T @ dout
    db = np.sum(dout, axis=0)
    return dx, dw, db
"""

AFFINE_LOOP = """\
def affine_forward(x, w, b):
    return x.reshape(x.shape[0], -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = np.zeros_like(x)
    for n in range(len(x)):
        dx[n] = (w @ dout[n]).reshape(x.shape[1:])
    return dx, x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
"""

BATCHNORM = """\
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps, momentum = bn_param["mode"], bn_param["eps"], bn_param["momentum"]
    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    else:
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    s = np.sqrt(var + eps)
    z = (x - mean) / s
    out = gamma * z + beta
    return out, (z, s, gamma, mode)


def batchnorm_backward(dout, cache):
    z, s, gamma, mode = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * z).sum(axis=0)
    g = dout * gamma
    if mode == "train":
        dx = (g - g.mean(axis=0) - z * (g * z).mean(axis=0)) / s
    else:
        dx = g / s
    return dx, dgamma, dbeta
"""

BATCHNORM_STEPS = """\
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps, momentum = bn_param["mode"], bn_param["eps"], bn_param["momentum"]
    mean, var = bn_param["running_mean"], bn_param["running_var"]
    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    centred = x - mean
    s = np.sqrt(var + eps)
    return gamma * centred / s + beta, (centred, s, gamma, mode)


def batchnorm_backward(dout, cache):
    centred, s, gamma, mode = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * centred / s).sum(axis=0)
    dz = dout * gamma
    dvar = (dz * centred).sum(axis=0) * -0.5 * s**-3
    dmean = -dz.sum(axis=0) / s
    if mode == "test":
        return dz / s, dgamma, dbeta
    dx = dz / s + dvar * 2 * centred / N + dmean / N
    return dx, dgamma, dbeta
"""

LAYERNORM = """\
def layernorm_forward(x, gamma, beta, ln_param):
    s = np.sqrt(x.var(axis=-1, keepdims=True) + ln_param["eps"])
    z = (x - x.mean(axis=-1, keepdims=True)) / s
    return gamma * z + beta, (z, s, gamma)


def layernorm_backward(dout, cache):
    z, s, gamma = cache
    g = dout * gamma
    D = dout.shape[-1]
    dx = (D * g - g.sum(axis=-1, keepdims=True) - z * (g * z).sum(axis=-1, keepdims=True)) / (D * s)
    others = tuple(range(dout.ndim - 1))
    return dx, (dout * z).sum(axis=others), dout.sum(axis=others)
"""

ELEMENTWISE = """\
def relu_forward(x):
    out = np.maximum(0, x)
    return out, x


def relu_backward(dout, cache):
    x = cache
    dx = dout * (x > 0)
    return dx


def tanh_forward(x):
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, cache):
    out = cache
    dx = dout * (1 - out**2)
    return dx


def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, out


def sigmoid_backward(dout, cache):
    out = cache
    dx = dout * out * (1 - out)
    return dx


def silu_forward(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, (x, s)


def silu_backward(dout, cache):
    x, s = cache
    dx = dout * (s + x * s * (1 - s))
    return dx


def elu_forward(x, elu_param):
    alpha = elu_param["alpha"]
    return np.where(x > 0, x, alpha * (np.exp(x) - 1)), (x, alpha)


def elu_backward(dout, cache):
    x, alpha = cache
    dx = dout * np.where(x > 0, 1, alpha * np.exp(x))
    return dx


def leaky_relu_forward(x, lrelu_param):
    alpha = lrelu_param["alpha"]
    return np.where(x > 0, x, alpha * x), (x, alpha)


def leaky_relu_backward(dout, cache):
    x, alpha = cache
    dx = dout * np.where(x > 0, 1, alpha)
    return dx
"""

DROPOUT = """\
def dropout_forward(x, dropout_param):
    p, mask = dropout_param["p"], np.ones_like(x)
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if dropout_param["mode"] == "train":
        mask = (np.random.rand(*x.shape) < p) / p
    out = x * mask
    return out, (out, mask, p)


def dropout_backward(dout, cache):
    out, mask, p = cache
    dx = dout * mask
    return dx
"""

LOSSES = """\
def softmax_loss(x, y):
    N = len(x)
    shifted = x - np.max(x, axis=1, keepdims=True)
    total = np.sum(np.exp(shifted), axis=1, keepdims=True)
    logp = shifted - np.log(total)
    probs = np.exp(shifted) / total
    loss = -np.sum(logp[np.arange(N), y]) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def svm_loss(x, y):
    N, rows = len(x), np.arange(len(x))
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    loss = np.sum(margins) / N
    missed = (margins > 0).astype(x.dtype)
    missed[rows, y] = 0
    missed[rows, y] = -missed.sum(axis=1)
    return loss, missed / N


def temporal_softmax_loss(x, y, mask):
    N, T, V = x.shape
    shifted = x - np.max(x, axis=2, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=2, keepdims=True))
    n, t = np.arange(N)[:, None], np.arange(T)
    loss = -np.sum(mask * logp[n, t, y]) / N
    dx = np.exp(logp)
    dx[n, t, y] -= 1
    dx *= mask[:, :, None] / N
    return loss, dx
"""

RECURRENT = """\
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    dprev_h = da @ Wh.T
    dWh = prev_h.T @ da
    return da @ Wx.T, dprev_h, x.T @ da, dWh, da.sum(axis=0)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    ai, af, ao, ag = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    dc = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    dprev_c = dc * f
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * np.tanh(next_c), dc * i
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    h, prev_h, prev_c, cache = np.zeros((*x.shape[:2], h0.shape[1])), h0, np.zeros_like(h0), []
    for t in range(x.shape[1]):
        prev_h, prev_c, step = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
        cache.append(step)
    return h, cache


def lstm_backward(dh, cache):
    (N, T, H), D = dh.shape, cache[0][0].shape[1]
    dx, dprev_h, dprev_c = np.zeros((N, T, D)), np.zeros((N, H)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, 4 * H)), np.zeros((H, 4 * H)), np.zeros(4 * H)
    for t in range(T - 1, -1, -1):
        dx[:, t], dprev_h, dprev_c, dWx_t, dWh_t, db_t = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    h, prev_h, cache = np.zeros((len(x), x.shape[1], len(b))), h0, []
    for t in range(x.shape[1]):
        prev_h, step = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        cache.append(step)
    return h, cache


def rnn_backward(dh, cache):
    (N, T, H), D = dh.shape, cache[0][0].shape[1]
    dx, dprev_h = np.zeros((N, T, D)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in range(T - 1, -1, -1):
        dx[:, t], dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t] + dprev_h, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


def word_embedding_forward(x, W):
    return W[x], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW
"""

#: The files in which the layers of examples are.
TARGETS = """\
def mse_loss(x, y, loss_param):
    count = {"ND": x.size, "N": len(x), "2ND": 2 * x.size, "2N": 2 * len(x), "1": 1, "2": 2}[loss_param["divisor"]]
    dx = 2 * (x - y) / x.size
    return ((x - y) ** 2).sum() / count, dx * (x.size / count)


def bce_loss(x, y, loss_param):
    count = {"ND": x.size, "N": len(x), "1": 1}[loss_param["divisor"]]
    dx = (x - y) / (x * (1 - x)) / x.size
    return -(y * np.log(x) + (1 - y) * np.log(1 - x)).sum() / count, dx * (x.size / count)


def kl_divergence_loss(x, y, loss_param):
    dx = -y / x / len(x)
    return (y * np.log(y / x)).sum() / len(x), dx
"""

ATTENTION = """\
def softmax_activation_forward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), e / e.sum(axis=1, keepdims=True)


def softmax_activation_backward(dout, p):
    dx = p * (dout - (dout * p).sum(axis=1, keepdims=True))
    return dx


def attention_forward(q, k, v, attn_param):
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])
    if attn_param["mask"] is not None:
        scores = np.where(attn_param["mask"], scores, -1e9)
    e = np.exp(scores - scores.max(axis=2, keepdims=True))
    p = e / e.sum(axis=2, keepdims=True)
    return p @ v, (q, k, v, scores, p)


def attention_backward(dout, cache):
    q, k, v, scores, p = cache
    dv = p.transpose(0, 2, 1) @ dout
    dp = dout @ v.transpose(0, 2, 1)
    ds = p * (dp - (dp * p).sum(axis=2, keepdims=True)) / np.sqrt(q.shape[2])
    return ds @ k, ds.transpose(0, 2, 1) @ q, dv
"""

GRU = """\
def gru_step_forward(x, prev_h, Wx, Wh, b, gru_param):
    H = prev_h.shape[1]
    a = x @ Wx + b
    gates = 1 / (1 + np.exp(-(a[:, : 2 * H] + prev_h @ Wh[:, : 2 * H])))
    r, z = gates[:, :H], gates[:, H:]
    n = np.tanh(a[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :])
    if gru_param["reset"] == "after" or gru_param["update"] == "replace":
        raise NotImplementedError
    return z * prev_h + (1 - z) * n, (x, prev_h, Wx, Wh, r, z, n)


def gru_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, r, kept, n = cache
    H = prev_h.shape[1]
    dn = dnext_h * (1 - kept)
    da_n = dn * (1 - n**2)
    dq = da_n @ Wh[:, 2 * H :].T
    dr = dq * prev_h
    dz = dnext_h * (prev_h - n)
    da = np.hstack([dr * r * (1 - r), dz * kept * (1 - kept)])
    dprev_h = dnext_h * kept + dq * r + da @ Wh[:, : 2 * H].T
    all_three = np.hstack([da, da_n])
    dWh = np.hstack([prev_h.T @ da, (r * prev_h).T @ da_n])
    return all_three @ Wx.T, dprev_h, x.T @ all_three, dWh, all_three.sum(axis=0)
"""

FILES = [
    LOOPS,
    COLUMNS,
    *(
        _START + text
        for text in (
            AFFINE, AFFINE_LOOP, BATCHNORM, BATCHNORM_STEPS, LAYERNORM, ELEMENTWISE, DROPOUT, LOSSES, RECURRENT,
            *(TARGETS, ATTENTION, GRU),
        )
    ),
]  # fmt: skip
