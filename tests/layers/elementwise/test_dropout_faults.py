"""Slips in dropout as students write them: the mask, the scale and the probability, alone and together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.layers.elementwise.dropout import DropoutCase
from tests.sampling import one_in

#: Arrays large enough to tell p from 1 - p by what is kept; at 1/2 the two are one.
CASES = (DropoutCase(shape=(12, 15), p=0.8), DropoutCase(shape=(7, 4, 9), p=0.3), DropoutCase(shape=(9, 16), p=0.5))

#: keep(draw, p), the scale of forward, and backward's factor from the mask and p.
Parts = tuple["Callable[[Any, float], Any]", "Callable[[float], float]", "Callable[[Any, float], Any]"]


def _kept(draw: Any, p: float) -> Any:
    return draw < p


def _dropped(draw: Any, p: float) -> Any:
    return draw > p


def _inverse(p: float) -> float:
    return 1 / p


def pair(
    keep: Callable[[Any, float], Any], scale: Callable[[float], float], factor: Callable[[Any, float], Any]
) -> Any:
    def forward(x: Any, param: Any) -> Any:
        if param["mode"] == "test":
            return x, None
        mask = keep(np.random.default_rng(param["seed"] + 7).random(x.shape), param["p"])
        return x * mask * x.dtype.type(scale(param["p"])), (mask, param["p"])

    def backward(dout: Any, cache: Any) -> Any:
        return dout if cache is None else dout * np.asarray(factor(*cache), dout.dtype)

    return forward, backward


def _again(mask: Any, p: float) -> Any:
    return (np.random.default_rng(99).random(mask.shape) < p) / p


FAULTS: dict[str, tuple[Parts, str | None]] = {
    "right": ((_kept, _inverse, lambda m, p: m / p), None),
    "right with the upper draws": ((lambda draw, p: draw >= 1 - p, _inverse, lambda m, p: m / p), None),
    "inverted": ((_kept, _inverse, lambda m, p: ~m / p), "mask-inverted"),
    "inverted without 1/p": ((_kept, _inverse, lambda m, p: 1 - 1.0 * m), "mask-inverted"),
    "without 1/p in backward": ((_kept, _inverse, lambda m, p: m), "dropout-scale"),
    "times p in backward": ((_kept, _inverse, lambda m, p: m * p), "dropout-scale"),
    "1/p twice in backward": ((_kept, _inverse, lambda m, p: m / p / p), "dropout-scale"),
    "without 1/p": ((_kept, lambda p: 1.0, lambda m, p: m), "dropout-scale"),
    "times p": ((_kept, lambda p: p, lambda m, p: m * p), "dropout-scale"),
    "without 1/p in forward": ((_kept, lambda p: 1.0, lambda m, p: m / p), "dropout-scale"),
    "no mask": ((_kept, _inverse, lambda m, p: np.full(m.shape, 1 / p)), "mask-ignored"),
    "drawn again": ((_kept, _inverse, _again), "mask-redrawn"),
    "by 1 - p": ((_kept, lambda p: 1 / (1 - p), lambda m, p: m / (1 - p)), "dropout-scale"),
    "dropped": ((_dropped, _inverse, lambda m, p: m / p), "drop-probability"),
    "dropped without 1/p": ((_dropped, lambda p: 1.0, lambda m, p: m), "drop-probability"),
}

#: What else may be said: the gradient is right for dropout, and not for a forward that is none; at p = 1/2, where to
#: keep and to drop are one, only the scale is wrong.
ALSO = {"without 1/p in forward": {"reference-gradient", "factor"}, "dropped without 1/p": {"dropout-scale"}}


@pytest.mark.parametrize("dtype", one_in(2, ["float32", "float64"]))
@pytest.mark.parametrize("fault", FAULTS)
def test_slips_of_dropout_are_named(fault: str, dtype: str) -> None:
    functions, code = FAULTS[fault]
    named = 0
    for seed, case in enumerate(CASES):
        result = check(replace(case, dtype=dtype, seed=seed), pair(*functions))
        codes = {found.code for found in result.diagnosis}
        assert codes <= {code} | ALSO.get(fault, set()), (case.label(), result.diagnosis)
        assert result.passed or code is not None, result.summary()
        assert bool(codes) is not result.passed, result.summary()
        named += code in codes
    assert code is None or named >= 2


def test_the_scale_of_test_mode_is_named() -> None:
    def forward(x: Any, param: Any) -> Any:
        return (x * param["p"] if param["mode"] == "test" else x), None

    result = check(DropoutCase(shape=(3, 4), p=0.6, mode="test"), (forward, lambda dout, _: 0.6 * dout))
    assert [found.code for found in result.diagnosis] == ["dropout-scale"]
    assert "In test mode out is x times p." in result.diagnosis[0].text
