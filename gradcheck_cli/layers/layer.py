"""What a layer is: the sizes that make a case of it, and the problem that a case poses.

A new layer is one new file that ends in a `Layer`, and one line in `layers/titles.py`. Flags, products of
cases, checks and reports follow from what is said there. Layers do not know whose code is checked.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

import numpy as np

from gradcheck_cli.arrays import DTYPES
from gradcheck_cli.layers.drawing import each_for_itself
from gradcheck_cli.layers.titles import TITLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.drawing import Draw, Given
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.parameter import Parameter
    from gradcheck_cli.layers.vocabulary import Vocabulary
    from gradcheck_cli.numeric.colored import Coupling


@dataclass(frozen=True, kw_only=True)
class Case:
    """One geometry, dtype and seed: everything that decides what is computed, and nothing else.

    Raises:
        ValueError, TypeError: a number is not one that its parameter can take, or the dtype is unknown.
    """

    layer: ClassVar[str]

    dtype: str = "float64"
    seed: int = 0

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            object.__setattr__(self, parameter.name, parameter.normalise(getattr(self, parameter.name)))
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed}")

    @classmethod
    @cache  # each case that is made asks: half of the time that it takes
    def parameters(cls) -> tuple[Parameter, ...]:
        """List the numbers of the geometry, in the order in which they are declared."""
        declared = [f for f in fields(cls) if "kind" in f.metadata]
        return tuple(f.metadata["kind"](name=f.name, default=f.default, **f.metadata["rest"]) for f in declared)

    @property
    def geometry(self) -> dict[str, Any]:
        """The numbers of the geometry by name: ints, floats and words, and tuples for pairs and shapes."""
        return {parameter.name: getattr(self, parameter.name) for parameter in self.parameters()}

    def source(self) -> random.Random:
        """Return the source of the case's random numbers, at its start."""
        return random.Random(self.seed)  # noqa: S311  # arrays to compute with, not secrets

    def impossible(self) -> str | None:
        """Say why no layer can have this geometry, or None if one can."""
        return None

    def label(self) -> str:
        """Name the geometry in one short line, for tables."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class NoCase(Case):
    """What a result has in the place of a case where it did not come as far as to one."""

    layer: ClassVar[str] = ""

    def label(self) -> str:
        """Say so."""
        return "no case"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A slip that people make in a backward pass, as a hypothesis that can be held against what was returned."""

    code: str  #: in kebab-case; README.md lists them all
    cause: str  #: a sentence about {names}, which {be} as they are
    remedy: str  #: a sentence
    #: What (inputs, cotangent) come to with the slip, by the input's name, in whatever shape that has. Every element is
    #: a sum of products of theirs, each with the factor 1, so that of absolute values it is the scale of roundoff.
    gradients: Callable[[Mapping[str, Array], Array], Mapping[str, Array]]


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A small number by which forward stays clear of what it is not defined for, as in log(p + 1e-12)."""

    code: str  #: in kebab-case; README.md lists them all
    cause: str  #: what forward does, a sentence without its end
    remedy: str  #: a sentence
    out: Array  #: what forward returns with it
    gradients: Mapping[str, Array]  #: what backward may return beside the derivative with it, and that without it


@dataclass(frozen=True, kw_only=True)
class Overflow:
    """Why an output is infinite or NaN, though the right one is finite."""

    code: str  #: in kebab-case; README.md lists them all
    cause: str  #: a sentence
    remedy: str  #: a sentence


@dataclass(frozen=True, kw_only=True)
class ForwardFault:
    """A mistake that people make in a forward pass, as a hypothesis that can be held against its outputs."""

    code: str  #: in kebab-case; README.md lists them all
    cause: str  #: a sentence about {names}, the outputs that it explains, which {be} as they are
    remedy: str  #: a sentence
    outputs: Mapping[str, Array]  #: what they come to with the mistake, by name; those that it does not reach, left out


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What an implementation made of a case, in the working dtype."""

    out: Array
    derivatives: Mapping[str, Array]  #: of its own forward, where they were computed, by the input's name
    gradients: Mapping[str, Array]  #: that its backward returned, by the input's name


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a case asks of an implementation, as arrays.

    `inputs`, `parameters` and `cotangent` are what forward and backward are given, in the case's dtype. Inputs that
    are no floating point (labels, indices, masks) have no gradient.

    `expected` is the right output for those inputs, computed in the working dtype; `expected_scale` is, for each
    of its elements, the sum of the absolute values of its terms, to which its roundoff is proportional.

    Several outputs are one array here, each raveled, one after the other; so are the cotangents, that of what is state
    and no output being zero; and `coupling` is of that array. `outputs` says what is where.
    """

    inputs: Mapping[str, Array]  #: in the order in which forward takes them
    parameters: Mapping[str, object] | None  #: forward's last argument, where the layer has one
    cotangent: Array
    expected: Array
    expected_scale: Array
    coupling: Mapping[str, Coupling]  #: for each input of which many elements can be moved together, which
    axes: Mapping[str, tuple[Axis, ...]]  #: of each input and each output
    outputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  #: shapes of several, by name; {} for one, out
    #: Of gradients in which terms cancel that their Jacobian does not show (what a mean takes away, say), the sum of
    #: the absolute values of these terms: their roundoff is proportional to it.
    gradient_scale: Mapping[str, Array] = field(default_factory=dict)
    #: Of a layer that draws numbers of its own: from what was returned to the right output with the same draws, or to
    #: `expected` if no right layer would have drawn so.
    expected_for_draws: Callable[[Array], Array] | None = None
    #: The seed of `random` and `np.random` before each forward, for a layer that may draw numbers; None for others.
    draws: int | None = None
    #: From what was returned to why this case could not show a fault, where that depends on what forward drew.
    vacuous: Callable[[Array], str | None] = lambda _out: None
    cotangents: int = 1  #: how many of the outputs have one; what follows them is state
    #: Whether it is known what is expected. Where not, forward says of which shape its output is; until it has been
    #: seen (`with_output_shape`), the cotangent is empty, as the expected output always is.
    reference: bool = True
    #: What not every right layer can do: where forward raises instead, the case is skipped for this reason.
    skip_reason: str | None = None
    #: Whether a right layer may also compute something else in this case, of which no meaning is agreed: where forward
    #: does not reproduce the reference, the case is skipped for the same reason.
    meaning_open: bool = False
    #: Of inputs that may not lie anywhere, from where to where they do; forward need not be defined elsewhere.
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    #: Whether a forward that leaves no cache owes no backward: nothing is learned in the mode that the case asks for.
    cache_optional: bool = False

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a gradient."""
        return tuple(name for name, value in self.inputs.items() if value.dtype.kind == "f")

    @property
    def state(self) -> tuple[str, ...]:
        """What of the outputs is state."""
        return tuple(self.outputs)[self.cotangents :]

    @cached_property
    def output_axes(self) -> tuple[Axis, ...]:
        """What the axes of the output are called; () where it is several outputs in one array, or has no axes."""
        return () if self.outputs else self.axes["out"]

    def expected_for(self, out: object) -> Array:
        """Return the right output to hold `out` against: `expected`, or of several that are right the one like it."""
        return self.expected_for_draws(out) if self.expected_for_draws and self._comparable(out) else self.expected

    def why_vacuous(self, out: object) -> str | None:
        """Say why a case in which forward returned `out` could not show a fault, or None if it could."""
        return self.vacuous(out) if self._comparable(out) else None

    def _comparable(self, out: object) -> TypeGuard[Array]:
        return isinstance(out, np.ndarray) and out.shape == self.expected.shape and out.dtype.kind == "f"

    def parts(self, array: Array) -> dict[str, Array]:
        """Split what is one array here into the outputs by name, each in its own shape."""
        if not self.outputs:
            return {"out": array}
        found, start = {}, 0
        for name, shape in self.outputs.items():
            found[name] = array[start : start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
        return found

    def located(self, flat: int) -> tuple[str, tuple[int, ...]]:
        """Say in which output, and where in it, a flat index of the output is."""
        for name, part in self.parts(np.arange(self.cotangent.size).reshape(self.cotangent.shape)).items():
            if (found := np.argwhere(part == flat)).size or part.shape == ():
                return name, tuple(int(i) for i in found[0])
        raise IndexError(flat)


@dataclass(frozen=True, kw_only=True)
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
    vocabulary: Vocabulary  #: what people call its parts
    trials: tuple[Case, ...]  #: with as few sizes alike as can be; on the first that it can express a reading is tried
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
        if self.title.endswith(("convolution", "normalisation", "dropout", "pooling")):
            return self.title
        return f"{'an' if self.title[0] in 'aeiouL' else 'a'} {self.title}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What forward, or the one function of a loss, is called with, in order."""
        return (*self.inputs, *([self.param] if self.param else []))

    @property
    def signature(self) -> str:
        """What is looked for in a file, in the names of the literature."""
        if not self.reference:
            return "function with its gradient, such as f(x, w) and f_grad(dout, x, w)"
        stem, called = self.vocabulary.names[0], ", ".join(self.arguments)
        owed = ", ".join(f"d{name}" for name in self.owed)
        if self.loss:
            return f"function {stem}_loss({called}) -> (loss, {owed})"
        cotangents = ", ".join(f"d{name}" for name in self.outputs)
        gradients = f"({owed})" if len(self.owed) > 1 else owed
        return (
            f"pair {stem}_forward({called}) -> ({', '.join(self.outputs)}, cache) and "
            f"{stem}_backward({cotangents}, cache) -> {gradients}"
        )

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
