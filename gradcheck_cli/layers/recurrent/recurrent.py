"""Shared by recurrent layers: a cell is one step, and a sequence repeats it with the same weights.

A layer is made of its cell. Its draws, couplings, scales of roundoff and faults follow from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import sigmoid, sigmoid_slopes, tanh_slopes
from gradcheck_cli.layers.framework.axes import HIDDEN, SAMPLE, STEP, Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH, Relations, blocks
from gradcheck_cli.layers.framework.fault import EquationFault, Fault, equations, evaluate, fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.recurrent.time import through_time, time_faults
from gradcheck_cli.numeric.arrays import Array

#: The rows of Wh.
_ROW = Axis(name="row", letter="i", size="H")

#: Multiplications of a forward pass up to which faults are tried: there are about a hundred. Measured: 1.2 s at
#: 160,000, in sequences of 10 steps, and 20 s at 8,000,000.
LARGEST_FOR_FAULTS = 500_000


def declare_axes(
    x: str, states: tuple[str, ...], outputs: tuple[str, ...], *, gates: int
) -> dict[str, tuple[Axis, ...]]:
    """Declare the axes of a layer: of x and the outputs "N D" and "N H", or of a sequence "N T D" and "N T H"."""
    columns, h = "H" if gates == 1 else f"{gates}H", x.replace("D", "H")
    before, after = dict.fromkeys(states, "N H"), dict.fromkeys(outputs, h)
    weights = {"Wx": f"D {columns}", "Wh": f"H {columns}", "b": columns}
    gate = Axis(name="gate column", letter="j", size=f"{gates}H")  # the columns of the weights, if there are gates
    axes = declare(HIDDEN, gate, x=x, **before, **weights, **after)
    return {**axes, "Wh": (_ROW, *axes["b"]), "out": axes[outputs[0]]}


@frozen
class StepCase(Case):
    """Sizes of one step: x (N, D), states (N, H), Wx (D, gates H), Wh (H, gates H), b (gates H,)."""

    N: int = size(3, "samples")
    D: int = size(4, "features of x")
    H: int = size(5, "hidden units")

    def label(self) -> str:
        """Name the geometry: `N 3 D 4 H 5`."""
        return " ".join(f"{name} {value}" for name, value in self.geometry.items())


@frozen
class SequenceCase(StepCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), the same weights at each step, h (N, T, H)."""

    T: int = size(4, "steps")


#: The last equations of any step: the gradients through x Wx + prev_h Wh + b, two affine layers that share da.
PRODUCTS = """
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
"""


@frozen
class Cell:
    """One step: states (N, H) from x (N, D) and the states before it."""

    states: tuple[str, ...]  #: h, and c of an LSTM
    gates: int  #: blocks of H columns in Wx, Wh and b
    backward: Callable[..., Any]  #: (cotangents of states..., cache) -> gradients of the arguments of forward
    formulas: str  #: equations of backward: of the values of a cache, which is a named tuple, and of dnext_h
    faults: tuple[EquationFault, ...]
    #: Of the parameters, whether a gate is followed by a product, so that each unit reaches all within a step.
    units_meet: Callable[[Mapping[str, Any]], bool] = lambda _settings: False
    param: str | None = None  #: what the dictionary of parameters is called, which forward takes last
    settings: tuple[type[Case], ...] = ()  #: a case that has these parameters
    variants: tuple[Mapping[str, Any], ...] = ({},)  #: of them

    def backward_with(self, fault: EquationFault) -> Callable[..., tuple[Array, ...]]:
        """Return the backward pass with a fault."""
        formulas = {**equations(self.formulas), **fault.equations}

        def backward(*arguments: Any) -> tuple[Array, ...]:
            *cotangents, cache = arguments
            given = dict(zip((f"dnext_{state}" for state in self.states), cotangents, strict=True))
            v = evaluate(formulas, {**cache._asdict(), **given, "sigmoid": sigmoid})
            return v.dx, *(getattr(v, f"dprev_{state}") for state in self.states), v.dWx, v.dWh, v.db

        return backward


def recurrent_layer(layer: str, cell: Cell, forward: Callable[..., Any], backward: Callable[..., Any]) -> Layer:
    """Declare a layer of one step of a cell, whose name ends so, or of a sequence of steps."""
    is_sequence = not layer.endswith("-step")
    outputs = ("h",) if is_sequence else tuple(f"next_{state}" for state in cell.states)
    before = ("h0",) if is_sequence else tuple(f"prev_{state}" for state in cell.states)
    axes = declare_axes("N T D" if is_sequence else "N D", before, outputs, gates=cell.gates)
    case = (SequenceCase if is_sequence else StepCase).named(layer, *cell.settings, axes=axes)

    def relations(case: StepCase, _inputs: Mapping[str, Array]) -> Relations:
        """Relate axes of inputs to the outputs: the units of the weights meet in the second step."""
        meet = is_sequence or cell.units_meet(case.settings)
        columns = {case.axes["b"][0]: EACH if meet else blocks(HIDDEN, cell.gates)}
        states = {name: {HIDDEN: EACH} for name, axes in case.axes.items() if axes == (SAMPLE, HIDDEN)}
        return {"x": {STEP: EACH}, **states, "Wx": columns, "Wh": columns, "b": columns}

    def draw(case: StepCase, source: Random) -> dict[str, Array]:
        """Draw the inputs, with weights as at the start of training: no gate is shut, and none is open."""
        sizes = {**case.geometry, f"{cell.gates}H": cell.gates * case.H}
        names = [name for name in case.axes if name not in ("out", *outputs)]
        inputs = {name: signed_uniform(source, [sizes[axis.size] for axis in case.axes[name]]) for name in names}
        inputs["Wx"] *= 0.5 / case.D**0.5  # so that the sums in gates have a deviation below 1
        inputs["Wh"] *= 0.5 / case.H**0.5
        return inputs

    return Layer(
        case=case,
        builtin={"vectorized": (forward, backward)},
        standard=partial(_standard, case, cell.variants),
        param=cell.param,
        probe_cases=tuple(replace(case.probe(), **variant) for variant in cell.variants),
        outputs=outputs,
        draw=draw,
        relations=relations,
        sums=False,
        faults=partial(_faults, cell, forward),
    )


def _faults(cell: Cell, forward: Callable[..., Any], case: StepCase, problem: Problem) -> Iterator[Fault]:
    """Yield the faults of a case that is small enough to try them: between the steps first, then in each."""
    is_sequence = isinstance(case, SequenceCase)
    steps = case.T if isinstance(case, SequenceCase) else 1
    if case.N * steps * cell.gates * case.H * (case.D + case.H) > LARGEST_FOR_FAULTS:
        return
    settings = [case.settings] if cell.param else []

    def fault(code: str, cause: str, remedy: str, wrong: Callable[..., Any]) -> Fault:
        def gradients(inputs: Mapping[str, Array], cotangent: Array) -> Mapping[str, Array]:
            *_, cache = forward(*inputs.values(), *settings)
            return dict(zip(inputs, wrong(*problem.parts(cotangent).values(), cache), strict=True))

        return Fault(code, cause, remedy, gradients)

    if steps > 1:
        for between in time_faults(cell.backward, len(cell.states), steps):
            yield fault(*between)
    for one in cell.faults:
        step = cell.backward_with(one)
        wrong = partial(through_time, step, carried=(1.0,) * len(cell.states)) if is_sequence else step
        yield fault(one.code, one.cause, one.remedy, wrong)


def _standard(case: type[StepCase], variants: tuple[Mapping[str, Any], ...]) -> tuple[StepCase, ...]:
    """List sizes that all differ, then each size 1 or equal to another; of a sequence, one step too."""
    rows = [(3, 4, 5, 4), (2, 3, 3, 3), (1, 2, 3, 2), (2, 1, 2, 3), (3, 2, 1, 2), (2, 3, 4, 1)]
    names = "N D H T" if issubclass(case, SequenceCase) else "N D H"
    sizes = [row[: len(names.split())] for row in (rows if "T" in names else rows[:-1])]
    # Each variant has one of the first two sizes, which are smaller then, and takes its turn at the others.
    first, *more = variants
    if more:
        sizes[0] = (2, 3, 4, 3)[: len(sizes[0])]
    chosen = [(sizes[0], first), *((sizes[1], variant) for variant in more)]
    chosen += zip(sizes[1 + bool(more) :], itertools.cycle(variants), strict=False)
    return case.rows(" ".join([names, *first]), *((*row, *variant.values()) for row, variant in chosen))


_COUNTS = {3: "three", 4: "four"}


def gate_faults(sigmoids: str, tanh: str, remedy: str) -> Iterator[EquationFault]:
    """Yield wrong slopes of one gate or several, and orders of all of them.

    Equations are `sums`, what each gate is a function of, `right`, their slopes, `gate_slopes`, which are these, and
    `order`, in which gates are joined.

    Args:
        sigmoids: the gates that are sigmoids, a letter each, in their order.
        tanh: the last gate.
        remedy: for wrong slopes.
    """
    gates, count = sigmoids + tanh, len(sigmoids) + 1
    positions = {"the sigmoids": range(count - 1), **{f"gate {name}": [k] for k, name in enumerate(sigmoids)}}
    wrong = [
        (name, own, words, slope)
        for name, own in positions.items()
        for _, words, slope in sigmoid_slopes("a", "s" if len(own) > 1 else name[-1])
    ]
    wrong += [(f"gate {tanh}", [count - 1], words, slope) for _, words, slope in tanh_slopes(f"a_{tanh}", tanh)]
    wrong.append((f"all {_COUNTS[count]} gates", range(count), "left out", "np.ones_like(x)"))
    for name, own, words, slope in wrong:
        slopes = ", ".join(f"(lambda x: {slope})(sums[{k}])" if k in own else f"right[{k}]" for k in range(count))
        yield fault("gate-slope", f"the slope of {name} is {words}", remedy, f"gate_slopes = [{slopes}]")
    forward = f"Join the gradients of the gates in the order in which forward splits them: {', '.join(gates)}."
    for order in [*itertools.permutations(range(count))][1:]:
        words = f"the gates are in the order {', '.join(gates[k] for k in order)}"
        yield fault("gate-columns-permuted", words, forward, f"order = {order}")
