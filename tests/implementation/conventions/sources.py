"""Layers as people write them, one for each convention and family of names. All compute with the same two functions."""

from __future__ import annotations

from dataclasses import dataclass

CORE = """\
import numpy as np


def _windows(x, w, stride, pad):
    (sv, sh), (pv, ph) = np.broadcast_to(stride, 2), np.broadcast_to(pad, 2)
    x = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    HH, WW = w.shape[2:]
    for i in range((x.shape[2] - HH) // sv + 1):
        for j in range((x.shape[3] - WW) // sh + 1):
            yield i, j, np.s_[:, :, i * sv : i * sv + HH, j * sh : j * sh + WW], x


def _ahead(x, w, b, stride, pad):
    (sv, sh), (pv, ph) = np.broadcast_to(stride, 2), np.broadcast_to(pad, 2)
    x = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::sv, ::sh]
    return np.tensordot(windows, w, ([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2) + b[:, None, None]


def _reverse(dout, x, w, stride, pad):
    (pv, ph), (H, W) = np.broadcast_to(pad, 2), x.shape[2:]
    dx = np.zeros((*x.shape[:2], H + 2 * pv, W + 2 * ph), x.dtype)
    dw = np.zeros_like(w)
    for i, j, at, x in _windows(x, w, stride, pad):
        dw += np.tensordot(dout[:, :, i, j], x[at], ([0], [0]))
        dx[at] += np.tensordot(dout[:, :, i, j], w, ([1], [0]))
    db = dout.sum(axis=(0, 2, 3))
    return dx[:, :, pv : pv + H, ph : ph + W], dw, db


def _first(x):
    return x.transpose(0, 3, 1, 2)


def _last(x):
    return x.transpose(0, 2, 3, 1)


"""

#: What makes any of them wrong, and nothing but its dw.
WRONG = ("dx[:, :, pv : pv + H, ph : ph + W], dw, db", "dx[:, :, pv : pv + H, ph : ph + W], 1.5 * dw, db")

#: What makes all their outputs wrong.
WRONG_AHEAD = ("+ b[:, None, None]", "+ 2 * b[:, None, None]")

#: Geometries in the standard set.
STANDARD = 13


@dataclass(frozen=True)
class Source:
    text: str
    names: str  #: what is found, as it is typed
    understood: str  #: a part of how it is named in the header
    ran: int = STANDARD  #: geometries of the standard set that it can express


PAIRS = {
    "names in the other order": Source(
        """
def forward_conv(inp, filt, bias, params):
    return _ahead(inp, filt, bias, params["stride"], params["pad"]), (inp, filt, params)


def backward_conv(grad_out, saved):
    x, w, p = saved
    return _reverse(grad_out, x, w, p["stride"], p["pad"])
""",
        "forward_conv,backward_conv",
        "forward_conv(inp, filt, bias, params) and backward_conv(grad_out, saved)",
    ),
    "fwd and bwd": Source(
        """
def convolution_fwd(x, w, b, p):  # the pad, or the parameters? a trial tells
    return _ahead(x, w, b, p["stride"], p["pad"]), (x, w, p)


def convolution_bwd(delta, memo):
    x, w, p = memo
    return _reverse(delta, x, w, p["stride"], p["pad"])
""",
        "convolution_fwd,convolution_bwd",
        "convolution_fwd(x, w, b, p)",
    ),
    "no word for forward": Source(
        """
def conv2d(X, W, b, stride=1, pad=0):
    return _ahead(X, W, b, stride, pad), (X, W, stride, pad)


def conv2d_grad(dout, cache):
    return _reverse(dout, *cache)
""",
        "conv2d,conv2d_grad",
        "conv2d(X, W, b, stride, pad) and conv2d_grad(dout, cache)",
    ),
    "camel case, required arguments, another order": Source(
        """
def convForward(x, weights, bias, padding, strides):
    return _ahead(x, weights, bias, strides, padding), (x, weights, strides, padding)


def convBackward(cache, dout):
    return _reverse(dout, *cache)
""",
        "convForward,convBackward",
        "convForward(x, weights, bias, padding, strides) and convBackward(cache, dout)",
    ),
    "the dictionary's keys": Source(
        """
def conv_forward(x, w, b, hparams):
    return _ahead(x, w, b, hparams["stride"], hparams["padding"]), (x, w, hparams["stride"], hparams["padding"])


def conv_backward(dout, cache):
    return _reverse(dout, *cache)
""",
        "conv_forward,conv_backward",
        "entries under other names",
    ),
    "by keyword only": Source(
        """
def conv_forward(x, w, b, *, conv_param):
    return _ahead(x, w, b, **conv_param), (x, w, *conv_param.values())


def conv_backward(dout, cache):
    return _reverse(dout, *cache)
""",
        "conv_forward,conv_backward",
        "conv_forward(x, w, b, conv_param)",
    ),
    "no stride and no pad": Source(
        """
def conv_forward(x, w, b):
    return _ahead(x, w, b, 1, 0), (x, w, 1, 0)


def conv_backward(dout, cache):
    return _reverse(dout, *cache)
""",
        "conv_forward,conv_backward",
        "conv_forward(x, w, b)",
        4,
    ),
    "channels last": Source(
        """
def conv_forward(A_prev, W, b, hparameters):
    Z = _ahead(_first(A_prev), W.transpose(3, 2, 0, 1), b.ravel(), hparameters["stride"], hparameters["pad"])
    return _last(Z), (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    w = W.transpose(3, 2, 0, 1)
    dA, dW, db = _reverse(_first(dZ), _first(A_prev), w, hparameters["stride"], hparameters["pad"])
    assert b.shape == (1, 1, 1, W.shape[3])
    return _last(dA), dW.transpose(2, 3, 1, 0), db.reshape(b.shape)
""",
        "conv_forward,conv_backward",
        "channels last, b (1, 1, 1, F)",
    ),
    "channels last, and the names do not say": Source(
        """
def conv_forward(x, w, b, conv_param):
    Z = _ahead(_first(x), w.transpose(3, 2, 0, 1), b, conv_param["stride"], conv_param["pad"])
    return _last(Z), (x, w, conv_param)


def conv_backward(dout, cache):
    x, w, p = cache
    dx, dw, db = _reverse(_first(dout), _first(x), w.transpose(3, 2, 0, 1), p["stride"], p["pad"])
    return _last(dx), dw.transpose(2, 3, 1, 0), db
""",
        "conv_forward,conv_backward",
        "channels last",
    ),
    "channels first, and the names say otherwise": Source(
        """
def conv_forward(A_prev, W, b, hparameters):
    return _ahead(A_prev, W, b, **hparameters), (A_prev, W, hparameters["stride"], hparameters["pad"])


def conv_backward(dZ, cache):
    return _reverse(dZ, *cache)
""",
        "conv_forward,conv_backward",
        "conv_forward(A_prev, W, b, hparameters) and conv_backward(dZ, cache)",
    ),
    "channels last, no cache, padding in words": Source(
        """
def _pads(padding, W):
    assert padding in ("same", "valid")
    return ((W.shape[0] - 1) // 2, (W.shape[1] - 1) // 2) if padding == "same" else (0, 0)


def conv_forward(A_prev, W, b, activation, padding="same", stride=(1, 1)):
    sh, sw = stride
    Z = _ahead(_first(A_prev), W.transpose(3, 2, 0, 1), b.ravel(), (sh, sw), _pads(padding, W))
    return activation(_last(Z))


def conv_backward(dZ, A_prev, W, b, padding="same", stride=(1, 1)):
    w = W.transpose(3, 2, 0, 1)
    dA, dW, db = _reverse(_first(dZ), _first(A_prev), w, stride, _pads(padding, W))
    return _last(dA), dW.transpose(2, 3, 1, 0), db.reshape(b.shape)
""",
        "conv_forward,conv_backward",
        'pad as "same" or "valid", channels last, b (1, 1, 1, F)',
        6,
    ),
    "b as a column": Source(
        """
def conv_forward(x, w, b, stride, pad):
    assert b.shape == (len(w), 1)
    return _ahead(x, w, b[:, 0], stride, pad), (x, w, stride, pad)


def conv_backward(dout, cache):
    dx, dw, db = _reverse(dout, *cache)
    return dx, dw, db.reshape(-1, 1)
""",
        "conv_forward,conv_backward",
        "b (F, 1)",
    ),
}

CLASSES = {
    "given its parameters": Source(
        """
class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad
        self.dW, self.db = None, None

    def forward(self, x):
        self.x = x
        return _ahead(x, self.W, self.b, self.stride, self.pad)

    def backward(self, dout):
        dx, self.dW, self.db = _reverse(dout, self.x, self.W, self.stride, self.pad)
        return dx
""",
        "Convolution",
        "class Convolution(W, b, stride, pad).forward, .backward",
    ),
    "sizes, gradients returned": Source(
        """
class Conv2d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.weight = np.random.randn(out_channels, in_channels, *np.broadcast_to(kernel_size, 2))
        self.bias = np.zeros(out_channels)
        self.stride, self.padding = stride, padding

    def forward(self, x):
        self.cache = x, self.weight, self.stride, self.padding
        return _ahead(x, self.weight, self.bias, self.stride, self.padding)

    def backward(self, dout):
        return _reverse(dout, *self.cache)
""",
        "Conv2d",
        "class Conv2d(in_channels, out_channels, kernel_size, stride, padding).forward, .backward",
    ),
    "square kernels, accumulated": Source(
        """
class Conv:
    def __init__(self, nb_filters: int, filter_size: int, nb_channels: int, stride: int = 1, padding: int = 0):
        self.W = {"val": np.random.randn(nb_filters, nb_channels, filter_size, filter_size), "grad": 0.0}
        self.b = {"val": np.random.randn(nb_filters), "grad": 0.0}
        self.s, self.p = stride, padding

    def forward(self, X):
        self.cache = X
        return _ahead(X, self.W["val"], self.b["val"], self.s, self.p)

    def backward(self, dout):
        dx, dw, db = _reverse(dout, self.cache, self.W["val"], self.s, self.p)
        self.W["grad"] += dw
        self.b["grad"] += db
        return dx, self.W["grad"], self.b["grad"]
""",
        "Conv",
        "class Conv(nb_filters, filter_size, nb_channels, stride, padding)",
        9,
    ),
    "forward_pass, channels last, input shape, padding in words": Source(
        """
class Conv2D:
    def __init__(self, n_filters, kernel_shape, input_shape, padding="same", stride=1):
        H, W, C = input_shape
        kh, kw = kernel_shape
        self.filters = np.random.uniform(-1, 1, (kh, kw, C, n_filters))
        self.biases = np.zeros((1, 1, 1, n_filters))
        self.pad = {"same": (kh // 2, kw // 2), "valid": (0, 0)}[padding]
        self.stride = stride
        self.grad_filters = np.zeros_like(self.filters)
        self.grad_biases = np.zeros_like(self.biases)

    def forward_pass(self, X, training=True):
        self.X = _first(X)
        return _last(_ahead(self.X, self.filters.transpose(3, 2, 0, 1), self.biases.ravel(), self.stride, self.pad))

    def backward_pass(self, accum_grad):
        w = self.filters.transpose(3, 2, 0, 1)
        dx, dw, db = _reverse(_first(accum_grad), self.X, w, self.stride, self.pad)
        self.grad_filters += dw.transpose(2, 3, 1, 0)
        self.grad_biases += db.reshape(self.biases.shape)
        return _last(dx)
""",
        "Conv2D",
        'input shape (H, W, C), pad as "same" or "valid", channels last, w (HH, WW, C, F), b (1, 1, 1, F)',
        6,
    ),
    "dictionaries, made at the first forward": Source(
        """
class Conv2D:
    def __init__(self, out_ch, kernel_shape, pad=0, stride=1, act_fn=None, optimizer=None, init="glorot"):
        self.out_ch, self.kernel_shape, self.pad, self.stride = out_ch, kernel_shape, pad, stride
        self.parameters = {"W": None, "b": None}
        self.gradients = {"W": None, "b": None}

    def forward(self, X, retain_derived=True):
        if self.parameters["W"] is None:
            fr, fc = self.kernel_shape
            self.parameters["W"] = np.random.randn(fr, fc, X.shape[3], self.out_ch)
            self.parameters["b"] = np.zeros((1, 1, 1, self.out_ch))
            self.gradients = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self.X = _first(X)
        W, b = self.parameters["W"], self.parameters["b"]
        return _last(_ahead(self.X, W.transpose(3, 2, 0, 1), b.ravel(), self.stride, self.pad))

    def backward(self, dLdy, retain_grads=True):
        w = self.parameters["W"].transpose(3, 2, 0, 1)
        dx, dw, db = _reverse(_first(dLdy), self.X, w, self.stride, self.pad)
        self.gradients["W"] += dw.transpose(2, 3, 1, 0)
        self.gradients["b"] += db.reshape(1, 1, 1, -1)
        return _last(dx)
""",
        "Conv2D",
        "channels last, w (HH, WW, C, F), b (1, 1, 1, F)",
    ),
    "boxes": Source(
        """
class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class ConvolutionalLayer:
    def __init__(self, in_channels, out_channels, filter_size, padding):
        self.W = Param(np.random.randn(filter_size, filter_size, in_channels, out_channels))
        self.B = Param(np.zeros(out_channels))
        self.padding = padding

    def forward(self, X):
        self.X = _first(X)
        return _last(_ahead(self.X, self.W.value.transpose(3, 2, 0, 1), self.B.value, 1, self.padding))

    def backward(self, d_out):
        dx, dw, db = _reverse(_first(d_out), self.X, self.W.value.transpose(3, 2, 0, 1), 1, self.padding)
        self.W.grad += dw.transpose(2, 3, 1, 0)
        self.B.grad += db
        return _last(dx)
""",
        "ConvolutionalLayer",
        "class ConvolutionalLayer(in_channels, out_channels, filter_size, padding)",
        4,
    ),
    "lists, called": Source(
        """
class ConvLayer:
    def __init__(self, n_kernels, kernel_h, kernel_w, channels, name, stride=1, pad=0):
        self.params = [np.random.randn(n_kernels, channels, kernel_h, kernel_w), np.zeros((n_kernels, 1))]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.stride, self.pad = stride, pad

    def __call__(self, inputs):
        self.inputs = inputs
        return _ahead(inputs, self.params[0], self.params[1][:, 0], self.stride, self.pad)

    def bprop(self, delta):
        dx, dw, db = _reverse(delta, self.inputs, self.params[0], self.stride, self.pad)
        self.grads[0][...] = dw
        self.grads[1][...] = db[:, None]
        return dx
""",
        "ConvLayer",
        "class ConvLayer(n_kernels, kernel_h, kernel_w, channels, name, stride, pad)(), .bprop, b (F, 1)",
    ),
    "a cache, and gradients in a dictionary": Source(
        """
class Conv:
    def __init__(self, filters, kernel_size, in_channels, strides=(1, 1), padding=(0, 0), use_bias=False):
        self.kernels = np.random.randn(filters, in_channels, *kernel_size).reshape(filters, -1)
        if use_bias:
            self.bias = np.zeros((1, filters))
        self.shape = filters, in_channels, *kernel_size
        self.how = strides, padding

    def forward(self, x):
        (sv, sh), (pv, ph) = self.how
        return _ahead(x, self.kernels.reshape(self.shape), self.bias[0], (sv, sh), (pv, ph)), x

    def backward(self, dout, cache):
        dx, dw, db = _reverse(dout, cache, self.kernels.reshape(self.shape), *self.how)
        return {"dX": dx, "d_kernels": dw.reshape(self.kernels.shape), "d_bias": db[None]}
""",
        "Conv",
        "w (F, (C, HH, WW)), b (1, F)",
    ),
    "the input once more, a learning rate": Source(
        """
class Conv:
    def __init__(self, num_channels, num_filters, kernel, step, p, learning_rate):
        self.w = np.random.randn(num_filters, num_channels, kernel, kernel)
        self.b = np.random.randn(num_filters)
        self.step, self.p, self.learning_rate = step, p, learning_rate
        self.w_gradient = self.b_gradient = None

    def forward(self, input):
        return _ahead(input, self.w, self.b, self.step, self.p)

    def backward(self, input, grad_output):
        dx, self.w_gradient, self.b_gradient = _reverse(grad_output, input, self.w, self.step, self.p)
        self.w -= self.learning_rate * self.w_gradient
        return dx
""",
        "Conv",
        "class Conv(num_channels, num_filters, kernel, step, p, learning_rate)",
        9,
    ),
    "always same": Source(
        """
class Conv3:
    def __init__(self, input_depth, depth):
        self.weights = np.random.randn(depth, input_depth, 3, 3)
        self.biases = np.zeros(depth)

    def forward(self, x):
        self.x = x
        return _ahead(x, self.weights, self.biases, 1, 1)

    def backward(self, output_gradient):
        dx, self.gradient_weights, self.gradient_biases = _reverse(output_gradient, self.x, self.weights, 1, 1)
        return dx
""",
        "Conv3",
        "class Conv3(input_depth, depth).forward, .backward, pad always (kernel - 1) / 2",
        1,
    ),
    "gradients in another order": Source(
        """
class ConvLayer:
    def __init__(self, kernel_size, in_planes, out_planes, s=1, p=0):
        self.weight = np.random.randn(in_planes, kernel_size, kernel_size, out_planes)
        self.bias = np.zeros((1, out_planes, 1, 1))
        self.s, self.p = s, p

    def forward(self, x):
        self.x = x
        return _ahead(x, self.weight.transpose(3, 0, 1, 2), self.bias.ravel(), self.s, self.p)

    def backward(self, grad):
        grad_input, w, b = _reverse(grad, self.x, self.weight.transpose(3, 0, 1, 2), self.s, self.p)
        grad_weight, grad_bias = w.transpose(1, 2, 3, 0), b.reshape(self.bias.shape)
        return grad_weight, grad_bias, grad_input
""",
        "ConvLayer",
        "w (C, HH, WW, F), b (1, F, 1, 1)",
        9,
    ),
    "static": Source(
        """
class Conv:
    @staticmethod
    def forward(x, w, b, conv_param):
        return _ahead(x, w, b, **conv_param), (x, w, conv_param["stride"], conv_param["pad"])

    @staticmethod
    def backward(dout, cache):
        return _reverse(dout, *cache)
""",
        "Conv",
        "forward(x, w, b, conv_param) and backward(dout, cache)",
    ),
}

SOURCES = PAIRS | CLASSES
