"""Layers that serve for every step of another one: what they keep is the gradient of their last call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.conventions.parts import last_calls
from gradcheck_cli.implementation.finding.examine import examine
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

_NOT_CHECKED = "the gradient of after_weights is that of the last of several calls; it is not checked"

_ELMAN = """\
import numpy as np


class _Linear:
    def __init__(self, n, m):
        self.weights, self.gradient_weights = np.random.rand(n, m), None

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, error):
        {keep}
        return error @ self.weights.T


class Elman:
    def __init__(self, input_size, hidden_size, output_size):
        self.sizes = input_size, hidden_size, output_size
        self.into, self.after = _Linear(input_size + hidden_size, hidden_size), _Linear(hidden_size, output_size)

    def forward(self, x):
        self.kept, h, out = [], np.zeros((1, self.sizes[1])), np.zeros((len(x), self.sizes[2]))
        for t in range(len(x)):
            both = np.hstack([x[t : t + 1], h])
            h = np.tanh(self.into.forward(both))
            out[t] = self.after.forward(h)[0]
            self.kept.append((both, h))
        return out

    def backward(self, error):
        dx, later = np.zeros((len(error), self.sizes[0])), 0
        d_into, d_after = np.zeros_like(self.into.weights), np.zeros_like(self.after.weights)
        self.into.gradient_weights = self.after.gradient_weights = None
        for t in reversed(range(len(error))):
            self.into.x, self.after.x = self.kept[t]
            dh = self.after.backward(error[t : t + 1]) + later
            both = self.into.backward(dh * (1 - self.after.x**2))
            dx[t], later = both[0, : self.sizes[0]], both[:, self.sizes[0] :]
            d_into += self.into.gradient_weights
            d_after += self.after.gradient_weights
        {sums}
        return dx
"""
_LAST, _ADDED = (
    "self.gradient_weights = self.x.T @ error",
    "self.gradient_weights = self.x.T @ error + (0 if self.gradient_weights is None else self.gradient_weights)",
)
_INTO = "self.into.gradient_weights = d_into"

#: What a layer keeps of its calls, which sums are kept, the verdict, and of what no gradient is checked.
KEPT = {
    "one sum": (_LAST, _INTO, Verdict.PASS, (_NOT_CHECKED,)),
    "both sums": (_LAST, f"{_INTO}; self.after.gradient_weights = d_after", Verdict.PASS, ()),
    "layers that add up": (_ADDED, "pass", Verdict.PASS, ()),
    "layers that add up what is wrong": (f"{_ADDED} / 2", "pass", Verdict.FAIL, None),
    "what the last call left, changed": (_LAST, f"{_INTO}; self.after.gradient_weights *= 2", Verdict.FAIL, None),
    "a wrong sum": (_LAST, f"{_INTO}; self.into.gradient_weights[0] = 1", Verdict.FAIL, None),
}


@pytest.mark.parametrize("name", one_in(3, KEPT))
def test_the_gradient_of_the_last_call_is_not_taken_for_the_sum_of_all(name: str, tmp_path: Path) -> None:
    keep, sums, verdict, warnings = KEPT[name]
    path = tmp_path / "elman.py"
    path.write_text(_ELMAN.format(keep=keep, sums=sums), encoding="utf-8")
    loader = Loader()
    (offer,) = take_inventory(str(path), loader).offers
    found = examine(offer, loader)
    assert found is not None
    for case in found.cases[:2]:
        code = find(offer.spec, LAYERS[found.layer], loader=loader, case=case)
        assert warnings is None or code.warnings == warnings
        assert check_case(case, code, Settings()).verdict is verdict


def test_what_parts_write_anew_in_the_last_of_several_calls_is_gathered_and_nothing_else_is_left() -> None:
    class Part:
        def __init__(self) -> None:
            self.kept, self.sum = np.zeros(1), np.zeros(1)

        def backward(self, by: float) -> float:
            self.kept, self.sum = np.array([by]), self.sum + by
            return by

    class Whole:
        def __init__(self) -> None:
            self.one, self.others, self.number = Part(), [Part(), Part()], 3

    whole = Whole()
    with last_calls(whole, "backward") as kept:
        assert [whole.one.backward(1.0), whole.others[1].backward(2.0), whole.others[1].backward(3.0)] == [1, 2, 3]
    assert kept == {("others", 1, "kept"): np.array([3.0])}
    assert whole.others[1].sum == 5.0
    assert {*vars(whole.one)} == {"kept", "sum"}
