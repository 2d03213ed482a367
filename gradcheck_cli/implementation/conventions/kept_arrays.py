"""Finds by trying what the instances of a class of no known layer keep."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
from dataclasses import replace

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.implementation.conventions.attributes import Path, arrays_in, is_equal, put, value_at
from gradcheck_cli.implementation.conventions.code import Found
from gradcheck_cli.implementation.conventions.instances import copied, make_instance, with_kept
from gradcheck_cli.implementation.conventions.left_gradients import call_forward, with_gradients
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import are_finite
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: Where what is defined for positive numbers only is.
POSITIVE = (0.5, 1.5)
_MOST_ARRAYS = 40  #: of an instance that are moved to see whether the output depends on them
_LONGEST, _MOST_LENGTHS = 32, 4  #: of axes of fixed lengths


def studied_of(reading: Reading, case: Case, problem: Problem) -> Reading:
    """Return a reading of a class with what was found in its instances; any other, or where code raises, as it is."""
    if reading.code.cls is None or reading.layer.reference or reading.found.studied:
        return reading
    with seeds_from(0), contextlib.suppress(ImplementationError, NotExpressibleError):
        kept = _kept(reading, problem)
        studied = replace(reading, found=Found(kept=kept, studied=True), order=(*reading.order, *kept))
        out, _ = call_forward(studied, with_kept(studied, problem))
        if not are_finite(out):  # such as the root of a variance that is kept
            studied = replace(studied, found=replace(studied.found, within=POSITIVE))
        return with_gradients(studied, case, with_kept(studied, problem))
    return reading


def all_studied(readings: list[Reading], case: Case, problem: Problem) -> list[Reading]:
    """Return what `studied_of` returns for each; of a network made in one way with several losses, one is studied.

    Those with the usual losses are left out where its own runs.
    """
    if not readings[0].code.title:
        return [studied_of(reading, case, problem) for reading in readings]
    studied: list[Reading] = []
    for _, group in itertools.groupby(readings, key=made_alike):
        several = [*group]
        first = studied_of(several[0], case, problem)
        studied += [replace(one, found=first.found, order=first.order) for one in several]
    has_loss = any(one.found.studied and not one.code.taken_for for one in studied)
    return [one for one in studied if not (has_loss and one.code.taken_for)]


def made_alike(reading: Reading) -> tuple[object, ...]:
    """Return what the readings of a network have in common that differ in one of the usual losses alone."""
    return reading.constructor, bool(reading.code.taken_for)


def lengths_made(reading: Reading) -> list[int]:
    """List the lengths of the axes of what a class without arguments makes, those that are short."""
    try:
        with seeds_from(0):
            instance = make_instance(reading, reading.values({}, None))
    except (ImplementationError, NotExpressibleError):
        return []
    lengths = {length for value in arrays_in(instance).values() for length in np.shape(value)}
    return sorted(length for length in lengths if 1 < length <= _LONGEST)[:_MOST_LENGTHS]


def _kept(reading: Reading, problem: Problem) -> dict[str, tuple[Path, ...]]:
    """Find the arrays of an instance on which the output depends, each in all places that share it."""
    _, call = call_forward(reading, problem)
    given = [problem.inputs[slot.key] for slot in reading.constructor if slot.key in problem.inputs]
    values = ((paths, value_at(call.instance, paths[0])) for paths in _shared_paths(call.instance))
    own = [paths for paths, value in values if not any(is_equal(value, one) for one in given)][:_MOST_ARRAYS]
    redrawn, source = copied(call.instance), random.Random(0)  # noqa: S311  # no secrets
    for paths in own:  # what is multiplied by zero shows nothing
        value = value_at(redrawn, paths[0])
        for path in paths:
            put(redrawn, path, drawn(source, value.shape, POSITIVE).astype(value.dtype))

    def out_with(instance: object, moved: tuple[Path, ...]) -> list[Array] | None:
        twin = copied(instance)
        for path in moved:
            value = value_at(twin, path)
            put(twin, path, value * (1.25 + 0.125 * np.arange(value.size).reshape(value.shape)) + 0.125)
        made = replace(reading, code=replace(reading.code, made=twin))
        try:
            return call_forward(made, problem)[0]
        except (ImplementationError, NotExpressibleError):
            return None

    still, instance = out_with(redrawn, ()), redrawn
    if not still or not are_finite(still):
        still, instance = out_with(call.instance, ()), call.instance
    found = [paths for paths in own if _differ(still, out_with(instance, paths))]
    return _short_names(found, taken={*problem.inputs, *(problem.parameters or {}), "out"})


def _differ(still: list[Array] | None, moved: list[Array] | None) -> bool:
    return any(not np.array_equal(one, two) for one, two in zip(still or (), moved or (), strict=False))


def _shared_paths(holder: object) -> list[tuple[Path, ...]]:
    """List the arrays of floating point that can be replaced in an object, each by all paths that lead to it."""
    found: dict[int, list[Path]] = {}
    for path, array in arrays_in(holder).items():
        if isinstance(array, np.ndarray) and array.size and not isinstance(value_at(holder, path[:-1]), tuple):
            found.setdefault(id(array), []).append(path)
    return list(map(tuple, found.values()))


def _short_names(arrays: list[tuple[Path, ...]], taken: set[str]) -> dict[str, tuple[Path, ...]]:
    """Name arrays after their attributes, and those of one name after the whole path."""
    paths = [min(one, key=lambda path: (isinstance(path[-1], int), len(path))) for one in arrays]
    words = [[re.sub(r"^_\w+?__(?=\w)", "", str(key)).strip("_") for key in path] for path in paths]
    words = [one[:-1] if len(one) > 1 and word(one[-1]) in ("value", "data", "val") else one for one in words]
    leaves = [one[-1] for one in words]
    names: dict[str, tuple[Path, ...]] = {}
    for number, one in enumerate(words):
        name = one[-1] if leaves.count(one[-1]) == 1 and one[-1].isidentifier() else "_".join(one)
        names[name if name.isidentifier() and name not in {*taken, *names} else f"parameter_{number}"] = arrays[number]
    return names
