"""Inputs that are 0, as half of them are behind a rectifier: a backward pass may be wrong there alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.dense.affine import affine_backward, affine_forward
from gradcheck_cli.layers.elementwise.dropout import DropoutCase
from gradcheck_cli.layers.elementwise.sigmoid import tanh_backward, tanh_forward
from gradcheck_cli.layers.framework.problem import with_zeros
from tests.sampling import one_in

#: Forward has a kink at 0, or compares its inputs with each other.
KINKED = {"relu", "leaky-relu", "elu", "maxpool", "maxpool1d", "svm"}


#: Or takes logarithms of them.
POSITIVE = {"bce", "cross-entropy", "kl-divergence"}


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "function"])
def test_some_of_x_is_zero_where_forward_is_smooth_there(name: str) -> None:
    counts = set()
    for seed in range(3):
        for case in LAYERS[name].standard():
            x = next(iter(LAYERS[name].problem(replace(case, seed=seed)).inputs.values()))
            if x.dtype.kind != "f":
                return  # words
            zeros = int((x == 0).sum())
            none = name in KINKED | POSITIVE or case.geometry.get(
                "shift"
            )  # a score of 0 among those of 1000 is no shift
            assert zeros == (0 if none else x.size // 8), case
            counts.add(zeros)
    assert counts == {0} or (name not in KINKED | POSITIVE and max(counts) >= 1)


def test_zeros_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    values = (np.arange(40) - 19.5).reshape(5, 8)
    places = [np.flatnonzero(with_zeros(values, seed) == 0).tolist() for seed in (0, 0, 1)]
    assert len(places[0]) == 5
    assert places[0] == places[1] != places[2]
    assert with_zeros(values[:, 0], 0).all()  # of fewer than eight none is
    assert with_zeros(values + 20, 0).all()  # nor where all have one sign
    assert values.all()  # a copy is made


def _dropped(x: Any, dropout_param: Any) -> Any:
    if dropout_param["mode"] == "test":
        return x, (x, x, 1.0)
    p = dropout_param["p"]
    out = x * (np.random.default_rng(dropout_param["seed"]).random(x.shape) < p) / p
    return out, (x, out, p)


def _nonzero(dout: Any, cache: Any) -> Any:
    _, out, p = cache
    return dout * (out != 0) / p


def _quotient(dout: Any, cache: Any) -> Any:
    x, out, _ = cache
    return dout * np.divide(out, x, out=np.zeros_like(x), where=x != 0)


def _not_a_number(dout: Any, cache: Any) -> Any:
    x, out, _ = cache
    with np.errstate(all="ignore"):
        return dout * out / x


def _kept_mask(x: Any, dropout_param: Any) -> Any:
    out, _ = _dropped(np.ones_like(x), dropout_param)
    return x * out, out


def _through_quotient(dout: Any, cache: Any) -> Any:
    """Recover a matrix of weights from out / x: fine but for zeros."""
    x, out = cache
    with np.errstate(all="ignore"):
        return dout * np.where(x == 0, 0, (1 - out**2) * (out / x) / (out / np.where(x == 0, 1, x)))


def _positive(dout: Any, cache: Any) -> Any:
    x, _ = cache
    dx, dw, db = affine_backward(dout, cache)
    return np.where(x == 0, 0, dx), dw, db


WRONG: dict[str, tuple[str, Any, Any]] = {
    "dropout, out != 0": ("dropout", _dropped, _nonzero),
    "dropout, out / x": ("dropout", _dropped, _quotient),
    "dropout, NaN": ("dropout", _dropped, _not_a_number),
    "tanh, out / x": ("tanh", lambda x: (np.tanh(x), (x, np.tanh(x))), _through_quotient),
    "affine, x != 0": ("affine", affine_forward, _positive),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", one_in(2, ["float32", "float64"]))
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_where_x_is_zero_is_found_and_named(name: str, dtype: str) -> None:
    layer, forward, backward = WRONG[name]
    found = []
    for seed in range(2):
        for case in LAYERS[layer].standard():
            result = check(replace(case, seed=seed, dtype=dtype), (forward, backward))
            if result.verdict is Verdict.FAIL:
                assert result.gradients["dx"].verdict is Verdict.FAIL
                assert [cause.code for cause in result.diagnosis] == ["wrong-at-zero"], result.summary()
                found.append(seed)
            else:
                x = LAYERS[layer].problem(replace(case, seed=seed)).inputs["x"]
                assert x.all() or layer == "dropout"  # a dropped zero is right
    assert set(found) == {0, 1}


def test_right_code_of_the_same_kind_passes() -> None:
    for seed in range(3):
        for case in LAYERS["dropout"].standard():
            result = check(replace(case, seed=seed), (_kept_mask, lambda dout, mask: dout * mask))
            assert result.passed, result.summary()
        for case in LAYERS["tanh"].standard():
            assert check(replace(case, seed=seed), (tanh_forward, tanh_backward)).passed


def test_a_fault_elsewhere_too_is_another_one() -> None:
    result = check(DropoutCase(shape=(8, 8)), (_dropped, lambda dout, cache: 2 * _nonzero(dout, cache)))
    assert "wrong-at-zero" not in [cause.code for cause in result.diagnosis]
