"""Each planted fault has its own code wherever it differs from the others; nothing else is explained."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import CaseResult, ConvCase, Verdict, check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import LAYER, standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.loss.softmax import SoftmaxCase, softmax_loss
from gradcheck_cli.layers.norm.layernorm import LayernormCase, layernorm_backward, layernorm_forward
from gradcheck_cli.numeric.arrays import epsilon
from tests.faults.conv import faulty_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    Pair = tuple[Callable[..., Any], Callable[..., Any]]

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


@pytest.mark.usefixtures("shared_derivatives")
@pytest.mark.parametrize("fault", CODES)
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


#: Factors as functions of x, w and dout, and the sentence about them at N = 5, C = 3, H = 6, W = 7, F = 4.
FACTORS: dict[str, tuple[Callable[..., Any], str]] = {
    "2": (lambda _x, _w, _g: 2.0, "dx is 2 times the derivative."),
    "-1": (lambda _x, _w, _g: -1.0, "dx has the wrong sign: every element is negated."),
    "1/N": (lambda x, _w, _g: 1 / len(x), "dx is the derivative divided by N = 5, the number of samples."),
    "N": (lambda x, _w, _g: len(x), "dx is N = 5 times the derivative."),
    "1/(H' W')": (lambda _x, _w, g: 1 / g[0, 0].size, "dx is the derivative divided by H' W' = 42."),
    "1/(N H' W')": (lambda x, _w, g: 1 / (len(x) * g[0, 0].size), "dx is the derivative divided by N H' W' = 210."),
    "sqrt(F)": (lambda _x, w, _g: len(w) ** 0.5, "dx is sqrt(F) = 2 times the derivative."),
    "1/sqrt(C)": (lambda x, _w, _g: x.shape[1] ** -0.5, "dx is the derivative divided by sqrt(C) = 1.73205."),
    "N^2": (lambda x, _w, _g: len(x) ** 2, "dx is N^2 = 25 times the derivative."),
    "1/5": (lambda _x, _w, _g: 1 / 5, "dx is 1/5 times the derivative."),  # and not 1/N
    "3/4": (lambda _x, _w, _g: 0.75, "dx is 3/4 times the derivative."),
    "1.2345678": (lambda _x, _w, _g: 1.2345678, "dx is 1.2345678 times the derivative."),
}


@pytest.mark.parametrize("name", FACTORS)
def test_factors_are_named(name: str) -> None:
    factor, sentence = FACTORS[name]

    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx * factor(stored[0], stored[1], dout), dw, db

    for seed in (0, 3):
        case = ConvCase(N=5, C=3, H=6, W=7, F=4, seed=seed)
        (found,) = check(case, (conv_forward_naive, backward)).diagnosis
        assert found.code == "factor"
        assert found.text.startswith(sentence), found.text


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ({"dx": "N"}, ["dx is N = 2 times the derivative."]),
        ({"dx": 2}, ["dx is 2 times the derivative."]),
        (
            {"dx": 2, "dw": "N", "db": "N"},
            ["dw and db are N = 2 times the derivative.", "dx is 2 times the derivative."],
        ),
        ({"dx": "N", "dw": "N", "db": "N"}, ["dx, dw and db are N = 2 times the derivative."]),
        ({"dw": "1/N"}, ["dw is the derivative divided by N = 2, the number of samples."]),
        ({"db": "N"}, ["db is N = 2 times the derivative."]),
        ({"db": 42}, []),  # it is H' W' here, but not elsewhere
        ({"db": -1}, ["db has the wrong sign: every element is negated."]),
        ({"db": 0.75}, ["db is 3/4 times the derivative."]),  # so it is in cases with more filters
        ({"db": 3.5, "dx": 3.5}, ["dx and db are 7/2 times the derivative."]),
    ],
)
def test_equal_sizes_and_numbers_are_distinguished_by_another_case(
    spoil: dict[str, float | str], text: list[str]
) -> None:
    def backward(dout: Any, stored: Any) -> Any:
        factors = {"N": len(dout), "1/N": 1 / len(dout)}
        gradients = zip(("dx", "dw", "db"), conv_backward_naive(dout, stored), strict=True)
        chosen = {name: factors[factor] if isinstance(factor, str) else factor for name, factor in spoil.items()}
        return (*(chosen.get(name, 1) * gradient for name, gradient in gradients),)

    found = check(ConvCase(N=2, C=3, H=6, W=7, F=1), (conv_forward_naive, backward)).diagnosis
    assert sorted(diagnosis.text.partition(". ")[0] + "." for diagnosis in found) == text


def test_a_single_element_that_is_off_by_a_simple_number_is_no_multiple_unless_other_cases_say_so() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx, dw, db * 0.75 ** np.arange(1, db.size + 1)

    assert not check(ConvCase(N=2, C=3, H=6, W=7, F=1), (conv_forward_naive, backward)).diagnosis


def test_a_number_that_is_a_size_of_the_smallest_case_is_a_number() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx, dw, db / 2

    (found,) = check(ConvCase(N=1, C=1, H=4, W=4, F=1, HH=1, WW=1), (conv_forward_naive, backward)).diagnosis
    assert found.text.startswith("db is 1/2 times the derivative.")  # not divided by sqrt(W') = 2


def test_an_eps_that_is_left_out_is_no_factor() -> None:
    """With one feature all of dx is off by the same factor, which is nearly the same for other numbers."""

    def backward(dout: Any, stored: Any) -> Any:
        dx, dgamma, dbeta = layernorm_backward(dout, stored)
        return dx * 1.0000041, dgamma, dbeta

    def forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> Any:
        return layernorm_forward(x, gamma, beta, ln_param)

    assert check(LayernormCase(N=4, D=5), (forward, backward)).diagnosis == ()


def test_factors_that_nothing_tells_apart_are_all_listed() -> None:
    """The code takes this geometry alone."""
    case = ConvCase(N=3, C=2, H=6, W=7, F=9, HH=5, WW=2)

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        assert w.shape == (9, 2, 5, 2)
        return conv_forward_naive(x, w, b, conv_param)

    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return 3 * dx, dw, db

    (found,) = check(case, (forward, backward)).diagnosis
    assert found.text == (
        "dx is 3 times the derivative, a factor of N or sqrt(F). Look for a factor that is left out, or applied twice."
    )


def test_a_cause_that_another_case_refutes_is_not_named() -> None:
    """Sums over the wrong axes and a wrong slice come to the same for a square of ones; elsewhere they do not."""

    def halved_where_the_image_is_square(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx * (0.5 if dx.shape[2:] == (9, 9) else 1), dw, db

    assert check(ConvCase(H=9, W=9, N=2), (conv_forward_naive, halved_where_the_image_is_square)).diagnosis == ()

    def rotated_for_nine(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        turned = w[:, :, ::-1, ::-1] if x.shape[2] == 9 else w
        return conv_backward_naive(dout, (x, turned, b, conv_param))

    assert check(ConvCase(H=9, W=9, N=2), (conv_forward_naive, rotated_for_nine)).diagnosis == ()


@pytest.mark.parametrize(
    ("N", "factor", "text"),
    [
        (2, len, "dx is N = 2 times the derivative. Divide by N, as the loss does."),
        (5, len, "dx is N = 5 times the derivative. Divide by N, as the loss does."),
        (
            5,
            lambda x: 1 / x.shape[1],
            "dx is the derivative divided by C = 3. Look for a division by C that is one too many.",
        ),
        (2, lambda _: 2, "dx is 2 times the derivative. Look for a contribution that is added twice."),
    ],
)
def test_a_loss_divides_by_its_samples_and_has_no_dout(N: int, factor: Callable[[Any], float], text: str) -> None:
    def loss(x: Any, y: Any) -> Any:
        value, gradient = softmax_loss(x, y)
        return value, factor(x) * gradient

    (found,) = check(SoftmaxCase(N=N, C=3), loss).diagnosis
    assert found.text == text


def test_a_gradient_that_is_right_was_not_returned_in_the_place_of_another() -> None:
    def forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> Any:
        return layernorm_forward(x, gamma, beta, ln_param)

    def summed(dout: Any, stored: Any) -> Any:
        dx, _, dbeta = layernorm_backward(dout, stored)
        return dx, dbeta, dbeta

    def exchanged(dout: Any, stored: Any) -> Any:
        dx, dgamma, dbeta = layernorm_backward(dout, stored)
        return dx, dbeta, dgamma

    case = LayernormCase(N=4, D=5)
    assert "wrong-order" not in [found.code for found in check(case, (forward, summed)).diagnosis]
    assert [found.code for found in check(case, (forward, exchanged)).diagnosis] == ["wrong-order"]


def spoilt(name: str, change: Callable[[Any], Any]) -> Pair:
    def backward(dout: Any, stored: Any) -> Any:
        gradients = dict(zip(("dx", "dw", "db"), conv_backward_naive(dout, stored), strict=True))
        return (*{**gradients, name: change(gradients[name])}.values(),)

    return conv_forward_naive, backward


def test_one_cause_of_several_wrong_gradients_is_named_once() -> None:
    case = ConvCase(N=2, H=6, W=7, stride=2)
    (found,) = check(case, faulty_pair("last_row_of_windows_missed")).diagnosis
    assert found.text == "In dx and dw the last row of windows is missed. Loop over all of dout: 3 rows and 4 columns."
    (found,) = check(case, faulty_pair("cotangent_taken_for_ones")).diagnosis
    assert found.text.startswith("In dx, dw and db dout is ignored: it is replaced by ones.")


def test_a_reshape_names_the_array_that_is_reshaped() -> None:
    """The gradient of the columns alone is mixed up where dw is right; else it is dout, as it is transposed in code."""
    case = ConvCase(N=3, C=2, H=6, W=7, F=4)
    (found,) = check(case, faulty_pair("columns_reshaped_in_dx")).diagnosis
    assert found.text.startswith("In dx the gradient of the columns, (C, HH, WW, N, H', W'), is reshaped as if")
    (found,) = check(case, faulty_pair("dout_transposed_with_samples_before_positions")).diagnosis
    assert "dout is transposed to the axes (F, N, H', W'), and reshaped as if they were (F, H', W', N)" in found.text


def test_two_causes_are_distinguished() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return 2 * dx, dw, db[::-1]

    found = check(ConvCase(F=3), (conv_forward_naive, backward)).diagnosis
    assert [diagnosis.code for diagnosis in found] == ["factor", "filters-permuted"]


@pytest.mark.usefixtures("shared_derivatives")
@pytest.mark.parametrize("size", [1, 1e-3, 1e-6, 1e-12])
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


@pytest.mark.usefixtures("shared_derivatives")
def test_unrelated_numbers_are_not_explained() -> None:
    for seed, case in enumerate(CASES[::3]):
        for dtype in ("float16", "float32", "float64"):
            source = np.random.default_rng(seed)

            def backward(dout: Any, stored: Any, source: Any = source) -> Any:
                return tuple(source.normal(size=array.shape).astype(array.dtype) for array in stored[:3])

            assert check(replace(case, dtype=dtype), (conv_forward_naive, backward)).diagnosis == ()


@pytest.mark.parametrize("pair", ["fast", "naive"])
def test_right_layers_have_no_diagnosis(pair: str) -> None:
    for number, case in enumerate(CASES):
        dtype = ("float16", "float32", "float64", "longdouble")[number % 4]
        assert check(replace(case, dtype=dtype), pair).diagnosis == ()


RECTANGULAR = ConvCase(N=2, C=4, H=8, W=6, F=4, HH=3, WW=2, stride=(2, 1), pad=(1, 2), dilation=(1, 2), groups=2)


@pytest.mark.parametrize(
    ("code", "rows", "columns"),
    [
        ("crop-missing", slice(None), slice(None)),
        ("crop-wrong-side", slice(8), slice(6)),
        ("crop-wrong-side", slice(2, None), slice(4, None)),
        ("crop-fixed", slice(1, -1), slice(1, -1)),
        ("crop-square", slice(1, 9), slice(1, 7)),
        ("crop-square", slice(2, -2), slice(2, -2)),
        ("crop-square", slice(1, 9), slice(2, 10)),
        ("crop-square", slice(1, 7), slice(2, 10)),
    ],
)
def test_crops_of_a_rectangle(code: str, rows: slice, columns: slice) -> None:
    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
        dx, _, _ = conv_backward_naive(dout, (wide, w, b, {**conv_param, "pad": 0}))
        return dx[:, :, rows, columns], *conv_backward_naive(dout, stored)[1:]

    result = check(RECTANGULAR, (conv_forward_naive, backward))
    assert [found.code for found in result.diagnosis] == [code]


@pytest.mark.parametrize(("what", "case"), [
    ("stride", ConvCase(H=7, W=7, stride=(2, 1), pad=1)),
    ("pad", ConvCase(H=7, W=7, HH=3, WW=3, pad=(2, 0))),
])  # fmt: skip
def test_vertical_and_horizontal_exchanged(what: str, case: ConvCase) -> None:
    """Windows are taken from an image that is large enough for either, and the gradient is cut out of its."""

    def backward(dout: Any, stored: Any) -> Any:
        x, w, _, conv_param = stored
        (sv, sh), (pv, ph) = (_pair(conv_param[name])[:: -1 if name == what else 1] for name in ("stride", "pad"))
        wide = np.zeros((*x.shape[:2], 40, 40))
        wide[:, :, pv : pv + 7, ph : ph + 7] = x
        dx, dw = np.zeros_like(wide), np.zeros_like(w)
        for i, j in np.ndindex(*dout.shape[2:]):
            window = np.s_[:, :, i * sv : i * sv + 3, j * sh : j * sh + 3]
            dx[window] += np.tensordot(dout[:, :, i, j], w, 1)
            dw += np.tensordot(dout[:, :, i, j], wide[window], ([0], [0]))
        return dx[:, :, pv : pv + 7, ph : ph + 7], dw, dout.sum((0, 2, 3))

    (found,) = check(case, (conv_forward_naive, backward)).diagnosis
    assert found.code == "height-width-confused"
    assert f"the vertical and the horizontal {what} are exchanged" in found.text


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def test_filters_of_the_next_group() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        dx, _, _ = conv_backward_naive(dout, (x, np.roll(w, 2, axis=0), b, conv_param))
        return dx, *conv_backward_naive(dout, stored)[1:]

    (found,) = check(ConvCase(C=6, F=6, groups=3), (conv_forward_naive, backward)).diagnosis
    assert found.code == "filters-permuted"
    assert "those of the next group" in found.text


def test_a_consistent_pair_that_is_something_else() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        return conv_forward_naive(x, w[:, :, ::-1, ::-1], b, conv_param)

    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx, dw[:, :, ::-1, ::-1], db

    for case in standard():
        result = check(case, (forward, backward))
        assert [found.code for found in result.diagnosis] == ([] if result.passed else ["kernel-rotated"])
        if not result.passed:
            assert "out the kernel is rotated by 180 degrees" in result.diagnosis[0].text


def test_a_consistent_pair_of_which_nothing_more_is_known() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        return conv_forward_naive(x, w * abs(w), b, conv_param)[0], (x, w, b, conv_param)

    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        dx, dw, db = conv_backward_naive(dout, (x, w * abs(w), b, conv_param))
        return dx, 2 * abs(w) * dw, db

    (found,) = check(ConvCase(), (forward, backward)).diagnosis
    assert found.code == "own-function"
    assert "something other than convolution" in found.text


def test_a_right_backward_beside_a_wrong_forward() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        out, _ = conv_forward_naive(x, w[:, :, ::-1, ::-1], b, conv_param)
        return out, (x, w, b, conv_param)

    named_in = 0
    for case in standard():
        for dtype in ("float32", "float64"):
            result = check(replace(case, dtype=dtype), (forward, conv_backward_naive))
            codes = {found.code for found in result.diagnosis}
            assert codes <= {"reference-gradient", "kernel-rotated"}
            named_in += codes == {"reference-gradient", "kernel-rotated"}
    assert named_in >= 20


def test_a_forward_in_a_narrower_dtype() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        out, _ = conv_forward_naive(x.astype(np.float32), w.astype(np.float32), b.astype(np.float32), conv_param)
        return out.astype(x.dtype), (x, w, b, conv_param)

    for case in standard()[::4]:
        (found,) = check(case, (forward, conv_backward_naive)).diagnosis
        assert found.code == "float32-inside"
        assert found.text.startswith("out is computed in float32")


@pytest.mark.parametrize("name", ["x", "w", "dout"])
def test_an_array_that_is_rounded_before_it_is_used(name: str) -> None:
    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        arrays = {"x": x, "w": w, "dout": dout}
        arrays[name] = arrays[name].astype(np.float32).astype(float)
        return conv_backward_naive(arrays["dout"], (arrays["x"], arrays["w"], b, conv_param))

    (found,) = check(ConvCase(N=2, H=8, W=8), (conv_forward_naive, backward)).diagnosis
    assert found.code == "float32-inside"
    assert f"{name} is rounded to float32 first" in found.text


def test_a_cause_costs_a_few_calls_of_forward() -> None:
    calls = 0

    def forward(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return conv_forward_naive(*args)

    for fault, further in {"left_at_zero": 3, "assigned_instead_of_accumulated": 1, "not_cropped": 1}.items():
        calls = 0
        result = check(ConvCase(), (forward, faulty_pair(fault)[1]))
        assert result.diagnosis
        without = 1 + max(gradient.evaluations for gradient in result.gradients.values()) + 4
        assert calls == without + further, fault


def test_what_is_too_large_to_be_differentiated_in_full_is_explained_by_the_reference() -> None:
    (found,) = check(ConvCase(N=5, H=6, W=7, F=4), faulty_pair("dx_doubled"), method="projected").diagnosis
    assert found.text.startswith("dx is 2 times the derivative.")


def test_a_case_in_which_a_fault_makes_zeros_has_its_cause() -> None:
    """A mask inverted, where all of x is above 0; and what is zero everywhere."""
    for wrong, code in (
        (lambda dout, x: dout * (x < 0), "mask-inverted"),
        (lambda dout, x: dout * (dout > 0), "mask-of-dout"),
        (lambda dout, _: 0 * dout, "zero"),
    ):
        found = set()
        for case in LAYERS["relu"].standard():
            result = check(case, (lambda x: (np.maximum(x, 0), x), wrong))
            found |= {cause.code for cause in result.diagnosis}
        assert found == {code}, found


def test_a_fault_that_forward_hands_on_is_told_once() -> None:
    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        s = np.sqrt(x.var(0)) + bn_param["eps"]
        z = (x - x.mean(0)) / s
        bn_param["running_mean"], bn_param["running_var"] = 0.1 * x.mean(0), 0.1 * x.var(0)
        return gamma * z + beta, (z, gamma, s)

    def backward(dout: Any, cache: Any) -> Any:
        z, gamma, s = cache
        g = dout * gamma
        return (g - g.mean(0) - z * (g * z).mean(0)) / s, (dout * z).sum(0), dout.sum(0)

    causes = [one for one in check("batchnorm", (forward, backward)).diagnosis if one.code == "eps-outside-root"]
    assert [cause.text.partition(" eps")[0] for cause in causes] == ["In out and dx"]
