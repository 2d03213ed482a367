"""The derivatives of the reference, where an implementation's forward is the same function.

Code of users is slow, or in another process, and to differentiate its forward takes a call for each element or colour.
Where its output is the reference's, the reference is differentiated instead, and both are compared along a random line
through all inputs at once: a forward with another derivative in any element has another one along the line. A case of
an LSTM then takes 21 calls of its forward instead of 1,500, and one of a convolution 17 instead of 75.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.cancellation import has_reference
from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.differentiation import (
    Derivatives,
    ForwardFunction,
    calls_to_come,
    differentiate_in,
    doubt,
    is_of_case,
    known_output,
    method_for,
    numeric_inputs,
    resolution,
)
from gradcheck_cli.checks.reference import reference_estimates
from gradcheck_cli.checks.run import make_run
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.checks.small_case import is_large, small_case
from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.implementation import ForwardStep, ImplementationError
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.numeric.arrays import working_dtype
from gradcheck_cli.numeric.black_box import BlackBox, Evaluation
from gradcheck_cli.numeric.dense import DenseScheme
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.numeric.partial_derivatives import partial_derivatives
from gradcheck_cli.numeric.richardson import FIRST_STEP, first_points
from gradcheck_cli.numeric.rounding import root_mean_square

if TYPE_CHECKING:
    from gradcheck_cli.checks.form import Subject
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.estimate import Estimate

#: Elements of the inputs of cases of which derivatives are remembered.
_SMALL = 2**12

#: How far both derivatives along the line may be apart, as a share of the scale: half of the digits, or so many error
#: bounds that are good enough for one element. Of 3 seeds of all standard cases in each dtype, the reference differed
#: from itself by more in 2 of 3,900, which are then differentiated as code that is another function.
_BOUNDS = 64.0

#: The error bound of the derivative along the line that is good enough, as a share of that.
_FINE = 2.0**-6

#: Roundings of each term of the derivative along the line, four standard deviations: those of the points themselves.
_ROUNDINGS = 4.0

#: Elements in which forward itself is differentiated, at most, where it matters for their verdicts.
_MOST_NEAR = 8

#: Calls that the line takes, usually.
_CALLS_OF_LINE = 8

#: Rows of the line's tableau, where the layer is affine in each input, and where it is not, usually.
_ROWS, _ROWS_IF_CURVED = 2, 6

#: Components of the line's direction, in units of the size of the input.
_LEAST = 0.5


def derivatives_of_reference(run: CaseRun) -> Derivatives | None:
    """Return the derivatives of the reference, if forward is the same function; else None, or if that is not known.

    None too if so many elements are so near to right that it matters by how little forward may still differ.
    """
    if not (run.gradients and has_reference(run) and may_be_reference(run)):
        return None
    if all(one.flaw for one in run.subjects.values()):
        return None
    run.calls.announce(_CALLS_OF_LINE + calls_to_come(run))
    try:
        return _if_same_function(run)
    except ImplementationError:
        return None


def _if_same_function(run: CaseRun) -> Derivatives | None:
    inputs = numeric_inputs(run)
    line = Line(run, inputs)
    derivatives = _derivatives(run)
    is_curved = not all(one.affine for one in derivatives.estimates.values())
    if (expect := run.calls.expect) is not None and (is_curved or run.others is None):
        expect(line.steps(is_curved=is_curved))
    center = Evaluation(line.function, line.start, run.problem.cotangent, known_output(run, inputs))
    box = BlackBox(line.function, line.start, center)
    apart = _distance(box, line, derivatives, resolution(run.dtype))
    if apart is None:
        return None
    evaluations = box.evaluations + center.evaluations
    estimates: dict[str, Estimate] = {}
    for name, subject in run.subjects.items():
        if not subject.flaw:
            estimate = replace(derivatives.estimates[name], evaluations=evaluations)
            near = _near_elements(subject, estimate, apart / line.least[name], run.settings)
            if near.size > _MOST_NEAR:
                return None
            estimates[name] = _differentiated_at(near, estimate, run, inputs, name) if near.size else estimate
    return replace(
        derivatives,
        estimates=estimates,
        ignored=tuple(name for name in derivatives.ignored if name in estimates),
        wide=line.start.dtype == working_dtype(run.dtype),
        epsilon=center.epsilon,
        of_reference=True,
    )


def may_be_reference(run: CaseRun) -> bool:
    """Tell whether forward is compared with a reference of which a derivative in each element is wanted."""
    settings = run.settings
    if not run.problem.reference or settings.method != "auto" or settings.step is not None:
        return False
    return _is_by_backward(run) or all(method_for(run, name) != "projected" for name in run.problem.differentiable)


def remember_reference(run: CaseRun) -> None:
    """Differentiate the reference of a small case while the other process is busy."""
    if _is_small(run):
        with contextlib.suppress(ImplementationError):
            reference_before(run.case, run.implementation.absent)


def _is_small(run: CaseRun) -> bool:
    return sum(x.size for x in run.problem.inputs.values()) <= _SMALL


def _is_by_backward(run: CaseRun) -> bool:
    """Tell whether the reference's own gradients serve, as differences of a large one would take many calls for."""
    return run.layer.sums and is_large(run.problem) and small_case(run.case, run.layer) != run.case


def _derivatives(run: CaseRun) -> Derivatives:
    """Return the derivatives of the reference of a case."""
    absent = run.implementation.absent
    if not _is_by_backward(run):
        return (reference_before if _is_small(run) else _reference)(run.case, absent)
    small = reference_before(small_case(run.case, run.layer), absent)  # which shows in which inputs the layer is affine
    found = reference_estimates(run)
    estimates = {name: replace(one, affine=small.estimates[name].affine) for name, one in found.items()}
    return Derivatives(estimates=estimates, ignored=tuple(name for name, one in found.items() if not one.scale.any()))


def _reference(case: Case, absent: tuple[str, ...]) -> Derivatives:
    """Differentiate the reference of a case, without inputs that an implementation lacks."""
    layer = LAYERS[case.layer]
    code = replace(built_in(layer, next(iter(layer.builtin))), absent=absent)
    run = make_run(case, layer, code, Settings())
    return differentiate_in(run, run.problem.differentiable)


reference_before = lru_cache(maxsize=64)(_reference)  # the same cases come for each implementation of a course


class Line:
    """Forward as a function of one number, by which all inputs are moved along a random direction."""

    def __init__(self, run: CaseRun, inputs: Mapping[str, Array]) -> None:
        names = run.problem.differentiable
        sizes = {name: root_mean_square(inputs[name]) or 1.0 for name in names}
        source = random.Random(6)  # noqa: S311  # a direction, not a secret
        self.directions = {
            name: (sizes[name] * signed_uniform(source, inputs[name].shape)).astype(inputs[name].dtype)
            for name in names
        }
        self.least = {name: _LEAST * size for name, size in sizes.items()}  #: components of the directions
        self.start = np.zeros(1, inputs[names[0]].dtype)
        self._known = is_of_case(run, inputs)
        self.function = ForwardFunction(
            run, inputs, lambda t: {name: inputs[name] + t[0] * each for name, each in self.directions.items()}
        )

    @np.errstate(all="ignore")  # as where it is called
    def steps(self, *, is_curved: bool) -> list[ForwardStep]:
        """Return the calls that come first, which depends on whether the function is curved."""
        points = [
            *([self.start] if self._known else [self.start] * 2),
            *first_points(self.start, _ROWS_IF_CURVED if is_curved else _ROWS),
        ]
        return [self.function.step(point)._replace(quiet=True) for point in points]


@np.errstate(all="ignore")  # overflow and the like show in the values
def _distance(box: BlackBox, line: Line, derivatives: Derivatives, good_enough: float) -> float | None:
    """Return how far the derivatives along the line may be apart, if that is little, and they are found to agree."""
    if box.noise:
        return None
    little, scheme = max(box.epsilon**0.5, _BOUNDS * good_enough), DenseScheme(box)
    # Of products of inputs, a difference with any step is exact; two steps tell whether forward is curved otherwise.
    if all(estimate.affine for estimate in derivatives.estimates.values()):
        steps = FIRST_STEP * 2.0 ** -np.arange(_ROWS)
        found = scheme.central_differences(np.zeros(_ROWS, int), steps)
    else:
        found = partial_derivatives(scheme, np.zeros(1, int), affine=False, resolution=_FINE * little, step=None)
    expected, scale, bound = np.zeros(3, box.dtype)
    for name, estimate in derivatives.estimates.items():
        direction = line.directions[name].astype(box.dtype)
        expected += (estimate.value * direction).sum()
        scale += (estimate.scale * abs(direction)).sum()
        bound += (estimate.error_bound * abs(direction)).sum()
    allowed = found.error_bound + bound + _ROUNDINGS * box.epsilon * scale
    agree = (abs(found.value - expected) <= allowed) & (allowed <= little * scale)
    return float(allowed.max()) if agree.all() else None


def _near_elements(subject: Subject, estimate: Estimate, apart: float, settings: Settings) -> Array:
    """Return the elements for whose verdict it matters that forward's derivative may be off by `apart`, flat."""
    analytic = np.asarray(subject.array).astype(estimate.value.dtype)
    rough = replace(estimate, error_bound=estimate.error_bound + apart)
    exactly, roughly = (judge_elements(analytic, each, subject.dtype, settings) for each in (estimate, rough))
    return np.flatnonzero(exactly.undecided | (exactly.wrong != roughly.wrong))


def _differentiated_at(
    elements: Array, estimate: Estimate, run: CaseRun, inputs: Mapping[str, Array], name: str
) -> Estimate:
    """Return an estimate with the derivatives of forward itself in some elements."""
    function, x = ForwardFunction(run, inputs, name), inputs[name]
    own = differentiate(function, x, run.problem.cotangent, resolution=resolution(run.dtype), elements=elements)
    found = estimate.broadcast_to(x.shape).reshape((-1,)).with_elements(elements, own).reshape(x.shape)
    return replace(found, evaluations=estimate.evaluations + own.evaluations, doubt=doubt(found, name))
