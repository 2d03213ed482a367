"""Functions that are no layer, for the commands of the documentation."""

import numpy as np


def f(x, w):
    return np.tanh(x @ w)


def f_grad(dout, x, w):
    d = dout * (1 - np.tanh(x @ w) ** 2)
    return d @ w.T, x.T @ d


def energy(x, a):
    return a**2 * np.log(np.cosh(x)).sum()


def slope(x, a):
    return a**2 * np.tanh(x), 2 * a * np.log(np.cosh(x)).sum()


def nll(scores, y, k):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    dscores = p.copy()
    dscores[rows, y] -= 1
    return -k * np.log(p[rows, y]).sum(), k * dscores


def make():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
