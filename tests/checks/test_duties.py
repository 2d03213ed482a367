"""The duties of a backward pass: each breach is found and named, and correct layers have none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv import standard
from gradcheck_cli.layers.conv_fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv_naive import conv_backward_naive, conv_forward_naive
from tests.faults.conv import planted
from tests.faults.duties import BREACHES

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.result import CaseResult

NAMES = (
    "shapes",
    "finite",
    "deterministic",
    "linear_in_cotangent",
    "inputs_unchanged",
    "independent_caches",
    "not_vacuous",
)


def broken(result: CaseResult) -> set[str]:
    assert tuple(result.duties) == NAMES
    for duty in result.duties.values():
        assert (duty.reason is None) is (duty.verdict is Verdict.PASS)
    return {name for name, duty in result.duties.items() if duty.verdict is Verdict.FAIL}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
@pytest.mark.parametrize(
    "pair", [(conv_forward_naive, conv_backward_naive), (conv_forward_fast, conv_backward_fast)], ids=["naive", "fast"]
)
def test_correct_layers_do_all_their_duties(pair: Any, dtype: str) -> None:
    for seed in range(3):
        for case in standard():
            result = check(replace(case, dtype=dtype, seed=seed), pair)
            assert broken(result) == set(), case.label()
            assert result.passed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BREACHES)
def test_every_breach_is_found_and_named(name: str, dtype: str) -> None:
    make, duty = BREACHES[name]
    for case in standard()[:8]:
        result = check(replace(case, dtype=dtype), make())
        if duty == "not_vacuous":
            assert result.verdict is Verdict.FAIL  # forward is not the reference's
            assert result.duties[duty].verdict is Verdict.INCONCLUSIVE
            continue
        assert broken(result) == {duty}, case.label()
        assert result.verdict is Verdict.FAIL
        assert str(result.duties[duty].reason) in str(result.reason)


@pytest.mark.parametrize("name", ["applies_the_optimiser", "writes_into_x", "writes_into_the_cotangent"])
def test_gradients_of_a_layer_that_writes_into_its_inputs_are_still_judged(name: str) -> None:
    result = check(ConvCase(), BREACHES[name][0]())
    assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.PASS}
    written = {"applies_the_optimiser": "w", "writes_into_x": "x", "writes_into_the_cotangent": "dout"}[name]
    assert result.reason == f"{written} was written into"


@pytest.mark.parametrize(
    ("fault", "duty"), [("flattened", "shapes"), ("db_left_out", "shapes"), ("nan_in_one_element", "finite")]
)
def test_form_and_finiteness_are_duties_too(fault: str, duty: str) -> None:
    result = check(ConvCase(), planted(fault))
    assert broken(result) == {duty}
    assert result.reason is not None
    assert result.reason.count(result.duties[duty].reason or "-") == 1


def test_a_breach_costs_little() -> None:
    calls = {"forward": 0, "backward": 0}

    def forward(*args: Any) -> Any:
        calls["forward"] += 1
        return conv_forward_naive(*args)

    def backward(dout: Array, cache: Any) -> Any:
        calls["backward"] += 1
        return conv_backward_naive(dout, cache)

    result = check(ConvCase(), (forward, backward))
    differences = sum(gradient.evaluations for gradient in result.gradients.values())
    # The first run, one to learn whether float64 is accepted, two at the point, and three for the duties.
    assert calls == {"forward": differences + 2 + 2 + 3, "backward": 1 + 6}


def test_a_cotangent_of_zero_may_raise_and_is_told() -> None:
    def backward(dout: Array, cache: Any) -> Any:
        if not dout.any():
            raise ValueError("nothing to do")
        return conv_backward_naive(dout, cache)

    result = check(ConvCase(), (conv_forward_naive, backward))
    assert broken(result) == {"linear_in_cotangent"}
    assert "ValueError: nothing to do" in (result.reason or "")


def test_a_geometry_in_which_nothing_is_seen_is_said_to_be_so() -> None:
    only_pad = ConvCase(H=1, W=1, HH=1, WW=1, stride=2, pad=1)
    result = check(only_pad)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.duties["not_vacuous"].reason == (
        "forward does not depend on x and w: zero is right, and little could be wrong"
    )
    assert np.all([gradient.verdict is Verdict.PASS for gradient in result.gradients.values()])


@pytest.mark.parametrize("layer", ["batchnorm", "spatial-batchnorm", "layernorm", "groupnorm"])
def test_a_set_of_one_element_shows_nothing_whatever_terms_cancel_in_it(layer: str) -> None:
    sizes = {"batchnorm": "N", "spatial-batchnorm": "NHW", "layernorm": "D", "groupnorm": "CHWG"}
    make: Any = LAYERS[layer].case
    result = check(make(**dict.fromkeys(sizes[layer], 1)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (result.reason or "").startswith("forward does not depend on x and gamma")
