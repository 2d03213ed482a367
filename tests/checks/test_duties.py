"""The duties of a backward pass: each breach is found and named, and correct layers have none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check, check_function
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import standard
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from tests.faults.conv import faulty_pair
from tests.faults.duties import BREACHES
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

NAMES = (
    "shapes",
    "finite",
    "deterministic",
    "linear_in_cotangent",
    "inputs_unchanged",
    "independent_caches",
    "memory_layouts",
    "not_vacuous",
)


def broken(result: CaseResult) -> set[str]:
    assert tuple(result.duties) == NAMES
    for duty in result.duties.values():
        assert (duty.reason is None) is (duty.verdict is Verdict.PASS)
    return {name for name, duty in result.duties.items() if duty.verdict is Verdict.FAIL}


@pytest.mark.parametrize("dtype", one_in(2, ["float16", "float32", "float64", "longdouble"]))
@pytest.mark.parametrize(
    "pair", [(conv_forward_naive, conv_backward_naive), (conv_forward_fast, conv_backward_fast)], ids=["naive", "fast"]
)
def test_correct_layers_do_all_their_duties(pair: Any, dtype: str) -> None:
    for seed, case in enumerate(standard()[::2]):
        result = check(replace(case, dtype=dtype, seed=seed), pair)
        assert broken(result) == set(), case.label()
        assert result.passed


@pytest.mark.parametrize("name", BREACHES)
def test_every_breach_is_found_and_named(name: str) -> None:
    make, duty = BREACHES[name]
    for number, case in enumerate(standard()[:4]):
        result = check(replace(case, dtype=("float32", "float64")[number % 2]), make())
        if duty == "not_vacuous":
            assert result.verdict is Verdict.FAIL  # forward is not the reference's
            assert result.duties[duty].verdict is Verdict.INCONCLUSIVE
            continue
        assert broken(result) == {duty}, case.label()
        assert result.verdict is Verdict.FAIL
        assert str(result.duties[duty].reason) in str(result.reason)


@pytest.mark.parametrize("name", ["applies_the_optimizer", "writes_into_x", "writes_into_the_cotangent"])
def test_gradients_of_a_layer_that_writes_into_its_inputs_are_still_judged(name: str) -> None:
    result = check(ConvCase(), BREACHES[name][0]())
    assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.PASS}
    written = {"applies_the_optimizer": "w", "writes_into_x": "x", "writes_into_the_cotangent": "dout"}[name]
    assert result.reason == f"{written} was modified in place"


@pytest.mark.parametrize(
    ("fault", "duty"), [("flattened", "shapes"), ("db_left_out", "shapes"), ("nan_in_one_element", "finite")]
)
def test_form_and_finiteness_are_duties_too(fault: str, duty: str) -> None:
    result = check(ConvCase(), faulty_pair(fault))
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
    (differences,) = {gradient.evaluations for gradient in result.gradients.values()}
    # The first run, the differences, four for the duties, and at integers one and another for each input.
    assert calls == {"forward": 1 + differences + 4 + 4, "backward": 1 + 8 + 1}


def test_an_error_for_a_cotangent_of_zero_is_reported() -> None:
    def backward(dout: Array, cache: Any) -> Any:
        if not dout.any():
            raise ValueError("nothing to do")
        return conv_backward_naive(dout, cache)

    result = check(ConvCase(), (conv_forward_naive, backward))
    assert broken(result) == {"linear_in_cotangent"}
    assert "ValueError: nothing to do" in (result.reason or "")


def test_a_gradient_that_is_no_number_where_the_cotangent_is_zero_is_reported() -> None:
    def normalized(dout: Array, cache: Any) -> Any:
        norm = np.sqrt((dout**2).sum())
        with np.errstate(invalid="ignore"):
            return [norm * gradient for gradient in conv_backward_naive(dout / norm, cache)]

    result = check(ConvCase(), (conv_forward_naive, normalized))
    assert broken(result) == {"linear_in_cotangent"}
    assert result.reason == "dx, dw and db are not zero where dout is zero"


def test_what_is_infinite_need_not_be_zero_where_the_cotangent_is_zero() -> None:
    def backward(dout: Array, x: Array) -> Array:
        return np.asarray(dout / (2 * np.sqrt(x)))

    with np.errstate(divide="ignore", invalid="ignore"):
        result = check_function(np.sqrt, backward, np.array([0.0, 1.0, 2.0]))
    assert "dx is infinite in 1 of 3 elements" in (result.reason or "")
    assert "not zero" not in (result.reason or "")


def test_a_geometry_that_can_show_no_fault_is_reported() -> None:
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


def _pops(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    out, cache = conv_forward_naive(x, w, b, conv_param)
    return out, [cache]


def _emptied(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    out, cache = conv_forward_naive(x, w, b, conv_param)
    return out, ({"kept": cache},)


def _from_emptied(dout: Any, cache: Any) -> Any:
    gradients = conv_backward_naive(dout, cache[0]["kept"])
    cache[0].clear()
    return gradients


@pytest.mark.parametrize(
    ("pair", "error"),
    [
        ((_pops, lambda dout, cache: conv_backward_naive(dout, cache.pop())), "IndexError: pop from empty list"),
        ((_emptied, _from_emptied), "KeyError: 'kept'"),
    ],
    ids=["pops", "clears"],
)
def test_a_cache_that_serves_once_is_reported_and_the_first_gradients_are_judged(pair: Any, error: str) -> None:
    result = check(ConvCase(), pair)
    assert broken(result) == {"deterministic"}
    assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.PASS}
    assert (result.reason or "").startswith("called a second time with the same cache, ")
    assert f"raised {error} (the first call used up" in (result.reason or "")
    assert check(ConvCase(), pair, skipped_duties=("deterministic",)).passed


def test_an_error_says_which_call_raised() -> None:
    def backward(dout: Any, cache: Any) -> Any:
        if not dout.any():
            raise ZeroDivisionError("no dout")
        return conv_backward_naive(dout, cache)

    result = check(ConvCase(), (conv_forward_naive, backward))
    assert result.reason == "called with a zero cotangent, backward raised ZeroDivisionError: no dout"

    seen: list[Any] = []

    def once(dout: Any, cache: Any) -> Any:
        seen.append(dout)
        if len(seen) > 1:
            raise RuntimeError("spent")
        return conv_backward_naive(dout, cache)

    result = check(ConvCase(), (conv_forward_naive, once))
    assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.PASS}
    assert result.duties["deterministic"].reason == (
        "called again, with the cache of another forward, once raised RuntimeError: spent"
    )


def _accumulating(kept: dict[str, Any], *, in_cache: bool) -> Any:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out, (cache, {} if in_cache else kept)

    def backward(dout: Any, stored: Any) -> Any:
        cache, sums = stored
        dx, dw, db = conv_backward_naive(dout, cache)
        sums["dw"] = sums.get("dw", 0) + dw
        sums["db"] = sums.get("db", 0) + db
        return dx, sums["dw"], sums["db"]

    return forward, backward


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_cache", [False, True])
def test_gradients_that_are_added_up_are_reported_and_can_be_accepted(in_cache: bool, dtype: str) -> None:
    for case in (replace(case, dtype=dtype) for case in standard()[:4]):
        result = check(case, _accumulating({}, in_cache=in_cache))
        assert broken(result) == {"deterministic"}
        assert (result.reason or "").startswith("dw and db are added up when backward is called again")
        assert ("same cache" in (result.reason or "")) is in_cache
        assert "--skip-duty deterministic" in (result.reason or "")
        assert check(case, _accumulating({}, in_cache=in_cache), skipped_duties=("deterministic",)).passed


def test_what_is_accepted_is_the_sum_alone() -> None:
    """Of gradients that are added up, each call's share is still held to be linear in the cotangent."""
    forward, backward = _accumulating({}, in_cache=False)

    def clipped(dout: Any, stored: Any) -> Any:
        return backward(np.clip(dout, -1.6, 1.6), stored)

    result = check(ConvCase(), (forward, clipped), skipped_duties=("deterministic",))
    assert {name for name, duty in result.duties.items() if duty.verdict is Verdict.FAIL} == {"linear_in_cotangent"}


@pytest.mark.parametrize(("names", "written"), [(("dnext_h", "dnext_c"), 1), (("grad_h", "grad_c"), 0)])
def test_a_cotangent_that_is_written_into_has_the_name_that_backward_gives_it(
    names: tuple[str, str], written: int
) -> None:
    forward, right = next(iter(LAYERS["lstm-step"].builtin.values()))

    def writes(one: Any, other: Any, cache: Any) -> Any:
        gradients = right(one, other, cache)
        (one, other)[written][:] = 0
        return gradients

    scope: dict[str, Any] = {"writes": writes}
    exec(f"def backward({', '.join(names)}, cache):\n    return writes({', '.join(names)}, cache)", scope)
    case = next(iter(LAYERS["lstm-step"].standard()))
    assert check(case, (forward, scope["backward"])).reason == f"{names[written]} was modified in place"
    assert check(case, (forward, lambda *given: writes(given[0], *given[1:]))).reason == (
        f"{('one', 'other')[written]} was modified in place"  # as the function calls it that the wrapper hands it on to
    )


def test_a_gradient_in_place_in_dout_has_its_own_name() -> None:
    forward, backward = conv_forward_naive, conv_backward_naive

    def in_place(upstream: Any, cache: Any) -> Any:
        gradients = backward(upstream, cache)
        upstream *= 0
        return gradients

    assert check(ConvCase(), (forward, in_place)).reason == "upstream was modified in place"
