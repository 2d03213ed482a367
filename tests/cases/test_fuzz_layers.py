"""Random cases of every layer: possible, different, with each least number; right layers pass, faults are shrunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli import check
from gradcheck_cli.cases.fuzz import RandomCases
from gradcheck_cli.cases.shrink import shrink
from gradcheck_cli.engine.failures import Failures
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.layers.framework.parameter import Integer
from gradcheck_cli.layers.framework.text_parameters import Choice, Real, Shape
from gradcheck_cli.results.signature import FailureSignature
from tests.faults.layers import FAULTS
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

#: Numbers whose least value leaves nothing to check: a layer normalization of one feature is beta.
VACUOUS = {("layernorm", "D")}

#: Of layers whose cases differ in kind, one or two each; of forward passes, too.
PLANTED = (
    *("affine-flat_dx", "conv1d-mirrored", "relu-slope_of_dout", "rnn-step-slope_forgotten", "rnn-not_carried_back"),
    *("maxpool-assigned", "avgpool-not_divided", "batchnorm-without_mean_path", "batchnorm-statistics_in_test_mode"),
    *("layernorm-over_samples", "softmax-not_averaged", "softmax-overflowing", "svm-label_forgotten"),
    *("conv-transpose-pad_forgotten", "conv-transpose-overlaps_assigned", "depthwise-conv-cropped_to_nothing"),
    *("dropout-mask_forgotten", "groupnorm-without_variance_path", "word-embedding-rows_overwritten"),
    *("temporal-affine-bias_of_each_step", "temporal-softmax-mask_ignored"),
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def drawn(layer: str, seed: int, wanted: int, **values: Sequence[Any]) -> RandomCases:
    return RandomCases(layer=LAYERS[layer], values={"dtype": ("float64",), **values}, seed=seed, wanted=wanted)


@pytest.mark.parametrize("layer", one_in(5, TITLES))
def test_they_are_possible_different_and_the_same_for_a_seed(layer: str) -> None:
    for seed in range(2):
        cases = list(drawn(layer, seed, 20))  # of two sizes there are 25
        assert len(set(cases)) == len(cases) == 20
        assert all(case.impossible() is None and LAYERS[layer].has_nonzero_gradient(case) for case in cases)
        assert list(drawn(layer, seed, 20)) == cases
    assert {case.label() for case in cases} != {case.label() for case in drawn(layer, 0, 20)}


@pytest.mark.parametrize("layer", TITLES)
def test_each_least_number_each_word_and_few_and_many_axes_are_among_the_first_50(layer: str) -> None:
    for seed in range(2):
        cases = list(drawn(layer, seed, 50))
        for parameter in LAYERS[layer].case.parameters():
            values = {getattr(case, parameter.name) for case in cases}
            if isinstance(parameter, Integer) and (layer, parameter.name) not in VACUOUS:
                assert parameter.normalize(parameter.minimum) in values, parameter.name
            if isinstance(parameter, Choice | Real):
                assert values == set(parameter.options)
            if isinstance(parameter, Shape):
                assert {len(shape) for shape in values} == {1, 2, 3, 4}
                assert any(1 in shape for shape in values)


@pytest.mark.parametrize("layer", one_in(5, TITLES))
def test_they_are_small(layer: str) -> None:
    for case in drawn(layer, 0, 40):
        problem = LAYERS[layer].problem(case)
        assert all(value.size <= 5**5 for value in problem.inputs.values()), case.label()


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        ("relu", {"shape": ((2, 3), (4,))}),
        ("batchnorm", {"mode": ("test",), "eps": (0.5, 1e-5), "N": (1, 7)}),
        ("affine", {"D": (6, 8)}),
        ("affine", {"split": (3,)}),
        ("affine", {"split": (2, 3), "D": (6,)}),
        ("maxpool", {"H": (2, 9), "pool_width": (5,)}),
        ("avgpool", {"pool_height": (1, 7), "stride": (2,)}),
        ("conv1d", {"W": (2,), "WW": (5,)}),  # only with a pad of 2 or more
        ("conv1d", {"WW": (3, 6), "pad": (0,)}),
        ("conv-transpose", {"pad": ((4, 2),), "HH": (3,)}),  # only with so many rows
        ("conv-transpose", {"pad": ((3, 3), (0, 1)), "H": (2,)}),
        ("conv-transpose", {"H": (1,), "W": (2, 3), "HH": (1,), "stride": ((1, 3),)}),
        ("depthwise-conv", {"C": (4,), "HH": (5,), "stride": ((2, 1), (1, 1))}),
        ("lstm", {"T": (1, 9)}),
    ],
)
def test_what_flags_fix_is_kept_and_the_rest_is_drawn_to_fit(layer: str, values: dict[str, Sequence[Any]]) -> None:
    cases = list(drawn(layer, 1, 12, **values))
    assert len(cases) >= (2 if layer == "relu" else 12)
    assert not any(case.impossible() for case in cases)
    for name, allowed in values.items():
        assert {getattr(case, name) for case in cases} == set(allowed)


@pytest.mark.long  # `tests/layers/test_layers.py` has the standard cases
@pytest.mark.parametrize("layer", TITLES)
def test_what_is_built_in_passes(layer: str) -> None:
    for case in drawn(layer, 5, 4, dtype=("float64", "float32", "float16", "longdouble")):
        result = check(case)
        assert result.passed, result.summary()


def smaller(case: Case) -> Iterator[Case]:
    """Yield each case of which one number is one smaller, one axis is left out, or one word or real is earlier."""
    for parameter in case.parameters():
        name, value = parameter.name, getattr(case, parameter.name)
        lower: list[Any] = []
        if isinstance(parameter, Integer) and not parameter.pair:
            lower = [value - 1]
        elif isinstance(parameter, Integer):
            lower = [(value[0] - 1, value[1]), (value[0], value[1] - 1), (value[0] - 1, value[1] - 1)]
        elif isinstance(parameter, Shape):
            lower = [(*value[:axis], *value[axis + 1 :]) for axis in range(len(value)) if len(value) > 1]
            lower += [(*value[:axis], length - 1, *value[axis + 1 :]) for axis, length in enumerate(value)]
        elif isinstance(parameter, Choice):
            lower = list(parameter.options[: parameter.options.index(value)])
        elif isinstance(parameter, Real) and value != parameter.default:
            lower = [parameter.default]
        for other in lower:
            try:
                made = replace(case, **{name: other})
            except ValueError:  # below what there can be
                continue
            if made.impossible() is None:
                yield made


@pytest.mark.parametrize("name", one_in(9, PLANTED))
def test_faults_are_found_and_shrunk_until_no_number_can_be_smaller(name: str) -> None:
    fault = BY_NAME[name]
    cases, tried = drawn(fault.layer, 0, 20), 0

    @cache  # the neighbours of the smallest case were tried when it was looked for
    def checked(case: Case) -> CaseResult:
        return check(case, fault.functions)

    def counted(case: Case) -> CaseResult:
        nonlocal tried
        tried += 1
        return checked(case)

    failures, results = Failures(cases, counted), [checked(case) for case in cases]
    for result in results:
        failures.add(result)
    told = list(failures.smallest())
    assert told
    assert tried <= 120 * len(told)
    for found in told:
        assert found.smallest is not None
        assert found.smallest.note is None
        assert found.case.weight <= min(
            result.case.weight for result in results if FailureSignature.of(result) == FailureSignature.of(found)
        )
        for other in smaller(found.case):
            assert FailureSignature.of(checked(other)) != FailureSignature.of(found), (
                found.case.label(),
                other.label(),
            )


#: Conditions, the values that flags fix, and the only smallest case.
ONE_SMALLEST: dict[str, tuple[str, Callable[[Any], bool], dict[str, Sequence[Any]], dict[str, Any]]] = {
    "a shape": ("tanh", lambda case: True, {}, {"shape": (1,)}),
    "axes and a size": ("tanh", lambda case: len(case.shape) >= 3 and case.shape[-1] >= 2, {}, {"shape": (1, 1, 2)}),
    "of shapes given": ("tanh", lambda case: len(case.shape) > 1, {"shape": ((9,), (5, 2), (2, 3))}, {"shape": (2, 3)}),
    "a word": (
        "batchnorm",
        lambda case: case.mode == "test" and case.D >= 2,
        {},
        {"N": 1, "D": 2, "mode": "test", "eps": 1e-5, "momentum": 0.9},
    ),
    "the first word": (
        "batchnorm",
        lambda case: case.N >= 2,
        {},
        {"N": 2, "D": 1, "mode": "train", "eps": 1e-5, "momentum": 0.9},
    ),
    "a real": ("layernorm", lambda case: case.eps > 0.05, {}, {"N": 1, "D": 1, "eps": 0.1}),
    "of reals given": (
        "softmax",
        lambda case: case.scale < 5,
        {"scale": (2.0, 3.0, 1.0), "N": (4,)},
        {"N": 4, "C": 2, "scale": 1.0},
    ),
    "a split with its features": ("affine", lambda case: case.split >= 3, {}, {"N": 1, "D": 3, "M": 1, "split": 3}),
    "an image with its window": (
        "maxpool",
        lambda case: case.pool_height >= 3 and case.pool_height == case.H,
        {},
        {"N": 1, "C": 1, "H": 3, "W": 1, "pool_height": 3, "pool_width": 1, "stride": 1},
    ),
    "a cut with what is left": (
        "conv-transpose",
        lambda case: min(case.pad) >= 1,
        {"HH": (3,), "WW": (3,)},
        {"N": 1, "C": 1, "H": 1, "W": 1, "F": 1, "HH": 3, "WW": 3, "stride": 1, "pad": 1},
    ),
}


@pytest.mark.parametrize("name", ONE_SMALLEST)
def test_where_there_is_one_smallest_case_it_is_reached_from_any(name: str) -> None:
    layer, fails, values, numbers = ONE_SMALLEST[name]
    cases = drawn(layer, 0, 40, **values)
    failing = [case for case in cases if fails(case)]
    assert failing
    for case in failing:
        assert shrink(case, cases, fails) == LAYERS[layer].case(**numbers)
