"""Where an object keeps its parameters and gradients: in attributes, in dictionaries or lists of them, or in boxes.

`layer.W`, `layer.params["W"]`, `layer.params[0]`, `layer.W["val"]`, `layer.W.value`; the gradients `layer.dW`,
`layer.grad_W`, `layer.grads["W"]`, `layer.grads[0]`, `layer.W["grad"]`, `layer.W.grad`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gradcheck_cli.numeric.arrays import Array

#: Attributes that hold all parameters, and all gradients; reduced.
_COLLECTIONS = ("params", "parameters", "param", "weights", "p", "theta", "vars", "variables", "trainableparams")
_GRADIENTS = (
    "grads",
    "gradients",
    "grad",
    "gradient",
    "dparams",
    "derivatives",
    "gradparams",
    "paramgrads",
    "g",
    "diff",
)

#: What a parameter is called inside of a box that also holds its gradient, and what the gradient.
_VALUES = ("val", "value", "data", "values", "param", "v")
_BOXED_GRADIENTS = ("grad", "gradient", "dval", "diff", "g", "grads", "d")


@dataclass(frozen=True)
class Place:
    """Somewhere that a value is kept: an attribute of an object, or an entry of a dictionary or a list."""

    owner: Any
    key: str | int

    def get(self) -> Any:
        """Return what is there."""
        if isinstance(self.owner, dict | list):
            return self.owner[self.key]  # type: ignore[index]  # of a list it is a number
        return getattr(self.owner, str(self.key))

    def set(self, value: object) -> None:
        """Put something else there."""
        if isinstance(self.owner, dict | list):
            self.owner[self.key] = value  # type: ignore[index]
        else:
            setattr(self.owner, str(self.key), value)


def attributes(holder: object) -> dict[str, Any]:
    """Return what an object keeps in attributes; nothing if it has none, or cannot be asked."""
    try:
        return dict(vars(holder))
    except BaseException as error:  # noqa: BLE001  # `__getattribute__` is the user's code
        pass_on_interrupt(error)
        return {}


def parameter_places(holder: object, synonyms: Sequence[str], number: int, count: int) -> list[Place]:
    """Find where an object keeps the array of one parameter.

    Args:
        holder: the object.
        synonyms: what the parameter is called.
        number: its number among the parameters.
        count: how many parameters there are.
    """
    named = _named(holder, set(synonyms), _COLLECTIONS, number, count)
    return [place for place in map(_opened, named) if isinstance(place.get(), np.ndarray)]


def gradient_places(holder: object, synonyms: Sequence[str], number: int, count: int) -> list[Place]:
    """Find where an object keeps the gradient of one input, the likeliest place first; arguments as above."""
    words = {form.format(name): rank for rank, form in enumerate(_FORMS) for name in synonyms}
    named = sorted(_named(holder, set(words), _GRADIENTS, number, count, plain=frozenset(synonyms)), key=_rank(words))
    boxes = (_beside(place) for place in _named(holder, set(synonyms), _COLLECTIONS, number, count))
    return [*named, *(place for place in boxes if place)]


#: How a gradient's name is made of the input's, reduced.
_FORMS = (
    *("d{}", "grad{}", "{}grad", "gradient{}", "{}gradient", "grads{}", "{}grads", "gradients{}", "{}gradients"),
    *("dl{}", "dld{}", "dloss{}", "dlossd{}", "djd{}", "ded{}", "{}derivative", "nabla{}", "g{}", "{}error", "delta{}"),
    *("{}delta", "{}d", "prev{}grad", "gradof{}"),
)


def returned_order(method: Callable[..., Any], inputs: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Read from its last `return` in which order a method returns its gradients: `return dW, db, dX`.

    Args:
        method: the method, of which the source may be at hand.
        inputs: what each input is called.

    Returns:
        The inputs in that order; None where the names do not say it.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, SyntaxError, TypeError):
        return None
    tuples = [n.value for n in ast.walk(tree) if isinstance(n, ast.Return) and isinstance(n.value, ast.Tuple)]
    if not tuples:
        return None
    words = {form.format(name): key for form in reversed(_FORMS) for key in inputs for name in inputs[key]}
    names = (re.findall(r"\w+", ast.unparse(element)) for element in tuples[-1].elts)
    order = tuple(next((words[word(n)] for n in reversed(name) if word(n) in words), "") for name in names)
    return order if sorted(order) == sorted(inputs) else None


def _rank(words: dict[str, int]) -> Any:
    return lambda place: words.get(word(str(place.key)), 0)


def _named(
    holder: object,
    words: set[str],
    collections: Sequence[str],
    number: int,
    count: int,
    plain: frozenset[str] = frozenset(),
) -> Iterator[Place]:
    """Yield attributes with one of these names, and entries with one of these or a plain name in collections."""
    for name, value in attributes(holder).items():
        reduced = word(name)
        if reduced in words:
            yield Place(holder, name)
        if reduced not in collections:
            continue
        if isinstance(value, dict):
            for key in value:
                if isinstance(key, str) and word(key) in words | plain:
                    yield Place(value, key)
        elif isinstance(value, list) and len(value) == count and number >= 0:
            yield Place(value, number)


def _opened(place: Place) -> Place:
    """Return the place of the array inside of a box, or the place itself if there is no box."""
    return _inside(place.get(), _VALUES) or place


def _beside(place: Place) -> Place | None:
    """Return the place of the gradient inside of a box."""
    box = place.get()
    return _inside(box, _BOXED_GRADIENTS) if _inside(box, _VALUES) else None


def _inside(box: object, names: Sequence[str]) -> Place | None:
    if isinstance(box, np.ndarray) or box is None:
        return None
    entries = box if isinstance(box, dict) else attributes(box)
    return next((Place(box, key) for key in entries if isinstance(key, str) and word(key) in names), None)


def newest(places: Sequence[Place], before: dict[tuple[int, str | int], Array]) -> object:
    """Return the value of the first place that was written to since `before`, or of the first that holds any."""
    held = [(place, place.get()) for place in places]
    held = [(place, value) for place, value in held if value is not None]
    for place, value in held:
        old = before.get((id(place.owner), place.key))
        if old is None or not _same(old, value):
            return value
    return held[0][1] if held else None


def remembered(places: Sequence[Place]) -> dict[tuple[int, str | int], Array]:
    """Copy what is in places, for `newest`."""
    held = ((place, place.get()) for place in places)
    return {(id(p.owner), p.key): value.copy() for p, value in held if isinstance(value, np.ndarray)}


def _same(old: Array, new: object) -> bool:
    return isinstance(new, np.ndarray) and old.shape == new.shape and np.array_equal(old, new, equal_nan=True)
