"""Small classes in many forms, each with what makes it wrong."""

from __future__ import annotations

_GRADIENTS_AS_ATTRIBUTES = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backward(self, dout):
        e = dout * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_OTHER_NAMES_OF_PASSES = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def fwdProp(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backProp(self, g):
        e = g * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_A_CALL_AND_BACK = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def __call__(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def back(self, e):
        e = e * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_X_AGAIN = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backward(self, x, grad_output):
        e = grad_output * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_INPUTS_AND_OUTPUTS = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def fprop(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def bprop(self, x, outputs, grads):
        e = (grads + 0 * outputs) * self.s * (1 - self.s)
        self.dW, self.dc = x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_UPDATES = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W)))
        return self.s

    def backward(self, dout, learning_rate):
        e = dout * self.s * (1 - self.s)
        W = self.W; self.W = W - learning_rate * self.x.T @ e
        return e @ W.T
"""

_A_MODE_THAT_MUST_BE_GIVEN = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x, training):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backward(self, dout):
        e = dout * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_FOUND_BY_VALUE = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backward(self, dout):
        e = dout * self.s * (1 - self.s)
        self.one, self.other = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_NOTHING_RETURNED = """\
class Damped:
    def __init__(self, width):
        self.scale = np.ones((1, width))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.tanh(inputs) * self.scale

    def backward(self, dvalues):
        t = np.tanh(self.inputs)
        self.dscale = (dvalues * t).sum(0, keepdims=True)
        self.dinputs = dvalues * self.scale * (1 - t * t)
"""

_DICTIONARIES = """\
class Mixed:
    def __init__(self, n_out):
        self.n_out, self.parameters, self.gradients = n_out, {}, {}

    def forward(self, X, retain_derived=True):
        if not self.parameters:
            self.parameters = {'M': np.random.randn(X.shape[1], self.n_out)}
        self.X = X
        return np.sin(X @ self.parameters['M'])

    def backward(self, dLdy, retain_grads=True):
        d = dLdy * np.cos(self.X @ self.parameters['M'])
        self.gradients['M'] = self.X.T @ d
        return d @ self.parameters['M'].T
"""

_LISTS = """\
class Product:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        return dout @ self.params[0].T
"""

_BOXES = """\
class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class Shifted:
    def __init__(self, n_input, n_output):
        self.A = Param(np.random.randn(n_input, n_output))
        self.B = Param(np.zeros((1, n_output)))

    def forward(self, X):
        self.X = X
        return X @ self.A.value + np.exp(self.B.value)

    def backward(self, d_out):
        self.A.grad += self.X.T @ d_out
        self.B.grad += d_out.sum(0, keepdims=True) * np.exp(self.B.value)
        return d_out @ self.A.value.T
"""

_ONE_LEVEL_DOWN = """\
class _Inner:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backward(self, dout):
        e = dout * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T


class Stack:
    def __init__(self, width=4, hidden=5):
        self.one, self.two = _Inner(width, hidden), _Inner(hidden, width)

    def forward(self, x):
        return self.two.forward(self.one.forward(x))

    def backward(self, dout):
        return self.one.backward(self.two.backward(dout))
"""

_SET_UP = """\
class Block:
    def __init__(self, n_units):
        self.n_units = n_units

    def set_input_shape(self, shape):
        self.input_shape = shape

    def initialize(self, optimizer):
        self.W = np.random.randn(self.input_shape[0], self.n_units)
        self.W_opt = optimizer

    def forward_pass(self, X, training=True):
        self.X = X
        return X @ self.W

    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.W_opt.update(self.W, self.X.T @ accum_grad)
        return accum_grad @ W.T
"""

_PRIVATE_NAMES = """\
class Hidden:
    def __init__(self, n, m):
        self.__w = np.random.randn(n, m)

    def forward(self, x):
        self.__x = x
        return (x @ self.__w) ** 2

    def backward(self, d):
        d = 2 * d * (self.__x @ self.__w)
        self.__dw = self.__x.T @ d
        return d @ self.__w.T
"""

_ONE_COLUMN = """\
class Column:
    def forward(self, x):
        e = np.exp(x)
        self.y = e / e.sum()
        return self.y

    def backward(self, grad, learning_rate):
        return (np.identity(self.y.size) - self.y.T) * self.y @ grad
"""

_AVERAGED = """\
class Squares:
    def forward(self, y_pred, y_true):
        return ((y_true - y_pred) ** 2).mean(-1)

    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / y_true.size
"""

_A_SHAPE_AS_A_TUPLE = """\
class Field:
    def __init__(self, input_shape):
        self.map = np.random.randn(*input_shape)

    def forward(self, image):
        self.image = image
        return image * self.map

    def backward(self, dout):
        self.dmap = dout * self.image
        return dout * self.map
"""

_FIXED_LENGTHS = """\
class Fixed:
    def __init__(self):
        self.K = np.random.randn(4, 6)

    def forward(self, x):
        self.x = x
        return np.tanh(x) @ self.K

    def backward(self, dout):
        self.dK = np.tanh(self.x).T @ dout
        return dout @ self.K.T * (1 - np.tanh(self.x) ** 2)
"""

_HEADS = """\
class Heads:
    def __init__(self, d_model, num_heads):
        assert d_model % num_heads == 0
        self.h, self.P = num_heads, np.random.randn(d_model, d_model)

    def forward(self, x):
        self.x, n = x, len(x)
        self.p = (x @ self.P).reshape(n, self.h, -1)
        return np.tanh(self.p).sum(1)

    def backward(self, dout):
        d = dout[:, None] * (1 - np.tanh(self.p) ** 2)
        d = d.reshape(self.x.shape)
        self.dP = self.x.T @ d
        return d @ self.P.T
"""

_OWN_DENSE = """\
class Dense:
    def __init__(self, rows, fan):
        self.M = np.random.randn(fan + 1, rows)

    def forward(self, t):
        self.t = np.hstack([t, np.ones((len(t), 1))])
        return self.t @ self.M

    def backward(self, err):
        self.gM = self.t.T @ err
        return err @ self.M[:-1].T
"""

_OWN_SWISH = """\
class Swish:
    def __init__(self):
        self.beta = np.array(1.5)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-self.beta * x))
        return x * self.s

    def backward(self, dout):
        d = dout * self.x * self.s * (1 - self.s)
        self.dbeta = (d * self.x).sum()
        return dout * self.s + d * self.beta
"""

_OWN_BATCHNORM = """\
class BatchNorm:
    def forward(self, x):
        self.s = np.sqrt(x.var(0) + 1e-3)
        self.y = (x - x.mean(0)) / self.s
        return self.y

    def backward(self, g):
        return (g - g.mean(0) - self.y * (g * self.y).mean(0)) / self.s
"""

_OWN_DROPOUT = """\
class Dropout:
    def __init__(self, rate):
        self.rate = rate

    def forward(self, x, train=True):
        self.mask = np.random.rand(*x.shape) > self.rate
        return x * self.mask if train else x * (1 - self.rate)

    def backward(self, dout):
        return dout * self.mask
"""

_NAMES_IN_ANOTHER_ORDER = """\
class Recurrent:
    def __init__(self, n_in, n_hidden):
        self.U, self.V = np.random.randn(n_in, n_hidden), np.random.randn(n_hidden, n_hidden)
        self.a, self.c = np.zeros((1, n_hidden)), np.zeros((1, n_hidden))

    def forward(self, inputs, hprev):
        self.hs = {-1: hprev}
        for t in range(len(inputs)):
            self.hs[t] = np.tanh(inputs[t] @ self.U + self.a + self.hs[t - 1] @ self.V + 2 * self.c)
        return self.hs[len(inputs) - 1]

    def backward(self, dout, inputs):
        dU, dV, da, dc = (np.zeros_like(one) for one in (self.U, self.V, self.a, self.c))
        for t in reversed(range(len(inputs))):
            e = dout * (1 - self.hs[t]**2)
            dout = e @ self.V.T
            dU += inputs[t].T @ e
            dV += self.hs[t - 1].T @ e
            da += e.sum(0)
            dc += 2 * e.sum(0)
        return dU, dV, dc, da
"""

_CALLED_ITSELF = """\
class Cube:
    def __init__(self):
        self.storage = {}
        self.k = np.array([3.0])

    def __call__(self, x, **kwargs):
        self.storage.update({'x': x})
        return self.forward(x, **kwargs)

    def forward(self, x):
        return self.k * x**3

    def backward(self, accumulated_gradient):
        x = self.storage['x']
        self.dk = (accumulated_gradient * x**3).sum(keepdims=True).reshape(1)
        return accumulated_gradient * 3 * self.k * x**2
"""

_KEPT_PROBABILITIES = """\
class Softplus_Loss:
    def forward(self, inputs, y_true):
        self.output = 1 / (1 + np.exp(-inputs))
        return np.mean(np.log(1 + np.exp(inputs)) - y_true * inputs)

    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues - y_true) / dvalues.size
"""

_KEPT_TIMES_A_RATE = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.dW_sum = np.random.randn(n_in, n_out), np.zeros((n_in, n_out))

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W)))
        return self.s

    def backprop(self, grad, lr):
        e = grad * self.s * (1 - self.s)
        self.dW_sum += lr * self.x.T @ e
        return e @ self.W.T

    def update(self):
        self.W -= self.dW_sum
        self.dW_sum.fill(0)
"""

_GIVEN_A_GENERATOR = """\
class Gate:
    def __init__(self, n_in, n_out, weight_init_fn, rng):
        self.W, self.noise = weight_init_fn(n_in, n_out), rng.normal(size=n_out)

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W)))
        return self.s * self.noise

    def backward(self, dout):
        e = dout * self.noise * self.s * (1 - self.s)
        self.dW = self.x.T @ e
        return e @ self.W.T
"""

_ZERO_AT_FIRST = """\
class Layer:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_out, n_in))

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W.T)

    def backward(self, dout):
        e = dout * (1 - np.tanh(self.x @ self.W.T)**2)
        self.dW = e.T @ self.x
        return e @ self.W


class Two:
    def __init__(self):
        self.layers = [Layer(2, 3), Layer(3, 2)]

    def forward(self, x):
        return self.layers[1].forward(self.layers[0].forward(x))

    def backward(self, dout):
        self.layers[0].backward(self.layers[1].backward(dout))
"""

_SUMMED = """\
class Excess:
    def __init__(self):
        self.sums = None

    def forward(self, x, y):
        self.p, self.y = 1 / (1 + np.exp(-x)), y
        return (np.log(1 + np.exp(x)) - y * x).sum(1)

    def derivative(self):
        return self.p - self.y
"""

#: The code, what makes it wrong, and the gradients that are checked.
_COLUMNS_OF_A_SEQUENCE = """\
class Steps:
    def __init__(self, n_in, n_hidden):
        self.U, self.V = np.random.randn(n_hidden, n_in), np.random.randn(n_hidden, n_hidden)

    def feedforward(self, x):
        self.x, self.h = x, np.zeros((len(x) + 1, len(self.V), 1))
        for t in range(len(x)):
            self.h[t + 1] = np.tanh(self.U @ x[t] + self.V @ self.h[t])
        return self.h[-1]

    def backprop(self, delta, lr):
        dU, dV = np.zeros_like(self.U), np.zeros_like(self.V)
        for t in reversed(range(len(self.x))):
            delta = delta * (1 - self.h[t + 1]**2)
            dU += delta @ self.x[t].T
            dV += delta @ self.h[t].T
            delta = self.V.T @ delta
        self.U -= lr * dU
        self.V -= lr * dV
        return np.array([])
"""

_AXES_LEFT_OUT = """\
class Gate:
    def __init__(self, n_in, n_out):
        self.W, self.c = np.random.randn(n_in, n_out), np.zeros((1, n_out))

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-(x @ self.W + self.c)))
        return self.s

    def backward(self, dout):
        e = dout * self.s * (1 - self.s)
        self.dW, self.dc = self.x.T @ e, e.sum(0)
        return e @ self.W.T
"""

_SLOPE_AT_INPUT = """\
class Activation:
    def __init__(self, activation, activation_prime):
        self.activation, self.activation_prime = activation, activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(input)

    def backward(self, output_gradient, learning_rate):
        return output_gradient * self.activation_prime(self.input)
"""

_SLOPE_AT_OUTPUT = """\
class Made:
    def __init__(self, n_nodes, act_func, act_deriv=None, initializer=None):
        self.n_nodes, self.f, self.df = n_nodes, act_func, act_deriv

    def build(self, input_nodes):
        self.M = np.random.randn(input_nodes, self.n_nodes)

    def forward(self, X):
        self.X, self.A = X, self.f(X @ self.M)
        return self.A

    def backward(self, dA):
        e = dA * self.df(self.A)
        self.dM = self.X.T @ e
        return e @ self.M.T
"""

_ACTIVATION_BY_NAME = """\
class Unit:
    def __init__(self, n, activation, weight_init, callbacks=[]):
        self.scale, self.activation = weight_init((n,)), {"sigmoid": self.sigmoid}[activation]

    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def forward(self, x):
        self.x, self.a = x, self.activation(x * self.scale)
        return self.a

    def backward(self, dout):
        e = dout * self.a * (1 - self.a)
        self.dscale = (e * self.x).sum(0)
        return e * self.scale
"""

_ACTIVATION_OBJECT = """\
class Unit:
    def __init__(self, n_in, n_out, activation):
        self.M, self.act = np.random.randn(n_in, n_out), activation

    def forward(self, x):
        self.x, self.z = x, x @ self.M
        self.a = self.act.{forward}
        return self.a

    def backward(self, dout):
        e = {slope}
        self.dM = self.x.T @ e
        return e @ self.M.T
"""

_CALLED_AS_A_RATE = """\
class Sine:
    def __init__(self, n):
        self.w = np.random.randn(n)

    def forward(self, x):
        self.x = x
        return np.sin(x * self.w)

    def backward(self, eta):
        e = eta * np.cos(self.x * self.w)
        self.dw = (e * self.x).sum(0)
        return e * self.w
"""

FORMS = {
    "a cotangent that is called as a learning rate": (_CALLED_AS_A_RATE, ("(e * self.x)", "(eta * self.x)"), "x w"),
    "an activation and its slope": (_SLOPE_AT_INPUT, ("output_gradient *", "output_gradient +"), "input"),
    "a slope that is given the output": (_SLOPE_AT_OUTPUT, ("self.X.T @ e", "self.X.T @ dA"), "X M"),
    "an object with a slope of its input": (
        _ACTIVATION_OBJECT.format(forward="activate(self.z)", slope="dout * self.act.derivative(self.z)"),
        ("e @ self.M.T", "2 * e @ self.M.T"),
        "x M",
    ),
    "an object with a slope of its output": (
        _ACTIVATION_OBJECT.format(forward="calc(self.z)", slope="dout * self.act.prime(self.a)"),
        ("self.x.T @ e", "self.x.T @ dout"),
        "x M",
    ),
    "a class with a backward pass": (
        _ACTIVATION_OBJECT.format(forward="forward(self.z)", slope="self.act.backward(dout)").replace(
            "activation\n", "activation()\n", 1
        ),
        ("self.x.T @ e", "self.x.T @ dout"),
        "x M",
    ),
    "an activation by its name": (_ACTIVATION_BY_NAME, ("(1 - self.a)", "(1 + self.a)"), "x scale"),
    "columns of a sequence": (_COLUMNS_OF_A_SEQUENCE, ("delta = self.V.T @ delta", "delta = self.V @ delta"), "U V"),
    "axes of length 1 left out": (_AXES_LEFT_OUT, ("e.sum(0)", "e.mean(0)"), "x W c"),
    "a gradient of a wrong shape": (_GRADIENTS_AS_ATTRIBUTES, ("e.sum(0)", "e"), "x W c"),
    "gradients as attributes": (_GRADIENTS_AS_ATTRIBUTES, ("e.sum(0)", "e.mean(0)"), "x W c"),
    "other names of passes": (_OTHER_NAMES_OF_PASSES, ("self.x.T @ e", "2 * self.x.T @ e"), "x W c"),
    "a call and back": (_A_CALL_AND_BACK, ("(1 - self.s)", "(1 + self.s)"), "x W c"),
    "x again": (_X_AGAIN, ("e.sum(0)", "e.sum(0) / 2"), "x W c"),
    "inputs and outputs": (_INPUTS_AND_OUTPUTS, ("x.T @ e", "-x.T @ e"), "x W c"),
    "updates": (_UPDATES, ("learning_rate * self.x.T", "learning_rate * 3 * self.x.T"), "x W"),
    "a mode that must be given": (_A_MODE_THAT_MUST_BE_GIVEN, ("e @ self.W.T", "e @ self.W.T * 2"), "x W c"),
    "found by value": (_FOUND_BY_VALUE, ("self.x.T @ e", "self.x.T @ dout"), "x W c"),
    "nothing returned": (_NOTHING_RETURNED, ("(1 - t * t)", "(1 - t)"), "inputs scale"),
    "dictionaries, made at the first forward": (_DICTIONARIES, ("np.cos", "np.sin"), "X M"),
    "lists that are filled in place, given to the constructor": (
        _LISTS,
        ("self.x.T @ dout", "abs(self.x.T @ dout)"),
        "W x",
    ),
    "boxes": (_BOXES, (" * np.exp(self.B.value)\n        return", "\n        return"), "X A B"),
    "one level down": (_ONE_LEVEL_DOWN, ("e.sum(0)", "e.max(0)"), "x one_W one_c two_W two_c"),
    "a shape to be told, and an optimizer": (
        _SET_UP,
        ("self.X.T @ accum_grad", "self.X.T @ accum_grad / len(self.X)"),
        "X W",
    ),
    "private names": (_PRIVATE_NAMES, ("d = 2 * d", "d = d"), "x w"),
    "one column": (_ONE_COLUMN, ("- self.y.T", "- 2 * self.y.T"), "x"),
    "a loss of each sample, of which the mean is meant": (
        _AVERAGED,
        ("-2 *", "-1 *"),
        "y_pred",
    ),
    "a shape as a tuple": (_A_SHAPE_AS_A_TUPLE, ("dout * self.image", "dout + self.image"), "image map"),
    "fixed lengths": (_FIXED_LENGTHS, ("** 2)", "** 3)"), "x K"),
    "heads": (_HEADS, ("** 2", "** 3"), "x P"),
    "gradients by their names, of a sequence": (_NAMES_IN_ANOTHER_ORDER, ("da += e", "da += 2 * e"), "U V c a"),
    "called itself, as it keeps x": (_CALLED_ITSELF, ("* 3 * self.k", "* 2 * self.k"), "x k"),
    "kept times a rate": (_KEPT_TIMES_A_RATE, ("lr * self.x.T", "2 * lr * self.x.T"), "x W"),
    "given a generator and an initializer": (_GIVEN_A_GENERATOR, ("* self.noise * self.s", "* self.s"), "x W"),
    "weights that are zero at first": (_ZERO_AT_FIRST, ("e.T @ self.x", "e.T @ abs(self.x)"), "layers_0_W layers_1_W"),
    "a loss of each sample, of which the sum is meant": (_SUMMED, ("self.p - self.y", "self.p + self.y"), "x"),
    "given what forward has kept": (_KEPT_PROBABILITIES, ("(dvalues - y_true)", "(dvalues + y_true)"), "inputs"),
}

#: Classes that are called after a layer and compute another function, and what makes them wrong.
_OWN_HINGE_LOSS = """\
class HingeLoss:
    def forward(self, y_pred, y_true):
        self.p, self.y = y_pred, y_true
        return np.maximum(0, 1 - y_true * y_pred).mean()

    def backward(self):
        return np.where(self.y * self.p < 1, -self.y, 0) / self.y.size
"""

_OWN_CROSS_ENTROPY = """\
class CrossEntropy:
    def forward(self, preds, labels):
        return -np.log((preds * labels).sum(1))

    def backward(self, dvalues, y_true):
        self.dinputs = -y_true / dvalues / len(dvalues)
"""

_OWN_RELU = """\
class ParametricReLU:
    def __init__(self, alpha=0.25):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.alpha)
"""

NAMED = {
    "Linear": (
        _ACTIVATION_OBJECT.format(forward="forward(self.z)", slope="dout * self.act.derivative(self.z)").replace(
            "Unit", "Linear"
        ),
        ("dout * self.act.derivative(self.z)", "dout"),
    ),
    "ParametricReLU": (_OWN_RELU, ("1, self.alpha)", "1, 0)")),
    "HingeLoss": (_OWN_HINGE_LOSS, ("/ self.y.size", "* self.y.size")),
    "CrossEntropy": (_OWN_CROSS_ENTROPY, ("-y_true / dvalues", "(dvalues - y_true)")),
    "Dense": (_OWN_DENSE, ("self.M[:-1]", "self.M[1:]")),
    "Swish": (_OWN_SWISH, ("d * self.beta", "d")),
    "BatchNorm": (_OWN_BATCHNORM, ("- self.y * (g", "+ self.y * (g")),
    "Dropout": (_OWN_DROPOUT, ("dout * self.mask", "dout * ~self.mask")),
}
