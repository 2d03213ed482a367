"""The definition of a layer: the sizes that make a case of it, its reference, and its known faults.

A new layer is one new file that ends in a `Layer`, and one line in `layers/registry.py`. Flags, products of cases,
checks and reports follow from it. Layers know nothing of the code that is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.layers.framework.axes import indexed
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import Relations, derive_couplings
from gradcheck_cli.layers.framework.drawing import Draw, Given, draw_independently
from gradcheck_cli.layers.framework.problem import Problem, as_dtype, draw_inputs, fresh, is_real, joined, with_zeros
from gradcheck_cli.layers.registry import TITLES
from gradcheck_cli.numeric.arrays import Array, working_dtype

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Guard, Observed, Overflow


def imported(module: str, *names: str) -> dict[str, Any]:
    """Return the functions of a module below `layers`, by name, which import it when they are called."""

    def call(name: str, *args: Any) -> Any:
        return getattr(import_module(f"gradcheck_cli.layers.{module}"), name)(*args)

    return {name: partial(call, name) for name in names}


#: The relative change of inputs by which the scale of a curved output is measured, and along how many directions.
_MOVED, _DIRECTIONS = 2.0**-20, 3


@frozen
class Layer:
    """A layer that can be checked.

    Most are forward(inputs, parameters) -> (out, cache) and backward(dout, cache) -> gradients. Others have several
    `outputs`, each with a cotangent, or `state`, entries of the parameters that forward writes and that are checked as
    outputs are; a `loss` is one function. Random numbers come from "seed" in the parameters; where implementations may
    draw others, `Problem.expected_for_draws` says which outputs are right.
    """

    case: type[Case]
    #: Forward and backward, or of a loss the one function; the first is the reference, and is checked.
    builtin: Mapping[str, tuple[Callable[..., Any], ...]]
    standard: Callable[[], Iterable[Case]]  #: small geometries, of which each kind of fault fails one
    inputs: tuple[str, ...] = ()  #: in the order in which forward takes them; that of the case's axes if not given
    outputs: tuple[str, ...] = ("out",)  #: what forward returns before its cache
    state: tuple[str, ...] = ()  #: entries of the parameters that forward writes
    param: str | None = None  #: what the dictionary of parameters is called, where there is one
    #: One function that returns a number and its own gradients: (inputs) -> (loss, gradients).
    loss: bool = False
    #: Whether it is known what forward computes. If not, it is any function of the inputs that the case names, called
    #: as its own arguments say.
    reference: bool = True
    program: str | None = None  #: of a layer with a command of its own

    # The steps from a case to its problem that differ from the usual ones.
    draw: Callable[[Any, Random], Mapping[str, Array]] = draw_inputs  #: in float64, or arrays of other kinds
    #: The dictionary that forward takes, its arrays in float64; drawn after the inputs, before the cotangents.
    parameters: Callable[[Any, Random], Mapping[str, object] | None] = lambda case, _source: case.settings or None
    #: How axes of inputs that are drawn relate to the outputs, where that is not as index notation has it.
    relations: Callable[[Any, Mapping[str, Array]], Relations] = lambda _case, _inputs: {}
    #: Whether an output is a sum of products, whose scale is what forward returns for absolute values. If not, its
    #: scale is how much it changes where inputs are moved.
    sums: bool = True
    zeros: tuple[str, ...] = ("x",)  #: inputs of which some elements are made 0: those in which forward is smooth there
    constants: tuple[str, ...] = ()  #: inputs of floating point that have no gradient, such as the targets of a loss
    #: Whether no backward is expected of a forward that returns no cache.
    cache_optional: Callable[[Any], bool] = lambda _case: False
    make_problem: Callable[[Any], Problem] | None = None  #: makes the whole problem, in place of all these steps

    #: Cases with as few equal sizes as can be, on which readings of somebody's code are tried.
    probe_cases: tuple[Case, ...] = ()
    #: Draws the numbers of a geometry, those that flags fix from the values given for them. Small numbers, because a
    #: thousand geometries are tried; impossible ones only where the flags leave no choice.
    random: Callable[[type[Any], Draw, Given], Mapping[str, Any]] = draw_independently
    has_nonzero_gradient: Callable[[Any], bool] = lambda _case: True  #: whether gradients of a case can be other than 0
    #: Kinds of case that faults depend on, beside those of any layer: one of each is tried first.
    special_cases: tuple[Callable[[Any], bool], ...] = ()

    #: What people get wrong in backward, the most common first, beside what `faults.py` has for any layer.
    faults: Callable[[Any, Problem], Iterable[Fault]] = lambda _case, _problem: ()
    #: Those that depend on the numbers that an implementation drew, or that look like a constant factor in a single
    #: case: tried before all others.
    observed_faults: Callable[[Any, Problem, Observed], Iterable[Fault]] = lambda _case, _problem, _observed: ()
    #: What people get wrong in forward: (case, problem with inputs in the working dtype, the outputs as one array).
    forward_faults: Callable[[Any, Problem, Array], Iterable[ForwardFault]] = lambda _case, _problem, _out: ()
    #: Guards that people write, with which forward is right as well.
    guards: Callable[[Problem], Iterable[Guard]] = lambda _problem: ()
    #: Why forward's output may be no number, the likeliest first, seen from the gradients that are finite.
    overflows: Callable[[Problem, Mapping[str, Array]], Iterable[Overflow]] = lambda _problem, _gradients: ()

    def __post_init__(self) -> None:
        others = {"out", *self.outputs, *self.state}
        inputs = self.inputs or tuple(name for name in self.case.axes if name not in others)
        probe_cases = self.probe_cases or ((self.case.probe(),) if self.reference else ())
        vars(self).update(inputs=inputs, probe_cases=probe_cases)

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.case.layer

    @property
    def title(self) -> str:
        """The name of the layer in a sentence."""
        return TITLES[self.name]

    @property
    def title_with_article(self) -> str:
        """The title as it is spoken: an LSTM. Names of operations have no article."""
        if self.title.endswith(("convolution", "normalization", "dropout", "pooling")):
            return self.title
        return f"{'an' if self.title[0] in 'aeiouL' else 'a'} {self.title}"

    @property
    def command(self) -> str:
        """The command that checks the layer."""
        return self.program or f"gradcheck {self.name}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of forward, or of the one function of a loss, in order."""
        return (*self.inputs, *([self.param] if self.param else []))

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The reference: forward and backward, or of a loss the one function."""
        return next(iter(self.builtin.values()))

    @cached_property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a gradient."""
        return self.problem(self.probe_cases[0]).differentiable

    def problem(self, case: Any) -> Problem:
        """Return what a case asks of an implementation: inputs, cotangents, and what forward should make of them.

        Each input is drawn, the reference evaluated, and scaled by absolute values, if no other way is declared.
        """
        if self.make_problem:
            return self.make_problem(case)
        source = case.source()
        inputs, parameters = self.draw(case, source), self.parameters(case, source)
        outputs = self.outputs
        wide, dtype = working_dtype(case.dtype), np.dtype(case.dtype)
        drawn = {**inputs, **{n: with_zeros(inputs[n], case.seed) for n in self.zeros if is_real(inputs.get(n))}}
        given = {name: as_dtype(value, dtype) for name, value in drawn.items()}
        typed = None if parameters is None else {key: as_dtype(value, dtype) for key, value in parameters.items()}
        widened = [as_dtype(value, wide) for value in given.values()]
        settings = [] if typed is None else [{key: as_dtype(value, wide) for key, value in typed.items()}]

        found = self.returned(widened, *settings)
        if self.sums:
            scales = self.returned(map(abs, widened), *settings)
        else:
            scales = self._sensitivity(found, widened, settings)
        cotangents = [np.ones(()) if self.loss else signed_uniform(source, out.shape) for out in found]
        cotangents = [cotangent.astype(dtype) for cotangent in cotangents[: len(outputs)]]

        output_shapes = {name: out.shape for name, out in zip((*outputs, *self.state), found, strict=True)}
        shapes = {name: value.shape for name, value in given.items()}
        axes = {
            name: indexed(own, len((shapes | output_shapes).get(name, own))) for name, own in case.array_axes.items()
        }
        differentiable = {n: shapes[n] for n, value in given.items() if is_real(value) and n not in self.constants}
        relations = self.relations(case, inputs)
        return Problem(
            inputs=given,
            parameters=typed,
            cotangent=joined([*cotangents, *(np.zeros(out.shape, dtype) for out in found[len(outputs) :])]),
            expected=joined(found),
            expected_scale=joined([np.broadcast_to(s, out.shape) for s, out in zip(scales, found, strict=True)]),
            coupling=derive_couplings(axes, differentiable, output_shapes, relations),
            axes=axes,
            relations=relations,
            outputs=output_shapes if len(output_shapes) > 1 else {},
            cotangents=len(outputs),
            skip_reason=case.skip_reason,
            meaning_open=case.meaning_open,
            constants=self.constants,
            domain=case.domain,
            cache_optional=self.cache_optional(case),
        )

    def _sensitivity(self, found: list[Array], inputs: list[Array], settings: list[dict[str, Any]]) -> list[Array]:
        """Return |out|, and how much it changes where inputs are moved, as a multiple of their relative change."""
        source, scales = Random(8), [abs(out) for out in found]  # noqa: S311  # directions, not secrets

        def moved(value: Any) -> Any:
            if not (isinstance(value, np.ndarray) and is_real(value)):
                return value
            return value * (1 + _MOVED * np.sign(signed_uniform(source, value.shape)))

        with np.errstate(all="ignore"):  # what overflows has no scale
            for _ in range(_DIRECTIONS):
                changed = [{key: moved(value) for key, value in each.items()} for each in settings]
                there = self.returned(map(moved, inputs), *changed)
                scales = [s + abs(out - at) / _MOVED for s, out, at in zip(scales, there, found, strict=True)]
        return [np.nan_to_num(scale) for scale in scales]

    def outputs_for(self, problem: Problem, inputs: Mapping[str, Array]) -> Array:
        """Return the reference's outputs for other inputs, flat and one after the other, without state."""
        wide = [as_dtype(value, problem.expected.dtype) for value in inputs.values()]
        found = self.returned(wide, problem.parameters)[: len(self.outputs)]
        return np.concatenate([out.reshape(-1) for out in found])

    def returned(self, inputs: Iterable[Array], parameters: Mapping[str, object] | None = None) -> list[Array]:
        """Return the reference's outputs, and then the state that it writes into a copy of the parameters."""
        written: list[Any] = [] if parameters is None else [fresh(parameters)]
        outputs = self.functions[0](*inputs, *written)[: len(self.outputs)]
        return [*map(np.asarray, outputs), *(written[0][name] for name in self.state)]

    def gradients(self, problem: Problem, inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Array]:
        """Return the reference's gradients, by the input's name."""
        parameters = [] if problem.parameters is None else [fresh(problem.parameters)]
        if self.loss:
            _, *found = self.functions[0](*inputs.values(), *parameters)
            found = [gradient * cotangent for gradient in found]
        else:
            forward, backward = self.functions
            *_, cache = forward(*inputs.values(), *parameters)
            cotangents = list(problem.parts(cotangent).values())[: len(self.outputs)]
            returned = backward(*cotangents, cache)
            found = [returned] if isinstance(returned, np.ndarray) else list(returned)
        gradients = dict(zip(self.differentiable, found, strict=True))
        return {name: gradients[name] for name in problem.differentiable}

    def problem_without(self, case: Any, absent: Iterable[str]) -> Problem:
        """Return a case's problem for an implementation that lacks some inputs: they are zero, without a gradient."""
        problem = self.problem(case)
        if not (absent := set(absent) & set(problem.inputs)):
            return problem
        inputs = {name: value.astype(int) * 0 if name in absent else value for name, value in problem.inputs.items()}
        wide = [as_dtype(value, problem.expected.dtype) for value in inputs.values()]
        return replace(problem, inputs=inputs, expected=joined(self.returned(wide, problem.parameters)))
