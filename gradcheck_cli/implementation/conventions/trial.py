"""Tries readings on small problems: names only suggest how code is meant, and the reference tells what is right."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import IntEnum
from itertools import chain

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import quiet
from gradcheck_cli.implementation.conventions.code import LARGE
from gradcheck_cli.implementation.conventions.gradient_fit import (
    CLOSE,
    RAISES,
    GradientFit,
    fit_of,
    is_slope,
    ordered,
    right_gradients,
)
from gradcheck_cli.implementation.conventions.kept_arrays import all_studied, studied_of
from gradcheck_cli.implementation.conventions.one_by_one import SAMPLES
from gradcheck_cli.implementation.conventions.packing import origins, reordered
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import SlotKind, is_context
from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    NotExpressibleError,
    UnknownEntryError,
)
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems, standard_problems
from gradcheck_cli.implementation.vocabulary.vocabulary import Packing, word
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.function import FunctionCase
from gradcheck_cli.text.names import join_names

Given = Callable[[Problem], Problem]

#: Between what any way to sum rounds in float64 and the difference that another eps makes.
EXACT = 1e-9


class Fit(IntEnum):
    """How well a reading does."""

    FAILS = 0  #: forward raises, or cannot express any of the problems
    RUNS = 1  #: forward returns something
    SHAPE = 2  #: of the right shape
    PARTLY = 3  #: equal to the reference in some of the problems that it can express
    REPRODUCES = 4  #: in all of them


@frozen
class Tried:
    """The best reading of one piece of code."""

    reading: Reading
    fit: Fit
    backward_raises: bool = False


def best_reading(readings: Iterable[Reading], case: Case | None = None, given: Given | None = None) -> Tried | None:
    """Return the first reading that reproduces the reference; where none does, the first of those that do best.

    Where forward takes a parameter of either of two shapes, and where gradients may come in more than one order, the
    shapes of the gradients tell what is meant.

    Args:
        readings: ways to call the same code, the likeliest first.
        case: of a layer without a reference, on which they are tried if there are several.
        given: puts the arguments that were given in place of those that are drawn.

    Returns:
        None if there is no reading at all.
    """
    readings = list(readings) if case else readings
    if case and isinstance(readings, list) and not readings[0].layer.reference:
        return Tried(reading=_best_of_unknown(readings, case, given), fit=Fit.REPRODUCES)
    found: Tried | None = None
    known = 0  # parameters of a dictionary that are, where one is not
    unnamed: list[tuple[Packing | None, tuple[str, ...]]] = []  # packings without a name for what code asks for
    for reading in readings:
        if any(reading.vocabulary.packing is one and reading.lacking == lacking for one, lacking in unnamed):
            continue
        if found and not (_may_take_one_sample(reading, found) if reading.single else _may_be_better(reading, found)):
            continue
        try:
            reading, fit = _with_blocks_in_order(reading, forward_fit(reading))  # noqa: PLW2901
        except UnknownEntryError as error:
            fit = Fit.FAILS
            unnamed.append((reading.vocabulary.packing, reading.lacking))
            if found is None or (found.fit is fit and error.known > known):
                found, known = Tried(reading=reading, fit=fit), error.known
        if found is None or fit > found.fit:
            found = Tried(reading=reading, fit=fit)
        in_order = ordered(reading) if fit is Fit.REPRODUCES else None
        if in_order and not (_is_doubtful(reading) and right_gradients(reading) == 0):
            return Tried(reading=in_order, fit=fit)
        if fit >= Fit.SHAPE and found.reading is reading:
            found = replace(found, backward_raises=right_gradients(reading) == RAISES)
    if found and found.fit is not Fit.FAILS:
        return replace(found, reading=ordered(found.reading) or found.reading)
    return found


def _best_of_unknown(readings: list[Reading], case: Case, given: Given | None) -> Reading:
    """Return the first of those readings of code of no known layer that do best in a case."""
    drawn = readings[0].layer.problem(case)
    problem = given(drawn) if given else drawn
    with quiet(), generators_kept(problem):
        studied = all_studied(readings, case, problem)
    unguarded = []
    for reading in (one for one in studied if one.code.guards):
        guards = join_names(f"{guard:g}" for guard in sorted(reading.code.guards))
        notes = (*reading.notes, f"without the {guards} that guards its logarithm")
        unguarded.append(replace(reading, code=replace(reading.code, unguarded=reading.code.guards), notes=notes))
    several = [*studied, *unguarded]
    return max(several, key=lambda one: _gradient_fit(one, case, problem)) if len(several) > 1 else several[0]


def _with_blocks_in_order(reading: Reading, fit: Fit) -> tuple[Reading, Fit]:
    """Return the reading with blocks such as gates in the order that is right, if the shapes are and an order is."""
    packing = reading.vocabulary.packing
    if packing and fit in (Fit.SHAPE, Fit.PARTLY):
        for other in reordered(packing):
            trial = replace(reading, vocabulary=replace(reading.vocabulary, packing=other))
            if forward_fit(trial) is Fit.REPRODUCES:
                return trial, Fit.REPRODUCES
    return reading, fit


def _gradient_fit(reading: Reading, case: Case, problem: Problem) -> GradientFit:
    """Return how well a reading does of code of which nothing is known.

    A gradient knows of what guards a logarithm if it is right where that is large.
    """
    code = reading.code
    guards = code.with_guards(LARGE) if code.guards and not code.unguarded else contextlib.nullcontext()
    with quiet(), generators_kept(problem), guards:
        return fit_of(reading, case, problem)


def agreeing(readings: Iterable[Reading], case: Case) -> Reading | None:
    """Return the first reading of code of no known layer in which the gradient agrees with forward in a case."""
    problem = LAYERS["function"].problem(case)
    with quiet(), generators_kept(problem):
        studied = (studied_of(one, case, problem) for one in readings)
        return next((one for one in studied if fit_of(one, case, problem)[2]), None)


def multiple_in_scores(readings: Iterable[Reading], case: FunctionCase) -> tuple[Reading, int] | None:
    """Return the reading in which the gradient is that in scores, but for a number of elements; None if it is in none.

    A loss that is a mean over samples is often written together with `p - y`, which is divided by nothing.
    """
    for reading in (one for one in readings if one.encoding):
        shape = case.shape.get(reading.order[0], ())
        tried = replace(case, labels=dict.fromkeys(case.labels, (shape, 0))) if len(shape) > 1 else case
        problem = LAYERS["function"].problem(tried)
        for count in sorted({*shape, math.prod(shape)} - {1}):
            with quiet(), generators_kept(problem):
                if fit_of(reading, tried, problem, divided=count).agrees:
                    return reading, count
    return None


def _is_doubtful(reading: Reading) -> bool:
    """Tell whether backward is taken for a slope, or may be given the input or the output in place of a cache.

    Or what it takes in place of a cotangent is called as an input is, or it has a flag that changes what it takes.
    """
    flags = {slot.name for slot in reading.backward if slot.is_flag} - {slot.name for slot in reading.forward}
    inputs = {*chain(*reading.vocabulary.inputs.values())}
    called = {*(slot.name for slot in reading.forward), *inputs}
    guessed = [
        slot
        for slot in reading.backward
        if (slot.kind is SlotKind.CACHE and not is_context(slot.name))
        or (slot.kind is SlotKind.INPUT and not {slot.name, word(slot.name)} & called)
    ]
    named_as_input = inputs >= set(map(word, reading.cotangents)) > set()
    return is_slope(reading) or named_as_input or bool(flags) or (bool(guessed) and len(reading.layer.inputs) == 1)


def _may_be_better(reading: Reading, best: Tried) -> bool:
    """Tell whether a reading is worth a try: where forward is right already, only if gradients can be better."""
    if is_slope(reading) or is_slope(best.reading) or reading.backward != best.reading.backward:
        return True
    return best.fit is not Fit.REPRODUCES or any(one.exact for one in reading.vocabulary.arrangements)


def _may_take_one_sample(reading: Reading, best: Tried) -> bool:
    """Tell whether code that does as `best` with a batch may be meant for one sample.

    What runs with a batch and is wrong may be right for a batch of one: a softmax that is normalized over all elements,
    a db that is not summed. So there must be no axis of samples at all, unless a batch makes the code raise.
    """
    if best.fit is Fit.FAILS or (best.reading.single and best.fit is not Fit.REPRODUCES):
        return True
    has_axis = all(
        SAMPLES in layout.there.split() for layout in reading.layouts.values() if SAMPLES in layout.here.split()
    )
    if has_axis:
        return (best.fit is Fit.REPRODUCES and best.reading.updates) or best.backward_raises
    return best.fit is not Fit.SHAPE


def forward_fit(reading: Reading, close: float = CLOSE) -> Fit:
    """Return how well forward does, as a reading understands it; what is that close is equal."""
    if not reading.layer.probe_cases:  # there is no reference
        return Fit.REPRODUCES
    absent = origins(reading.vocabulary.packing, reading.absent)
    understood = implementation_of(reading, "", None)

    def try_all(problems: Iterable[Problem]) -> list[Fit]:
        with quiet():
            return [fit for problem in problems if (fit := _try(understood, problem, close)) is not None]

    tried = try_all(probe_problems(reading.layer.name, absent))
    reached = max(tried, default=Fit.FAILS)
    if reached is Fit.REPRODUCES and any(reading.forms.absent.values()):
        tried += try_all(standard_problems(reading.layer.name, absent))  # does it always do so?
    return Fit.PARTLY if reached is Fit.REPRODUCES and min(tried) is not reached else reached


def _try(implementation: Implementation, problem: Problem, near: float) -> Fit | None:
    """Return how well an implementation does in one problem; None if it raises or cannot express it."""
    with generators_kept(problem):
        try:
            out, _ = pack_outputs(implementation, problem).forward(problem.inputs, problem.parameters)
        except UnknownEntryError:
            raise
        except (ImplementationError, NotExpressibleError):
            return None
    if not isinstance(out, np.ndarray) or out.shape != problem.expected.shape or out.dtype.kind != "f":
        return Fit.RUNS
    close = np.abs(out - problem.expected_for(out)) <= near * problem.expected_scale
    return Fit.REPRODUCES if close.all() else Fit.SHAPE
