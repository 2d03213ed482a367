"""Values that user code returns: what the checks look at is the same, and nothing of the object itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from gradcheck_cli.engine.wire import describe_value, value_of
from gradcheck_cli.guard.protocol import ProtocolError
from gradcheck_cli.implementation.implementation import Misshapen


class Odd:
    """Any object."""


def crossed(value: object) -> Any:
    arrays: list[Any] = []
    return value_of(json.loads(json.dumps(describe_value(value, arrays))), arrays)


def test_arrays_and_numbers_stay_what_they_are() -> None:
    for value in (np.arange(3.0), np.float32(2), np.array(1), 2.5, 7, True, None, "text", (1, np.ones(2)), [(), [1]]):
        found = crossed(value)
        assert type(found) is type(value)
        np.testing.assert_equal(found, value)


def test_subclasses_become_arrays() -> None:
    values: list[Any] = [np.ma.masked_array([1.0], [True]), np.ones(2).view(type("Odd", (np.ndarray,), {}))]
    for value in values:
        assert type(crossed(value)) is np.ndarray


def test_of_arrays_without_numbers_the_form_is_kept() -> None:
    for value in (
        np.array([None, Odd()]),
        np.array(["ab"]),
        np.zeros(2, "M8[s]"),
        np.broadcast_to(np.array(None), (2**20, 2**20)),
    ):
        found = crossed(value)
        assert found.shape == value.shape
        assert found.dtype.kind in (value.dtype.kind, "O")


def test_other_objects_are_known_by_the_name_of_their_class() -> None:
    assert type(crossed(Odd())).__name__ == "Odd"
    assert type(crossed(10**30)).__name__ == "int"
    nested: list[Any] = []
    nested.append(nested)
    assert isinstance(crossed(nested), list)


def test_a_gradient_of_another_shape_keeps_the_shape_that_was_wanted() -> None:
    found = crossed(Misshapen(np.ones(2), (2, 1)))
    assert isinstance(found, Misshapen)
    assert found.wanted == (2, 1)


@pytest.mark.parametrize(
    "described",
    [
        *({}, {"array": 3, "scalar": False}, {"array": "0", "scalar": 0}, {"tuple": 5}, {"wanted": ["a"], "of": 1}),
        *({"dtype": 8, "shape": [1]}, {"dtype": "|O", "shape": [-1]}, {"type": 5}, {"other": 1}),
    ],
)
def test_what_describes_nothing_is_refused(described: Any) -> None:
    with pytest.raises(ProtocolError):
        value_of(described, [])
