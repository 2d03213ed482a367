"""The candidates in a module: functions and classes, and the pairs among them that may be the passes of a layer."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import BuiltinMethodType, MethodType
from typing import Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.both_passes import expanded, has_passes, makes_backward
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.trial import Given, Tried, best_reading
from gradcheck_cli.implementation.finding.names import gradient_groups, matching_pairs, pass_of, speaks_of
from gradcheck_cli.implementation.loading.load import Loaded
from gradcheck_cli.implementation.loading.missing import is_missing
from gradcheck_cli.implementation.vocabulary.lookup import known_words
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer


@dataclass(frozen=True, kw_only=True, eq=False)  # objects of the user's may have no equality and no hash
class Candidate:
    """Functions or a class that may be the passes of a layer."""

    loaded: Loaded
    names: tuple[str, ...]
    objects: tuple[Any, ...]

    @property
    def spec(self) -> str:
        """The words to type on the command line to select exactly this."""
        return f"{self.loaded.home}:{','.join(self.names)}"

    @property
    def is_class(self) -> bool:
        """Whether this is a class."""
        return inspect.isclass(self.objects[0])

    @property
    def makes_instances(self) -> bool:
        """Whether this is a class, of which the passes are not static."""
        return self.is_class and expanded(self.objects) == self.objects

    def try_as(
        self, layer: Layer, case: Case | None = None, given: Given | None = None, *, guessed: bool = False
    ) -> Tried | None:
        """Return the best way to understand it as a layer, tried on a case; None if there is none at all.

        If no name says that it is this layer, it is `guessed`.

        Raises:
            MisfitError: it cannot be understood as this layer.
        """
        return best_reading(readings_of(self.objects, layer, guessed=guessed), case, given)


def candidates(loaded: Loaded, layer: Layer) -> list[Candidate]:
    """List what a module defines that may be a layer's passes, or for want of any what it imports."""
    for own in (True, False):
        offered = public(loaded, own=own)
        if found := _among(offered, layer):
            objects = [(names, tuple(offered[name] for name in names)) for names in found]
            return [Candidate(loaded=loaded, names=names, objects=values) for names, values in objects]
    return []


def _among(offered: Mapping[str, Any], layer: Layer) -> list[tuple[str, ...]]:
    functions, words = functions_in(offered), known_words(layer.name).names
    if layer.loss:
        return [(name,) for name in (*functions, *classes_in(offered)) if speaks_of([name], words)]
    groups = gradient_groups(functions)
    pairs = [*groups, *matching_pairs(name for name in functions if not any(name in group for group in groups))]
    makers = [(name,) for name in functions if makes_backward(offered[name])]
    if not layer.reference:
        return [*pairs, *makers] or [(name,) for name in functions]  # each may return its gradients itself
    if not pairs:  # every forward pass of the layer with every backward pass
        passes = {name: pass_of(name)[1] for name in functions if speaks_of([name], words)}
        forwards = [name for name in passes if passes[name] == "forward"]
        pairs = [(name, other) for name in forwards for other in passes if passes[other] == "backward"]
    return [*pairs, *makers, *((name,) for name in sorted(classes_in(offered)))]


def functions_in(offered: Mapping[str, Any]) -> list[str]:
    """Name what is no class."""
    return [name for name, value in offered.items() if not inspect.isclass(value)]


def classes_in(offered: Mapping[str, Any]) -> list[str]:
    """Name the classes with a forward or a backward method."""
    return [name for name, value in offered.items() if inspect.isclass(value) and has_passes(value)]


def public(loaded: Loaded, *, own: bool, private: bool = False) -> dict[str, Any]:
    """Return what a module has that can be called: what it defines, or also what it imports.

    What raises when it is looked at is left out. Of a class without passes there are its static methods: `Loss.mse`.
    """
    module = loaded.module.__name__ if own else None
    found = {
        name: value
        for name, value in ((name, owner_of_apply(value)) for name, value in list(vars(loaded.module).items()))
        if _is_offered(name, value, module) and (private or not name.startswith("_"))
    }
    classes = {name: value for name, value in found.items() if inspect.isclass(value) and not has_passes(value)}
    return found | {
        f"{name}.{key}": value.__func__
        for name, cls in classes.items()
        for key, value in list(vars(cls).items())
        if isinstance(value, staticmethod) and not key.startswith("_")
    }


def owner_of_apply(value: Any) -> Any:
    """Return the class whose method a value is, as after `swish = Swish.apply`; any other value as it is."""
    is_method = type(value) in (BuiltinMethodType, MethodType) and value.__name__ == "apply"
    owner = value.__self__ if is_method else None
    return owner if inspect.isclass(owner) and has_passes(owner) else value


def _is_offered(name: str, value: Any, module: str | None) -> bool:
    try:
        name.isidentifier()
        home = getattr(value.func if isinstance(value, partial) else value, "__module__", None)
        if inspect.isclass(value):
            has_passes(value)
        of_module = module is None or (isinstance(home, str) and home == module)
        return of_module and callable(value) and not is_missing(value)
    except BaseException as error:  # noqa: BLE001  # a metaclass or an object of the user's may raise anything
        pass_on_interrupt(error)
        return False


def pairs_with(name: str, loaded: Loaded) -> list[tuple[str, str]]:
    """List the pairs of names that a function is one of."""
    return [pair for pair in matching_pairs(functions_in(public(loaded, own=False, private=True))) if name in pair]


def names_in(loaded: Loaded) -> list[str]:
    """Name the functions and classes that a module defines, or for want of any those that it imports."""
    own = public(loaded, own=True)
    return list(own if any(pass_of(name)[1] for name in own) else public(loaded, own=False))


def unlike(offers: Iterable[tuple[str, ...]], have: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Put offers in the order of the file, and leave out what was there under another name."""
    order = list(have)
    once: dict[tuple[int, ...], tuple[str, ...]] = {}
    for names in sorted(offers, key=lambda names: [order.index(name) for name in names]):
        once.setdefault(tuple(id(have[name]) for name in names), names)
    return list(once.values())
