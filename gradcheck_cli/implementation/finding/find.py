"""From what a user types (`naive`, `FILE.py`, `package.module:forward,backward`) to an implementation."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.calling import call, describe
from gradcheck_cli.implementation.conventions.signature import MisfitError
from gradcheck_cli.implementation.conventions.trial import Fit, Tried, implementation_of
from gradcheck_cli.implementation.finding.candidates import Candidate, candidates, functions, partner
from gradcheck_cli.implementation.finding.folder import Definitions, contents
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.implementation.implementation import ImplementationError, ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import Loaded, load_file, load_module
from gradcheck_cli.implementation.loading.paths import is_file, is_folder, located, why_unreadable
from gradcheck_cli.implementation.vocabulary.lookup import expected_signature, vocabulary_of
from gradcheck_cli.text.clean import escaped
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.layer import Layer

__all__ = ["ImplementationNotFoundError", "find", "load", "named", "split"]


def find(spec: str, layer: Layer, adapter: str | None = None) -> Implementation:
    """Load what `spec` names.

    Args:
        spec: a built-in name; a file, a folder or a dotted module, with or without `:forward,backward` or `:Class`.
        layer: what is to be checked: it has the built-in pairs, and its vocabulary tells candidates apart.
        adapter: `FILE.py:function`, which makes a pair of functions of what `spec` names.

    Raises:
        ImplementationNotFoundError: nothing, or nothing that can be loaded, or several candidates are there.
    """
    if adapter is None and spec in layer.builtin:
        return built_in(layer, spec)
    home, names = split(spec)
    home = home.rstrip("/") or home
    home = f"./{home}" if home.startswith("-") else home  # or a replay would take it for a flag
    if adapter is not None:
        return _adapted(home, names, layer, adapter)
    places = _load(home, spec, layer)
    offered = [_named(places[0], names, layer)] if names else [c for place in places for c in candidates(place, layer)]
    tried, misses = _try(_likeliest(offered, layer), layer)
    found = _select(tried)
    if not names and found and (other := _other_layers(found, places, layer)):
        raise ImplementationNotFoundError(f"{home} has no {layer.title}; {other}")
    if len(found) == 1:
        ((candidate, one),) = found.items()
        return replace(
            implementation_of(one.reading, candidate.spec, candidate.spec), warnings=candidate.loaded.warnings
        )
    if found:
        choices = "\n".join(f"  {candidate.spec}" for candidate in found)
        raise ImplementationNotFoundError(f"{home} has several pairs or classes that fit; name one:\n{choices}")
    raise ImplementationNotFoundError(_nothing(home, places, misses, layer, is_named=bool(names)))


def split(spec: str) -> tuple[str, list[str]]:
    """Split `layers.py:forward,backward` into the file and the names; `C:/layers.py` has none."""
    if spec.endswith(".py"):
        return spec, []
    home, colon, names = spec.rpartition(":")
    if not colon or "/" in names or "\\" in names:
        return spec, []
    return home, [name.strip() for name in names.split(",")]


def _load(home: str, spec: str, layer: Layer) -> list[Loaded]:
    if is_folder(located(home)) and home.strip("."):
        return _load_folder(home, layer)
    return [load(home, spec, _accepted(layer))]


def load(home: str, spec: str, accepted: str) -> Loaded:
    """Load a file or a dotted module.

    Args:
        home: which.
        spec: what a user has typed.
        accepted: the end of a sentence that says what could have been.

    Raises:
        ImplementationNotFoundError: there is none, or it cannot be loaded.
    """
    path = located(home)
    named_as_file = path.suffix == ".py" or os.sep in home
    if named_as_file or is_file(path):
        if why := why_unreadable(path):
            raise ImplementationNotFoundError(f"{escaped(home)} is {why}: {accepted}")
        if is_file(path) and path.suffix != ".py" and (path.suffix or os.sep in home):
            raise ImplementationNotFoundError(f"{escaped(home)} is no Python file: {_converted(home) or accepted}")
        if named_as_file and not is_file(path):
            raise ImplementationNotFoundError(f"{escaped(home)}: there is no such file{_nearest(home)}")
        if named_as_file:
            return load_file(home)
    if not all(part.isidentifier() for part in home.split(".")):
        raise ImplementationNotFoundError(f"{spec!r} is no implementation: {accepted}")
    if loaded := load_module(home):
        return loaded
    raise ImplementationNotFoundError(f"no module {home!r}: {accepted}")


def _converted(home: str) -> str | None:
    """Say how a notebook becomes a Python file; None of anything else."""
    path = Path(home)
    if path.suffix != ".ipynb":
        return None
    return f"`jupyter nbconvert --to script {shlex.quote(str(path))}` makes one of it, {path.with_suffix('.py')}"


def _load_folder(home: str, layer: Layer) -> list[Loaded]:
    """Load a package; or if it has nothing itself, those of its files that speak of the layer."""
    path = located(home)
    if is_file(path / "__init__.py"):
        package = load_file(home)
        if candidates(package, layer):
            return [package]

    def speaks(defined: Definitions) -> bool:
        return any(word in name.lower() for name in defined.outermost for word in vocabulary_of(layer).names)

    found = contents(path, "*.py", speaks, f"nothing is called after {layer.title_with_article}")
    note = found.note()
    if not found.searched:
        lacking = f"{home} is a folder without {layer.title_with_article} in its files"
        raise ImplementationNotFoundError(f"{lacking}{f'; not searched: {note}' if note else ''}; name one, FILE.py")
    places = [load_file(str(Path(home, file.name))) for file in found.searched]
    said = (f"{home}: not searched: {note}",) if note else ()
    return [replace(place, warnings=(*said, *place.warnings)) for place in places]


def _named(place: Loaded, names: list[str], layer: Layer) -> Candidate:
    if len(names) > 2 or not all(names):
        raise ImplementationNotFoundError(f"{_wanted(place, layer)}, not {','.join(names)!r}")
    objects = named(place, names)
    if not layer.reference and any(isinstance(value, type) for value in objects):
        raise ImplementationNotFoundError(f"{_wanted(place, layer)}, not {','.join(names)!r}, which is a class")
    if layer.loss:
        if len(names) > 1:
            raise ImplementationNotFoundError(f"name one function, {place.home}:loss, not {','.join(names)!r}")
        return Candidate(loaded=place, names=tuple(names), objects=objects)
    if len(names) == 1 and not isinstance(objects[0], type):
        pairs = partner(names[0], place)
        if not pairs and not layer.reference:
            return Candidate(loaded=place, names=tuple(names), objects=objects)  # it may return its gradients itself
        if len(pairs) != 1:
            why = f"it is in {join_names(','.join(pair) for pair in pairs)}" if pairs else "its other half is not found"
            raise ImplementationNotFoundError(f"{_wanted(place, layer)}, not {names[0]!r} alone: {why}")
        names = list(pairs[0])
        objects = named(place, names)
    if len(names) == 2 and any(isinstance(value, type) for value in objects):
        raise ImplementationNotFoundError(f"{_wanted(place, layer)}, not {','.join(names)!r}")
    return Candidate(loaded=place, names=tuple(names), objects=objects)


def _wanted(place: Loaded, layer: Layer) -> str:
    if not layer.reference:
        return f"name a function and its gradient, {place.home}:f,gradient"
    return f"name two functions, {place.home}:forward,backward, or a class, {place.home}:Class"


def named(place: Loaded, names: list[str]) -> tuple[Any, ...]:
    """Return the functions and classes of these names.

    Raises:
        ImplementationNotFoundError: there is one that the module does not have.
    """
    for name in names:
        if not callable(_attribute(place, name)):
            near = _close(name, functions(place))
            hint = f"; it has {join_names(near)}" if near else ""
            raise ImplementationNotFoundError(f"{place.home} has no function or class {name!r}{hint}")
    return tuple(_attribute(place, name) for name in names)


def _attribute(place: Loaded, name: str) -> Any:
    try:
        return getattr(place.module, name, None)
    except BaseException as error:  # noqa: BLE001  # a module may have a `__getattr__`, which is the user's code
        pass_on_interrupt(error)
        return None


def _likeliest(offered: list[Candidate], layer: Layer) -> list[Candidate]:
    """Leave out what is called after another layer, if something is left; then what is not called after this one."""
    if len(offered) > 1:
        words = vocabulary_of(layer)
        offered = [candidate for candidate in offered if not candidate.speaks_of(words.others)] or offered
        offered = [candidate for candidate in offered if candidate.speaks_of(words.names)] or offered
    once = {tuple(map(id, candidate.objects)): candidate for candidate in reversed(offered)}
    return list(reversed(once.values()))


def _try(offered: list[Candidate], layer: Layer) -> tuple[dict[Candidate, Tried], dict[Candidate, str]]:
    tried, misses = {}, {}
    for candidate in offered:
        try:
            found = candidate.try_readings(layer)
        except MisfitError as miss:
            misses[candidate] = str(miss)
            continue
        if found:
            tried[candidate] = found
    return tried, misses


def _select(tried: dict[Candidate, Tried]) -> dict[Candidate, Tried]:
    """Take those that reproduce the reference, or do so in part, if any does; of these functions, if there are any."""
    right = {candidate: one for candidate, one in tried.items() if one.fit is Fit.REPRODUCES}
    right = right or {candidate: one for candidate, one in tried.items() if one.fit is Fit.PARTLY} or tried
    return {candidate: one for candidate, one in right.items() if not candidate.is_class} or right


def _adapted(home: str, names: list[str], layer: Layer, adapter: str) -> Implementation:
    where, function = split(adapter)
    if len(function) != 1 or not is_file(located(where)):
        raise ImplementationNotFoundError(f"--adapter {adapter}: give FILE.py:function, of a file that is there")
    (adapt,) = named(load_file(where), function)
    places = _load(home, home, layer)
    if len(places) > 1:
        raise ImplementationNotFoundError(f"{home} has several files; name the one to adapt")
    (place,) = places
    spec = f"{home}:{','.join(names)}" if names else home
    try:
        returned = call(adapt, *(named(place, names) if names else (place.module,)))
        objects = (returned,) if layer.loss and callable(returned) else returned
        if not isinstance(objects, tuple | list) or not all(map(callable, objects)) or len(objects) > 2:
            wanted = f"returned {describe(returned)}, not (forward, backward)"
            raise ImplementationNotFoundError(f"--adapter {adapter} {wanted}")
        found = from_functions(tuple(objects), layer, spec)
    except (ImplementationError, TypeError) as error:
        raise ImplementationNotFoundError(f"--adapter {adapter}: {error}") from error
    return replace(found, name=spec, convention=f"adapted by {adapter}", warnings=place.warnings)


def _nothing(home: str, places: list[Loaded], misses: dict[Candidate, str], layer: Layer, *, is_named: bool) -> str:
    """Say what was looked for, and what comes nearest or is there instead."""
    classes = "" if layer.loss or not layer.reference else ", and no class with these passes"
    sought = f"{home} has no {expected_signature(layer)}{classes}"
    meant = is_named or any(candidate.speaks_of(vocabulary_of(layer).names) for candidate in misses)
    without = "".join(f"; {warning}" for place in places for warning in place.warnings)
    if layer.reference and not meant and (other := _what_else(places)):
        return f"{home} has no {layer.title}; {other}{without}"
    if misses:
        return f"{sought}; nearest: {'; '.join([*misses.values()][:3])}"
    have = [name for place in places for name in functions(place)]
    found = f"it has {join_names(have[:8])}" + (" and more" if len(have) > 8 else "") if have else "it has no functions"
    return f"{sought}; {found}{without}"


def _other_layers(found: dict[Candidate, Tried], places: list[Loaded], layer: Layer) -> str | None:
    """Say which layers are there, if what was found is of others, and neither called after this one nor does it."""
    is_meant = any(candidate.speaks_of(vocabulary_of(layer).names) for candidate in found)
    does_some = any(one.fit >= Fit.PARTLY for one in found.values())
    return (
        None
        if is_meant or does_some or not layer.reference
        else _what_else(places, [candidate.names for candidate in found])
    )


def _what_else(places: list[Loaded], names: Iterable[tuple[str, ...]] = ()) -> str | None:
    """Say which other layers are there, and which command checks them."""
    from gradcheck_cli.implementation.finding.survey import (
        what_else,  # it needs this module, and only a failure needs it
    )

    return next((said for place in places if (said := what_else(place.home, names))), None)


def _nearest(home: str) -> str:
    path, folder = Path(home), located(home).parent
    if not is_folder(folder):
        return f", nor a folder {escaped(str(path.parent))}"
    near = _close(path.name, [file.name for file in folder.glob("*.py")])
    return f"; there is {escaped(str(path.with_name(near[0])))}" if near else ""


def _close(word: str, words: list[str]) -> list[str]:
    import difflib  # only a mistyped name needs it

    return difflib.get_close_matches(word, words, n=3)


def _accepted(layer: Layer) -> str:
    return (
        f"give {', '.join(layer.builtin)}, FILE.py, FILE.py:forward,backward, FILE.py:Class, a package's folder or "
        "package.module:forward,backward"
    )
