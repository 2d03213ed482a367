"""Parameters that hold several values by name: the shapes of a function's arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from itertools import product
from typing import Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.parameter import TextParameter, declare_parameter


class HashableDict(dict[str, Any]):
    """Values by name that can be hashed, as all that a case is made of; so nobody changes them."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


@frozen
class ByName(TextParameter):
    """Values by name, each with a flag of its own: `--shape x=2,3 --shape w=3x4`."""

    repeated: ClassVar[bool] = True

    metavar: str = field(default="", init=False)
    each: Callable[[str], TextParameter]  #: from what a value is called to the parameter that it is one of

    def __post_init__(self) -> None:
        object.__setattr__(self, "metavar", f"NAME={self.each('').metavar}")

    def normalize(self, value: object) -> HashableDict:
        """Return each value as its parameter holds it."""
        if not isinstance(value, Mapping):
            raise TypeError(f"{self.name} must be a dictionary of values by name, not {value!r}")
        return HashableDict({name: self._of(name).normalize(one) for name, one in value.items()})

    def parse(self, text: str) -> tuple[HashableDict, ...]:
        """Parse the values of one name: `x=2,3`, or `x=2x3,4x5`."""
        name, equals, values = (part.strip() for part in text.partition("="))
        if not (equals and name.isidentifier()):
            raise ValueError(f"say of what, such as x={values or name}")
        return tuple(HashableDict({name: value}) for value in self._of(name).parse(values))

    def combine(self, given: Iterable[tuple[HashableDict, ...]]) -> tuple[HashableDict, ...]:
        """Return every combination of the values of several flags.

        Raises:
            ValueError: two flags are of the same name.
        """
        found: list[HashableDict] = []
        for values in product(*given):
            names = [name for one in values for name in one]
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{twice[0]} is given twice; several values are a list after one flag")
            found.append(HashableDict({name: value for one in values for name, value in one.items()}))
        return tuple(found)

    def format(self, value: Any) -> str:
        """Write `x=2x3 w=3x4`."""
        return " ".join(f"{name}={self._of(name).format(one)}" for name, one in value.items()) or "none"

    def weight(self, value: Any) -> int:
        """Return the sum of the weights of all values."""
        return sum(self._of(name).weight(one) for name, one in value.items())

    def flags(self, value: Any) -> list[str]:
        """Write a flag for each name."""
        return [word for name in value for word in (f"--{self.name}", self.format({name: value[name]}))]

    def _of(self, name: str) -> TextParameter:
        return self.each(f"{self.name} of {name}")


def by_name(kind: type[TextParameter], help: str, default: Mapping[str, Any] | None = None, **rest: Any) -> Any:  # noqa: A002
    """Declare a dataclass field that holds parameters of a kind by name; there need be none."""

    def each(name: str) -> TextParameter:
        return kind(name=name, default=None, help="", **rest)

    return declare_parameter(HashableDict(default or {}), ByName, help=help, each=each)
