"""`@frozen` against what it stands in for, `@dataclass(frozen=True, kw_only=True)`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import pytest

from gradcheck_cli.data.frozen import frozen, replace


@dataclass(frozen=True, kw_only=True)
class Standard:
    """A point."""

    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False, repr=False)


@frozen
class Frozen:
    """A point."""

    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False, repr=False)


@frozen
class Derived(Frozen):
    """A point in space, normalized."""

    z: float = 0.0
    y: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "z", abs(self.z))

    def __repr__(self) -> str:
        return "own"


def outcome(action: Any, *args: Any, **kwargs: Any) -> object:
    """What an action returns, or the class of what it raises."""
    try:
        return action(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # compared
        return type(error)


def test_it_behaves_as_the_standard_one() -> None:
    for arguments in (
        {"x": 1},
        {"x": 1, "y": 5},
        {"x": 1, "seen": [4]},
        {},
        {"y": 1},
        {"x": 1, "w": 2},
        {"y": 1, "w": 2},
    ):
        standard, own = outcome(Standard, **arguments), outcome(Frozen, **arguments)
        if standard is TypeError:
            assert own is TypeError, arguments
            continue
        assert repr(own) == repr(standard).replace("Standard", "Frozen")
        assert asdict(own) == asdict(standard)  # type: ignore[call-overload]
    assert [f.name for f in fields(Frozen)] == [f.name for f in fields(Standard)]
    assert outcome(Frozen, 1) is outcome(Standard, 1) is TypeError  # by keyword only
    assert inspect.signature(Frozen).parameters.keys() == inspect.signature(Standard).parameters.keys()
    assert inspect.signature(Frozen).parameters["y"] == inspect.signature(Standard).parameters["y"]


def test_equality_and_hash_are_those_of_the_compared_fields() -> None:
    assert Frozen(x=1) == Frozen(x=1, y=2, seen=[7])
    assert hash(Frozen(x=1)) == hash(Frozen(x=1, seen=[7]))
    assert Frozen(x=1) != Frozen(x=2)
    assert Frozen(x=1) != Derived(x=1, y=2)
    assert Frozen(x=1) != Standard(x=1)  # type: ignore[comparison-overlap]


def test_cached_properties_are_not_copied() -> None:
    @frozen
    class Cached:
        x: int

        @cached_property
        def double(self) -> int:
            return 2 * self.x

    one = Cached(x=1)
    assert (one.double, replace(one, x=2).double, replace(one).double) == (2, 4, 2)
    assert one == replace(one)


def test_nothing_can_be_set_or_deleted() -> None:
    point = Frozen(x=1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert point.x == 1


def test_instances_are_copied_pickled_and_replaced() -> None:
    point = Derived(x=1, z=-2.0)
    assert (point.z, point.y, repr(point)) == (2.0, 3, "own")
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    for changed in dataclasses.replace(point, z=-5.0), replace(point, z=-5.0):
        assert (changed.z, changed.x, changed.y) == (5.0, 1, 3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
        replace(point, w=2)  # type: ignore[call-arg]
    assert Frozen(x=1).seen is not Frozen(x=1).seen
    with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
        Frozen(x=1, w=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Frozen.* x"):
        Frozen()  # type: ignore[call-arg]
