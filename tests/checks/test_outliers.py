"""An element that is off by more than the others is mentioned if it is so with other inputs too, and only then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli import check, check_function
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.dense.affine import AffineCase
from gradcheck_cli.numeric.arrays import epsilon
from tests.sampling import in_parts

CASE = AffineCase(N=5, D=6, M=7)

#: The dtype whose roundings are seen: float16 is judged in float64 too, where code may compute in float32.
SEEN = {"float16": "float32", "float32": "float32", "float64": "float64"}


def affine(roundings: float, place: Callable[[Any], int]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the reference with one element of dw off by some roundings of its scale."""
    forward, backward = LAYERS["affine"].functions

    def wrong_backward(dout: Any, cache: Any) -> Any:
        dx, dw, db = backward(dout, cache)
        x = cache[0].reshape(len(dout), -1)
        at = place(x)
        scale = (abs(x).T.astype(float) @ abs(dout).astype(float)).reshape(-1)[at]
        off = roundings * epsilon(SEEN.get(str(dx.dtype), "float64")) * scale
        if (x != np.rint(x)).any():  # at small integers it would be a fault
            dw.reshape(-1)[at] += (1 if np.any(dout) else 0) * off * np.sign(dout.reshape(-1)[0] or 1)
        return dx, dw, db

    return forward, wrong_backward


def remarks(result: Any) -> list[str]:
    assert result.passed, result.summary()
    return [diagnosis.text for diagnosis in result.diagnosis]


def test_a_lone_element_that_is_off_with_all_inputs_is_mentioned() -> None:
    for dtype in ("float32", "float64"):
        for seed in range(3):
            case = replace(CASE, dtype=dtype, seed=seed)
            (found,) = remarks(check(case, affine(4, lambda _: 8), skipped_duties=("linear_in_cotangent",)))
            assert "with other inputs too: dw[1, 1]" in found


def test_an_element_that_is_another_one_with_other_inputs_is_not() -> None:
    for dtype in ("float32", "float64"):
        for seed in range(3):
            case = replace(CASE, dtype=dtype, seed=seed)
            moving = affine(4, lambda x: int(abs(x).sum() * 1000) % 42)
            assert remarks(check(case, moving, skipped_duties=("linear_in_cotangent",))) == []


@in_parts(2)
def test_the_roundings_of_right_layers_are_not_mentioned(part: int) -> None:
    for name in ("elu", "softmax-activation", "lstm-step", "attention")[part::2]:
        for dtype in SEEN:
            for case in [*LAYERS[name].standard()][:2]:
                assert remarks(check(replace(case, dtype=dtype))) == []


def test_a_call_whose_arguments_are_given_has_no_other_inputs() -> None:
    def twice(x: Any) -> tuple[Any, None]:
        return 2 * x, None

    def wrong(dout: Any, _: None) -> Any:
        dx = 2 * dout
        dx[1, 2] *= 1 + 8 * epsilon("float64")
        return dx

    x = np.random.default_rng(0).normal(size=(5, 6))
    assert remarks(check_function(twice, wrong, x=x)) == []
