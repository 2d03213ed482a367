"""What a layer is: the sizes that make a case of it, and the problem that a case poses.

A new layer is one new file that ends in a `Layer`, and one line in `layers/registry.py`. Flags, products of
cases, checks and reports follow from what is said there. Layers do not know whose code is checked.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.drawing import each_for_itself
from gradcheck_cli.layers.registry import TITLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.drawing import Draw, Given
    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Guard, Observed, Overflow
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class Layer:
    """A layer that can be checked.

    Most are forward(inputs, parameters) -> (out, cache) and backward(dout, cache) -> gradients. What differs is said by
    `outputs` (several, each with a cotangent), `state` (entries of the parameters that forward writes, and that are
    checked as outputs are), `loss` (one function) and by the problem: parameters that are None, inputs without a
    gradient. Randomness of a layer's own comes from "seed" in its parameters; where that leaves the draws to whoever
    implements it, `Problem.expected_for_draws` says which outputs are right.
    """

    case: type[Case]
    inputs: tuple[str, ...]
    problem: Callable[[Any], Problem]
    standard: Callable[[], Iterable[Case]]  #: small geometries, of which each kind of fault fails one
    #: Forward and backward, or of a loss the one function; the first is checked.
    builtin: Mapping[str, tuple[Callable[..., Any], ...]]
    trials: tuple[Case, ...]  #: with as few sizes alike as can be; a reading is tried on those that it can express
    #: What people get wrong in a case, the most common first.
    faults: Callable[[Any, Problem], Iterable[Fault]] = lambda _case, _problem: ()
    #: Guards that people write, with which forward is right as well.
    guards: Callable[[Problem], Iterable[Guard]] = lambda _problem: ()
    #: Why forward's output may be no number, the likeliest first; `finite` says whether the gradients are.
    overflows: Callable[[Problem, bool], Iterable[Overflow]] = lambda _problem, _finite: ()
    #: The same for what depends on the numbers that an implementation drew, or looks like a constant factor in a single
    #: case: tried before all else.
    first_faults: Callable[[Any, Problem, Observed], Iterable[Fault]] = lambda _case, _problem, _observed: ()
    #: What people get wrong in forward: (case, problem with inputs in the working dtype, the outputs as one array).
    forward_faults: Callable[[Any, Problem, Array], Iterable[ForwardFault]] = lambda _case, _problem, _out: ()
    #: Draws the numbers of a geometry, those that flags fix from the values given for them. Small ones, because a
    #: thousand of them are tried, and impossible ones only where what is given leaves no choice.
    random: Callable[[type[Any], Draw, Given], Mapping[str, Any]] = each_for_itself
    has_nonzero_gradient: Callable[[Any], bool] = lambda _case: True  #: whether gradients of a case can be other than 0
    #: Kinds of case that faults depend on, beside those of any layer: one of each is tried first.
    corners: tuple[Callable[[Any], bool], ...] = ()
    param: str | None = None  #: what the dictionary of parameters is called, where there is one
    outputs: tuple[str, ...] = ("out",)  #: what forward returns before its cache
    state: tuple[str, ...] = ()  #: entries of the parameters that forward writes
    #: One function that returns a number and its own gradients: (inputs) -> (loss, gradients).
    loss: bool = False
    program: str | None = None  #: of a layer with a command of its own
    #: Whether it is known what forward computes. Where not, it is any function of the inputs that the case names, and
    #: how it is to be called is read from its own arguments.
    reference: bool = True

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.case.layer

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return TITLES[self.name]

    @property
    def command(self) -> str:
        """What people type to check it."""
        return self.program or f"gradcheck {self.name}"

    @property
    def indefinite(self) -> str:
        """The title with its article, as it is spoken: an LSTM. Names of operations have none."""
        if self.title.endswith(("convolution", "normalization", "dropout", "pooling")):
            return self.title
        return f"{'an' if self.title[0] in 'aeiouL' else 'a'} {self.title}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What forward, or the one function of a loss, is called with, in order."""
        return (*self.inputs, *([self.param] if self.param else []))

    @cached_property
    def owed(self) -> tuple[str, ...]:
        """The inputs that have a gradient."""
        return self.problem(self.trials[0]).differentiable

    def gradients(self, problem: Problem, inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Array]:
        """Return the reference's gradients, by the input's name."""
        functions = next(iter(self.builtin.values()))
        parameters = [] if problem.parameters is None else [fresh(problem.parameters)]
        if self.loss:
            _, *found = functions[0](*inputs.values(), *parameters)
            found = [gradient * cotangent for gradient in found]
        else:
            forward, backward = functions
            *_, cache = forward(*inputs.values(), *parameters)
            cotangents = list(problem.parts(cotangent).values())[: len(self.outputs)]
            returned = backward(*cotangents, cache)
            found = [returned] if isinstance(returned, np.ndarray) else list(returned)
        return dict(zip(problem.differentiable, found, strict=True))


def fresh(parameters: Mapping[str, object]) -> dict[str, object]:
    """Copy parameters with the arrays among them, for code that may write into either."""
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in parameters.items()}
