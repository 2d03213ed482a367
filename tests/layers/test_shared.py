"""Results with derivatives that checks share are those of checks on their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.shared import derivatives_shared


def test_results_are_those_of_checks_on_their_own() -> None:
    forward, backward = next(iter(LAYERS["affine"].builtin.values()))

    def pair(scale: float, factor: float) -> Any:
        def scaled(x: Any, w: Any, b: Any) -> Any:
            out, cache = forward(x, w, b)
            return scale * out, cache

        def wrong(dout: Any, cache: Any) -> Any:
            dx, dw, db = backward(scale * dout, cache)
            return factor * dx, dw, db[:-1] if factor == 3 else db

        return scaled, wrong

    case = next(iter(LAYERS["affine"].standard()))
    for scale in (1.0, 2.0):
        for factor in (1, 2, 3):
            for posed in (case, replace(case, seed=1), replace(case, dtype="float32")):
                alone = check(posed, pair(scale, factor))
                with derivatives_shared():
                    results = [check(posed, pair(scale, factor)) for _ in range(2)]
                assert all(replace(one, seconds=0.0) == replace(alone, seconds=0.0) for one in results)
                assert (alone.verdict is Verdict.PASS) == (factor == scale == 1)
