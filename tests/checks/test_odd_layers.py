"""Right layers written in odd ways pass and fulfil all duties; each is checked at every second standard geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers.conv.conv import standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from tests.odd import ODD
from tests.sampling import one_in


@pytest.mark.filterwarnings("ignore:a warning of the layer's")
@pytest.mark.parametrize("name", one_in(2, ODD))
def test_odd_layers_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_LAYER", "0")
    for seed, case in enumerate(standard()[list(ODD).index(name) % 2 :: 2]):
        result = check(replace(case, dtype=("float32", "float64")[seed % 2], seed=seed), ODD[name]())
        assert result.passed, result.summary()
        assert {duty.verdict for duty in result.duties.values()} == {Verdict.PASS}
        assert result.diagnosis == ()


@pytest.mark.parametrize("inside", one_in(2, ["float32", "float64"]))
@pytest.mark.parametrize("refuses", [False, True])
def test_values_of_float32_may_stand_in_an_array_of_float64(inside: str, refuses: bool) -> None:
    """`np.zeros(shape)` without a dtype, filled with what was computed in float32; or in float64, of float32 alone."""

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        if refuses and x.dtype != np.float32:
            raise TypeError("float32 only")
        out, _ = conv_forward_naive(x.astype(inside), w.astype(inside), b.astype(inside), conv_param)
        filled = np.zeros(out.shape)
        filled[...] = out
        return filled, (x, w, b, conv_param)

    for seed, case in enumerate(standard()):
        result = check(replace(case, dtype="float32", seed=seed), (forward, conv_backward_naive))
        assert result.passed, result.summary()
        assert result.diagnosis == ()
