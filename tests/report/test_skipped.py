"""Skipped cases, counted by reason."""

from __future__ import annotations

import pytest

from gradcheck_cli.report.skipped import Skipped


@pytest.mark.parametrize(
    ("reasons", "lines"),
    [
        ([], []),
        ([""], ["skipped 1: "]),
        (["a pad is not the same"] * 3, ["skipped 3: a pad is not the same"]),
        (["the height of 9", "the height of 9"], ["skipped 2: the height of 9"]),
        (["the height of 9", "the height of 10", "the height of 5"], ["skipped 3: the height of 5..10"]),
        (["7 is not in 1x2", "7 is not in 1x30"], ["skipped 2: 7 is not in 1x2..30"]),
        (
            ["the height of 9", "the width of 9", "the height of 8", "no"],
            ["skipped 2: the height of 8..9", "skipped 1: the width of 9", "skipped 1: no"],
        ),
        (["no eps 1e-05", "no eps 0.1", "no eps 0.01"], ["skipped 3: no eps 1e-05..0.1"]),
        (["ends in 3", "ends in 3 of 4"], ["skipped 1: ends in 3", "skipped 1: ends in 3 of 4"]),
    ],
)
def test_reasons_that_differ_in_figures_alone_are_one(reasons: list[str], lines: list[str]) -> None:
    skipped = Skipped()
    for reason in reasons:
        skipped.add(reason)
    assert skipped.lines() == lines
