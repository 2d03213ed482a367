"""Where an object keeps its parameters and gradients: in attributes, in dictionaries or lists of them, or in boxes.

`layer.W`, `layer.params["W"]`, `layer.params[0]`, `layer.W["val"]`, `layer.W.value`; the gradients `layer.dW`,
`layer.grad_W`, `layer.grads["W"]`, `layer.grads[0]`, `layer.W["grad"]`, `layer.W.grad`.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.tensors import to_arrays
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.numeric.arrays import Array

#: Names of attributes, keys of dictionaries and numbers in lists.
Path = tuple[str | int, ...]

_DEEPEST = 5
_MOST = 400  #: values that are looked at
_CLOSED = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.random.Generator)


def arrays_in(holder: object) -> dict[Path, Any]:
    """Return the arrays of floating point in an object, and NumPy's numbers; of one in several places, each place."""
    found: dict[Path, Any] = {}
    _gather(holder, (), found, [], set())
    return found


def _gather(value: object, path: Path, found: dict[Path, Any], looked: list[None], above: set[int]) -> None:
    looked.append(None)
    if isinstance(value, np.ndarray | np.floating):
        if value.dtype.kind == "f":
            found[path] = value
    elif len(looked) < _MOST and len(path) < _DEEPEST and id(value) not in above:
        for key, entry in _entries(value):
            _gather(entry, (*path, key), found, looked, above | {id(value)})


def _entries(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield what is one level down: entries, or attributes, those of the class left out."""
    if isinstance(value, dict):
        yield from ((key, entry) for key, entry in value.items() if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif not isinstance(value, _CLOSED):
        yield from attributes(value).items()


def value_at(holder: object, path: Path) -> Any:
    """Return what is at a path; None if nothing is."""
    for key in path:
        if isinstance(holder, list | tuple):
            holder = holder[key] if isinstance(key, int) and key < len(holder) else None
        elif isinstance(holder, dict) and key in holder:
            holder = holder[key]
        else:
            holder = attributes(holder).get(str(key))
    return holder


def array_at(holder: object, path: Path) -> Any:
    """Return what is at a path, a tensor as an array."""
    return to_arrays(value_at(holder, path))


def put(holder: object, path: Path, value: object) -> None:
    """Put something else at a path."""
    owner, key = value_at(holder, path[:-1]), path[-1]
    if isinstance(owner, dict | list):
        owner[key] = value  # type: ignore[index]  # of a list it is a number
    else:
        setattr(owner, str(key), value)


def attributes(holder: object) -> dict[str, Any]:
    """Return what an object keeps in attributes; nothing if it has none, or cannot be asked."""
    try:
        return dict(vars(holder))
    except BaseException as error:  # noqa: BLE001  # `__getattribute__` is the user's code
        pass_on_interrupt(error)
        return {}


#: Attributes that hold all parameters, and all gradients; reduced.
COLLECTIONS = ("params", "parameters", "param", "weights", "p", "theta", "vars", "variables", "trainableparams")
_GRADIENTS = (
    *("grads", "gradients", "grad", "gradient", "dparams", "derivatives", "gradparams", "paramgrads", "g", "diff"),
)

#: What a parameter is called inside of a box that also holds its gradient, and what the gradient.
_VALUES = ("val", "value", "data", "values", "param", "v")
_BOXED_GRADIENTS = ("grad", "gradient", "dval", "diff", "g", "grads", "d")

#: How a gradient's name is made of the input's, reduced, the likeliest first.
_FORMS = (
    *("d{}", "grad{}", "{}grad", "gradient{}", "{}gradient", "grads{}", "{}grads", "gradients{}", "{}gradients"),
    *("dl{}", "dld{}", "dloss{}", "dlossd{}", "djd{}", "ded{}", "{}derivative", "nabla{}", "g{}", "{}error", "delta{}"),
    *("{}delta", "{}d", "prev{}grad", "gradof{}"),
)

#: What an output is called that a pass leaves in an attribute.
_OUTPUTS = ("output", "outputs", "out", "y", "z", "a", "result", "activations", "activation", "h")


@dataclass(frozen=True)
class Wanted:
    """An input, of which a parameter or a gradient is looked for."""

    synonyms: Sequence[str]  #: what it is called
    number: int = -1  #: its number among the parameters; -1 if it is none
    count: int = 0  #: how many parameters there are
    kept_at: Sequence[Path] = ()  #: where it is kept, if that was found by trying
    gradient_at: Path = ()  #: and where its gradient is left


def parameter_paths(holder: object, wanted: Wanted) -> list[Path]:
    """Find where an object keeps the array of a parameter."""
    if wanted.kept_at:
        return _present(holder, wanted.kept_at)
    named = _named(holder, set(wanted.synonyms), COLLECTIONS, wanted)
    opened = (_inside(holder, path, _VALUES) or path for path in named)
    return [path for path in opened if isinstance(array_at(holder, path), np.ndarray)]


@lru_cache(maxsize=256)
def _ranks(synonyms: tuple[str, ...]) -> dict[str, int]:
    """Return what the gradient of an input may be called, the likeliest with the lowest number."""
    return {form.format(name): rank for rank, form in enumerate(_FORMS) for name in synonyms}


def gradient_paths(holder: object, wanted: Wanted) -> list[Path]:
    """Find where an object keeps the gradient of an input, the likeliest first."""
    if wanted.gradient_at:
        return _present(holder, [wanted.gradient_at])
    ranks = _ranks(tuple(wanted.synonyms))
    named = sorted(
        _named(holder, set(ranks), _GRADIENTS, wanted, entries=frozenset(wanted.synonyms)),
        key=lambda path: ranks.get(word(str(path[-1])), 0),
    )
    boxes = _named(holder, set(wanted.synonyms), COLLECTIONS, wanted)
    beside = (_inside(holder, box, _BOXED_GRADIENTS) for box in boxes if _inside(holder, box, _VALUES))
    return [*named, *filter(None, beside)]


def is_gradient_name(name: str, of: str) -> bool:
    """Tell whether a name is that of the gradient of something."""
    return word(name) in {form.format(word(of)) for form in _FORMS}


def _present(holder: object, paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if value_at(holder, path) is not None]


def gradient_entry(returned: dict[Any, Any], name: str, wanted: Wanted) -> object:
    """Return a gradient from a dictionary; None if there is none."""
    for key in (f"d{name}", name):
        if key in returned:
            return returned[key]
    ranks = {**_ranks(tuple(wanted.synonyms)), **dict.fromkeys(wanted.synonyms, -1)}
    found = [key for key in returned if isinstance(key, str) and word(key) in ranks]
    return returned[min(found, key=lambda key: ranks[word(key)])] if found else None


def stored_output(holder: object, before: Mapping[str, Any]) -> object:
    """Return the output that a pass without a returned value has left in an attribute; None if there is none.

    It has the name of an output, or is the last array that is new.
    """
    new = {name: value for name, value in attributes(holder).items() if value is not before.get(name)}
    arrays = {word(name): value for name, value in new.items() if isinstance(value, np.ndarray | float)}
    last = [value for value in new.values() if isinstance(value, np.ndarray)][-1:]
    return next((arrays[name] for name in _OUTPUTS if name in arrays), last[0] if last else None)


def _named(
    holder: object, words: set[str], collections: Sequence[str], wanted: Wanted, entries: frozenset[str] = frozenset()
) -> Iterator[Path]:
    """Yield attributes with one of these names, and entries of collections with one of these or of `entries`."""
    for name, value in attributes(holder).items():
        reduced = word(name)
        if reduced in words:
            yield (name,)
        if reduced not in collections:
            continue
        if isinstance(value, dict):
            yield from ((name, key) for key in value if isinstance(key, str) and word(key) in words | entries)
        elif isinstance(value, list) and len(value) == wanted.count and wanted.number >= 0:
            yield name, wanted.number


def _inside(holder: object, path: Path, names: Sequence[str]) -> Path | None:
    """Return the path to one of these names inside of a box; None if it is no box."""
    box = array_at(holder, path)
    if isinstance(box, np.ndarray) or box is None:
        return None
    entries = box if isinstance(box, dict) else attributes(box)
    return next(((*path, key) for key in entries if isinstance(key, str) and word(key) in names), None)


def gradients_held(holder: object, wanted: Wanted) -> dict[Path, Any]:
    """Copy what an object holds where the gradient of an input may be, for `newest_gradient`."""
    held = {path: array_at(holder, path) for path in gradient_paths(holder, wanted)}
    return {path: value.copy() for path, value in held.items() if isinstance(value, np.ndarray)}


def newest_gradient(holder: object, wanted: Wanted, before: Mapping[Path, Any]) -> object:
    """Return the first gradient of an input that was written since `before`, or the first that is there."""
    held = {path: array_at(holder, path) for path in gradient_paths(holder, wanted)}
    held = {path: value for path, value in held.items() if value is not None}
    new = (value for path, value in held.items() if path not in before or not is_equal(before[path], value))
    return next(new, next(iter(held.values()), None))


def is_equal(one: Array, two: object) -> bool:
    """Tell whether arrays are the same, NaN where NaN is."""
    return isinstance(two, np.ndarray | np.floating) and np.array_equal(one, two, equal_nan=True)
