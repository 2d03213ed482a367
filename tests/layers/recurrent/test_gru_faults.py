"""Faults of a gated recurrent unit as students write them; each is named, and right code has no diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.recurrent.gru import STEP
from tests.layers.lines import assert_named, run_lines, sigmoid

if TYPE_CHECKING:
    from pathlib import Path

#: Backward of a step, with z as the share that is kept; W is the part of Wh for n, U that for the gates.
BEFORE = {
    "dz": "g * (h - n)",
    "dn": "g * (1 - z)",
    "an": "dn * (1 - n**2)",
    "dq": "an @ W.T",
    "dr": "dq * h",
    "ar": "dr * r * (1 - r)",
    "az": "dz * z * (1 - z)",
    "a": "np.hstack([ar, az])",
    "dx": "np.hstack([a, an]) @ Wx.T",
    "dh": "g * z + dq * r + a @ U.T",
    "dWx": "x.T @ np.hstack([a, an])",
    "dW": "(r * h).T @ an",
    "dWh": "np.hstack([h.T @ a, dW])",
    "db": "np.hstack([a, an]).sum(0)",
}
AFTER = {
    **BEFORE,
    "dr": "an * (h @ W)",
    "dm": "an * r",
    "dh": "g * z + an * r @ W.T + a @ U.T",
    "dW": "h.T @ (an * r)",
}

#: By what is wrong before the product, and after it: the code and the lines.
FAULTS: list[tuple[str, dict[str, str]]] = [
    ("state-path", {"dh": "dq * r + a @ U.T"}),
    ("state-path", {"dh": "g * z + a @ U.T"}),
    ("state-path", {"dh": "g * z + dq * r"}),
    ("update-gate", {"dn": "g * z"}),
    ("update-gate", {"dn": "g * z", "dh": "g * (1 - z) + dq * r + a @ U.T"}),
    ("update-gate", {"dz": "g * (n - h)"}),
    ("update-gate", {"dz": "-g * n"}),
    ("reset-gate", {"dr": "dq"}),
    ("reset-gate", {"dh": "g * z + dq + a @ U.T"}),
    ("reset-gate", {"dW": "h.T @ an"}),
    ("gate-slope", {"ar": "dr"}),
    ("gate-slope", {"az": "dz * (1 - z)"}),
    ("gate-slope", {"an": "dn"}),
    ("gate-columns-permuted", {"a": "np.hstack([az, ar])"}),
    ("state-of-other-step", {"dW": "(r * next_h).T @ an", "dWh": "np.hstack([next_h.T @ a, dW])"}),
]
FAULTS_AFTER: list[tuple[str, dict[str, str]]] = [
    ("reset-gate", {"dr": "an"}),
    ("reset-gate", {"dW": "h.T @ an"}),
    ("reset-gate", {"dh": "g * z + an @ W.T + a @ U.T"}),
    ("reset-gate", {name: BEFORE[name] for name in ("dr", "dh", "dW")}),
]


def gru_step(lines: dict[str, str]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(x: Any, h: Any, Wx: Any, Wh: Any, b: Any, gru_param: Any) -> Any:
        H = h.shape[1]
        r, z = np.split(sigmoid(x @ Wx[:, : 2 * H] + h @ Wh[:, : 2 * H] + b[: 2 * H]), 2, axis=1)
        U, W = Wh[:, : 2 * H], Wh[:, 2 * H :]
        n = np.tanh(x @ Wx[:, 2 * H :] + b[2 * H :] + ((r * h) @ W if gru_param["reset"] == "before" else r * (h @ W)))
        # Either meaning of z, so that these are the layer's own arguments, and no other reading is tried.
        next_h = z * h + (1 - z) * n if gru_param["update"] == "keep" else (1 - z) * h + z * n
        return next_h, {"x": x, "h": h, "Wx": Wx, "U": U, "W": W, "r": r, "z": z, "n": n, "next_h": next_h}

    def backward(g: Any, cache: Any) -> Any:
        v = run_lines(lines, **cache, g=g)
        return v["dx"], v["dh"], v["dWx"], v["dWh"], v["db"]

    return forward, backward


@pytest.mark.long
def test_faults_of_a_step_are_named() -> None:
    case_type: Any = STEP.case
    for reset, right, faults in (("before", BEFORE, FAULTS), ("after", AFTER, FAULTS_AFTER)):
        case = case_type(N=2, D=2, H=3, reset=reset)
        assert_named("right", [case], gru_step(right), None)
        for code, fault in faults:
            assert_named(str(fault), [case], gru_step({**right, **fault}), code)


TEXT = """
import numpy as np

def sigmoid(a):
    return 1 / (1 + np.exp(-a))

def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    ax, ah = x @ Wx + b, prev_h @ Wh
    {first}, {second} = (sigmoid(ax[:, k * H:(k + 1) * H] + ah[:, k * H:(k + 1) * H]) for k in range(2))
    n = np.tanh(ax[:, 2 * H:] + {product})
    next_h = {next_h}
    return next_h, (x, prev_h)

def gru_step_backward(dnext_h, cache): ...
"""
FORMS = [
    ("r", "z", "(r * prev_h) @ Wh[:, 2 * H:]", "z * prev_h + (1 - z) * n", "the reset gate before the product"),
    (
        "r",
        "z",
        "r * ah[:, 2 * H:]",
        "(1 - z) * prev_h + z * n",
        "the reset gate after the product, z as the share that is new",
    ),
    ("z", "r", "(r * prev_h) @ Wh[:, 2 * H:]", "(1 - z) * n + z * prev_h", "gates in the order z, r, n"),
]


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_variants_are_found_by_trying(form: tuple[str, ...], tmp_path: Path) -> None:
    first, second, product, next_h, said = form
    path = tmp_path / f"gru{abs(hash(form))}.py"
    text = TEXT.format(first=first, second=second, product=product, next_h=next_h)
    path.write_text(text, encoding="utf-8")
    implementation = find(str(path), LAYERS["gru-step"])
    assert said in (implementation.convention or "")
    cases = [case for case in LAYERS["gru-step"].standard() if case.geometry["H"] == 3]
    results = [check_case(case, implementation, Settings()) for case in cases]
    forwards = [result.forward.verdict for result in results if result.forward]
    assert set(forwards) == {"pass"}
