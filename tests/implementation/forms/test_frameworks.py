"""Small frameworks with variables of their own: operations are called with these, and others need an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: A framework whose operations keep their inputs, and one in which they are given their node.
_KEPT = """\
import weakref

import numpy as np


class Variable:
    def __init__(self, data):
        self.data, self.grad, self.creator = data, None, None


class Function:
    def __call__(self, *inputs):
        outputs = [Variable(np.asarray(y)) for y in self.run(*[one.data for one in inputs])]
        self.inputs, self.outputs = inputs, [weakref.ref(one) for one in outputs]
        return outputs if len(outputs) > 1 else outputs[0]

    def run(self, *arrays):
        y = self.forward(*arrays)
        return y if isinstance(y, tuple) else (y,)

    def forward(self, x):
        raise NotImplementedError

    def backward(self, gy):
        raise NotImplementedError


class Square(Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.inputs[0].data * gy


class Sigmoid(Function):
    def forward(self, x):
        return 1 / (1 + np.exp(-x))

    def backward(self, gy):
        y = self.outputs[0]().data
        return gy * y * (1 - y)


class Power(Function):
    def __init__(self, c):
        self.c = c

    def forward(self, x):
        return x**self.c

    def backward(self, gy):
        return self.c * self.inputs[0].data ** (self.c - 1) * gy


class Product(Function):
    def forward(self, x, w):
        return x @ w

    def backward(self, gy):
        x, w = self.inputs
        return gy @ w.data.T, x.data.T @ gy
"""
_NODES = """\
import numpy as np


class Op:
    def __call__(self, *inputs):
        return Tensor.of(self, inputs)

    def compute(self, *arrays):
        raise NotImplementedError

    def gradient(self, out_grad, node):
        raise NotImplementedError


class Tensor:
    def __init__(self, cached_data, op=None, inputs=()):
        self.cached_data, self.op, self.inputs = cached_data, op, inputs

    @staticmethod
    def of(op, inputs):
        return Tensor(op.compute(*(one.cached_data for one in inputs)), op, inputs)

    @property
    def data(self):
        return Tensor(self.cached_data)

    def __mul__(self, other):
        return Multiply()(self, other)


class Multiply(Op):
    def compute(self, a, b):
        return a * b

    def gradient(self, out_grad, node):
        a, b = node.inputs
        return out_grad * b, out_grad * a


class Exp(Op):
    def compute(self, a):
        return np.exp(a)

    def gradient(self, out_grad, node):
        return out_grad * node
"""
#: What is found in each, of which layer it is, and what makes it wrong.
FRAMEWORKS = {
    "operations are given their node": (
        _NODES,
        {"Multiply": "function", "Exp": "function"},
        [("out_grad * b, out_grad * a", "out_grad * a, out_grad * b"), ("out_grad * node", "out_grad")],
    ),
    "operations keep their inputs": (
        _KEPT,
        {"Square": "function", "Sigmoid": "sigmoid", "Power": "function", "Product": "affine"},
        [
            ("return 2 * self", "return self"),
            ("(1 - y)", "(1 + y)"),
            ("self.c - 1", "self.c"),
            ("gy @ w", "2 * gy @ w"),
        ],
    ),
}
_VALUE = """\
class Value:
    def __init__(self, data):
        self.data, self.grad, self._backward = data, 0, lambda: None

    def __mul__(self, other):
        out = Value(self.data * other.data)

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def backward(self):
        self.grad = 1
        self._backward()
"""
_ADAPTER = """\
def make(Value):
    def backward(dout, x):
        value = Value(x)
        out = value * value
        out.grad = dout
        out._backward()
        return value.grad

    return (lambda x: (Value(x) * Value(x)).data), backward
"""


@pytest.mark.parametrize("name", one_in(2, FRAMEWORKS))
def test_operations_are_called_as_their_framework_calls_them(name: str, tmp_path: Path, gradcheck: Program) -> None:
    text, layers, slips = FRAMEWORKS[name]
    (tmp_path / "right.py").write_text(text, encoding="utf-8")
    run = gradcheck("right.py", "--json", "-")
    assert run.returncode == 0, run.stdout
    results = report_of(run)["results"]
    assert {one["implementation"].partition(":")[2]: one["layer"] for one in results} == layers
    assert {one["implementation"] for one in results if one["verdict"] == "pass"} == {f"right.py:{n}" for n in layers}
    for slip in slips:
        assert slip[0] in text
        text = text.replace(*slip)
    (tmp_path / "wrong.py").write_text(text, encoding="utf-8")
    failed = [one for one in report_of(gradcheck("wrong.py", "--json", "-"))["results"] if one["verdict"] == "fail"]
    assert {one["implementation"].partition(":")[2] for one in failed} == layers.keys()
    assert gradcheck(*failed[0]["command"].split()[1:]).returncode == 1


_TENSORS = """\
import numpy as np


class Tensor:
    def __init__(self, data, parents=(), back=None, requires_grad=False):
        self.data, self.parents, self.back, self.grad = np.asarray(data), parents, back, None
        self.requires_grad = requires_grad

    def add_up(self, grad):
        self.grad = grad if self.grad is None else self.grad + grad

    def backward(self, grad=None):
        self.back(np.ones_like(self.data) if grad is None else grad)


def exp_of(a):
    out = np.exp(a.data)

    def back(g):
        if a.requires_grad:
            a.add_up(g * out)

    return Tensor(out, (a,), back)
"""

_LAYERS = """\
import numpy as np


class Tensor:
    def __init__(self, data, children=()):
        self.data, self.children, self._backward = np.array(data, dtype=np.float32), set(children), lambda: None
        self.grad = np.zeros_like(self.data)

    def backward(self, retain_graph=False):
        self.grad = np.ones_like(self.data)
        self._backward()


class Sine:
    def __init__(self):
        self.kept = None

    def forward(self, x):
        self.kept, out = x, Tensor(np.sin(x.data), (x,))

        def _backward(x=x, out=out):
            x.grad += out.grad * np.cos(self.kept.data)

        out._backward = _backward
        return out
"""


@pytest.mark.parametrize(
    ("text", "name", "slip"),
    one_in(
        3,
        [
            (_VALUE, "Value.__mul__", ("other.data * out.grad", "out.grad")),
            (_TENSORS, "exp_of", ("g * out", "g * a.data")),
            (_LAYERS, "Sine.forward", ("np.cos(self", "np.sin(self")),
        ],
    ),
)
def test_operations_on_variables_know_their_backward_pass(
    text: str, name: str, slip: tuple[str, str], tmp_path: Path, gradcheck: Program
) -> None:
    for which, code in (("pass", text), ("fail", text.replace(*slip))):
        (tmp_path / "value.py").write_text(code, encoding="utf-8")
        results = report_of(gradcheck("value.py", "--json", "-"))["results"]
        assert {one["implementation"] for one in results} == {f"value.py:{name}"}
        assert {one["verdict"] for one in results} == {which}


#: An operation whose forward itself is given variables, and whose `__new__` is wrapped around a compiled one.
_GIVEN_VARIABLES = """\
from functools import wraps

import numpy as np


class Tensor:
    def __init__(self, data):
        self.data = data


def single(cls):
    make = cls.__new__

    @wraps(make)
    def __new__(cls):
        return make(cls)

    cls.__new__ = __new__
    return cls


@single
class Softmax:
    def forward(self, x):
        self.p = np.exp(x.data) / np.exp(x.data).sum(1, keepdims=True)
        return Tensor(self.p)

    def backward(self, grad):
        return self.p * (grad - (grad * self.p).sum(1, keepdims=True))
"""


def test_a_layer_of_lists_in_tensors_is_a_row(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "lists.py").write_text(
        "class Tensor:\n    def __init__(self, rows):\n        self.rows = rows\n\n    def tolist(self):\n"
        "        return self.rows\n\n\n"
        "class Double:\n    def __init__(self, n_in, n_out):\n        self.w = Tensor([[1.0] * n_out] * n_in)\n\n"
        "    def forward(self, x):\n        return Tensor([[2 * one for one in row] for row in x.tolist()])\n\n"
        "    def backward(self, upstream):\n        return self.forward(upstream)\n"
    )
    run = gradcheck("lists.py", "--json", "-")
    assert {one["verdict"] for one in report_of(run)["results"]} == {"skip"}, run.stdout


def test_what_only_its_framework_can_call_is_a_row_with_the_command(tmp_path: Path, gradcheck: Program) -> None:
    value = _VALUE.replace("Value(self.data", "type(self)(self.data")
    (tmp_path / "value.py").write_text(value, encoding="utf-8")
    (tmp_path / "ops.py").write_text(_NODES.replace("Tensor.of(self, inputs)", "graph(self, inputs)"), encoding="utf-8")
    (tmp_path / "own.py").write_text(_GIVEN_VARIABLES, encoding="utf-8")
    results = report_of(gradcheck("value.py", "ops.py", "own.py", "--json", "-"))["results"]
    rows = {one["implementation"]: one for one in results}
    assert {name: one["verdict"] for name, one in rows.items()} == {
        "value.py:Value": "skip",
        "ops.py:Multiply": "skip",
        "ops.py:Exp": "skip",
        "own.py:Softmax": "skip",
    }
    command = rows["value.py:Value"]["reason"].partition(" and type ")[2]
    assert command == "gradcheck function value.py:Value --adapter FILE.py:make --shape x=2x3"
    words = command.replace("FILE.py", "adapter.py").split()[1:]
    (tmp_path / "adapter.py").write_text(_ADAPTER, encoding="utf-8")
    assert gradcheck(*words).returncode == 0
    (tmp_path / "value.py").write_text(value.replace("other.data * out.grad", "out.grad"), encoding="utf-8")
    assert gradcheck(*words).returncode == 1
