"""Estimates: parts taken from one, replaced and joined."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.numeric.estimate import Estimate


def counting(start: int, size: int) -> Estimate:
    """Make an estimate whose arrays hold different numbers."""
    value = np.arange(start, start + size, dtype=float)
    return Estimate(
        value=value,
        scale=value + 0.125,
        error_bound=value + 0.25,
        step=value + 0.375,
        second_difference=value + 0.5,
        kinks=value % 2 == 0,
        method="dense",
        evaluations=7,
    )


def test_replacing_elements_changes_every_array_there_and_nothing_elsewhere() -> None:
    before, other = counting(0, 5), counting(10, 2)
    after = before.with_elements(np.array([3, 1]), other)
    assert after.value.tolist() == [0, 11, 2, 10, 4]
    assert after.kinks.tolist() == [True, False, True, True, True]
    for name in ("scale", "error_bound", "step", "second_difference"):
        np.testing.assert_array_equal(getattr(after, name) - after.value, getattr(after, name)[0] - after.value[0])
    assert before.value.tolist() == [0, 1, 2, 3, 4]
    assert (after.method, after.evaluations) == ("dense", 7)


def test_taking_and_joining_restores_an_estimate() -> None:
    whole = counting(0, 6)
    joined = whole.take(np.array([0, 1])).join(whole.take(np.arange(6) > 1)).reshape((2, 3))
    for name in ("value", "scale", "error_bound", "step", "second_difference", "kinks"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name).reshape(2, 3))
