"""Arrays and numbers in other forms: orders of axes, biases, gates, strides, labels, and what is not named."""

from __future__ import annotations

from tests.implementation.forms.checked import Form

_STEPS = """\
def rnn_forward(xs, h0, Wx, Wh, b):
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x @ Wx + hs[-1] @ Wh + b))
    return {joined}, (xs, hs, Wx, Wh)


def rnn_backward(dhs, cache):
    xs, hs, Wx, Wh = cache
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wx.shape[1])
    dxs, later = [None] * len(xs), np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        da = (dhs[t] + later) * (1 - hs[t + 1] ** 2)
        dxs[t], later = da @ Wx.T, da @ Wh.T
        dWx += xs[t].T @ da
        dWh += hs[t].T @ da
        db += da.sum(0)
    return {gradients}, later, dWx, dWh, db
"""
_LSTM = """\
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = np.split(x @ Wx + prev_h @ Wh + b, 4, 1)
    s = [1 / (1 + np.exp(-one)) for one in a]
    i, f, o, g = s[{i}], s[{f}], s[{o}], np.tanh(a[{g}])
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    return h, c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, np.tanh(c))


def lstm_step_backward(dh, dc, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, t = cache
    dc = dc + dh * o * (1 - t**2)
    d = [None] * 4
    d[{i}], d[{f}] = dc * g * i * (1 - i), dc * prev_c * f * (1 - f)
    d[{o}], d[{g}] = dh * t * o * (1 - o), dc * i * (1 - g**2)
    da = np.hstack(d)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)
"""
_CONV = """\
def conv_forward(x, w{b}{stride}):
    {start}F, C, h, k = w.shape
    out = np.zeros((len(x), F, (x.shape[2] - h) // s + 1, (x.shape[3] - k) // s + 1))
    for i, j in np.ndindex(*out.shape[2:]):
        seen = x[:, :, i * s:i * s + h, j * s:j * s + k]
        out[:, :, i, j] = np.tensordot(seen, w, ([1, 2, 3], [1, 2, 3]))
    return out{add}, (x, w, s)


def conv_backward(dout, cache):
    x, w, s = cache
    h, k = w.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(*dout.shape[2:]):
        at = np.s_[:, :, i * s:i * s + h, j * s:j * s + k]
        dx[at] += np.tensordot(dout[:, :, i, j], w, 1)
        dw += np.tensordot(dout[:, :, i, j], x[at], (0, 0))
    return dx, dw{db}
"""
_POOL = """\
def {name}_forward(x{taken}):
    {start}N, C, H, W = x.shape
    out = np.zeros((N, C, (H - k) // s + 1, (W - k) // s + 1))
    for i, j in np.ndindex(*out.shape[2:]):
        out[:, :, i, j] = x[:, :, i * s:i * s + k, j * s:j * s + k].{how}((2, 3))
    return out, (x, k, s)


def {name}_backward(dout, cache):
    x, k, s = cache
    dx = np.zeros_like(x)
    for i, j in np.ndindex(*dout.shape[2:]):
        seen, d = x[:, :, i * s:i * s + k, j * s:j * s + k], dout[:, :, i, j][:, :, None, None]
        dx[:, :, i * s:i * s + k, j * s:j * s + k] += {back}
    return dx
"""
_SCORES = """\
def softmax_loss(x, y):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    {body}
"""

SAMPLES = [
    Form(
        shows="time-first",
        layer="rnn",
        text=_STEPS.format(joined="hs[1:]", gradients="dxs"),
        understood=("steps first",),
        wrong=("dWh += hs[t].T", "dWh += hs[t + 1].T"),
    ),
    Form(
        shows="time-first",
        layer="rnn",
        text=_STEPS.format(joined="np.array(hs[1:])", gradients="np.array(dxs)"),
        understood=("steps first",),
        wrong=("(dhs[t] + later)", "dhs[t]"),
    ),
    Form(
        shows="gates several-outputs",
        layer="lstm-step",
        text=_LSTM.format(i=0, f=1, g=2, o=3),
        understood=("i, f, g, o",),
        wrong=("dc * i * (1 - g**2)", "dc * i * (1 - g)"),
    ),
    Form(
        shows="gates several-outputs",
        layer="lstm-step",
        text=_LSTM.format(f=0, i=1, g=2, o=3),
        understood=("f, i, g, o",),
        wrong=("dc = dc + dh", "dc = dh"),
    ),
    Form(
        shows="bias-shape",
        layer="conv",
        text=_CONV.format(
            b=", b", stride=", s=1", start="", add=" + b[None, :, :, None]", db=", dout.sum((0, 2, 3))[:, None]"
        ),
        understood=("b (F, 1)",),
        wrong=("dx[at] +=", "dx[at] ="),
    ),
    Form(
        shows="bias-shape columns",
        layer="affine",
        text=(
            "def dense_forward(a, w, bias):\n    assert bias.shape[1] == 1\n    return w @ a + bias, (a, w)\n\n\n"
            "def dense_backward(dz, cache):\n    a, w = cache\n"
            "    return w.T @ dz, dz @ a.T, dz.sum(axis=1, keepdims=True)\n"
        ),
        understood=("samples as columns",),
        wrong=("dz.sum(axis=1, keepdims=True)", "dz.mean(axis=1, keepdims=True)"),
    ),
    Form(
        shows="no-bias fixed",
        layer="conv",
        text=_CONV.format(b="", stride="", start="s = 1\n    ", add="", db=""),
        understood=("without b",),
        wrong=("dw +=", "dw ="),
    ),
    Form(
        shows="fixed",
        layer="maxpool",
        text=_POOL.format(
            name="max_pool",
            taken=", k",
            start="s = k\n    ",
            how="max",
            back="d * (seen == seen.max((2, 3), keepdims=True))",
        ),
        understood=("a stride of the window's size",),
        wrong=("(seen == seen.max", "(seen >= seen.min"),
    ),
    Form(
        shows="fixed",
        layer="avgpool",
        text=_POOL.format(name="avg_pool", taken="", start="k = s = 2\n    ", how="mean", back="d / k**2"),
        understood=("a window of 2x2",),
        wrong=("d / k**2", "d / k"),
    ),
    Form(
        shows="same no-bias",
        layer="conv",
        text=_CONV.replace(
            "C, h, k = w.shape\n",
            "C, h, k = w.shape\n    p = (h // 2, h // 2), (k // 2, k // 2)\n"
            "    x = np.pad(x, ((0, 0), (0, 0), *p)) if padding == 'SAME' else x\n",
        )
        .replace("(x, w, s)", "(x, w, s, padding)")
        .replace("x, w, s = cache", "x, w, s, padding = cache")
        .replace(
            "    return dx, dw",
            "    a, b = (h // 2, k // 2) if padding == 'SAME' else (0, 0)\n"
            "    return dx[:, :, a:x.shape[2] - a, b:x.shape[3] - b], dw",
        )
        .format(b="", stride=", s=1, padding='SAME'", start="", add="", db=""),
        wrong=("dx[at] +=", "dx[at] ="),
    ),
    Form(
        shows="pairs",
        layer="conv",
        text=_CONV.format(
            b=", b",
            stride=", stride",
            start="s, = {*stride}\n    ",
            add=" + b[:, None, None]",
            db=", dout.sum((0, 2, 3))",
        ),
        wrong=("dout.sum((0, 2, 3))", "dout.sum((0, 2, 3)) / len(x)"),
    ),
    Form(
        shows="own-order",
        layer="affine",
        text=(
            "def affine_forward(w, b, x):\n    return x @ w + b, (w, x)\n\n\n"
            "def affine_backward(dout, cache):\n    w, x = cache\n    return x.T @ dout, dout.sum(0), dout @ w.T\n"
        ),
        wrong=("x.T @ dout", "x.T @ dout / len(x)"),
    ),
    Form(
        shows="labels loss-pair",
        layer="function",
        text=(
            "def nll(scores, labels):\n    z = scores - scores.max(1, keepdims=True)\n"
            "    logs = z - np.log(np.exp(z).sum(1, keepdims=True))\n"
            "    return -logs[np.arange(len(labels)), labels].sum()\n\n\n"
            "def nll_grad(scores, labels):\n    p = np.exp(scores - scores.max(1, keepdims=True))\n"
            "    p /= p.sum(1, keepdims=True)\n    p[np.arange(len(labels)), labels] -= 1\n    return p\n"
        ),
        wrong=("-= 1", "-= 2"),
    ),
    Form(
        shows="labels",
        layer="softmax",
        text=_SCORES.format(
            body="at = range(len(y)), y\n    loss = -np.log(p[at]).mean()\n    p[at] -= 1\n    return loss, p / len(y)"
        ),
        wrong=("p / len(y)", "p"),
    ),
    Form(
        shows="one-hot",
        layer="softmax",
        text=_SCORES.format(body="return -np.sum(y * np.log(p + 1e-300)) / len(x), (p - y) / len(x)"),
        understood=("one-hot",),
        wrong=("(p - y)", "(y - p)"),
    ),
    Form(
        shows="one-hot probabilities",
        layer="cross-entropy",
        text="def cross_entropy_loss(probs, t):\n    return -np.sum(t * np.log(probs)) / len(t), -t / probs / len(t)\n",
        wrong=("-t / probs", "-t * probs"),
    ),
    Form(
        shows="probabilities",
        layer="bce",
        text=(
            "def bce_loss(p, y):\n    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))\n"
            "    return loss, (p - y) / (p * (1 - p)) / p.size\n"
        ),
        wrong=("(p * (1 - p))", "(1 - p)"),
    ),
    Form(
        shows="slopes",
        layer="sigmoid",
        text=(
            "def sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\n\n"
            "def sigmoid_prime(z):\n    return sigmoid(z) * (1 - sigmoid(z))\n"
        ),
        wrong=("(1 - sigmoid(z))", "(1 - z)"),
    ),
    Form(
        shows="slopes",
        layer="tanh",
        text="def tanh(x):\n    return np.tanh(x)\n\n\ndef tanh_derivative(a):\n    return 1 - a**2\n",
        wrong=("a**2", "a"),
    ),
    Form(
        shows="slopes",
        layer="sigmoid",
        text="def sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n\n\ndef sigmoid_deriv(x):\n    return x * (1 - x)\n",
        understood=("given the output as x",),
        wrong=("(1 - x)", "(2 - x)"),
    ),
    Form(
        shows="slopes loss-pair unknown",
        layer="function",
        text=("def energy(x):\n    return np.sin(x).sum()\n\n\ndef energy_grad(x):\n    return np.cos(x)\n"),
        wrong=("np.cos(x)", "-np.cos(x)"),
    ),
    Form(
        shows="unseeded",
        layer="function",
        text=(
            "import random\n\n\ndef noisy(x):\n    gain = random.random() + np.random.rand(*x.shape)\n"
            "    return gain * x**2, (gain, x)\n\n\n"
            "def noisy_backward(dout, cache):\n    gain, x = cache\n    return 2 * gain * x * dout\n"
        ),
        wrong=("2 * gain", "gain"),
    ),
    Form(
        shows="globals unknown",
        layer="function",
        text=(
            "W = np.arange(6.0).reshape(3, 2) / 6\n\n\ndef project(x):\n    return np.tanh(x @ W), x\n\n\n"
            "def project_backward(dout, x):\n    return (dout * (1 - np.tanh(x @ W) ** 2)) @ W.T\n"
        ),
        wrong=("** 2", "** 3"),
    ),
    Form(
        shows="globals",
        layer="function",
        text=(
            "scale = np.array([0.5, 2.0, 1.5])\n\n\ndef weigh(x):\n    return scale * x**3\n\n\n"
            "def weigh_grad(dout, x):\n    return 3 * scale * x**2 * dout\n"
        ),
        wrong=("3 * scale", "3"),
    ),
    Form(
        shows="one-matrix unknown",
        layer="function",
        text=(
            "def glu(x, W):\n    a, b = np.split(x @ W, 2, axis=1)\n    s = 1 / (1 + np.exp(-b))\n"
            "    return a * s, (x, W, a, s)\n\n\n"
            "def glu_backward(dy, cache):\n    x, W, a, s = cache\n"
            "    d = np.hstack([dy * s, dy * a * s * (1 - s)])\n    return d @ W.T, x.T @ d\n"
        ),
        wrong=("dy * a * s * (1 - s)", "dy * s * (1 - s)"),
    ),
    Form(
        shows="classes same fixed",
        layer="conv",
        text="""
class Convolution:
    def __init__(self, stride_shape, convolution_shape, num_kernels):
        self.stride_shape, (channels, self.rows, self.columns) = stride_shape, convolution_shape
        self.weights = np.random.rand(num_kernels, channels, self.rows, self.columns)
        self.bias = np.random.rand(num_kernels)

    def _windows(self):
        (down, right), (height, width) = self.stride_shape, self.size
        for i, row in enumerate(range(0, height, down)):
            for j, column in enumerate(range(0, width, right)):
                yield i, j, np.s_[:, :, row : row + self.rows, column : column + self.columns]

    def forward(self, input_tensor):
        top, left = (self.rows - 1) // 2, (self.columns - 1) // 2
        sides = (top, self.rows - 1 - top), (left, self.columns - 1 - left)
        self.size, self.inside = input_tensor.shape[2:], np.s_[:, :, top:, left:]
        self.padded = np.pad(input_tensor, ((0, 0), (0, 0), *sides))
        places = [-(-size // step) for size, step in zip(self.size, self.stride_shape)]
        out = np.zeros((len(input_tensor), len(self.bias), *places))
        for i, j, window in self._windows():
            out[:, :, i, j] = np.einsum("ncij,fcij->nf", self.padded[window], self.weights) + self.bias
        return out

    def backward(self, error_tensor):
        self.gradient_weights, d_padded = np.zeros_like(self.weights), np.zeros_like(self.padded)
        self.gradient_bias = error_tensor.sum((0, 2, 3))
        for i, j, window in self._windows():
            error = error_tensor[:, :, i, j]
            self.gradient_weights += np.einsum("nf,ncij->fcij", error, self.padded[window])
            d_padded[window] += np.einsum("nf,fcij->ncij", error, self.weights)
        return d_padded[self.inside][:, :, : self.size[0], : self.size[1]]
""",
        wrong=("d_padded[window] +=", "d_padded[window] ="),
        understood=("convolution shape (C, HH, WW)", "pad always (kernel - 1) / 2"),
        most=99,
        passed=5,
    ),
    Form(
        shows="same fixed",
        layer="conv",
        text="""
class ConvLayer:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        self.k, self.s = kernel_size, stride
        self.W = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)

    def _at(self, i, j):
        return np.s_[:, :, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k]

    def forward(self, x):
        self.shape, places = x.shape, [-(-n // self.s) for n in x.shape[2:]]
        lacking = [max((p - 1) * self.s + self.k - n, 0) for p, n in zip(places, x.shape[2:])]
        self.before = [n // 2 for n in lacking]
        self.x = np.pad(x, ((0, 0), (0, 0), *((n // 2, n - n // 2) for n in lacking)))
        out = np.zeros((len(x), len(self.b), *places))
        for i, j in np.ndindex(*places):
            out[:, :, i, j] = np.tensordot(self.x[self._at(i, j)], self.W, ((1, 2, 3), (1, 2, 3))) + self.b
        return out

    def backward(self, dout):
        dx, self.dW, self.db = np.zeros_like(self.x), np.zeros_like(self.W), dout.sum((0, 2, 3))
        for i, j in np.ndindex(*dout.shape[2:]):
            dx[self._at(i, j)] += np.tensordot(dout[:, :, i, j], self.W, 1)
            self.dW += np.tensordot(dout[:, :, i, j].T, self.x[self._at(i, j)], 1)
        (top, left), (_, _, height, width) = self.before, self.shape
        return dx[:, :, top : top + height, left : left + width]
""",
        wrong=("self.dW +=", "self.dW ="),
        understood=('pad always "same"',),
        most=99,
    ),
    Form(
        shows="classes",
        layer="maxpool",
        text="""
class Pooling:
    def __init__(self, stride_shape, pooling_shape):
        self.stride, self.pool = stride_shape, pooling_shape

    def _windows(self, places):
        for i, j in np.ndindex(*places):
            row, column = i * self.stride[0], j * self.stride[1]
            yield i, j, np.s_[:, :, row : row + self.pool[0], column : column + self.pool[1]]

    def forward(self, input_tensor):
        self.x = input_tensor
        sizes = zip(self.x.shape[2:], self.pool, self.stride)
        out = np.zeros((*self.x.shape[:2], *((size - pool) // step + 1 for size, pool, step in sizes)))
        for i, j, window in self._windows(out.shape[2:]):
            out[:, :, i, j] = self.x[window].max((2, 3))
        return out

    def backward(self, error_tensor):
        dx = np.zeros_like(self.x)
        for i, j, window in self._windows(error_tensor.shape[2:]):
            patch = self.x[window]
            is_largest = patch == patch.max((2, 3), keepdims=True)
            dx[window] += is_largest * error_tensor[:, :, i, j, None, None]
        return dx
""",
        wrong=("dx[window] +=", "dx[window] ="),
        most=99,
        passed=7,
    ),
]
