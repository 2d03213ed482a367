"""Results survive encoding as JSON: every field, of every kind of result, to the last bit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli.checks.check import check_case, failed_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import ConvCase, standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.function import FunctionCase
from gradcheck_cli.results.encoding import decode, encode
from gradcheck_cli.results.result import CaseResult, Verdict


def through_json(result: CaseResult) -> CaseResult:
    return decode(json.loads(json.dumps(encode(result), allow_nan=False)))


def spoilt(dx: float = 0.0, db: float = 1.0) -> Any:
    def backward(dout: Any, cache: Any) -> Any:
        wrong = [grad.copy() for grad in conv_backward_naive(dout, cache)]
        wrong[0][..., -1, :] += np.asarray(dx, wrong[0].dtype)
        wrong[2] *= db
        return wrong[0], wrong[1], wrong[2] if db else None

    implementation = from_functions((conv_forward_naive, backward), LAYERS["conv"], "layers.py")
    return replace(implementation, name="naïve \x1b\n")


def many() -> Iterator[CaseResult]:
    settings = Settings(keep_arrays=True)
    for number, dtype in enumerate(("float16", "float32", "float64", "longdouble")):
        for case in standard()[number::4]:
            yield check_case(replace(case, dtype=dtype), spoilt(), settings)
        for implementation in (spoilt(1.0), spoilt(math.nan), spoilt(math.inf), spoilt(db=2.0), spoilt(db=0.0)):
            yield check_case(ConvCase(N=2, dtype=dtype, pad=(0, 1)), implementation, settings)
    yield check_case(ConvCase(H=1, pad=0), spoilt(), settings)
    yield check_case(LAYERS["mse"].case(), built_in(LAYERS["mse"], "vectorized"), settings)  # an output without axes
    yield check_case(ConvCase(N=2), spoilt(1.0), Settings(keep_wrong=True, sweep_wrong=True))
    yield check_case(ConvCase(C=8, F=8, seed=2**60), spoilt(), Settings(method="projected"))
    yield failed_case(ConvCase(), "a", None, settings, "hung", "Traceback")
    yield replace(failed_case(ConvCase(), "a", None, settings, "hung"), output="\udcff\n", warnings=("one", "two"))


def same(one: Any, other: Any) -> bool:
    """Compare all fields, those too that equality leaves out, and types too: a tuple is no list."""
    if type(one) is not type(other) and not isinstance(one, float):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, float):
        return isinstance(other, float) and (one == other or (math.isnan(one) and math.isnan(other)))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return bool(one == other)


def test_real_results_come_back_whole() -> None:
    results = list(many())
    assert {result.verdict for result in results} >= {Verdict.PASS, Verdict.FAIL, Verdict.SKIP, Verdict.ERROR}
    assert any(result.diagnosis for result in results)
    assert any(result.sweeps for result in results)
    assert any(gradient.picture for result in results for gradient in result.gradients.values())
    for result in results:
        assert same(through_json(result), result), result


def test_a_difference_is_seen() -> None:
    result = check_case(ConvCase(), spoilt(), Settings(keep_arrays=True))
    assert not same(replace(result, seconds=-1.0), result)
    assert not same(replace(result, output="more"), result)
    grown = {**result.gradients, "dx": replace(result.gradients["dx"], arrays=None)}
    assert not same(replace(result, gradients=grown), result)


@pytest.mark.parametrize("data", [{}, {"case": {}}, {"implementation": "a", "verdict": "great"}, {"more": 1}])
def test_what_is_no_result_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(data)


def test_every_layer_can_be_read_back() -> None:
    for layer in LAYERS.values():
        for case in layer.standard():
            assert through_json(failed_case(case, "a", None, Settings(), "no")).case == case


def test_sizes_of_several_axes_can_be_read_back() -> None:
    case = FunctionCase(shape={"x": (2, 3)}, value={"input_shape": (2, 3), "axis": 1})
    assert through_json(failed_case(case, "a", None, Settings(), "no")).case == case
