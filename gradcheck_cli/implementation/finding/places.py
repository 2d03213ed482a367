"""From what a user types to a loaded file or module, and the functions and classes that are named in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.finding.candidates import names_in, owner_of_apply, public
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import Loaded, Loader
from gradcheck_cli.implementation.loading.paths import (
    SUFFIXES,
    files_of,
    is_file,
    is_folder,
    join_homes,
    why_unreadable,
)
from gradcheck_cli.text.clean import escaped
from gradcheck_cli.text.names import join_names


def open_place(home: str, spec: str, accepted: str, loader: Loader) -> Loaded:
    """Load a file or a dotted module.

    Args:
        home: which.
        spec: what a user has typed.
        accepted: the end of a sentence that says what could have been.
        loader: loads it.

    Raises:
        ImplementationNotFoundError: there is none, or it cannot be loaded.
    """
    if len(files := files_of(home)) > 1 and not is_file(loader.path(home)):
        return joined([open_place(file, file, accepted, loader) for file in files])
    path = loader.path(home)
    named_as_file = path.suffix in SUFFIXES or os.sep in home
    if named_as_file or is_file(path):
        if why := why_unreadable(path):
            raise ImplementationNotFoundError(f"{escaped(home)} is {why}: {accepted}")
        if is_file(path) and path.suffix not in SUFFIXES and (path.suffix or os.sep in home):
            raise ImplementationNotFoundError(f"{escaped(home)} is not a Python file: {accepted}")
        if named_as_file and not is_file(path):
            raise ImplementationNotFoundError(f"{escaped(home)}: there is no such file{_similar(home, path.parent)}")
        if named_as_file:
            return loader.load_file(home)
    if not all(part.isidentifier() for part in home.split(".")):
        raise ImplementationNotFoundError(f"{spec!r} is no implementation: {accepted}")
    if loaded := loader.load_module(home):
        return loaded
    raise ImplementationNotFoundError(f"no module {home!r}: {accepted}")


def joined(places: Iterable[Loaded]) -> Loaded:
    """Make one place of several, with what is in any of them."""
    places = list(places)
    home = join_homes(place.home for place in places)
    module = ModuleType(home)
    for place in places:
        vars(module).update(public(place, own=True, private=True))
    return Loaded(home=home, module=module, warnings=tuple(text for place in places for text in place.warnings))


def _similar(home: str, folder: Path) -> str:
    path = Path(home)
    if not is_folder(folder):
        return f", nor a folder {escaped(str(path.parent))}"
    near = _close_matches(path.name, [file.name for file in folder.glob("*.py")])
    return f"; there is {escaped(str(path.with_name(near[0])))}" if near else ""


def named_objects(place: Loaded, names: list[str] | tuple[str, ...]) -> tuple[Any, ...]:
    """Return the functions and classes of these names.

    Raises:
        ImplementationNotFoundError: there is one that the module does not have.
    """
    for name in names:
        if not callable(_attribute(place, name)):
            near = _close_matches(name, names_in(place))
            hint = f"; it has {join_names(near)}" if near else ""
            raise ImplementationNotFoundError(f"{place.home} has no function or class {name!r}{hint}")
    return tuple(_attribute(place, name) for name in names)


def _attribute(place: Loaded, name: str) -> Any:
    try:
        owner, _, method = name.partition(".")
        found = getattr(place.module, owner, None)
        return owner_of_apply(getattr(found, method, None) if method else found)
    except BaseException as error:  # noqa: BLE001  # a module may have a `__getattr__`, which is the user's code
        pass_on_interrupt(error)
        return None


def _close_matches(word: str, words: list[str]) -> list[str]:
    import difflib  # only a mistyped name needs it

    return difflib.get_close_matches(word, words, n=3)
