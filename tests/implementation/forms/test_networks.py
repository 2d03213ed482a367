"""Whole networks: each parameter has a gradient, which is found by its name, by its place or in the update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.examine import examine
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.conftest import report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.results.result import CaseResult
    from tests.conftest import Program


@dataclass(frozen=True, kw_only=True)
class Net:
    """A network, what of it is checked, and a fault in the gradient of the parameters that are named."""

    text: str
    wrong: tuple[str, str]
    faulty: str
    gradients: str


_SOFTMAX = """\
def softmax(s):
    p = np.exp(s - s.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def error(p, y):
    return -np.log(p[np.arange(len(y)), y]).mean()


def slope(p, y):
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return d / len(y)


"""
NETWORKS = {
    "params in a dictionary, loss and gradients": Net(
        text=_SOFTMAX
        + """\
class Net:
    def __init__(self, input_dim=20, hidden_dim=30, num_classes=10, scale=1e-3, reg=0.0):
        self.reg = reg
        self.params = {'W1': scale * np.random.randn(input_dim, hidden_dim),
            'b1': np.zeros(hidden_dim), 'W2': np.zeros((hidden_dim, num_classes)), 'b2': np.zeros(num_classes)}

    def loss(self, X, y=None):
        q = self.params
        h = np.tanh(X @ q['W1'] + q['b1'])
        p = softmax(h @ q['W2'] + q['b2'])
        if y is None:
            return p
        loss = error(p, y) + 0.5 * self.reg * ((q['W1']**2).sum() + (q['W2']**2).sum())
        d = slope(p, y)
        dh = d @ q['W2'].T * (1 - h**2)
        return loss, {'W1': X.T @ dh + self.reg * q['W1'], 'b1': dh.sum(0),
                      'W2': h.T @ d + self.reg * q['W2'], 'b2': d.sum(0)}
""",
        wrong=("X.T @ dh + self.reg * q['W1']", "X.T @ dh + 2 * self.reg * q['W1']"),
        faulty="W1",
        gradients="W1 b1 W2 b2",
    ),
    "a list of sizes, and a dtype": Net(
        text=_SOFTMAX
        + """\
class Deep:
    def __init__(self, hidden_dims, input_dim=9, num_classes=4, dtype=np.float32):
        sizes = [input_dim] + hidden_dims + [num_classes]
        self.dtype = dtype
        self.params = {f'W{k}': np.random.randn(m, n) for k, (m, n) in enumerate(zip(sizes, sizes[1:]))}
        for name in self.params:
            self.params[name] = self.params[name].astype(dtype)

    def loss(self, X, y=None):
        h = [X.astype(self.dtype)]
        for w in self.params.values():
            h.append(np.tanh(h[-1] @ w))
        p, grads = softmax(h[-1]), {}
        d = slope(p, y)
        for k in reversed(range(len(self.params))):
            d = d * (1 - h[k + 1]**2)
            grads[f'W{k}'] = h[k].T @ d
            d = d @ self.params[f'W{k}'].T
        return error(p, y), grads
""",
        wrong=("d = d * (1 - h[k + 1]**2)", "d = d * (1 - h[k + 1]**2) if k else d"),
        faulty="W0",
        gradients="W0 W1 W2 W3",
    ),
    "a method for the gradients, one-hot targets": Net(
        text=_SOFTMAX
        + """\
class Net:
    def __init__(self, input_size, output_size, std=0.01):
        self.params = {'W': std * np.random.randn(input_size, output_size), 'b': np.zeros(output_size)}

    def predict(self, x):
        return softmax(x @ self.params['W'] + self.params['b'])

    def loss(self, x, t):
        return -(t * np.log(self.predict(x))).sum() / len(x)

    def gradient(self, x, t):
        d = (self.predict(x) - t) / len(x)
        return {'W': x.T @ d, 'b': d.sum(axis=0)}
""",
        wrong=("d.sum(axis=0)", "d.mean(axis=0)"),
        faulty="b",
        gradients="W b",
    ),
    "layers that share the arrays": Net(
        text=_SOFTMAX
        + """\
class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T


class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.params = {'W1': np.random.randn(n_in, n_hidden), 'b1': np.zeros(n_hidden),
                       'W2': np.random.randn(n_hidden, n_out), 'b2': np.zeros(n_out)}
        self.one = Dense(self.params['W1'], self.params['b1'])
        self.two = Dense(self.params['W2'], self.params['b2'])

    def loss(self, x, t):
        self.h = np.tanh(self.one.forward(x))
        self.p, self.t = softmax(self.two.forward(self.h)), t
        return error(self.p, t)

    def gradient(self, x, t):
        self.loss(x, t)
        self.one.backward(self.two.backward(slope(self.p, t)) * (1 - self.h**2))
        return {'W1': self.one.dW, 'b1': self.one.db, 'W2': self.two.dW, 'b2': self.two.db}
""",
        wrong=("(1 - self.h**2)", "(1 - self.h)"),
        faulty="W1 b1",
        gradients="W1 b1 W2 b2",
    ),
    "attributes, forward and loss and backward": Net(
        text=_SOFTMAX
        + """\
class MLP:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros((1, n_out))
        self.momentum = np.zeros_like(self.W)

    def forward(self, X):
        self.p = softmax(X @ self.W + self.b)
        return self.p

    def compute_loss(self, y_pred, y):
        return error(y_pred, y)

    def backward(self, X, y):
        d = slope(self.p, y)
        self.dW = X.T @ d
        self.db = d.sum(0, keepdims=True)
""",
        wrong=("self.dW = X.T @ d", "self.dW = X.T @ d / len(y)"),
        faulty="W",
        gradients="W b",
    ),
    "updates": Net(
        text="""\
class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.U = np.random.randn(n_in, n_hidden)
        self.V = np.random.randn(n_hidden, n_out)

    def forward(self, X):
        self.h = np.tanh(X @ self.U)
        return self.h @ self.V

    def loss(self, output, y):
        return 0.5 * ((output - y)**2).sum()

    def backward(self, X, y, output, learning_rate):
        d = output - y
        dU = X.T @ (d @ self.V.T * (1 - self.h**2))
        self.V -= learning_rate * self.h.T @ d
        self.U -= learning_rate * dU
""",
        wrong=("(1 - self.h**2)", "(1 + self.h**2)"),
        faulty="U",
        gradients="U V",
    ),
    "lists of arrays": Net(
        text="""\
class Net:
    def __init__(self, sizes):
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def loss(self, x, y):
        for w, b in zip(self.weights, self.biases):
            x = np.tanh(w @ x + b)
        return 0.5 * ((x - y)**2).sum()

    def backprop(self, x, y):
        a = [x]
        for w, b in zip(self.weights, self.biases):
            a.append(np.tanh(w @ a[-1] + b))
        d, nabla_w, nabla_b = a[-1] - y, [], []
        for k in reversed(range(len(self.weights))):
            d = d * (1 - a[k + 1]**2)
            nabla_w.insert(0, d @ a[k].T)
            nabla_b.insert(0, d.sum(1, keepdims=True))
            d = self.weights[k].T @ d
        return nabla_w, nabla_b
""",
        wrong=("nabla_b.insert(0, d.sum(1, keepdims=True))", "nabla_b.insert(0, d.mean(1, keepdims=True))"),
        faulty="biases_0 biases_1",
        gradients="biases_0 biases_1 weights_0 weights_1",
    ),
    "noise, and one number for the data alone": Net(
        text="""\
class Auto:
    def __init__(self, input_dim, latent_dim):
        self.params = {'E': np.random.randn(input_dim, latent_dim), 'D': np.random.randn(latent_dim, input_dim)}
        self.grads = {}

    def forward(self, x):
        self.x, self.m = x, x @ self.params['E']
        self.z = self.m + np.random.randn(*self.m.shape)
        self.r = self.z @ self.params['D']
        return self.r

    def loss(self, x):
        return ((self.forward(x) - x)**2).sum() + 0.5 * (self.m**2).sum()

    def backward(self):
        d = 2 * (self.r - self.x)
        self.grads['D'] = self.z.T @ d
        self.grads['E'] = self.x.T @ (d @ self.params['D'].T + self.m)
""",
        wrong=(".T + self.m)", ".T)"),
        faulty="E",
        gradients="E D",
    ),
    "words": Net(
        text="""\
class Captions:
    def __init__(self, word_to_idx, wordvec_dim=8):
        n = len(word_to_idx)
        self.null = word_to_idx['<NULL>']
        self.params = {'embed': np.random.randn(n, wordvec_dim), 'W': np.random.randn(wordvec_dim, n)}

    def loss(self, features, captions):
        E, W = self.params['embed'], self.params['W']
        x, out = E[captions[:, :-1]] * features[:, :1, None], captions[:, 1:]
        s = x @ W
        p = np.exp(s) / np.exp(s).sum(2, keepdims=True)
        n, t = np.indices(out.shape)
        mask = out != self.null
        loss = -(mask * np.log(p[n, t, out])).sum()
        p[n, t, out] -= 1
        p *= mask[:, :, None]
        dE = np.zeros_like(E)
        np.add.at(dE, captions[:, :-1], p @ W.T * features[:, :1, None])
        return loss, {'embed': dE, 'W': np.einsum('ntd,ntv->dv', x, p)}
""",
        wrong=(
            "np.add.at(dE, captions[:, :-1], p @ W.T * features[:, :1, None])",
            "dE[captions[:, :-1]] += p @ W.T * features[:, :1, None]",
        ),
        faulty="embed",
        gradients="embed W",
    ),
    "targets as a column, biases without an axis": Net(
        text="""\
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Net:
    def __init__(self, n_features):
        self.w1, self.b1 = np.random.randn(n_features, 3), np.zeros((1, 3))
        self.w2, self.b2 = np.random.randn(3, 1), np.zeros((1, 1))

    def forward(self, X):
        self.a1 = sigmoid(X @ self.w1 + self.b1)
        return sigmoid(self.a1 @ self.w2 + self.b2)

    def compute_loss(self, y, y_hat):
        return -np.mean(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))

    def backprop(self, X, y):
        m = y.size
        dz2 = self.forward(X) - y.reshape(-1, 1)
        dz1 = dz2 @ self.w2.T * self.a1 * (1 - self.a1)
        dw1, db1, dw2, db2 = X.T @ dz1 / m, dz1.sum(0) / m, self.a1.T @ dz2 / m, dz2.sum(0) / m
        return dw1, db1, dw2, db2
""",
        wrong=("* self.a1 * (1 - self.a1)", "* (1 - self.a1)"),
        faulty="w1 b1",
        gradients="w1 b1 w2 b2",
    ),
    "a loss of what forward has kept": Net(
        text="""\
class Net:
    def __init__(self, input_size, hidden_size, output_size):
        self.W1, self.W2 = np.ones((input_size, hidden_size)), np.ones((hidden_size, output_size))

    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.W1)
        e = np.exp(self.h @ self.W2)
        self.p = e / e.sum(1, keepdims=True)
        return self.p

    def compute_loss(self, y_true, l2_reg=0.0):
        squares = np.sum(self.W1**2) + np.sum(self.W2**2)
        return -np.log(self.p[np.arange(len(y_true)), y_true]).mean() + l2_reg * squares

    def backward(self, y_true, l2_reg=0.0):
        dz = self.p.copy()
        dz[np.arange(len(y_true)), y_true] -= 1
        dz /= len(y_true)
        dh = dz @ self.W2.T * (1 - self.h**2)
        return {"W1": self.X.T @ dh + 2 * l2_reg * self.W1, "W2": self.h.T @ dz + 2 * l2_reg * self.W2}
""",
        wrong=("@ dh + 2 * l2_reg", "@ dh + 3 * l2_reg"),
        faulty="W1",
        gradients="W1 W2",
    ),
    "one method for both, which leaves gradients in the layers": Net(
        text="""\
class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class Layer:
    def __init__(self, n_in, n_out):
        self.W = Param(np.ones((n_in, n_out)))

    def forward(self, X):
        self.X, self.y = X, np.tanh(X @ self.W.value)
        return self.y

    def backward(self, dout):
        e = dout * (1 - self.y**2)
        self.W.grad += self.X.T @ e
        return e @ self.W.value.T


class Net:
    def __init__(self, n_input, n_output, hidden_size):
        self.one, self.two = Layer(n_input, hidden_size), Layer(hidden_size, n_output)

    def compute_loss_and_gradients(self, X, y):
        self.one.W.grad = self.two.W.grad = 0
        z = self.two.forward(self.one.forward(X))
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        p[np.arange(len(y)), y] -= 1
        self.one.backward(self.two.backward(p / len(y)))
        return loss
""",
        wrong=("self.X.T @ e", "self.X.T @ dout"),
        faulty="one_W two_W",
        gradients="one_W two_W",
    ),
    "steps in dictionaries, which backward takes by their names": Net(
        text="""\
class Net:
    def __init__(self, input_size, hidden_size, output_size):
        self.Wxh, self.Whh = np.ones((hidden_size, input_size)), np.ones((hidden_size, hidden_size))
        self.Why, self.bh = np.ones((output_size, hidden_size)), np.zeros((hidden_size, 1))
        self.dWxh, self.dWhh, self.dWhy, self.dbh = (0 * w for w in (self.Wxh, self.Whh, self.Why, self.bh))

    def forward(self, inputs, h_prev):
        xs, hs, ps = {}, {-1: np.copy(h_prev)}, {}
        for t in range(len(inputs)):
            xs[t] = np.eye(self.Wxh.shape[1])[:, [inputs[t]]]
            hs[t] = np.tanh(self.Wxh @ xs[t] + self.Whh @ hs[t - 1] + self.bh)
            y = np.exp(self.Why @ hs[t])
            ps[t] = y / y.sum()
        return xs, hs, ps

    def backward(self, xs, hs, ps, targets):
        dh = 0
        for t in reversed(range(len(xs))):
            d = np.copy(ps[t])
            d[targets[t]] -= 1
            self.dWhy += d @ hs[t].T
            r = (1 - hs[t]**2) * (self.Why.T @ d + dh)
            self.dbh += r
            self.dWxh += r @ xs[t].T
            self.dWhh += r @ hs[t - 1].T
            dh = self.Whh.T @ r
""",
        wrong=("+ dh)", ")"),
        faulty="Wxh Whh bh",
        gradients="Wxh Whh Why bh",
    ),
    "images": Net(
        text=_SOFTMAX
        + """\
class Conv:
    def __init__(self, input_dim=(3, 32, 32), num_filters=16, filter_size=5, num_classes=10):
        C, H, W = input_dim
        self.params = {'K': np.random.randn(num_filters, C, filter_size),
            'V': np.random.randn(num_filters * H * W // 4, num_classes)}

    def loss(self, X, y=None):
        K, V, n = self.params['K'], self.params['V'], self.params['K'].shape[2]
        P, Z = np.pad(X, ((0, 0), (0, 0), (n // 2, n // 2), (0, 0))), X.shape[2]
        a = sum(np.einsum('nchw,fc->nfhw', P[:, :, k : k + Z], K[:, :, k]) for k in range(n))
        b = a.reshape(len(X), a.shape[1], Z // 2, 2, -1, 2)
        h = b.mean((3, 5)).reshape(len(X), -1)
        p = softmax(h @ V)
        d = slope(p, y)
        e = (d @ V.T).reshape(*b.shape[:3], 1, -1, 1) / 4
        e = np.broadcast_to(e, b.shape).reshape(a.shape)
        dK = [np.einsum('nchw,nfhw->fc', P[:, :, k : k + Z], e) for k in range(n)]
        return error(p, y), {'K': np.stack(dK, 2), 'V': h.T @ d}
""",
        wrong=("np.stack(dK, 2)", "np.stack(dK[::-1], 2)"),
        faulty="K",
        gradients="K V",
    ),
    "a dictionary for a function": Net(
        text=_SOFTMAX
        + """\
def init_model(n_in, n_out):
    return {'W': 1e-3 * np.random.randn(n_in, n_out), 'b': np.zeros(n_out)}


def linear_net(X, model, y=None, reg=0.0):
    W, b = model['W'], model['b']
    p = softmax(X @ W + b)
    if y is None:
        return p
    d, grads = slope(p, y), {}
    grads['W'] = X.T @ d + 2 * reg * W
    grads['b'] = d.sum(0)
    return error(p, y) + reg * (W**2).sum(), grads
""",
        wrong=("2 * reg * W", "reg * W"),
        faulty="W",
        gradients="W b",
    ),
    "three functions, samples as columns": Net(
        text="""\
def initialize_parameters(layer_dims):
    return {f'{k}{l}': np.random.randn(layer_dims[l], layer_dims[l - 1] if k == 'W' else 1)
            for l in range(1, len(layer_dims)) for k in 'Wb'}


def model_forward(X, parameters):
    caches, A = [], X
    for l in range(1, len(parameters) // 2 + 1):
        W = parameters[f'W{l}']
        out = 1 / (1 + np.exp(-W @ A - parameters[f'b{l}']))
        caches.append((A, W, out))
        A = out
    assert A.shape == (1, X.shape[1])
    return A, caches


def compute_cost(AL, Y):
    m = Y.shape[1]
    return np.squeeze(-(Y @ np.log(AL).T + (1 - Y) @ np.log(1 - AL).T) / m)


def model_backward(AL, Y, caches):
    grads, m = {}, Y.shape[1]
    dA = (1 - Y) / (1 - AL) - Y / AL
    for l in reversed(range(len(caches))):
        A, W, out = caches[l]
        dZ = dA * out * (1 - out)
        grads[f'dW{l + 1}'], grads[f'db{l + 1}'] = dZ @ A.T / m, dZ.sum(1, keepdims=True) / m
        dA = W.T @ dZ
        grads[f'dA{l}'] = dA
    return grads
""",
        wrong=("dZ.sum(1, keepdims=True) / m", "dZ.sum(1, keepdims=True)"),
        faulty="b1 b2 b3",
        gradients="W1 b1 W2 b2",
    ),
    "no loss, but that which is meant": Net(
        text="""\
class Net:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.lr = lr
        self.V, self.W = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)

    def forward(self, X):
        self.h = np.tanh(X @ self.V)
        return 1 / (1 + np.exp(-self.h @ self.W))

    def backward(self, X, y, output):
        d = (output - y) * output * (1 - output) / len(X)
        e = d @ self.W.T * (1 - self.h**2)
        self.W -= self.lr * self.h.T @ d
        self.V -= self.lr * X.T @ e
""",
        wrong=("self.W.T * (1 - self.h**2)", "self.W.T * (1 - self.h)**2"),
        faulty="V",
        gradients="V W",
    ),
    "columns in lists, no loss": Net(
        text="""\
class Network:
    def __init__(self, sizes):
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = np.tanh(w @ a + b)
        return a

    def backprop(self, x, y):
        nabla_b, nabla_w, a = [], [], [x]
        for b, w in zip(self.biases, self.weights):
            a.append(np.tanh(w @ a[-1] + b))
        delta = a[-1] - y
        for k in range(1, len(self.weights) + 1):
            delta = delta * (1 - a[-k]**2)
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ a[-k - 1].T)
            delta = self.weights[-k].T @ delta
        return nabla_b, nabla_w
""",
        wrong=("delta = self.weights[-k].T @ delta", "delta = self.weights[-k].T @ (delta * delta)"),
        faulty="biases_0 weights_0",
        gradients="biases_0 biases_1 weights_0 weights_1",
    ),
    "data given to the constructor, no loss": Net(
        text="""\
class NeuralNetwork:
    def __init__(self, x, y):
        self.input, self.y = x, y
        self.weights1 = np.random.rand(self.input.shape[1], 4)
        self.weights2 = np.random.rand(4, 1)

    def feedforward(self):
        self.layer1 = np.tanh(self.input @ self.weights1)
        self.output = np.tanh(self.layer1 @ self.weights2)

    def backprop(self):
        d = 2 * (self.y - self.output) * (1 - self.output**2)
        e = d @ self.weights2.T * (1 - self.layer1**2)
        self.weights1 += self.input.T @ e
        self.weights2 += self.layer1.T @ d
""",
        wrong=("(1 - self.layer1**2)", "(1 - self.layer1)**2"),
        faulty="weights1",
        gradients="weights1 weights2",
    ),
    "a logarithm with a guard": Net(
        text="""\
def cross_entropy_error(p, t, delta=1e-7):
    return -np.log(p[np.arange(len(p)), t] + delta).sum() / len(p)


class Net:
    def __init__(self, input_size, output_size):
        self.params = {'W': np.random.randn(input_size, output_size), 'b': np.zeros(output_size)}

    def predict(self, x):
        e = np.exp(x @ self.params['W'] + self.params['b'])
        return e / e.sum(1, keepdims=True)

    def loss(self, x, t):
        return cross_entropy_error(self.predict(x), t)

    def gradient(self, x, t):
        d = self.predict(x)
        d[np.arange(len(x)), t] -= 1
        return {'W': x.T @ d / len(x), 'b': d.sum(0) / len(x)}
""",
        wrong=("d.sum(0) / len(x)", "d.sum(0) * (1 / len(x) + 1e-2)"),
        faulty="W b",
        gradients="W b",
    ),
    "globals": Net(
        text="""\
n, v = 4, 5
Wxh, Whh, Why = np.ones((n, v)), np.ones((n, n)), np.ones((v, n))
bh = np.zeros((n, 1))


def lossFun(inputs, targets, hprev):
    xs, hs, ps, loss = {}, {-1: hprev.copy()}, {}, 0
    for t in range(len(inputs)):
        xs[t] = np.eye(v)[:, [inputs[t]]]
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        y = np.exp(Why @ hs[t])
        ps[t] = y / y.sum()
        loss -= np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy, dbh = (np.zeros_like(w) for w in (Wxh, Whh, Why, bh))
    dh = 0
    for t in reversed(range(len(inputs))):
        d = ps[t].copy()
        d[targets[t]] -= 1
        dWhy += d @ hs[t].T
        r = (Why.T @ d + dh) * (1 - hs[t]**2)
        dbh += r
        dWxh += r @ xs[t].T
        dWhh += r @ hs[t - 1].T
        dh = Whh.T @ r
    return loss, dWxh, dWhh, dWhy, dbh, hs[len(inputs) - 1]
""",
        wrong=("dh = Whh.T @ r", "dh = Whh @ r"),
        faulty="Wxh Whh bh",
        gradients="Wxh Whh Why bh",
    ),
}
NETWORKS |= {
    "no loss, and updates at a rate that is a number": Net(
        text="""\
class Small:
    def __init__(self, n_in, n_hidden, n_out):
        self.W, self.V = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_out)

    def forward(self, X, training):
        self.h = np.tanh(X @ self.W) if training else None
        self.out = np.tanh(self.h @ self.V)
        return self.out

    def backward(self, X, y):
        d = (self.out - y) * (1 - self.out**2)
        e = d @ self.V.T * (1 - self.h**2)
        self.V -= 0.05 * self.h.T @ d
        self.W -= 0.05 * X.T @ e
""",
        wrong=("e = d @ self.V.T * (1 - self.h**2)", "e = d @ self.V.T"),
        faulty="W",
        gradients="V W",
    ),
    "an activation and its slope, a loss that cannot be called, and outputs in a list": Net(
        text="""\
class Recurrent:
    def __init__(self, word_dim, hidden_dim, activation, activation_derivative):
        self.U, self.V = np.random.randn(hidden_dim, word_dim), np.random.randn(word_dim, hidden_dim)
        self.W, self.f, self.df = np.random.randn(hidden_dim, hidden_dim), activation, activation_derivative

    def forward_propagation(self, x):
        s, o = np.zeros((len(x) + 1, len(self.W))), np.zeros((len(x), len(self.V)))
        for t in range(len(x)):
            s[t] = self.f(self.U[:, x[t]] + self.W @ s[t - 1])
            e = np.exp(self.V @ s[t])
            o[t] = e / e.sum()
        return [o, s]

    def calculate_loss(self, x, y):
        return sum(len(one) for one in y) / self.none

    def bptt(self, x, y):
        o, s = self.forward_propagation(x)
        dU, dV, dW, later = np.zeros_like(self.U), np.zeros_like(self.V), np.zeros_like(self.W), 0
        for t in range(len(y))[::-1]:
            e = o[t] - np.eye(len(self.V))[y[t]]
            dV += np.outer(e, s[t])
            delta = (self.V.T @ e + later) * self.df(self.U[:, x[t]] + self.W @ s[t - 1])
            dW += np.outer(delta, s[t - 1])
            dU[:, x[t]] += delta
            later = self.W.T @ delta
        return [dU, dV, dW]
""",
        wrong=("later = self.W.T", "later = self.W"),
        faulty="U W",
        gradients="U V W",
    ),
    "attributes of which one has no gradient": Net(
        text="""\
class Plain:
    def __init__(self, n_in, n_out):
        self.W1, self.b1, self.W2, self.b2 = np.ones((n_in, 3)), np.ones(3), np.ones((3, n_out)), np.ones(n_out)

    def loss(self, X, y):
        self.h = np.tanh(X @ self.W1 + self.b1)
        return ((self.h @ self.W2 + self.b2 - y) ** 2).sum() / 2

    def backward(self, X, y):
        self.loss(X, y)
        d = self.h @ self.W2 + self.b2 - y
        e = d @ self.W2.T * (1 - self.h**2)
        self.dW1, self.db1, self.dW2, self.db2 = X.T @ e, e.sum(0), self.h.T @ d, d.sum(0)
""",
        wrong=(
            "self.dW2, self.db2 = X.T @ e, e.sum(0), self.h.T @ d, d.sum(0)",
            "self.dW2 = X.T @ e, e.sum(0), self.h.T @ d",
        ),
        faulty="b2",
        gradients="W1 b1 W2 b2",
    ),
}

#: Functions of which the parameters are arguments, and X has no gradient.
FUNCTIONS = {
    "a loss of weights": Net(
        text="""\
def svm_loss_loops(W, X, y, reg):
    m = X @ W - (X @ W)[np.arange(len(y)), y][:, None] + 1
    m[np.arange(len(y)), y] = 0
    on = (m > 0) * 1.0
    on[np.arange(len(y)), y] = -on.sum(1)
    dW = X.T @ on / len(y)
    return np.maximum(m, 0).sum() / len(y) + reg * (W * W).sum(), dW + 2 * reg * W
""",
        wrong=("dW + 2 * reg", "dW + reg"),
        faulty="W",
        gradients="W",
    ),
    "gradients first": Net(
        text="""\
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = 1 / (1 + np.exp(-w.T @ X - b))
    cost = -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).sum() / m
    grads = {'dw': X @ (A - Y).T / m, 'db': (A - Y).sum() / m}
    return grads, cost
""",
        wrong=("(A - Y).sum() / m", "(A - Y).sum()"),
        faulty="b",
        gradients="w b",
    ),
    "a flat vector": Net(
        text="""\
def cost_function(theta, X, y, lam):
    h, m = 1 / (1 + np.exp(-X @ theta)), len(y)
    J = (-y @ np.log(h) - (1 - y) @ np.log(1 - h)) / m + lam / (2 * m) * (theta[1:]**2).sum()
    grad = X.T @ (h - y) / m
    grad[1:] += lam / m * theta[1:]
    return J, grad
""",
        wrong=("grad[1:] += lam / m * theta[1:]", "grad += lam / m * theta"),
        faulty="theta",
        gradients="theta",
    ),
}


def results_of(path: Path, text: str) -> list[CaseResult]:
    """Return the results of the network at the end of a file, on the first two cases that are found by trying."""
    path.write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
    offers = take_inventory(str(path), Loader()).offers
    tried = [(offer, found) for offer in offers if (found := examine(offer, Loader())) and found.cases]
    offer, found = tried[-1]
    return [check_case(case, find(offer.spec, LAYERS["function"], case=case), Settings()) for case in found.cases[:2]]


@pytest.mark.parametrize("name", one_in(9, [*NETWORKS, *FUNCTIONS]))
def test_each_parameter_of_a_network_is_checked(name: str, tmp_path: Path) -> None:
    net = {**NETWORKS, **FUNCTIONS}[name]
    prefix = "d"
    right = results_of(tmp_path / "right.py", net.text)
    assert {result.verdict for result in right} == {Verdict.PASS}, [result.reason for result in right]
    assert all(set(result.gradients) >= {prefix + one for one in net.gradients.split()} for result in right)
    assert net.wrong[0] in net.text
    wrong = results_of(tmp_path / "wrong.py", net.text.replace(*net.wrong))
    found = {n for result in wrong for n, one in result.gradients.items() if one.verdict is Verdict.FAIL}
    assert found
    assert found <= {prefix + one for one in net.faulty.split()}


def test_a_network_is_checked_and_replayed_by_its_name(tmp_path: Path, gradcheck: Program) -> None:
    net = NETWORKS["params in a dictionary, loss and gradients"]
    (tmp_path / "net.py").write_text(f"import numpy as np\n\n\n{net.text.replace(*net.wrong)}", encoding="utf-8")
    run = gradcheck("net.py", "--json", "-")
    assert run.returncode == 1, run.stdout + run.stderr
    failed = [result for result in report_of(run)["results"] if result["verdict"] == "fail"]
    assert len(failed) == 1  # the default, without regularization, hides the fault
    assert "--value reg=0.5" in failed[0]["command"]
    assert gradcheck(*failed[0]["command"].split()[1:]).returncode == 1
    run = gradcheck("function", "net.py:Net", "--shape", "X=2x3")
    assert run.returncode == 2
    assert "of which no shape is given" in run.stdout + run.stderr


@pytest.mark.long
def test_a_parameter_whose_gradient_is_missing_beside_others_is_wrong(tmp_path: Path) -> None:
    text = NETWORKS["params in a dictionary, loss and gradients"].text
    assert "'b1': dh.sum(0)," in text
    found = results_of(tmp_path / "net.py", text.replace("'b1': dh.sum(0),", ""))
    assert {one.verdict for one in found} == {Verdict.FAIL}
    assert {n for one in found for n, gradient in one.gradients.items() if gradient.verdict is Verdict.FAIL} == {"db1"}


def test_a_network_that_cannot_be_called_is_a_row_with_the_next_command(tmp_path: Path, gradcheck: Program) -> None:
    text = NETWORKS["a list of sizes, and a dtype"].text
    (tmp_path / "net.py").write_text(f"import numpy as np\n\n\n{text.replace('p, grads = softmax', 'p = softmux')}")
    run = gradcheck("net.py")
    assert run.returncode == 2, run.stdout
    said = " ".join(run.stdout.split())
    assert "Deep raised NameError: name 'softmux' is not defined; no sizes were found by trying" in said
    assert "gradcheck function net.py:Deep --shape X=4x4 --value hidden_dims=4x4x4 --value input_dim=4" in said
