"""Parameters of which there are several of a kind, by name: the shapes of a function's arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import product
from typing import Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.parameter import Word, declared
from gradcheck_cli.layers.framework.words import Interval, Shape


class Named(Mapping[str, Any]):
    """Values by name, in an order. It can be hashed, as everything can of which a case is made."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)


@frozen
class ByName(Word):
    """Values by name, of which each has a flag for itself: `--shape x=2,3 --shape w=3x4`."""

    repeated: ClassVar[bool] = True

    metavar: str = field(default="", init=False)
    each: Callable[[str], Word]  #: what a value may be, by what it is called

    def __post_init__(self) -> None:
        object.__setattr__(self, "metavar", f"NAME={self.each('').metavar}")

    def normalize(self, value: object) -> Named:
        """Return `value` with each of its values as their kind holds it."""
        if not isinstance(value, Mapping):
            raise TypeError(f"{self.name} must be a dictionary of values by name, not {value!r}")
        return Named({name: self._each(name).normalize(one) for name, one in value.items()})

    def read(self, text: str) -> tuple[Named, ...]:
        """Read the values of one name: `x=2,3`, or `x=2x3,4x5`."""
        name, equals, values = (part.strip() for part in text.partition("="))
        if not (equals and name.isidentifier()):
            raise ValueError(f"say of what, such as x={values or name}")
        return tuple(Named({name: value}) for value in self._each(name).read(values))

    def joined(self, given: Iterable[tuple[Named, ...]]) -> tuple[Named, ...]:
        """Make every combination of what stands after several flags.

        Raises:
            ValueError: two are of the same name.
        """
        found: list[Named] = []
        for values in product(*given):
            found.append(Named({name: value for one in values for name, value in one.items()}))
            if len(found[-1]) < len(values):
                names = [name for one in values for name in one]
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(f"{twice} is given twice; several values are a list after one flag")
        return tuple(found)

    def written(self, value: Any) -> str:
        """Write `x=2x3 w=3x4`."""
        return " ".join(f"{name}={self._each(name).written(one)}" for name, one in value.items()) or "none"

    def flags(self, value: Any) -> list[str]:
        """Write a flag for each name."""
        return [word for name in value for word in (f"--{self.name}", self.written({name: value[name]}))]

    def _each(self, name: str) -> Word:
        return self.each(f"{self.name} of {name}")


def shapes(default: Mapping[str, tuple[int, ...]], help: str) -> Any:  # noqa: A002
    """Declare a dataclass field that holds shapes by name, of numbers too."""
    return declared(Named(default), ByName, help=help, each=lambda name: Shape(name=name, default=(), help="", least=0))


def intervals(help: str) -> Any:  # noqa: A002
    """Declare a dataclass field that holds intervals by name; there need be none."""
    return declared(Named({}), ByName, help=help, each=lambda name: Interval(name=name, default=None, help=""))
