"""The method follows from sizes alone."""

from __future__ import annotations

import pytest

from gradcheck_cli.checks.method import choose_method


@pytest.mark.parametrize(
    ("sizes", "method"),
    [
        ((300, 200, 27), "colored"),  # the geometry of a notebook
        ((300, 200, None), "dense"),
        ((12_288, 32_768, 27), "colored"),  # (4, 3, 32, 32) x (8, 3, 3, 3)
        ((12_288, 32_768, None), "projected"),
        ((131_072, 262_144, 144), "colored"),  # (8, 16, 32, 32) x (32, 16, 3, 3)
        ((200_704, 200_704, 576), "projected"),  # (1, 64, 56, 56) x (64, 64, 3, 3)
        ((1_204_224, 6_422_528, 147), "projected"),  # (8, 3, 224, 224) x (64, 3, 7, 7), stride 2
    ],
)
def test_auto_takes_the_most_evidence_that_is_affordable(sizes: tuple[int, int, int | None], method: str) -> None:
    assert choose_method("auto", *sizes) == method


@pytest.mark.parametrize("method", ["dense", "colored", "projected"])
def test_what_is_asked_for_is_done(method: str) -> None:
    assert choose_method(method, 10**9, 10**9, 10**6) == method
    assert choose_method(method, 1, 1, 1) == method


def test_what_cannot_be_coloured_is_dense() -> None:
    assert choose_method("colored", 10**9, 10**9, None) == "dense"
