"""Which reading is taken: fixed windows and strides, gates in another order, and parameters of either of two shapes."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.conventions.packing import Packed, divide
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.results.result import CaseResult


def results(path: Path, layer: str, text: str, most: int = 9, first: int = 0) -> tuple[str, list[CaseResult]]:
    path.write_text(text, encoding="utf-8")
    implementation = find(str(path), LAYERS[layer])
    return implementation.convention, [
        check_case(case, implementation, Settings()) for case in islice(LAYERS[layer].standard(), first, first + most)
    ]


def counts(found: list[CaseResult]) -> dict[str, int]:
    verdicts = [result.verdict.value for result in found]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(sorted(verdicts))}


#: Max and average pooling by a loop; size and stride are said by the lines before.
POOL = """
import numpy as np


def windows(x, size, stride):
    kh, kw = np.broadcast_to(size, 2)
    for i in range((x.shape[2] - kh) // stride + 1):
        for j in range((x.shape[3] - kw) // stride + 1):
            yield i, j, np.s_[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]


def max_ahead(x, size, stride):
    found = {(i, j): x[at].max((2, 3)) for i, j, at in windows(x, size, stride)}
    rows, columns = max(found)
    return np.stack([np.stack([found[i, j] for j in range(columns + 1)], -1) for i in range(rows + 1)], -2)


def max_back(dout, x, size, stride):
    dx = np.zeros_like(x)
    for i, j, at in windows(x, size, stride):
        mask = x[at] == x[at].max((2, 3), keepdims=True)
        dx[at] += mask * dout[:, :, i, j][:, :, None, None]
    return dx
"""

#: What each makes of a size and a stride, how it is understood, and in how many of the seven standard cases.
FIXED = {
    "pool_size|pool_size, pool_size": ("a stride of the window's size", 2),
    "k=3|k, 2": ("a stride of 2", 2),
    "kernel_size|kernel_size, 1": ("a stride of 1", 4),
    "|2, 2": ("a window of 2x2", 1),
    "|3, 2": ("a window of 3x3, a stride of 2", 1),
    "stride|2, stride": ("a window of 2x2", 2),
    "hh, stride=2|hh, stride": ("MaxPool(hh, stride)", 4),
    "ph, pw|(ph, pw), 2": ("a stride of 2", 2),
    "size, stride|size, stride": ("", 7),
}
CLASS = """
class MaxPool:
    def __init__(self, {arguments}):
        self.size, self.stride = {made}

    def forward(self, x):
        self.x = x
        return max_ahead(x, self.size, self.stride)

    def backward(self, dout):
        return max_back(dout, self.x, self.size, self.stride)
"""


@pytest.mark.parametrize(("head", "expected"), one_in(3, FIXED.items()))
def test_a_pooling_is_skipped_where_it_cannot_express_a_case(
    head: str, expected: tuple[str, int], tmp_path: Path
) -> None:
    understood, ran = expected
    arguments, _, made = head.partition("|")
    text = POOL + CLASS.replace("{arguments}", arguments).replace("{made}", made)
    convention, found = results(tmp_path / "right.py", "maxpool", text)
    assert understood in convention
    assert counts(found) == ({"pass": ran, "skip": 7 - ran} if ran < 7 else {"pass": 7})
    assert all(result.reason for result in found if result.verdict is Verdict.SKIP)
    wrong = text.replace("mask * dout", "2 * mask * dout")
    assert counts(results(tmp_path / "wrong.py", "maxpool", wrong)[1]).get("fail") == ran


@pytest.mark.parametrize(
    ("signature", "ran"), [("x", 1), ("x, size", 2), ("x, stride", 2), ("x, size, stride", 7), ("x, stride=2", 2)]
)
def test_functions_too(signature: str, ran: int, tmp_path: Path) -> None:
    given = "size, stride" if "size, stride" in signature else "size, size" if "size" in signature else "2, stride"
    given = "2, 2" if signature == "x" else given
    text = f"{POOL}\ndef max_pool_forward({signature}): return max_ahead(x, {given}), (x, {given})\n"
    text += "def max_pool_backward(dout, cache): return max_back(dout, *cache)\n"
    assert counts(results(tmp_path / "right.py", "maxpool", text)[1]).get("pass") == ran
    found = counts(results(tmp_path / "wrong.py", "maxpool", text.replace("+= mask", "= mask"))[1])
    assert found.get("pass", 0) + found.get("fail", 0) == ran
    overlap = {"x, size, stride": 3, "x, stride": 1, "x, stride=2": 1}.get(signature, 0)
    assert found.get("fail", 0) == overlap


def test_a_pooling_that_is_wrong_in_some_geometry_is_still_understood(tmp_path: Path) -> None:
    text = POOL + CLASS.replace("{arguments}", "size, stride").replace("{made}", "size, min(stride, 2)")
    convention, found = results(tmp_path / "layers.py", "maxpool", text)
    assert convention == "class MaxPool(size, stride).forward, .backward"
    assert counts(found) == {"error": 1, "pass": 6}  # dout has the shape of more windows than there are


STEP = """
import numpy as np


def s(z): return 1 / (1 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    {blocks} = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = s(i), s(f), s(o), np.tanh(g)
    c = f * prev_c + i * g
    return o * np.tanh(c), c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    dc = dnext_c + dnext_h * o * (1 - np.tanh(c) ** 2)
    i, f = dc * g * i * (1 - i), dc * prev_c * f * (1 - f)
    dprev_c, g = dc * cache[6], dc * cache[5] * (1 - g ** 2)
    o = dnext_h * np.tanh(c) * o * (1 - o)
    da = np.hstack([{back}])
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(0)
"""
SEQUENCE = """

def lstm_forward(x, h0, Wx, Wh, b):
    h, c, hs, caches = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        hs.append(h)
        caches.append(cache)
    return np.stack(hs, 1), caches


def lstm_backward(dh, caches):
    dxs, h, c, sums = [], 0, np.zeros_like(dh[:, 0]), [0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        dx, h, c, *more = lstm_step_backward(dh[:, t] + h, c, caches[t])
        dxs.insert(0, dx)
        sums = [one + other for one, other in zip(sums, more)]
    return np.stack(dxs, 1), h, *sums
"""


@pytest.mark.parametrize("order", one_in(3, ["i, f, g, o", "f, g, i, o", "i, f, o, g"]))
def test_gates_in_another_order(order: str, tmp_path: Path) -> None:
    for layer, more in (("lstm-step", ""), ("lstm", SEQUENCE)):
        text = (STEP + more).replace("{blocks}", order)
        convention, found = results(tmp_path / f"right-{layer}.py", layer, text.replace("{back}", order), 1, first=1)
        assert set(counts(found)) == {"pass"}
        assert convention.endswith(f", gates in the order {order}") is (order != "i, f, o, g")
    mixed = text.replace("{back}", ", ".join(reversed(order.split(", "))))
    assert set(counts(results(tmp_path / "mixed.py", "lstm", mixed, 1, first=1)[1])) == {"fail"}


def test_in_no_order_of_gates_a_wrong_forward_is_right(tmp_path: Path) -> None:
    text = STEP.replace("{blocks}", "o, g, f, i").replace("{back}", "o, g, f, i")
    assert "gates in the order o, g, f, i" in results(tmp_path / "odd.py", "lstm-step", text, 1)[0]
    assert "np.tanh(g)" in text
    convention, found = results(tmp_path / "wrong.py", "lstm-step", text.replace("np.tanh(g)", "np.sin(g)"), 2)
    assert "gates" not in convention
    assert counts(found) == {"fail": len(found)}


def test_gradients_of_the_arrays_of_a_packing_are_those_of_the_inputs() -> None:
    numbers = np.random.default_rng(0)
    for layer in ("rnn", "lstm-step", "gru"):
        inputs = LAYERS[layer].problem(LAYERS[layer].probe_cases[0]).inputs
        for packing in vocabulary_of(LAYERS[layer]).packings():
            weights = {name: numbers.normal(size=array.shape) for name, array in divide(packing, inputs).items()}

            def backward(*_: object, weights: dict[str, Any] = weights) -> dict[str, Any]:
                return weights

            run = Packed(lambda arrays, _: (arrays, None), backward, packing, ())
            arrays, cache = run.forward(inputs, None)
            found = run.backward(None, cache, tuple(inputs))
            spares = [name for name, part in packing.parts.items() if not any(part.shares or [1])]
            right = sum((weights[name] * arrays[name]).sum() for name in weights if name not in spares)  # type: ignore[index]
            assert np.isclose(sum((found[name] * inputs[name]).sum() for name in inputs), right)
            bad = Packed(lambda arrays, _: (arrays, None), lambda *_: {"x": None}, packing, ())
            assert set(bad.backward(None, bad.forward(inputs, None)[1], ("x", "Wx")).values()) == {None}


#: Group normalization; gamma is shaped by the first line, and its gradient by the last.
GROUPNORM = """
import numpy as np


def groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    rows = x.reshape(N * G, -1)
    std = np.sqrt(rows.var(1, keepdims=True) + gn_param.get("eps", 1e-5))
    normal = ((rows - rows.mean(1, keepdims=True)) / std).reshape(x.shape)
    gamma, beta = {given}
    return normal * gamma + beta, (normal, std, gamma, G)


def groupnorm_backward(dout, cache):
    normal, std, gamma, G = cache
    g, n = (dout * gamma).reshape(len(std), -1), normal.reshape(len(std), -1)
    dx = (g - g.mean(1, keepdims=True) - n * (g * n).mean(1, keepdims=True)) / std
    dgamma, dbeta = (dout * normal).sum((0, 2, 3)), dout.sum((0, 2, 3))
    return dx.reshape(dout.shape), {returned}
"""
EITHER = "gamma.reshape(1, C, 1, 1), beta.reshape(1, C, 1, 1)"
FLAT = "gamma[:, None, None], beta[:, None, None]"
FULL = "gamma, beta"
WIDE = "dgamma.reshape(1, -1, 1, 1), dbeta.reshape(1, -1, 1, 1)"


@pytest.mark.parametrize(
    ("given", "returned", "verdict"),
    one_in(
        3,
        [
            (EITHER, WIDE, "pass"),
            (EITHER, "dgamma, dbeta", "pass"),
            (FULL, WIDE, "pass"),
            (FLAT, "dgamma, dbeta", "pass"),
            (FLAT, WIDE, "fail"),  # it takes (C,) only
            (FULL, "dgamma, dbeta", "fail"),  # it takes (1, C, 1, 1) only
            (EITHER, WIDE.replace("dbeta", "2 * dbeta", 1), "fail"),
            (EITHER, "dgamma.reshape(1, -1, 1, 1), dbeta", "fail"),  # no one shape for both
            (EITHER, "dgamma.reshape(-1, 1), dbeta.reshape(-1, 1)", "fail"),
        ],
    ),
)
def test_a_parameter_has_the_shape_of_its_gradient(given: str, returned: str, verdict: str, tmp_path: Path) -> None:
    text = GROUPNORM.replace("{given}", given).replace("{returned}", returned)
    convention, found = results(tmp_path / "layers.py", "groupnorm", text)
    assert set(counts(found)) == {verdict}
    if verdict == "pass":
        assert ("(1, C, 1, 1)" in convention) is (returned == WIDE)


#: Layers without a bias, as functions and as a class.
UNBIASED = {
    "functions": """
def matmul_forward(x, w):
    return x @ w, (x, w)


def matmul_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout
""",
    "a class": """
class MatMul:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
""",
}


def test_a_bias_may_be_absent(tmp_path: Path) -> None:
    for name, text in UNBIASED.items():
        convention, found = results(tmp_path / f"right-{name}.py", "affine", text)
        assert convention.endswith("without b"), name
        assert counts(found) == {"pass": 6, "skip": 1}, name
        assert all(list(result.gradients) == ["dx", "dw"] for result in found[:6])
        wrong = text.replace("return dout @", "return 2 * dout @")
        assert counts(results(tmp_path / f"wrong-{name}.py", "affine", wrong)[1]) == {"fail": 6, "skip": 1}, name
        ahead = text.replace("return x @", "return 2 * x @")
        assert counts(results(tmp_path / f"ahead-{name}.py", "affine", ahead)[1]).get("pass") is None, name


BATCHNORM = """
import numpy as np


def bn_fwd(x, gamma, beta, eps=1e-5):
    xc = x - x.mean(axis=0)
    std = np.sqrt((xc**2).mean(axis=0) + eps)
    return gamma * xc / std + beta, (xc / std, std, gamma)


def bn_bwd(dout, cache):
    xhat, std, gamma = cache
    d = dout * gamma
    dx = (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / std
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)
"""


def test_a_normalization_without_running_averages_is_asked_to_train(tmp_path: Path) -> None:
    convention, found = results(tmp_path / "right.py", "batchnorm", BATCHNORM, 10)
    assert convention.endswith("without running_mean, without running_var")
    assert counts(found) == {"pass": 6, "skip": 4}
    assert "it has no argument for mode, here test" in {result.reason for result in found}
    wrong = BATCHNORM.replace("dout.sum(axis=0)\n", "2 * dout.sum(axis=0)\n")
    assert counts(results(tmp_path / "wrong.py", "batchnorm", wrong, 10)[1]) == {"fail": 6, "skip": 4}
    fixed = BATCHNORM.replace(", eps=1e-5", "").replace("+ eps", "+ 1e-5")
    assert counts(results(tmp_path / "fixed.py", "batchnorm", fixed, 10)[1]) == {"pass": 2, "skip": 8}


ONE_HOT = """
import numpy as np


def softmax_loss(x, y):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -np.sum(y * np.log(p)) / len(x), (p - y) / len(x)
"""


def test_labels_may_be_one_hot_rows(tmp_path: Path) -> None:
    convention, found = results(tmp_path / "right.py", "softmax", ONE_HOT, 6)
    assert convention == "softmax_loss(x, y), y as one-hot rows"
    assert counts(found) == {"pass": 6}
    wrong = ONE_HOT.replace("(p - y) / len(x)", "p - y")
    assert counts(results(tmp_path / "wrong.py", "softmax", wrong, 6)[1]).get("fail") == 5  # of one sample it is right
