"""Faults that any layer can have, as hypotheses made from its named axes and the gradients of its reference."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.contributions import Contributions
from gradcheck_cli.layers.framework.fault import Backward, Fault, ForwardFault, Gradients
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem, as_dtype
from gradcheck_cli.numeric.arrays import Array, working_dtype
from gradcheck_cli.text.names import join_names


def faults_to_try(layer: Layer, case: Case, problem: Problem) -> Iterator[Fault]:
    """Yield the faults of a backward pass that are tried on a case, in that order.

    Several may coincide in a small case; the simpler and more common come first. A loop that ends one step early comes
    before the layer's own faults, some of which are loops over another size; these say more than the general faults
    after them.
    """
    contributions = None if layer.loss else Contributions(layer, problem)  # the output of a loss has no axes
    if contributions:
        yield from missed_indices(contributions)
    yield from layer.faults(case, problem)
    if contributions and len(contributions.outputs) == 1:
        yield from wrong_sums(contributions)
    if contributions:
        yield from assigned_shares(contributions)
    if contributions and len(contributions.outputs) == 1:
        yield from reshaped_cotangents(problem, contributions.gradients)


def forward_faults_to_try(layer: Layer, case: Case, problem: Problem, out: Array) -> Iterator[ForwardFault]:
    """Yield the faults of a forward pass that are tried on a case: those of the layer, and the bias that is left out.

    Args:
        layer: the layer.
        case: its case.
        problem: with inputs in the working dtype.
        out: the outputs as one array.
    """
    yield from layer.forward_faults(case, problem, out)
    if "b" in problem.inputs:
        without = {**problem.inputs, "b": np.zeros_like(problem.inputs["b"])}
        found = layer.returned(without.values(), problem.parameters)
        outputs = dict(zip(problem.outputs or ["out"], found, strict=True))
        yield ForwardFault(
            "bias-missing", "In {names} the bias is left out.", "Add b, each element to its own.", outputs
        )


def missed_indices(contributions: Contributions) -> Iterator[Fault]:
    """Yield loops that end one index early: along one axis, or along both axes of windows."""
    sizes = contributions.sizes
    summed = {axis for name in contributions.problem.differentiable for axis in contributions.summed(name)}
    loops = tuple(axis for axis in contributions.loops if axis in summed or axis.windows)
    windows = tuple(axis for axis in loops if axis.windows)
    both = [windows] if len(windows) > 1 else []
    for axes in [*((axis,) for axis in (*loops, *contributions.contracted)), *both]:
        name, size = axes[0].name, sizes[axes[0]]
        if axes[0].windows:
            code, every = "last-windows-missed", join_names(f"{sizes[axis]} {axis.plural}" for axis in windows)
            what = " and the last ".join(axis.name for axis in axes)
            cause = f"In {{names}} the last {what} of windows {'are' if len(axes) > 1 else 'is'} missed."
            remedy = f"Loop over all of {contributions.array_with(axes[0])}: {every}."
        else:
            code, remedy = f"last-{name.replace(' ', '-')}-missed", f"Loop over all {size} {axes[0].plural}."
            cause = f"In {{names}} the last {name} is missed."
            if size == 2:
                cause = f"In {{names}} only the first of the two {axes[0].plural} is used: the last {name} is missed."
                remedy = f"Loop over both {axes[0].plural}."
        missed = contributions.of(dict.fromkeys(axes, lambda index, size: index < size - 1))
        yield Fault(code, cause, remedy, missed)


def wrong_sums(contributions: Contributions) -> Iterator[Fault]:
    """Yield sums over other axes than those that the output has and the input lacks, such as all but a bias's own."""
    problem, (out,) = contributions.problem, contributions.outputs
    axes = problem.axes[out]

    def of_cotangent(name: str, _: Gradients, cotangent: Array) -> Gradients:
        return {name: problem.parts(cotangent)[out]}

    def changed(
        terms: Backward, name: str, change: Callable[[Array], Array], inputs: Gradients, cotangent: Array
    ) -> Gradients:
        return {name: np.asarray(change(terms(inputs, cotangent)[name]))}

    for name in problem.differentiable:
        own = problem.axes[name]
        right = tuple(k for k, axis in enumerate(axes) if axis not in own)
        if not (own and right and set(own) <= set(axes)):
            continue
        added = _is_added(contributions, name, right)
        terms: Backward | None = partial(of_cotangent, name) if added else contributions.terms(name)
        if terms is None:
            continue
        over = right[0] if len(right) == 1 else right
        remedy = f"Sum {'dout' if added else 'the products'} over {_plural(axes, right)}: `.sum(axis={over})`."
        for cause, change in _sums(axes, right, problem.inputs[name].shape):
            code = "bias-axes" if added else "summed-axes"
            yield Fault(code, f"{{names}} {{be}} {cause}.", remedy, partial(changed, terms, name, change))


def _is_added(contributions: Contributions, name: str, over: tuple[int, ...]) -> bool:
    """Tell whether an input is added to the output, as a bias is: its gradient is a sum of dout."""
    problem = contributions.problem
    wide = working_dtype(str(problem.cotangent.dtype))
    inputs = {key: as_dtype(value, wide) for key, value in problem.inputs.items()}
    cotangent = problem.cotangent.astype(wide)
    summed = problem.parts(cotangent)[contributions.outputs[0]].sum(axis=over)
    return np.allclose(contributions.gradients(inputs, cotangent)[name], summed)


def _sums(
    axes: Sequence[Axis], right: tuple[int, ...], shape: tuple[int, ...]
) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """Yield each wrong sum of terms, in words and as a function of the terms."""
    first = f"summed over the first {axes[right[0]].name} alone"
    yield first, lambda terms: terms.take([0], axis=right[0]).sum(axis=right)
    own = _plural(axes, (k for k in range(len(axes)) if k not in right))
    yield f"one sum over all of dout, the same for all {own}", lambda terms: np.full(shape, terms.sum())
    for count in range(len(axes), -1, -1):
        for wrong in itertools.combinations(range(len(axes)), count):
            if wrong != right:
                few = "too few axes" if set(wrong) < set(right) else "the wrong axes"
                over = f"summed over {few}: {_plural(axes, wrong)}" if wrong else "not summed"
                yield over, partial(np.sum, axis=wrong)


def _plural(axes: Sequence[Axis], positions: Iterable[int]) -> str:
    return join_names(axes[k].plural for k in positions)


ADD = "Write `+=`, not `=`, in the loop; with index arrays `np.add.at`, for there `+=` adds only once."


def assigned_shares(contributions: Contributions) -> Iterator[Fault]:
    """Yield loops, over one axis or several, that keep the last share of each element, or the first."""
    summed = {name: set(contributions.summed(name)) for name in contributions.problem.differentiable}
    loops = contributions.loops
    subsets = [axes for count in range(1, len(loops) + 1) for axes in itertools.combinations(loops, count)]

    def joined(shares: Sequence[Backward], names: Sequence[str], inputs: Gradients, cotangent: Array) -> Gradients:
        found = {name: value for share in shares for name, value in share(inputs, cotangent).items()}
        return {name: value for name, value in found.items() if name in names}

    for axes, end in itertools.product(subsets, ("last", "first")):
        names, first = [name for name in summed if summed[name].issuperset(axes)], end == "first"
        each = [contributions.share(name, axes, first=first) for name in names if contributions.linked(name, axes)]
        assigned = "{names} {be} assigned where contributions are to be summed:"
        that, code = f"that of the {_place(axes, end)} is left.", "assigned-not-accumulated"
        if each:
            yield Fault(code, f"{assigned} of each element only {that}", ADD, partial(joined, each, names))
        if names:
            whole = partial(joined, [contributions.end(axes, first=first)], names)
            yield Fault(code, f"{assigned} only {that}", "Write `+=`, not `=`, in the loop.", whole)


def _place(axes: Sequence[Axis], end: str) -> str:
    """Write the first or the last step of loops over some axes: `last window in the last sample`."""
    windows = [axis for axis in axes if axis.windows]
    names = [axis.name for axis in axes if not axis.windows]
    if windows:
        names.append("window" if len(windows) > 1 else f"{windows[0].name} of windows")
    return " in the ".join(f"{end} {name}" for name in reversed(names))


def misread(array: Array, really: Sequence[int], taken_for: Sequence[int]) -> Array:
    """Return an array whose axes are transposed to one order, and reshaped as if they were in another.

    Args:
        array: of any axes.
        really: their order in memory after the transpose; 0, 1, 2, ... for none.
        taken_for: the order that the reshape assumes.
    """
    assumed = array.transpose(really).reshape([array.shape[k] for k in taken_for])
    return assumed.transpose(np.argsort(taken_for))


def reshaped_cotangents(problem: Problem, right: Backward) -> Iterator[Fault]:
    """Yield backward passes that reshape dout to a matrix in an order that its axes do not have.

    Args:
        problem: of one output that has a cotangent.
        right: the backward pass.
    """
    out = next(iter(problem.outputs), "out")
    axes = problem.axes[out]
    own = tuple(range(len(axes)))
    orders = [(own, other) for other in itertools.permutations(own)]
    # A transposed dout is a matrix of one row, or one column, for each channel or unit.
    features = [k for k, axis in enumerate(axes) if k and not axis.spatial]
    matrices = [
        order
        for end in (0, -1)
        for order in itertools.permutations(own)
        if order and features and order[end] == features[0] and _rows_before_columns(order)
    ]

    def gradients(
        really: tuple[int, ...], taken_for: tuple[int, ...], inputs: Gradients, cotangent: Array
    ) -> Gradients:
        changed = cotangent.copy()
        problem.parts(changed)[out][...] = misread(problem.parts(cotangent)[out], really, taken_for)
        return right(inputs, changed)

    for really, taken_for in [*orders, *itertools.product(matrices, matrices)]:
        if really == taken_for:
            continue
        names = ", ".join(axes[k].size for k in taken_for)
        cause = f"In {{names}} dout is reshaped as if its axes were ({names}), without a transpose."
        if really != own:
            have = ", ".join(axes[k].size for k in really)
            cause = f"In {{names}} dout is transposed to the axes ({have}), and reshaped as if they were ({names})."
        transposed = f"dout.transpose({', '.join(map(str, taken_for))})"
        remedy = f"Reshape `{transposed}`: a reshape keeps the order in memory."
        yield Fault("reshaped-not-transposed", cause, remedy, partial(gradients, really, taken_for))


def _rows_before_columns(order: tuple[int, ...]) -> bool:
    """Tell whether rows are next to their columns, and before them, as in every matrix that people write."""
    return len(order) < 4 or order.index(3) == order.index(2) + 1
