"""Each planted fault has its own code wherever it differs from the others; nothing else is explained."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import CaseResult, ConvCase, Verdict, check
from gradcheck_cli.layers.conv.conv import LAYER, standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.numeric.arrays import epsilon
from tests.faults.conv import faulty_pair
from tests.sampling import one_in

#: What each fault is to be called. Those that are not here have nothing to add to the reason about their form.
CODES = {
    "dx_doubled": "factor",
    "dw_negated": "factor",
    "dw_divided_by_samples": "factor",
    "db_averaged": "factor",
    "dw_times_a_constant": "factor",
    "dx_added_for_each_position": "factor",
    "db_of_first_sample": "bias-axes",
    "db_over_too_few_axes": "bias-axes",
    "db_over_filters_too": "bias-axes",
    "kernel_rotated_in_dx": "kernel-rotated",
    "kernel_transposed_in_dw": "kernel-transposed",
    "kernel_transposed_in_dx": "kernel-transposed",
    "kernel_upside_down_in_dx": "kernel-flipped",
    "filters_reversed_in_dx": "filters-permuted",
    "filters_rolled_in_dw": "filters-permuted",
    "channels_reversed_in_dx": "channels-permuted",
    "samples_reversed_in_dx": "samples-permuted",
    "empty_crop": "crop-empty",
    "crop_fixed_at_one": "crop-fixed",
    "not_cropped": "crop-missing",
    "cropped_on_the_wrong_side": "crop-wrong-side",
    "cropped_square": "crop-square",
    "pad_fixed_at_one": "pad-fixed-at-1",
    "stride_ignored_in_dx": "stride-ignored",
    "dilated_for_stride_two": "stride-misdilated",
    "looped_over_the_input": "loop-over-input-size",
    "windows_counted_without_pad": "loop-over-input-size",
    "formula_for_same_size": "same-size-only",
    "assigned_instead_of_accumulated": "assigned-not-accumulated",
    "assigned_over_filters_in_dx": "assigned-not-accumulated",
    "assigned_in_dw_and_db": "assigned-not-accumulated",
    "assigned_over_samples_in_dw": "assigned-not-accumulated",
    "last_row_of_windows_missed": "last-windows-missed",
    "last_column_of_windows_missed": "last-windows-missed",
    "last_row_and_column_of_windows_missed": "last-windows-missed",
    "last_sample_missed": "last-sample-missed",
    "last_sample_missed_in_dw": "last-sample-missed",
    "last_filter_missed_in_dw": "last-filter-missed",
    "last_filter_missed_in_dx": "last-filter-missed",
    "last_channel_missed": "last-channel-missed",
    "first_channel_left_out": "unfinished",
    "height_and_width_confused": "height-width-confused",
    "cotangent_taken_for_ones": "cotangent-ones",
    "cotangent_taken_for_its_mean": "cotangent-mean",
    "flattened": "reshaped",
    "column_for_db": "reshaped",
    "channels_last_in_dx": "transposed",
    "samples_and_channels_exchanged_in_dx": "transposed",
    "reshaped_instead_of_transposed": "reshaped-not-transposed",
    "in_the_wrong_order": "wrong-order",
    "left_at_zero": "zero",
    "float32_inside_float64": "float32-inside",
    "narrower_inside": "narrower",
    "assigned_by_place_in_dx": "assigned-not-accumulated",
    "dout_reshaped_to_rows": "reshaped-not-transposed",
    "dout_reshaped_to_filters": "reshaped-not-transposed",
    "dout_transposed_with_samples_before_positions": "reshaped-not-transposed",
    "columns_reshaped_in_dx": "reshaped-not-transposed",
    "cropped_along_channels_and_rows": "crop-wrong-axes",
    "rows_that_no_window_reaches_lost": "unseen-left-out",
    "kernel_gradient_of_the_whole_image": "unseen-left-out",
    "columns_counted_by_the_kernels_height": "size-of-wrong-axis",
    "pad_left_out_of_dw": "pad-ignored",
    "first_of_dout_for_all": "cotangent-first",
    "first_of_dout_alone": "cotangent-first",
}


#: What one code may stand for in one dtype.
NARROWER = {"float64": "float32-inside", "float32": "float16-inside", "longdouble": "float32-inside", "float16": "none"}


#: Geometries besides the standard set on which faults written for squares differ further.
CASES = (
    *standard(),
    ConvCase(N=3, C=4, H=6, W=9, F=5, HH=3, WW=2, stride=1, pad=2),
    ConvCase(N=2, C=3, H=9, W=9, F=4, stride=3, pad=2),
    ConvCase(N=2, C=2, H=7, W=8, F=3, HH=4, WW=2),
)


def code_of(fault: str, dtype: str) -> str:
    return NARROWER[dtype] if CODES[fault] == "narrower" else CODES[fault]


@cache
def all_returned(case: ConvCase) -> dict[str, dict[str, Any]]:
    """Return what every fault returns in a case, by its name and the gradient's."""
    problem = LAYER.problem(case)
    x, w, b = problem.inputs.values()
    _, stored = conv_forward_naive(x, w, b, dict(problem.parameters or {}))
    return {
        name: dict(zip(("dx", "dw", "db"), faulty_pair(name)[1](problem.cotangent, stored), strict=False))
        for name in CODES
    }


@cache
def exact_gradients(case: ConvCase) -> tuple[Any, ...]:
    problem = LAYER.problem(case)
    x, w, b = problem.inputs.values()
    _, stored = conv_forward_naive(x, w, b, dict(problem.parameters or {}))
    return conv_backward_naive(problem.cotangent, stored)


def same(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    largest = abs(b).max(initial=0)
    return bool(np.allclose(a.astype(float), b.astype(float), rtol=0, atol=20 * epsilon(b.dtype) * largest))


def named_code(result: CaseResult, name: str) -> str | None:
    """Return the code of the diagnosis whose cause names a gradient."""
    codes = [found.code for found in result.diagnosis if re.search(rf"\b{name}\b", found.text.split(". ")[0])]
    assert len(codes) <= 1, result.diagnosis
    return codes[0] if codes else None


def right_names(case: ConvCase, name: str, array: Any) -> set[str]:
    """Return the codes of all faults that come to the same array in this case."""
    returned = all_returned(case)
    codes = {code_of(fault, case.dtype) for fault, arrays in returned.items() if same(arrays[name], array)}
    exact = returned["left_at_zero" if name == "dx" else "dx_doubled"][name]
    if array.size and not array.any():
        codes.add("zero")
    if array.shape != exact.shape and array.size == exact.size and same(array.reshape(exact.shape), exact):
        codes.add("reshaped")
    return codes


#: How many cases are checked: two in float64, and one in another, which is each in turn, to show that none misleads.
MOST = {"float64": 2, "float32": 1, "longdouble": 1, "float16": 1}


#: Elements of a gradient, or wrong ones, that may be too few to be sure of a cause.
FEW = {"float64": 1, "longdouble": 1, "float32": 2, "float16": 6}


def distinct_cases(fault: str, dtype: str) -> list[ConvCase]:
    """Choose cases in which a fault is wrong: some in which it differs from all others, and the last of all."""
    cases = [replace(case, dtype=dtype) for case in CASES]
    wrong = [case for case in cases if wrong_gradients(fault, case)]
    own = {code_of(fault, dtype)}
    clear = (
        case for case in wrong if own in [right_names(case, *each) for each in wrong_gradients(fault, case).items()]
    )
    chosen = [*itertools.islice(clear, max(1, MOST[dtype] - 1))]
    assert chosen or dtype != "float64"
    return [*dict.fromkeys([*chosen, *[*wrong][-1:]])][: MOST[dtype]]


def wrong_gradients(fault: str, case: ConvCase) -> dict[str, Any]:
    exact = dict(zip(("dx", "dw", "db"), exact_gradients(case), strict=True))
    return {name: array for name, array in all_returned(case)[fault].items() if not same(array, exact[name])}


@pytest.mark.parametrize("fault", one_in(6, CODES))
def test_each_fault_has_its_code_wherever_it_differs_from_the_others(fault: str) -> None:
    first, *others = MOST
    turn = others[list(CODES).index(fault) % len(others)]
    for dtype in MOST if CODES[fault] == "narrower" else (first, turn):
        results = {case: check(case, faulty_pair(fault)) for case in distinct_cases(fault, dtype)}
        distinct = 0
        for case, result in results.items():
            for name, gradient in result.gradients.items():
                code = named_code(result, name)
                if gradient.verdict is not Verdict.FAIL:
                    assert code is None
                    continue
                array = all_returned(case)[fault][name]
                codes = right_names(case, name, array)
                if code is None:  # too few numbers to be sure
                    assert array.size <= FEW[dtype] or (
                        gradient.wrong and dtype in ("float32", "float16") and gradient.wrong.count <= FEW[dtype]
                    )
                    continue
                assert code in codes, f"{case.label()}: {result.diagnosis}"
                distinct += codes == {code_of(fault, dtype)}
        if dtype == "float64":
            failed = sum(not result.passed for result in results.values())
            assert distinct
            explained = sum(bool(result.diagnosis) for result in results.values())
            assert explained >= failed - 1  # a single element that is off by no simple factor


@pytest.mark.parametrize("size", one_in(2, [1, 1e-3, 1e-6, 1e-12]))
def test_noise_is_not_explained(size: float) -> None:
    """Random errors of any size, in all elements or in a few, have no cause that could be named."""
    dtypes = itertools.cycle(("float16", "float32", "float64", "longdouble"))
    for seed, (case, dtype) in enumerate(zip(CASES[::4], dtypes, strict=False)):
        source = np.random.default_rng(seed)

        def noisy(array: Any, source: Any = source) -> Any:
            noise = source.normal(size=array.shape) * (source.random(array.shape) < source.choice([0.2, 1]))
            return (array * (1 + size * noise)).astype(array.dtype)

        def backward(dout: Any, stored: Any, noisy: Any = noisy) -> Any:
            return tuple(noisy(gradient) for gradient in conv_backward_naive(dout, stored))

        result = check(replace(case, dtype=dtype, seed=seed), (conv_forward_naive, backward))
        assert result.diagnosis == (), result.summary()


def test_unrelated_numbers_are_not_explained() -> None:
    for seed, case in enumerate(CASES[::2]):
        source = np.random.default_rng(seed)

        def backward(dout: Any, stored: Any, source: Any = source) -> Any:
            return tuple(source.normal(size=array.shape).astype(array.dtype) for array in stored[:3])

        dtype = ("float16", "float32", "float64")[seed % 3]
        assert check(replace(case, dtype=dtype), (conv_forward_naive, backward)).diagnosis == ()


@pytest.mark.parametrize("pair", ["fast", "naive"])
def test_right_layers_have_no_diagnosis(pair: str) -> None:
    for number, case in enumerate(CASES):
        dtype = ("float16", "float32", "float64", "longdouble")[number % 4]
        assert check(replace(case, dtype=dtype), pair).diagnosis == ()
