"""A course's layers in one file, one of them wrong: this batch normalization takes its variance for a constant.

From this folder,

    gradcheck course.py

finds the four of them, checks each on the standard set of its layer, and says of the wrong one that the term
through the variance is missing. `affine_relu_forward` and `affine_relu_backward` combine two layers, and are none.
"""

import numpy as np


def affine_forward(x, w, b):
    """Samples x (N, ...), weights w (D, M), biases b (M,); returns the output (N, M) and a cache."""
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    """Cotangent dout of the output; returns the gradients of x, w and b."""
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def relu_forward(x):
    """Any x; returns max(x, 0) and a cache."""
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    """Cotangent dout of the output; returns the gradient of x."""
    return dout * (cache > 0)


def affine_relu_forward(x, w, b):
    """Both, one after the other."""
    between, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(between)
    return out, (affine_cache, relu_cache)


def affine_relu_backward(dout, cache):
    """And back."""
    affine_cache, relu_cache = cache
    return affine_backward(relu_backward(dout, relu_cache), affine_cache)


def batchnorm_forward(x, gamma, beta, bn_param):
    """Samples x (N, D), scale gamma (D,), shift beta (D,); returns the output and a cache."""
    momentum, eps = bn_param["momentum"], bn_param["eps"]
    if bn_param["mode"] == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    else:
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    std = np.sqrt(var + eps)
    normal = (x - mean) / std
    return gamma * normal + beta, (normal, gamma, std, bn_param["mode"])


def batchnorm_backward(dout, cache):
    """Cotangent dout of the output; returns the gradients of x, gamma and beta."""
    normal, gamma, std, mode = cache
    dnormal = dout * gamma
    dx = dnormal / std
    if mode == "train":
        dx = dx - dx.mean(axis=0)  # and normal * (dnormal * normal).mean(axis=0) / std, which goes by the variance
    return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)


def softmax_loss(x, y):
    """Scores x (N, C), labels y (N,); returns the loss and the gradient of x."""
    shifted = x - x.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(x))
    dx = np.exp(log_probabilities)
    dx[rows, y] -= 1
    return -log_probabilities[rows, y].mean(), dx / len(x)
