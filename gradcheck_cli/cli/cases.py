"""Which cases the flags mean: the standard set, a product or random ones; all of them, or a part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cases.cases import Listed
from gradcheck_cli.cases.product import Product
from gradcheck_cli.engine.interrupts import interruptible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.cases.cases import Cases
    from gradcheck_cli.layers.framework.layer import Layer


def make_cases(
    layer: Layer,
    geometry: Mapping[str, tuple[Any, ...]],
    dtypes: tuple[str, ...],
    seed: int,
    *,
    alone: bool,
    fuzz: int | None,
) -> Cases:
    """Make the cases: what is given, or else the standard set.

    Args:
        layer: what is checked.
        geometry: the values given for each number.
        dtypes: the dtypes of each geometry.
        seed: that of every case.
        alone: whether the default geometry stands in for the standard set.
        fuzz: how many random cases are wanted, on top of what is given; None for none.

    Raises:
        click.UsageError: no random case of this layer is possible.
    """
    values = {**geometry, "dtype": dtypes}
    if fuzz is not None:
        from gradcheck_cli.cases.fuzz import RandomCases  # only --fuzz needs it

        cases = RandomCases(layer=layer, values=values, seed=seed, wanted=fuzz)
        with interruptible():
            drawn = cases.count
        if not drawn:
            raise click.UsageError(
                "--fuzz: the other flags leave no geometry in which a fault could show; leave some out."
            )
        return cases
    if geometry or alone:
        return Product(case=layer.case, values=values, seed=seed)
    return Listed(tuple(replace(case, dtype=dtype, seed=seed) for case in layer.standard() for dtype in dtypes))


def part(cases: Cases, shard: tuple[int, int] | None) -> Cases:
    """Return the part of the cases that --shard means.

    There may be nothing in it.
    """
    if shard is None:
        return cases
    from gradcheck_cli.cases.shard import Shard  # only --shard needs it

    return Shard(cases, *shard)
