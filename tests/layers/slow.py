"""The layers by their definitions, one number at a time, for complex numbers too.

The derivative of a function that is written for complex numbers is Im f(x + i h) / h, to the last digit with h = 1e-30
(Squire and Trapp, 1998): no difference is taken. Nothing here is shared with what is tested.
"""

from __future__ import annotations

import cmath
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.layers.slow_activations import ACTIVATIONS

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

    Param = Mapping[str, Any]

_H = 1e-30


def gradients(
    name: str,
    inputs: Mapping[str, Array],
    param: Param | None,
    cotangents: list[Array],
    constants: tuple[str, ...] = (),
) -> dict[str, Array]:
    """Differentiate sum of cotangent * output in each element of each floating input that is no constant."""
    found = {}
    for key, value in inputs.items():
        if value.dtype.kind != "f" or key in constants:
            continue
        gradient = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            moved = {k: v.astype(complex) if v.dtype.kind == "f" else v for k, v in inputs.items()}
            moved[key][index] += _H * 1j
            outs = SLOW[name](*moved.values(), *([] if param is None else [param]))
            total = sum((g * np.asarray(out)).sum() for g, out in zip(cotangents, outs, strict=False))
            gradient[index] = total.imag / _H
        found[key] = gradient
    return found


def affine(x: Array, w: Array, b: Array) -> list[Any]:
    rows = [list(sample.reshape(-1)) for sample in x]
    return [np.array([[b[m] + sum(v * w[d, m] for d, v in enumerate(row)) for m in range(w.shape[1])] for row in rows])]


def temporal_affine(x: Array, w: Array, b: Array) -> list[Any]:
    return [np.stack([affine(x[:, t], w, b)[0] for t in range(x.shape[1])], axis=1)]


def word_embedding(x: Array, W: Array) -> list[Any]:
    return [np.array([[[W[word, d] for d in range(W.shape[1])] for word in words] for words in x])]


def dropout(x: Array, p: Param) -> list[Any]:
    draws = np.random.RandomState(p["seed"])
    return _each(x, lambda v: v if p["mode"] == "test" else v / p["p"] if draws.random_sample() < p["p"] else 0 * v)


def conv1d(x: Array, w: Array, b: Array, p: Param) -> list[Any]:
    (N, C, W), (F, _, WW) = x.shape, w.shape
    out = np.zeros((N, F, (W + 2 * p["pad"] - WW) // p["stride"] + 1), complex)
    for n, f, j in np.ndindex(out.shape):
        out[n, f, j] = b[f]
        for c, k in itertools.product(range(C), range(WW)):
            if 0 <= j * p["stride"] + k - p["pad"] < W:
                out[n, f, j] += x[n, c, j * p["stride"] + k - p["pad"]] * w[f, c, k]
    return [out]


def conv3d(x: Array, w: Array, b: Array, p: Param) -> list[Any]:
    wide, kernel = np.pad(x, ((0, 0), (0, 0), *[(p["pad"], p["pad"])] * 3)), w.shape[2:]
    counts = [(size - k) // p["stride"] + 1 for size, k in zip(wide.shape[2:], kernel, strict=True)]
    out = np.zeros((len(x), len(w), *counts), complex)
    for window in np.ndindex(*counts):
        seen = wide[:, :, *(slice(i * p["stride"], i * p["stride"] + k) for i, k in zip(window, kernel, strict=True))]
        for n, f in np.ndindex(out.shape[:2]):
            out[(n, f, *window)] = (seen[n] * w[f]).sum() + b[f]
    return [out]


def conv_transpose(x: Array, w: Array, b: Array, p: Param) -> list[Any]:
    (N, C, H, W), (_, F, HH, WW) = x.shape, w.shape
    (sv, sh), (pv, ph) = (v if isinstance(v, tuple) else (v, v) for v in (p["stride"], p["pad"]))
    out = np.zeros((N, F, (H - 1) * sv - 2 * pv + HH, (W - 1) * sh - 2 * ph + WW), complex) + b[:, None, None]
    for n, c, f, i, j, h, k in itertools.product(*map(range, (N, C, F, H, W, HH, WW))):
        row, column = i * sv + h - pv, j * sh + k - ph
        if 0 <= row < out.shape[2] and 0 <= column < out.shape[3]:
            out[n, f, row, column] += x[n, c, i, j] * w[c, f, h, k]
    return [out]


def depthwise_conv(x: Array, w: Array, b: Array, p: Param) -> list[Any]:
    (N, C, H, W), (_, HH, WW) = x.shape, w.shape
    (sv, sh), (pv, ph) = (v if isinstance(v, tuple) else (v, v) for v in (p["stride"], p["pad"]))
    out = np.zeros((N, C, (H + 2 * pv - HH) // sv + 1, (W + 2 * ph - WW) // sh + 1), complex) + b[:, None, None]
    for n, c, i, j in np.ndindex(out.shape):
        for h, k in itertools.product(range(HH), range(WW)):
            row, column = i * sv + h - pv, j * sh + k - ph
            if 0 <= row < H and 0 <= column < W:
                out[n, c, i, j] += x[n, c, row, column] * w[c, h, k]
    return [out]


def _each(x: Array, function: Any) -> list[Any]:
    return [np.array([function(v) for v in x.reshape(-1)]).reshape(x.shape)]


def relu(x: Array) -> list[Any]:
    return _each(x, lambda v: v if v.real > 0 else 0 * v)


def sigmoid(x: Array) -> list[Any]:
    return _each(x, _sigmoid)


def tanh(x: Array) -> list[Any]:
    return _each(x, cmath.tanh)


def _sigmoid(v: complex) -> complex:
    return 1 / (1 + cmath.exp(-v))


def _windows(x: Array, p: Param, of: Any) -> list[Any]:
    N, C, H, W = x.shape
    rows, columns = (H - p["pool_height"]) // p["stride"] + 1, (W - p["pool_width"]) // p["stride"] + 1
    out = np.zeros((N, C, rows, columns), x.dtype)
    for n, c, i, j in itertools.product(range(N), range(C), range(rows), range(columns)):
        places = itertools.product(range(p["pool_height"]), range(p["pool_width"]))
        out[n, c, i, j] = of([x[n, c, i * p["stride"] + h, j * p["stride"] + k] for h, k in places])
    return [out]


def maxpool(x: Array, p: Param) -> list[Any]:
    return _windows(x, p, lambda seen: max(seen, key=lambda v: v.real))


def avgpool(x: Array, p: Param) -> list[Any]:
    return _windows(x, p, lambda seen: sum(seen) / len(seen))


def maxpool1d(x: Array, p: Param) -> list[Any]:
    return [maxpool(x[:, :, None], {**p, "pool_height": 1})[0][:, :, 0]]


def avgpool1d(x: Array, p: Param) -> list[Any]:
    return [avgpool(x[:, :, None], {**p, "pool_height": 1})[0][:, :, 0]]


def _moments(values: list[Any]) -> tuple[Any, Any]:
    mean = sum(values) / len(values)
    return mean, sum((v - mean) ** 2 for v in values) / len(values)


def batchnorm(x: Array, gamma: Array, beta: Array, p: Param) -> list[Any]:
    if x.ndim == 3:
        flat, *running = batchnorm(np.array([step for steps in x for step in steps]), gamma, beta, p)
        return [flat.reshape(x.shape), *running]
    out, running = (
        np.zeros(x.shape, complex),
        [np.array(p["running_mean"], complex), np.array(p["running_var"], complex)],
    )
    for d in range(x.shape[1]):
        mean, variance = running[0][d], running[1][d]
        if p["mode"] == "train":
            mean, variance = _moments(list(x[:, d]))
            for statistic, seen in zip(running, (mean, variance), strict=True):
                statistic[d] = p["momentum"] * statistic[d] + (1 - p["momentum"]) * seen
        for n in range(x.shape[0]):
            out[n, d] = gamma[d] * (x[n, d] - mean) / cmath.sqrt(variance + p["eps"]) + beta[d]
    return [out, *running]


def layernorm(x: Array, gamma: Array, beta: Array, p: Param) -> list[Any]:
    if x.ndim == 3:
        return [np.stack([layernorm(steps, gamma, beta, p)[0] for steps in x])]
    out = np.zeros(x.shape, complex)
    for n in range(x.shape[0]):
        mean, variance = _moments(list(x[n]))
        for d in range(x.shape[1]):
            out[n, d] = gamma[d] * (x[n, d] - mean) / cmath.sqrt(variance + p["eps"]) + beta[d]
    return [out]


def spatial_batchnorm(x: Array, gamma: Array, beta: Array, p: Param) -> list[Any]:
    places = list(itertools.product(*(range(x.shape[k]) for k in (0, 2, 3))))
    flat, *running = batchnorm(np.array([x[n, :, i, j] for n, i, j in places]), gamma, beta, p)
    out = np.zeros(x.shape, complex)
    for (n, i, j), row in zip(places, flat, strict=True):
        out[n, :, i, j] = row
    return [out, *running]


def groupnorm(x: Array, gamma: Array, beta: Array, p: Param) -> list[Any]:
    out, channels = np.zeros(x.shape, complex), x.shape[1] // p["G"]
    for n, group in itertools.product(range(x.shape[0]), range(p["G"])):
        own = list(itertools.product(range(group * channels, (group + 1) * channels), *map(range, x.shape[2:])))
        mean, variance = _moments([x[n, c, i, j] for c, i, j in own])
        for c, i, j in own:
            out[n, c, i, j] = gamma[c] * (x[n, c, i, j] - mean) / cmath.sqrt(variance + p["eps"]) + beta[c]
    return [out]


def instancenorm(x: Array, gamma: Array, beta: Array, p: Param) -> list[Any]:
    return groupnorm(x, gamma, beta, {**p, "G": x.shape[1]})


def rmsnorm(x: Array, gamma: Array, p: Param) -> list[Any]:
    out = np.zeros(x.shape, complex)
    for place in np.ndindex(x.shape[:-1]):
        square = sum(v * v for v in x[place]) / x.shape[-1]
        for d in range(x.shape[-1]):
            out[(*place, d)] = gamma[d] * x[(*place, d)] / cmath.sqrt(square + p["eps"])
    return [out]


def softmax(x: Array, y: Array) -> list[Any]:
    losses = []
    for row, label in zip(x, y, strict=True):
        top = max(v.real for v in row)
        losses.append(cmath.log(sum(cmath.exp(v - top) for v in row)) + top - row[label])
    return [sum(losses) / len(losses)]


def temporal_softmax(x: Array, y: Array, mask: Array) -> list[Any]:
    counted = [(n, t) for n, t in np.ndindex(mask.shape) if mask[n, t]]
    return [sum(softmax(x[n, t : t + 1], y[n, t : t + 1])[0] for n, t in counted) / len(x)]


def svm(x: Array, y: Array) -> list[Any]:
    margins = [row[c] - row[label] + 1 for row, label in zip(x, y, strict=True) for c in range(len(row)) if c != label]
    return [sum((m for m in margins if m.real > 0), start=0j) / len(y)]


def _divided(terms: list[Any], rows: int, p: Param) -> list[Any]:
    divisors = {"ND": len(terms), "NC": len(terms), "N": rows, "2ND": 2 * len(terms), "2N": 2 * rows, "1": 1, "2": 2}
    return [sum(terms) / divisors[p["divisor"]]]


def mse(x: Array, y: Array, p: Param) -> list[Any]:
    return _divided([(v - t) * (v - t) for v, t in zip(x.flat, y.flat, strict=True)], len(x), p)


def bce(x: Array, y: Array, p: Param) -> list[Any]:
    terms = [-cmath.log(v) if t == 1 else -cmath.log(1 - v) for v, t in zip(x.flat, y.real.flat, strict=True)]
    return _divided(terms, len(x), p)


def cross_entropy(x: Array, y: Array, p: Param) -> list[Any]:
    return _divided([-cmath.log(row[label]) for row, label in zip(x, y, strict=True)], len(x), p)


def kl_divergence(x: Array, y: Array, p: Param) -> list[Any]:
    q = x if p["input"] == "probabilities" else _each(x, cmath.exp)[0]
    return _divided([t * cmath.log(t / v) for v, t in zip(q.flat, y.flat, strict=True)], len(x), p)


def _sums(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    out = np.zeros((x.shape[0], b.size), complex)
    for n, j in np.ndindex(out.shape):
        out[n, j] = b[j] + sum(x[n, d] * Wx[d, j] for d in range(x.shape[1]))
        out[n, j] += sum(h[n, i] * Wh[i, j] for i in range(h.shape[1]))
    return out


def rnn_step(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> list[Any]:
    return _each(_sums(x, h, Wx, Wh, b), cmath.tanh)


def rnn(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> list[Any]:
    seen = []
    for t in range(x.shape[1]):
        (h,) = rnn_step(x[:, t], h, Wx, Wh, b)
        seen.append(h)
    return [np.stack(seen, axis=1)]


def lstm_step(x: Array, h: Array, c: Array, Wx: Array, Wh: Array, b: Array) -> list[Any]:
    sums, H = _sums(x, h, Wx, Wh, b), h.shape[1]
    next_h, next_c = np.zeros(h.shape, complex), np.zeros(h.shape, complex)
    for n, k in np.ndindex(h.shape):
        i, f, o = (_sigmoid(sums[n, gate * H + k]) for gate in range(3))
        next_c[n, k] = f * c[n, k] + i * cmath.tanh(sums[n, 3 * H + k])
        next_h[n, k] = o * cmath.tanh(next_c[n, k])
    return [next_h, next_c]


def lstm(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> list[Any]:
    c, seen = np.zeros(h.shape), []
    for t in range(x.shape[1]):
        h, c = lstm_step(x[:, t], h, c, Wx, Wh, b)
        seen.append(h)
    return [np.stack(seen, axis=1)]


def gru_step(x: Array, h: Array, Wx: Array, Wh: Array, b: Array, p: Param) -> list[Any]:
    sums, none, H = _sums(x, h, Wx, Wh, b), _sums(x, 0 * h, Wx, Wh, b), h.shape[1]
    r, z = (_each(sums[:, k * H : (k + 1) * H], _sigmoid)[0] for k in range(2))
    out = np.zeros(h.shape, complex)
    for n, j in np.ndindex(h.shape):
        products = [h[n, i] * Wh[i, 2 * H + j] for i in range(H)]
        if p["reset"] == "before":
            through = sum(r[n, i] * product for i, product in enumerate(products))
        else:
            through = r[n, j] * sum(products)
        new, keep = cmath.tanh(none[n, 2 * H + j] + through), z[n, j]
        if p["update"] == "replace":
            keep = 1 - keep
        out[n, j] = keep * h[n, j] + (1 - keep) * new
    return [out]


def gru(x: Array, h: Array, Wx: Array, Wh: Array, b: Array, p: Param) -> list[Any]:
    seen = []
    for t in range(x.shape[1]):
        (h,) = gru_step(x[:, t], h, Wx, Wh, b, p)
        seen.append(h)
    return [np.stack(seen, axis=1)]


def attention(q: Array, k: Array, v: Array, p: Param) -> list[Any]:
    out = np.zeros((*q.shape[:2], v.shape[2]), complex)
    for n, t in np.ndindex(q.shape[:2]):
        seen = [s for s in range(k.shape[1]) if p["mask"] is None or p["mask"][t, s]]
        scores = [sum(a * b for a, b in zip(q[n, t], k[n, s], strict=True)) / q.shape[2] ** 0.5 for s in seen]
        weights = [cmath.exp(score) for score in scores]
        for s, weight in zip(seen, weights, strict=True):
            out[n, t] += weight / sum(weights) * v[n, s]
    return [out]


def multihead_attention(
    query: Array, key: Array, value: Array, Wq: Array, Wk: Array, Wv: Array, Wo: Array, p: Param
) -> list[Any]:
    q, k, v, heads = query @ Wq, key @ Wk, value @ Wv, []
    for columns in np.split(np.arange(q.shape[2]), p["H"]):
        heads += attention(q[..., columns], k[..., columns], v[..., columns], p)
    return [np.concatenate(heads, axis=2) @ Wo]


SLOW: dict[str, Callable[..., list[Any]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(conv1d, conv3d, conv_transpose, depthwise_conv, affine, relu, sigmoid, tanh, maxpool, avgpool, batchnorm),
        *(maxpool1d, avgpool1d),
        *(spatial_batchnorm, layernorm, groupnorm, instancenorm, rmsnorm),
        *(mse, bce, cross_entropy, kl_divergence),
        *(softmax, svm, rnn_step, rnn, lstm_step, lstm, gru_step, gru),
        *(attention, multihead_attention),
        *(word_embedding, temporal_affine, temporal_softmax, dropout),
    )
} | ACTIVATIONS
