"""Functions of all kinds with their gradients, right ones and wrong ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Checked:
    name: str
    functions: Any
    shape: Mapping[str, tuple[int, ...]]
    range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()  #: which gradients are wrong
    codes: frozenset[str] = frozenset()  #: of a wrong one, what names it


RIGHT: list[Checked] = []
WRONG: list[Checked] = []

Shape = tuple[int, ...]


def dense(x: Any, w: Any, b: Any) -> Any:
    return np.tanh(x @ w + b)


def dense_grad(dout: Any, x: Any, w: Any, b: Any) -> Any:
    g = dout / np.cosh(x @ w + b) ** 2
    return g @ w.T, x.T @ g, g.sum(axis=0)


def square(x: Any) -> Any:
    return x * x


def triple(x: Any, y: Any, z: Any) -> Any:
    return x * y * y * z


def triple_grad(dout: Any, x: Any, y: Any, z: Any) -> Any:
    return dout * y * y * z, 2 * dout * x * y * z, dout * x * y * y


DENSE: dict[str, Shape] = {"x": (4, 3), "w": (3, 2), "b": (2,)}
SAME: dict[str, Shape] = {"x": (2, 3), "y": (2, 3), "z": (2, 3)}


def _root(x: Any) -> Any:
    assert (x > 0).all()
    return np.sqrt(x)


def _right(name: str, *functions: Callable[..., Any], **shape: Shape) -> None:
    RIGHT.append(Checked(name, functions, shape))


def _cached(x: Any, w: Any, b: Any) -> Any:
    out = np.tanh(x @ w + b)
    return out, {"x": x, "w": w, "out": out}


def _cached_backward(dout: Any, cache: Any) -> Any:
    g = dout * (1 - cache["out"]) * (1 + cache["out"])
    return g @ cache["w"].T, cache["x"].T @ g, g.sum(axis=0)


_right("curved", dense, dense_grad, **DENSE)
_right("cached", _cached, _cached_backward, **DENSE)
_right("three inputs", triple, triple_grad, **SAME)
_right("out of another rank", lambda x, y: x[:, None] * y, lambda dout, x, y: (dout @ y, x @ dout), x=(4,), y=(3,))
_right(
    "a number times an array",
    lambda x, a: a * x**2,
    lambda dout, x, a: (2 * a * dout * x, (dout * x**2).sum()),
    x=(5,),
    a=(),
)
_right("a number", lambda x, w: (x**2) @ w, lambda x, w: (2 * x * w, x**2), x=(4,), w=(4,))
_right("a number with a cotangent", lambda x, w: (x**2) @ w, lambda g, x, w: (2 * g * x * w, g * x**2), x=(4,), w=(4,))
_right("a float", lambda x: float((x**3).sum()), lambda x: 3 * x**2, x=(2, 2))
_right("of a number", math.exp, math.exp, x=())
_right("one function", lambda x, w: ((x**2) @ w, 2 * x * w, x**2), x=(4,), w=(4,))
_right("one function and a tuple", lambda x, w: ((x**2) @ w, (2 * x * w, x**2)), x=(4,), w=(4,))
_right("one function and a list", lambda x: ((x**2).sum(), [2 * x]), x=(4,))
_right("one function and names", lambda x, w: ((x**2) @ w, {"w": x**2, "x": 2 * x * w}), x=(4,), w=(4,))
_right("element by element", np.arctan, lambda x: 1 / (1 + x * x), x=(3, 2))
_right("from the output", lambda x: 1 / x, lambda dout, out: -dout * out * out, x=(2, 3))
_right("affine", lambda x, b: x + b, lambda dout, x, b: (dout, dout.sum(axis=0)), x=(4, 3), b=(3,))
_right("a default", lambda x, p=3: x**p, lambda dout, x, p: dout * p * x ** (p - 1), x=(4,))
_right("arguments in another order", triple, lambda z, dout, y, x: triple_grad(dout, x, y, z), **SAME)
_right("gradients by place", triple, lambda g, a, b, c: (g * b * b * c, 2 * g * a * b * c, g * a * b * b), **SAME)
RIGHT += [
    Checked("NaN out of its range", (np.log, lambda dout, x: dout / x), {"x": (3, 2)}, {"x": (0.01, 2)}),
    Checked("refuses what is out of its range", (_root, lambda dout, y: dout / (2 * y)), {"x": (4,)}, {"x": (0.01, 2)}),
]


def _wrong(wrong: str, code: str = "", forward: Any = dense, **shape: Shape) -> Callable[[Any], Any]:
    def add(gradient: Any) -> Any:
        names = tuple(f"d{name}" for name in wrong)
        codes = frozenset([code] if code else [])
        WRONG.append(Checked(gradient.__name__, (forward, gradient), shape or DENSE, wrong=names, codes=codes))
        return gradient

    return add


@_wrong("w", "factor")
def twice(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    return dx, 2 * dw, db


@_wrong("x", "factor")
def negated(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    return -dx, dw, db


@_wrong("w", "factor")
def averaged(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    return dx, dw / dw.dtype.type(4), db


@_wrong("xy", "wrong-order", forward=triple, **SAME)
def exchanged(dout: Any, x: Any, y: Any, z: Any) -> Any:
    dx, dy, dz = triple_grad(dout, x, y, z)
    return dy, dx, dz


@_wrong("w", "transposed", forward=lambda x, w: np.tanh(x @ w), x=(4, 3), w=(3, 3))
def turned(dout: Any, x: Any, w: Any) -> Any:
    g = dout / np.cosh(x @ w) ** 2
    return g @ w.T, g.T @ x


@_wrong("b", "zero")
def forgotten(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    return dx, dw, 0 * db


@_wrong("x", "unfinished")
def ends_early(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    dx[-1] = 0
    return dx, dw, db


@_wrong("x", "rows-permuted")
def upside_down(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    return dx[::-1], dw, db


@_wrong("xwb")
def slope_missing(dout: Any, x: Any, w: Any, b: Any) -> Any:
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


@_wrong("xwb", "cotangent-ones")
def ones_for_dout(dout: Any, x: Any, w: Any, b: Any) -> Any:
    return dense_grad(np.ones_like(dout), x, w, b)


@_wrong("xwb", "cotangent-first")
def first_of_dout_alone(dout: Any, x: Any, w: Any, b: Any) -> Any:
    kept = np.zeros_like(dout)
    kept[0] = dout[0]
    return dense_grad(kept, x, w, b)


@_wrong("xwb", "cotangent-first")
def first_of_dout_for_all(dout: Any, x: Any, w: Any, b: Any) -> Any:
    return dense_grad(np.ones_like(dout) * dout[0], x, w, b)


@_wrong("xwb", "cotangent-mean")
def mean_of_dout(dout: Any, x: Any, w: Any, b: Any) -> Any:
    return dense_grad(np.full_like(dout, dout.mean()), x, w, b)


def unit_rows(x: Any) -> Any:
    return x / np.sqrt((x * x).sum(axis=-1, keepdims=True))


@_wrong("x", "diagonal-only", forward=unit_rows, x=(4, 3))
def diagonal_of_unit_rows(dout: Any, x: Any) -> Any:
    out = unit_rows(x)
    return dout * (1 - out * out) * out / x


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(axis=0))


@_wrong("x", "diagonal-only", forward=log_softmax, x=(5,))
def diagonal_of_log_softmax(dout: Any, x: Any) -> Any:
    return dout * (1 - np.exp(log_softmax(x)))


@_wrong("x", forward=log_softmax, x=(5,))
def diagonal_and_no_dout(dout: Any, x: Any) -> Any:
    return 1 - np.exp(log_softmax(x))


def similar(q: Any, k: Any) -> Any:
    return np.tanh(q @ k.T / math.sqrt(q.shape[1]))


@_wrong("qk", "factor", forward=similar, q=(5, 4), k=(3, 4))
def scale_left_out(dout: Any, q: Any, k: Any) -> Any:
    g = dout * (1 - similar(q, k) ** 2)
    return g @ k, g.T @ q


@_wrong("w")
def one_element(dout: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = dense_grad(dout, x, w, b)
    dw[1, 1] *= 1 + 1e-3
    return dx, dw, db


@_wrong("b")
def one_lacks(dout: Any, x: Any, w: Any, b: Any) -> Any:
    return dense_grad(dout, x, w, b)[:2]


@_wrong("x", "factor", forward=lambda x, w: (x**2) @ w, x=(4,), w=(4,))
def of_a_number(x: Any, w: Any) -> Any:
    return x * w, x**2


WRONG += [
    Checked("one function", (lambda x, w: ((x**2) @ w, 2 * x * w, x),), {"x": (4,), "w": (4,)}, wrong=("dw",)),
    Checked("element by element", (np.arctan, lambda x: 1 / (1 + x)), {"x": (3, 2)}, wrong=("dx",)),
]
