"""A cache under a name that elsewhere is one of an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from pathlib import Path

CACHED = """
import numpy as np

def sigmoid_forward(z):
    a = 1 / (1 + np.exp(-z))
    return a, a

def sigmoid_backward(da, a):
    return da * a * (1 - a)
"""

RECOMPUTED = CACHED.replace("return a, a", "return a").replace(
    "return da * a", "a = 1 / (1 + np.exp(-a))\n    return da * a"
)


@pytest.mark.parametrize("text", [CACHED, RECOMPUTED], ids=["cached", "recomputed"])
def test_what_forward_returned_second_is_the_cache_and_else_it_is_the_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "activations.py"
    path.write_text(text, encoding="utf-8")
    layer = LAYERS["sigmoid"]
    implementation = find(str(path), layer)
    for case in list(layer.standard())[:3]:
        result = check_case(case, implementation, Settings())
        assert result.passed, result.summary()
