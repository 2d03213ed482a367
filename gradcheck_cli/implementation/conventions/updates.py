"""Reads gradients off the updates of parameters that a backward pass makes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.implementation.conventions.arguments import Values, fill
from gradcheck_cli.implementation.conventions.attributes import Place, rate_places
from gradcheck_cli.implementation.conventions.inside import attributes
from gradcheck_cli.implementation.conventions.instances import copied, kept_parameters
from gradcheck_cli.implementation.conventions.slots import LEARNING_RATE, Slot, SlotKind, has
from gradcheck_cli.implementation.conventions.stand_ins import Optimizer
from gradcheck_cli.implementation.implementation import NotExpressibleError
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from gradcheck_cli.implementation.conventions.reading import Reading
    from gradcheck_cli.numeric.arrays import Array


_SAME = 1e-3  #: what the doubled update may differ by from that for twice the cotangent


def read_updates(
    reading: Reading, instance: object, slots: Iterable[Slot], values: Values, names: list[str]
) -> dict[str, object]:
    """Read the gradients of parameters off what backward itself subtracts from them, times a learning rate.

    Raises:
        NotExpressibleError: it does not subtract a multiple of the gradient, or the rate is not known.
    """
    called, is_network = reading.code.name("backward"), bool(reading.code.title)

    def changes(factor: int, rates: Iterable[str | int]) -> dict[str, Array]:
        twin = copied(instance)
        for name in rates:
            Place(twin, name).set(LEARNING_RATE)
        before = kept_parameters(reading, twin, names)
        cotangents = {name: factor * np.asarray(part) for name, part in values.cotangents.items()}
        given = fill(slots, reading.forms, reading.vocabulary, replace(values, cotangents=cotangents))
        given.call(reading.code.function("backward", twin))
        after = kept_parameters(reading, twin, names)
        found = {n: before[n] - after[n] for n in before.keys() & after.keys() if before[n].shape == after[n].shape}
        return {name: update for name, update in found.items() if update.any()}

    def updates(factor: int) -> dict[str, Array]:
        rates = [place.key for place in rate_places(instance)]
        is_handed = any(isinstance(value, Optimizer) for value in attributes(instance).values())
        is_known = bool(rates) or is_handed or has(SlotKind.LEARNING_RATE, slots)
        if is_network and not is_known:  # the rate may have any name
            rates = [name for name, value in attributes(instance).items() if _is_rate(name, value, changes)]
        found = changes(factor, rates)
        if found and not (is_known or is_network):
            why = f"{called} changes {join_names(found)} at a rate that is not known"
            raise NotExpressibleError(f"{why}; let it take learning_rate, or keep it as self.learning_rate")
        rate = LEARNING_RATE if is_known or rates else 1
        return {name: update / update.dtype.type(rate) for name, update in found.items()}

    once = updates(1)
    if not once or is_network:
        return dict(once)
    twice = updates(2)
    for name, update in once.items():
        if not np.allclose(2 * update, twice.get(name, update), rtol=_SAME, atol=_SAME * abs(update).max()):
            why = f"{called} changes {name} by a rule from which its gradient cannot be read"
            raise NotExpressibleError(f"{why}; return the gradient, or keep it as self.d{name}")
    return dict(once)


def _is_rate(name: str, value: object, changes: Callable[[int, list[str]], dict[str, Array]]) -> bool:
    """Tell whether all updates are multiples of an attribute."""
    if not isinstance(value, float) or not value:
        return False
    usual, other = changes(1, []), changes(1, [name])
    factor = LEARNING_RATE / value
    return bool(usual) and all(
        n in other and np.allclose(other[n], factor * update, rtol=_SAME, atol=_SAME * abs(factor * update).max())
        for n, update in usual.items()
    )
