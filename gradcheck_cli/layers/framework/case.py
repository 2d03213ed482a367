"""A case: one geometry, dtype and seed of a layer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, ClassVar, Self

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.parameter import Integer, Parameter
from gradcheck_cli.layers.registry import load_layer
from gradcheck_cli.numeric.arrays import DTYPES

#: The dictionary of parameters that forward takes beside arrays.
Param = Mapping[str, Any]

#: Sizes no two of which are equal, for arrays of up to seven axes.
_DISTINCT = (2, 3, 5, 4, 7, 6, 8)


@frozen
class Case:
    """One geometry, dtype and seed: everything that decides what is computed, and nothing else.

    Raises:
        ValueError, TypeError: a number is not one that its parameter can take, or the dtype is unknown.
    """

    layer: ClassVar[str]
    #: Of inputs, outputs and state, in the order in which forward takes and returns them.
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {}
    passed: ClassVar[tuple[str, ...]] = ()  #: the numbers that forward takes in a dictionary, beside arrays
    #: Numbers that divide another, such as groups: which, and how many times that one is larger where both are drawn.
    divides: ClassVar[Mapping[str, tuple[str, int]]] = {}

    dtype: str = "float64"
    seed: int = 0

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            object.__setattr__(self, parameter.name, parameter.normalize(getattr(self, parameter.name)))
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

    @property
    def flags(self) -> str:
        """What to type for the geometry, as it is."""
        return " ".join(word for p in self.parameters() for word in p.flags(getattr(self, p.name)))

    @property
    def weight(self) -> int:
        """The sum of all numbers of the geometry: of cases that fail in the same way, the lightest is shown."""
        return sum(parameter.weight(getattr(self, parameter.name)) for parameter in self.parameters())

    def source(self) -> random.Random:
        """Return the source of the case's random numbers, at its start."""
        return random.Random(self.seed)  # noqa: S311  # arrays to compute with, not secrets

    def impossible(self) -> str | None:
        """Say why no layer can have this geometry, or None if one can."""
        for name, (whole, _) in self.divides.items():
            if getattr(self, whole) % getattr(self, name):
                return f"{name} {getattr(self, name)} must divide {whole} {getattr(self, whole)}"
        return None

    @property
    def array_axes(self) -> Mapping[str, tuple[Axis, ...]]:
        """The axes of the arrays of this case, where they depend on its numbers."""
        return self.axes

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs: the sizes of their axes are the numbers of that name."""
        numbers = self.geometry
        inputs = {name: [axis.size for axis in axes] for name, axes in self.array_axes.items() if name != "out"}
        return {name: tuple(numbers[size] for size in own) for name, own in inputs.items() if numbers.keys() >= {*own}}

    @property
    def settings(self) -> dict[str, Any]:
        """The dictionary of parameters that forward takes beside arrays; empty where it takes none."""
        return {name: getattr(self, name) for name in self.passed}

    @property
    def skip_reason(self) -> str | None:
        """Why a forward that raises in this case may be right, or None."""
        return None

    @property
    def meaning_open(self) -> bool:
        """Whether right layers differ in what they compute in this case; then there is a `skip_reason`."""
        return False

    @property
    def domain(self) -> Mapping[str, tuple[float, float]]:
        """The interval of each input outside of which forward need not be defined."""
        return {}

    def label(self) -> str:
        """Name the geometry in one short line, for tables: `2x3x7x7 * 4x3x3x3 stride 2 pad 1`."""
        first, *others = self.shapes.values()
        shapes = ["x".join(map(str, shape)) for shape in (first, *others) if len(shape) > 1 or shape is first]
        numbers = [p for p in self.parameters() if p.name in self.settings or hasattr(p, "options")]
        words = (f"{p.name} {p.format(getattr(self, p.name)).removesuffix('.0')}" for p in numbers)
        return " ".join([" * ".join(shapes), *words])

    @classmethod
    def named(cls, layer: str, *settings: type[Case], **declared: Any) -> type[Self]:
        """Make the case of a layer that has the same sizes as others, such as all activations.

        Args:
            layer: its name.
            settings: cases whose numbers follow these.
            declared: what else it declares, such as `axes`.
        """
        name = "".join(word.capitalize() for word in layer.split("-"))
        made = type(f"{name}Case", (*settings, cls), {"layer": layer, "__doc__": cls.__doc__, **declared})
        return frozen(made) if settings else made

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.layer, {f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def rows(cls, names: str, *rows: tuple[Any, ...]) -> tuple[Self, ...]:
        """Make a case of each row of numbers, which `names` lists: `rows("N D M", (4, 6, 3), (3, 4, 4))`."""
        return tuple(cls(**dict(zip(names.split(), row, strict=True))) for row in rows)

    @classmethod
    def probe(cls) -> Self:
        """Return a case of which no two sizes are equal."""
        sizes = [p.name for p in cls.parameters() if isinstance(p, Integer) and not p.pair and p.default > 1]
        numbers: dict[str, Any] = dict(zip(sizes, _DISTINCT, strict=False))
        return cls(**numbers)


@frozen
class NoCase(Case):
    """The case of a result that ended before any case was made."""

    layer: ClassVar[str] = ""

    def label(self) -> str:
        """Say so."""
        return "no case"


def _restored(layer: str, values: dict[str, Any]) -> Case:
    """Make a pickled case again; the class of one that is `named` is found by its layer alone."""
    case: Case = object.__new__(load_layer(layer).case if layer else NoCase)
    vars(case).update(values)
    return case
