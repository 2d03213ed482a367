"""Shards: every case in one of them, wherever it stands, and on every machine."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.cases.cases import Listed, Product, Shard
from gradcheck_cli.layers.conv.conv import standard

VALUES: dict[str, Any] = {"N": range(1, 9), "stride": (1, 2, 3), "pad": (0, 1, 2), "dtype": ("float32", "float64")}


def product(**values: Any) -> Product:
    return Product(case=ConvCase, values=values, seed=0)


@pytest.mark.parametrize("of", [1, 2, 3, 4, 5, 8])
def test_every_case_is_in_one_shard_and_none_is_much_larger(of: int) -> None:
    cases = product(**VALUES)
    shards = [Shard(cases=cases, number=number, of=of) for number in range(1, of + 1)]
    assert sorted(map(repr, itertools.chain(*shards))) == sorted(map(repr, cases))
    assert [shard.count for shard in shards] == [len(list(shard)) for shard in shards]
    assert max(shard.count for shard in shards) <= 2 * cases.count / of  # 144 cases: 18 of 8, give or take 4


def test_a_case_stays_in_its_shard_when_others_come_and_go() -> None:
    cases: list[Any] = list(Shard(cases=product(**VALUES), number=2, of=5))
    more = product(**{**VALUES, "N": range(1, 20), "C": (1, 3)})
    others: list[Any] = list(Shard(cases=more, number=2, of=5))
    assert [case for case in others if case.N < 9 and case.C == 3] == cases
    assert len(others) > 3 * len(cases)
    assert list(Shard(cases=Listed(cases=tuple(reversed(list(product(**VALUES))))), number=2, of=5)) == cases[::-1]


def test_each_number_of_a_case_counts_and_so_do_dtype_and_seed() -> None:
    first = ConvCase()
    others = [replace(first, **{name: 2}) for name in ("N", "C", "H", "stride", "pad", "dilation")]  # type: ignore[arg-type]
    others += [replace(first, dtype="float32"), replace(first, seed=1)]
    found = {
        next(
            number
            for number in range(1, 10**4 + 1)
            if list(Shard(cases=Listed(cases=(case,)), number=number, of=10**4))
        )
        for case in (first, *others)
    }
    assert len(found) == len(others) + 1


def test_shards_are_the_same_on_every_machine() -> None:
    """Written down once: a change would make machines of different versions do cases twice, or not at all."""
    cases = tuple(standard())
    numbers = [next(n for n in (1, 2, 3) if list(Shard(cases=Listed(cases=(case,)), number=n, of=3))) for case in cases]
    assert numbers == [2, 1, 2, 3, 1, 1, 1, 2, 2, 1, 1, 3, 2]


def test_cases_are_made_when_they_are_asked_for() -> None:
    thousand = range(1, 1001)
    shard = Shard(cases=product(**dict.fromkeys(("N", "C", "H", "W", "F", "HH", "WW"), thousand)), number=3, of=7)
    assert len(list(itertools.islice(shard, 50))) == 50
