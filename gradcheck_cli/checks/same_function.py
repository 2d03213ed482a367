"""The derivatives of the reference, where an implementation's forward is the same function.

Code of users is slow, or in another process, and to differentiate its forward takes a call for each element or colour.
Where its output is the reference's, the reference is differentiated instead, and both are compared along a random line
through all inputs at once: a forward with another derivative in any element has another one along the line. A case of
an LSTM then takes 21 calls of its forward instead of 1,500, and one of a convolution 17 instead of 75.
"""

from __future__ import annotations

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
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.numeric.arrays import working_dtype
from gradcheck_cli.numeric.black_box import BlackBox, Evaluation, expect
from gradcheck_cli.numeric.dense import DenseScheme
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.numeric.partial_derivatives import partial_derivatives
from gradcheck_cli.numeric.richardson import FIRST_STEPS
from gradcheck_cli.numeric.rounding import root_mean_square

if TYPE_CHECKING:
    from gradcheck_cli.checks.form import Subject
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.estimate import Estimate

#: Elements of the inputs of cases of which derivatives are remembered.
_FEW = 2**12

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

#: Components of the line's direction, in units of the size of the input.
_LEAST = 0.5


def derivatives_of_reference(run: CaseRun) -> Derivatives | None:
    """Return the derivatives of the reference, if forward is the same function; else None, or if that is not known.

    None too if so many elements are so near to right that it matters by how little forward may still differ.
    """
    small = small_case(run.case, run.layer)
    by_backward = run.layer.sums and is_large(run.problem) and small != run.case
    if not _is_eligible(run, by_backward=by_backward):
        return None
    run.calls.announce(_CALLS_OF_LINE + calls_to_come(run))
    try:
        return _if_same_function(run, small if by_backward else None)
    except ImplementationError:
        return None


def _if_same_function(run: CaseRun, small: Case | None) -> Derivatives | None:
    """Compare forward and the reference along a line, as `derivatives_of_reference` describes.

    Args:
        run: whose forward it is.
        small: of a case that is too large for the reference to be differentiated, a small one of the same kind.
    """
    inputs = numeric_inputs(run)
    line = _Line(run, inputs)  # first: a forward elsewhere runs while the reference is differentiated
    if small is not None:
        derivatives = _by_backward(run, reference_before(small, run.implementation.absent))
    else:
        is_few = sum(x.size for x in run.problem.inputs.values()) <= _FEW
        derivatives = (reference_before if is_few else _reference)(run.case, run.implementation.absent)
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


def _is_eligible(run: CaseRun, *, by_backward: bool) -> bool:
    """Tell whether there is a reference that the output equals, and whose derivative in each element can be had."""
    settings = run.settings
    if not (run.gradients and has_reference(run)) or settings.method != "auto" or settings.step is not None:
        return False
    if all(one.flaw for one in run.subjects.values()):
        return False
    return by_backward or all(method_for(run, name) != "projected" for name in run.problem.differentiable)


def _reference(case: Case, absent: tuple[str, ...]) -> Derivatives:
    """Differentiate the reference of a case, without inputs that an implementation lacks."""
    layer = LAYERS[case.layer]
    code = replace(built_in(layer, next(iter(layer.builtin))), absent=absent)
    run = make_run(case, layer, code, Settings())
    return differentiate_in(run, run.problem.differentiable)


reference_before = lru_cache(maxsize=64)(_reference)  # the same cases come for each implementation of a course


def _by_backward(run: CaseRun, small: Derivatives) -> Derivatives:
    """Return the reference's own gradients as its derivatives, which differences would take many calls for.

    Args:
        run: of which they are.
        small: derivatives of a small case, which show in which inputs the layer is affine.
    """
    found = reference_estimates(run)
    estimates = {name: replace(one, affine=small.estimates[name].affine) for name, one in found.items()}
    ignored = tuple(name for name, one in estimates.items() if not one.scale.any())
    return Derivatives(estimates=estimates, ignored=ignored)


class _Line:
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
        self.function = ForwardFunction(
            run, inputs, lambda t: {name: inputs[name] + t[0] * each for name, each in self.directions.items()}
        )
        steps = [0.0] if known_output(run, inputs) is not None else [0.0, 0.0]
        steps += [side * step for step in FIRST_STEPS for side in (1, -1)]
        with np.errstate(all="ignore"):  # as where it is called
            expect(self.function, [self.start + step for step in steps])


@np.errstate(all="ignore")  # overflow and the like show in the values
def _distance(box: BlackBox, line: _Line, derivatives: Derivatives, good_enough: float) -> float | None:
    """Return how far the derivatives along the line may be apart, if that is little, and they are found to agree."""
    if box.noise:
        return None
    little, scheme = max(box.epsilon**0.5, _BOUNDS * good_enough), DenseScheme(box)
    # Of products of inputs, a difference with any step is exact; two steps tell whether forward is curved otherwise.
    if all(estimate.affine for estimate in derivatives.estimates.values()):
        found = scheme.central_differences(np.zeros(2, int), FIRST_STEPS)
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
