"""What a case accepts, and how random arrays are drawn."""

from __future__ import annotations

import copy
import pickle
import random
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import LAYER
from gradcheck_cli.layers.framework.case import NoCase


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"N": 0}, "N must be at least 1, not 0"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"pad": (0, -1)}, "pad must be at least 0, not -1"),
        ({"dtype": "int8"}, "dtype must be one of float16, float32, float64, longdouble"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"H": 2.0}, "H must be a whole number"),
        ({"H": True}, "H must be a whole number"),
        ({"stride": "2"}, "stride must be a whole number"),
    ],
)
def test_numbers_that_no_case_can_have(numbers: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        ConvCase(**numbers)


def test_one_number_stands_for_a_pair() -> None:
    assert ConvCase(stride=2) == ConvCase(stride=(2, 2))
    assert ConvCase(stride=2).geometry["stride"] == (2, 2)
    assert ConvCase(N=np.int64(3)) == ConvCase(N=3)  # type: ignore[arg-type]  # a NumPy integer will do


def test_cases_are_values() -> None:
    assert len({ConvCase(N=2), ConvCase(N=2), ConvCase(N=3)}) == 2
    with pytest.raises(FrozenInstanceError):
        ConvCase().N = 3  # type: ignore[misc]


def test_every_layer_says_what_its_cases_need() -> None:
    for name, layer in LAYERS.items():
        cases = list(layer.standard())
        assert name == layer.name == layer.case.layer
        assert len({case.label() for case in cases}) == len(cases) >= (10 if name == "conv" else 5)
        assert all(case.impossible() is None for case in cases)
        posed = layer.problem(cases[0])
        assert tuple(posed.inputs) == layer.inputs
        assert posed.cotangent.shape == posed.expected.shape == posed.expected_scale.shape


def test_values_are_signed_and_never_near_zero() -> None:
    values = signed_uniform(random.Random(1), (200, 50))
    assert values.dtype == np.float64
    assert 0.5 <= abs(values).min() < 0.51
    assert 1.49 < abs(values).max() < 1.5
    assert 0.48 < (values > 0).mean() < 0.52
    assert (values.astype(np.float32) != values).all()  # a copy of one is no sign of a float32 computation


def test_a_seed_gives_the_same_values_for_ever() -> None:
    # Worked out by hand from the first word of the Mersenne Twister: its last bit is the sign, the rest the magnitude.
    words = [random.Random(7).getrandbits(32)]
    first = (0.5 + ((words[0] >> 1) + 0.5) / 2**31) * (1 if words[0] & 1 else -1)
    assert signed_uniform(random.Random(7), (1,))[0] == first


def test_dtypes_share_the_values_and_seeds_do_not() -> None:
    wide, narrow = LAYER.problem(ConvCase()), LAYER.problem(ConvCase(dtype="float16"))
    assert (wide.inputs["x"].astype(np.float16) == narrow.inputs["x"]).all()
    assert narrow.cotangent.dtype == np.float16
    assert narrow.expected.dtype == np.float64
    other = LAYER.problem(replace(ConvCase(), seed=1))
    assert (wide.inputs["w"] != other.inputs["w"]).any()


def test_cases_come_back_from_a_pickle_as_they_were() -> None:
    for layer in LAYERS.values():
        case = replace(next(iter(layer.standard())), seed=5, dtype="float32")
        again = pickle.loads(pickle.dumps(case))
        assert (again, type(again), repr(again)) == (case, layer.case, repr(case))
        assert copy.copy(case) == case
    assert repr(LAYERS["softmax-activation"].case()).startswith("SoftmaxActivationCase(dtype=")
    assert pickle.loads(pickle.dumps(NoCase())) == NoCase()
