import numpy as np


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.T @ dout, dout.sum(axis=0)


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return dout * (dout > 0)


def batchnorm_forward(x, gamma, beta, bn_param):
    mean, var = x.mean(axis=0), x.var(axis=0)
    if bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    else:
        for name, value in ("running_mean", mean), ("running_var", var):
            old = bn_param.get(name, np.zeros_like(value))
            bn_param[name] = bn_param["momentum"] * old + (1 - bn_param["momentum"]) * value
    s = np.sqrt(var + bn_param["eps"])
    z = (x - mean) / s
    return gamma * z + beta, (z, gamma, s, bn_param["mode"])


def batchnorm_backward(dout, cache):
    z, gamma, s, mode = cache
    g = gamma * dout
    dx = g / s if mode == "test" else (g - g.mean(axis=0) - z * (g * z).mean(axis=0)) / s
    return dx, (dout * z).sum(axis=0), dout.sum(axis=0)
