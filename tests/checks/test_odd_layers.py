"""Layers that are right and odd pass, at every kind of geometry, and keep all their duties."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers.conv import standard
from tests.odd import ODD


@pytest.mark.filterwarnings("ignore:a warning of the layer's")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ODD)
def test_odd_layers_pass(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_LAYER", "0")
    for seed, case in enumerate(standard()):
        result = check(replace(case, dtype=dtype, seed=seed), ODD[name]())
        assert result.passed, result.summary()
        assert {duty.verdict for duty in result.duties.values()} == {Verdict.PASS}
        assert result.diagnosis == ()
