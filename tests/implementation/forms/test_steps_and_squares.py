"""Homework in other forms: steps first, lists of steps, square kernels only, targets for each element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.implementation.forms.checked import Form

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

LISTS = """
def rnn_forward(xs, h0, Wx, Wh, b):
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x @ Wx + hs[-1] @ Wh + b))
    return hs[1:], (xs, hs, Wx, Wh)

def rnn_backward(dhs, cache):
    xs, hs, Wx, Wh = cache
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wx.shape[1])
    dxs, dnext = [None] * len(xs), np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        da = (dhs[t] + dnext) * (1 - hs[t + 1] ** 2)
        dxs[t], dnext = da @ Wx.T, da @ Wh.T
        dWx += xs[t].T @ da
        dWh += hs[t].T @ da
        db += da.sum(0)
    return dxs, dnext, dWx, dWh, db
"""

ARRAYS = LISTS.replace("return hs[1:],", "return np.array(hs[1:]),").replace("return dxs,", "return np.array(dxs),")

SQUARE = """
def conv_forward(A_prev, W, b, hparameters):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    s, p = hparameters["stride"], hparameters["pad"]
    wide = np.pad(A_prev, ((0, 0), (p, p), (p, p), (0, 0)))
    Z = np.zeros((m, (n_H_prev + 2 * p - f) // s + 1, (n_W_prev + 2 * p - f) // s + 1, n_C))
    for h, w in np.ndindex(*Z.shape[1:3]):
        seen = wide[:, h * s:h * s + f, w * s:w * s + f]
        Z[:, h, w] = np.tensordot(seen, W, 3) + b.reshape(-1)
    return Z, (A_prev, W, b, hparameters)

def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    f, s, p = W.shape[0], hparameters["stride"], hparameters["pad"]
    wide = np.pad(A_prev, ((0, 0), (p, p), (p, p), (0, 0)))
    dwide, dW = np.zeros_like(wide), np.zeros_like(W)
    for h, w in np.ndindex(*dZ.shape[1:3]):
        here = np.s_[:, h * s:h * s + f, w * s:w * s + f]
        dW += np.tensordot(wide[here], dZ[:, h, w], (0, 0))
        dwide[here] += np.tensordot(dZ[:, h, w], W, (1, 3))
    return dwide[:, p:p + A_prev.shape[1], p:p + A_prev.shape[2]], dW, dZ.sum((0, 1, 2)).reshape(b.shape)
"""

BINARY = """import numpy as np

def bce_loss(scores, y):
    p = 1 / (1 + np.exp(-scores))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y) / y.size
"""


@pytest.mark.long
def test_steps_come_first_as_an_array_and_as_a_list(tmp_path: Path) -> None:
    wrong = "dWh += hs[t].T @ da", "dWh += hs[t + 1].T @ da"
    for text in (LISTS, ARRAYS):
        Form(layer="rnn", text=text, understood=("steps first",), wrong=wrong).assert_understood(tmp_path)


def test_kernels_that_are_not_square_are_skipped_where_forward_says_so(tmp_path: Path, convcheck: Program) -> None:
    right, wrong, unsaid = (tmp_path / f"{name}.py" for name in ("right", "wrong", "unsaid"))
    right.write_text(f"import numpy as np\n{SQUARE}", encoding="utf-8")
    wrong.write_text(f"import numpy as np\n{SQUARE.replace('] += np', '] = np')}", encoding="utf-8")
    done = convcheck(right)
    assert done.returncode == 0
    assert "skipped 4: conv_forward is written for equal sizes: `f, f, n_C_prev, n_C = W.shape`" in done.stdout
    assert "assigned-not-accumulated" in convcheck(wrong, "--H", "5", "--W", "5").stdout
    unsaid.write_text(right.read_text().replace("(f, f, n_C_prev, n_C) = W.shape", "f, n_C = W.shape[0], W.shape[3]"))
    assert convcheck(unsaid, "--HH", "2", "--WW", "3").returncode == 1


def test_a_target_for_each_element_is_no_label_of_a_row(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "right.py").write_text(BINARY, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(BINARY.replace("(p - y)", "(y - p)"), encoding="utf-8")
    done = gradcheck(tmp_path / "right.py")
    assert done.returncode == 0, done.stdout
    assert "--shape scores=4x5 --labels y=4x5:3" in " ".join(done.stdout.split())
    assert gradcheck(tmp_path / "wrong.py").returncode == 1
