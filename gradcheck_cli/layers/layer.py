"""What a layer is: the sizes that make a case of it, and the problem that a case poses.

A new layer is one new file that ends in a `Layer`, and one line in `layers/__init__.py`. Flags, products of
cases, checks and reports follow from what is said there. Layers do not know whose code is checked.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, cast

from gradcheck_cli.arrays import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.vocabulary import Vocabulary
    from gradcheck_cli.numeric.colored import Coupling

    #: Returns a random number from the first to the second, both included. Layers need not know where it comes from.
    Draw = Callable[[int, int], int]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One number of a case's geometry: the flag that sets it and the values that it may take."""

    name: str
    default: int
    minimum: int
    pair: bool  #: two numbers, vertical and horizontal, of which one may stand for both
    help: str

    def normalise(self, value: object) -> int | tuple[int, int]:
        """Return `value` as this parameter holds it: an int, or for a pair a tuple of two.

        Raises:
            ValueError: it is below the minimum.
            TypeError: it is no whole number (or no pair of them).
        """
        if not self.pair:
            return self._whole(value)
        vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
        return self._whole(vertical), self._whole(horizontal)

    def _whole(self, value: object) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"{self.name} must be a whole number, not {value!r}")
        number = operator.index(value)
        if number < self.minimum:
            raise ValueError(f"{self.name} must be at least {self.minimum}, not {number}")
        return number


def size(default: int, help: str) -> Any:  # noqa: A002  # a dataclass field takes its type from its annotation
    """Declare a dataclass field that holds a size of at least 1."""
    return field(default=default, metadata={"minimum": 1, "pair": False, "help": help})


def pair(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002
    """Declare a dataclass field that holds a vertical and a horizontal number, or one for both."""
    return field(default=default, metadata={"minimum": minimum, "pair": True, "help": help})


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
    @functools.cache  # each case that is made asks: half of the time that it takes
    def parameters(cls) -> tuple[Parameter, ...]:
        """List the numbers of the geometry, in the order in which they are declared."""
        declared = [f for f in fields(cls) if "minimum" in f.metadata]
        return tuple(Parameter(name=f.name, default=cast("int", f.default), **f.metadata) for f in declared)

    @property
    def geometry(self) -> dict[str, Any]:
        """The numbers of the geometry by name: ints, and tuples of two for pairs."""
        return {parameter.name: getattr(self, parameter.name) for parameter in self.parameters()}

    def impossible(self) -> str | None:
        """Say why no layer can have this geometry, or None if one can."""
        return None

    def label(self) -> str:
        """Name the geometry in one short line, for tables."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What one axis of an array is called: in `the last row`, `samples n >= 1`, `divided by N`."""

    name: str
    index: str
    size: str
    spatial: bool = False  #: its indices have neighbours: there is a first, a last and a border


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
class Problem:
    """What a case asks of an implementation, as arrays.

    `inputs`, `parameters` and `cotangent` are what forward and backward are given, in the case's dtype.
    `expected` is the right output for those inputs, computed in the working dtype; `expected_scale` is, for each
    of its elements, the sum of the absolute values of its terms, to which its roundoff is proportional.
    """

    inputs: Mapping[str, Array]  #: the inputs that have a gradient, in the order in which forward takes them
    parameters: Mapping[str, object] | None  #: forward's last argument, where the layer has one
    cotangent: Array
    expected: Array
    expected_scale: Array
    coupling: Mapping[str, Coupling]  #: for each input of which many elements can be moved together, which
    axes: Mapping[str, tuple[Axis, ...]]  #: of each input, and of the output under the name "out"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer that can be checked."""

    name: str
    title: str  #: what it is called in a sentence
    command: str  #: what people type to check it
    case: type[Case]
    inputs: tuple[str, ...]
    problem: Callable[[Any], Problem]
    standard: Callable[[], Iterable[Case]]  #: small geometries, of which each kind of fault fails one
    builtin: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]]  #: forward and backward; the first is checked
    vocabulary: Vocabulary  #: what people call its parts
    trials: tuple[Case, ...]  #: with as few sizes alike as can be; on the first that it can express a reading is tried
    faults: Callable[[Any, Problem], Iterable[Fault]]  #: what people get wrong in a case, the most common first
    #: Draws the numbers of a geometry, those that flags fix from the values given for them. Small ones, because a
    #: thousand of them are tried, and impossible ones only where what is given leaves no choice.
    random: Callable[[Draw, Mapping[str, Sequence[Any]]], Mapping[str, Any]]
    shows: Callable[[Any], bool]  #: whether gradients of a case can be other than 0: random ones do
    corners: tuple[Callable[[Any], bool], ...]  #: kinds of case that faults depend on: one of each is tried first

    def gradients(self, problem: Problem, inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Array]:
        """Return the reference's gradients, by the input's name."""
        forward, backward = next(iter(self.builtin.values()))
        _, cache = forward(*inputs.values(), *([] if problem.parameters is None else [problem.parameters]))
        return dict(zip(inputs, backward(cotangent, cache), strict=True))
