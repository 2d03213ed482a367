"""Reads gradients off the updates of parameters that a backward pass makes itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.arguments import Values
from gradcheck_cli.implementation.conventions.attributes import attributes, put
from gradcheck_cli.implementation.conventions.code import guards_made
from gradcheck_cli.implementation.conventions.instances import copied, kept_parameters
from gradcheck_cli.implementation.conventions.optimizer import LEARNING_RATE, Optimizer
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import LEARNING_RATES, SlotKind, has
from gradcheck_cli.implementation.conventions.source import source_of
from gradcheck_cli.implementation.implementation import NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

Rates = list[str | float]  #: attributes that hold the learning rate, or numbers that are it

_UPDATE = re.compile(r"^\s*self\..*?[-+]=?\s*(\d*\.\d+(?:e-?\d+)?|\d+e-\d+)\s*\*", re.MULTILINE)
_SAME = 1e-3  #: what the doubled update may differ by from that for twice the cotangent


def read_updates(reading: Reading, instance: object, values: Values, names: list[str]) -> dict[str, object]:
    """Read the gradients of parameters off what backward itself subtracts from them, times a learning rate.

    Raises:
        NotExpressibleError: it does not subtract a multiple of the gradient, or the rate is not known.
    """
    called, written = reading.code.name("backward"), reading.code.written("backward")

    def changes(factor: int, rates: Rates) -> dict[str, Array]:
        twin = copied(instance)
        for name in rates:
            if isinstance(name, str):
                put(twin, (name,), LEARNING_RATE)
        before = kept_parameters(reading, twin, names)
        cotangents = {name: factor * np.asarray(part) for name, part in values.cotangents.items()}
        given = reading.arguments("backward", replace(values, cotangents=cotangents, rate=LEARNING_RATE))
        with guards_made(written, frozenset(rate for rate in rates if isinstance(rate, float)), LEARNING_RATE):
            given.call(reading.code.function("backward", twin))
        for one in (*attributes(twin).values(), *given.args, *given.kwargs.values()):
            if isinstance(one, Optimizer):
                one.finish()
        after = kept_parameters(reading, twin, names)
        found = {n: before[n] - after[n] for n in before.keys() & after.keys() if before[n].shape == after[n].shape}
        return {name: update for name, update in found.items() if update.any()}

    numbers = {name: value for name, value in attributes(instance).items() if isinstance(value, float)}
    rates: Rates = [name for name in numbers if word(name) in LEARNING_RATES]
    held = (*attributes(instance).values(), *(slot.value for slot in reading.backward))
    is_handed = any(isinstance(value, Optimizer) for value in held)
    is_known = bool(rates) or is_handed or has(SlotKind.LEARNING_RATE, reading.backward)
    if not is_known:  # the rate may have any name, or none
        usual = changes(1, [])
        written_out = ((number, number) for number in _numbers_written(written))
        candidates: list[tuple[str | float, float]] = [*numbers.items(), *written_out]
        rates = [one for one, value in candidates if value and _is_rate(value, usual, changes(1, [one]))][:1]
    rate, once = LEARNING_RATE if is_known or rates else 1, changes(1, rates)
    is_network = bool(reading.code.title)
    if once and rate == 1 and not is_network:
        why = f"{called} changes {join_names(once)} at a rate that is not known"
        raise NotExpressibleError(f"{why}; let it take learning_rate, or keep it as self.learning_rate")
    twice = changes(2, rates) if once and not is_network else {}
    for name, update in twice.items():
        if not np.allclose(2 * once.get(name, update), update, rtol=_SAME, atol=_SAME * abs(update).max()):
            why = f"{called} changes {name} by a rule from which its gradient cannot be read"
            raise NotExpressibleError(f"{why}; return the gradient, or keep it as self.d{name}")
    return {name: update / update.dtype.type(rate) for name, update in once.items()}


def _numbers_written(function: Any) -> set[float]:
    """Return the numbers by which a pass may multiply what it adds to attributes, its own and those of its file."""
    if not inspect.isfunction(function):
        return set()
    numbers = {float(number) for number in _UPDATE.findall(source_of(function))}
    read = {name: function.__globals__.get(name) for name in function.__code__.co_names if word(name) in LEARNING_RATES}
    return numbers | {value for value in read.values() if isinstance(value, float)}


def _is_rate(value: float, usual: Mapping[str, Array], updates: Mapping[str, Array]) -> bool:
    """Tell whether all updates are multiples of a number that was replaced by a large one."""
    factor = LEARNING_RATE / value
    return bool(usual) and all(
        n in updates and np.allclose(updates[n], factor * update, rtol=_SAME, atol=_SAME * abs(factor * update).max())
        for n, update in usual.items()
    )
