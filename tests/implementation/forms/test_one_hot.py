"""Losses of one-hot labels, and their logarithms of probabilities that underflow to 0."""

from __future__ import annotations

import warnings

import pytest

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.sampling import one_in

_START = """\
def softmax_loss(x, y):
    p = np.exp(x - x.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
"""

#: Losses, and how many of the seven standard cases they pass: one of them has scores that are far apart.
FORMS = {
    "-np.sum(y * np.log(p)) / len(x), (p - y) / len(x)": 6,
    "-np.mean(np.sum(y * np.log(p), axis=1)), (p - y) / len(x)": 6,
    "-np.mean(np.log(p)[y == 1]), (p - y) / len(x)": 6,
    "-np.sum(y * np.log(p + 1e-12)) / len(x), (p - y) / len(x)": 7,
    "-np.sum(y * np.log(np.maximum(p, 1e-300))) / len(x), (p - y) / len(x)": 7,
}
WRONG = {
    "-np.sum(y * np.log(p)) / len(x), p - y": "N = 5 times",
    "-np.sum(y * np.log(p)) / len(x), (p + y) / len(x)": "added",
    "-np.sum(y * np.log(p)), (p - y) / len(x)": "not divided by N",
    "-np.sum(y * np.log2(p)) / len(x), (p - y) / len(x)": "base 2",
}


def results(text: str, layer: str = "softmax") -> list[tuple[Verdict, str]]:
    space: dict[str, object] = {}
    exec(f"import numpy as np\n{text}", space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the logarithm of 0
        found = [check(case, space["softmax_loss"]) for case in LAYERS[layer].standard()]  # type: ignore[arg-type]
    assert all("one-hot" in (result.understood or "") for result in found)
    return [(result.verdict, result.summary()) for result in found]


@pytest.mark.parametrize("returned", one_in(3, FORMS))
def test_a_loss_of_one_hot_labels_passes_where_it_is_a_number(returned: str) -> None:
    found = [verdict for verdict, _ in results(f"{_START}    return {returned}\n")]
    assert found.count(Verdict.PASS) == FORMS[returned]
    assert set(found) <= {Verdict.PASS, Verdict.SKIP, Verdict.FAIL}
    assert (Verdict.FAIL in found) == ("[y == 1]" in returned)  # it is infinite: that is no 0 times a logarithm


def test_a_temporal_one_too() -> None:
    text = _START.replace("x, y", "x, y, mask") + "    m = mask[..., None]\n"
    right = "    return -np.sum(m * y * np.log(p)) / len(x), (p - y) * m / len(x)\n"
    assert {verdict for verdict, _ in results(text + right, "temporal-softmax")} == {Verdict.PASS, Verdict.SKIP}
    wrong = results(text + right.replace("(p - y) * m", "p - y"), "temporal-softmax")
    assert Verdict.FAIL in {verdict for verdict, _ in wrong}


def test_a_wrong_one_fails_with_its_cause() -> None:
    for returned, cause in WRONG.items():
        (verdict, summary), *_ = results(f"{_START}    return {returned}\n")
        assert verdict is Verdict.FAIL
        assert cause in summary


def test_a_loss_that_overflows_fails() -> None:
    text = _START.replace(" - x.max(axis=-1, keepdims=True)", "")
    found = results(f"{text}    return {next(iter(FORMS))}\n")
    assert found[-1][0] is Verdict.FAIL
    assert "largest score is not subtracted" in found[-1][1]
