"""From what a user types (`naive`, `FILE.py`, `package.module:forward,backward`) to an implementation."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
import zlib
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.implementation import Implementation, listed, user_stack
from gradcheck_cli.implementation.pair import function_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from gradcheck_cli.layers.layer import Layer

    Functions = tuple[Callable[..., Any], Callable[..., Any]]

#: What the passes are called, in the names of functions.
_FORWARD, _BACKWARD = "forward", "backward"


class ImplementationNotFoundError(Exception):
    """There is no such implementation, it cannot be loaded, or there are several; the message says what would do."""


def find(spec: str, layer: Layer) -> Implementation:
    """Load what `spec` names.

    Args:
        spec: a built-in name; a file or a dotted module, with or without `:forward,backward`.
        layer: what is to be checked: it has the built-in pairs, and its name tells pairs apart.

    Raises:
        ImplementationNotFoundError: nothing, or nothing that can be loaded, or several pairs are there.
    """
    if spec in layer.builtin:
        return function_pair(*layer.builtin[spec], name=spec, spec=spec)
    home, names = split(spec)
    home = f"./{home}" if home.startswith("-") else home  # or a replay would take it for a flag
    module = _load(home, spec, layer)
    forward, backward = _named(module, home, names) if names else _only_pair(module, home, layer)
    name = f"{home}:{forward},{backward}"
    return function_pair(getattr(module, forward), getattr(module, backward), name=name, spec=name)


def split(spec: str) -> tuple[str, list[str]]:
    """Split `layers.py:forward,backward` into the file and the names; `C:/layers.py` has none."""
    if spec.endswith(".py"):
        return spec, []
    home, colon, names = spec.rpartition(":")
    if not colon or "/" in names or "\\" in names:
        return spec, []
    return home, [name.strip() for name in names.split(",")]


def _load(home: str, spec: str, layer: Layer) -> ModuleType:
    path = Path(home)
    if path.suffix == ".py" or os.sep in home:
        if path.is_dir():
            raise ImplementationNotFoundError(f"{home} is a folder; name a file in it, FILE.py")
        if path.is_file() and path.suffix != ".py":
            raise ImplementationNotFoundError(f"{home} is no Python file: {_accepted(layer)}")
        if not path.is_file():
            raise ImplementationNotFoundError(f"{home}: there is no such file{_nearest(path)}")
        return _load_file(path)
    if not all(part.isidentifier() for part in home.split(".")):
        raise ImplementationNotFoundError(f"{spec!r} is no implementation: {_accepted(layer)}")
    with _importing(home, Path.cwd()):
        try:
            return importlib.import_module(home)
        except ModuleNotFoundError as error:
            if error.name and f"{home}.".startswith(f"{error.name}."):
                raise ImplementationNotFoundError(f"no module {home!r}: {_accepted(layer)}") from error
            raise


def _load_file(path: Path) -> ModuleType:
    # A name of its own, so that `layers.py` of one folder is not taken for that of another.
    name = f"{path.stem}_{zlib.crc32(os.fsencode(path.resolve())):08x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = set(sys.modules)
    folder = path.resolve().parent
    try:
        with _importing(str(path), folder):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    # Helpers beside the file are its own: another folder's `helper` is another module.
    for helper in set(sys.modules) - before:
        if (file := getattr(sys.modules[helper], "__file__", None)) and Path(file).is_relative_to(folder):
            del sys.modules[helper]
    return module


@contextmanager
def _importing(home: str, folder: Path) -> Iterator[None]:
    """Make a folder importable, and an import that fails one sentence. Prints go to stderr, no bytecode is written."""
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    sys.path.insert(0, str(folder))  # and stays: code may import at its first call
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, ImplementationNotFoundError):
        raise
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}" if error.filename else home
        raise ImplementationNotFoundError(f"{home} is no Python: {where}: {error.msg}") from error
    except BaseException as error:
        raise ImplementationNotFoundError(f"{home} cannot be imported: {_raised(error)}") from error
    finally:
        sys.dont_write_bytecode = before


def _raised(error: BaseException) -> str:
    frames = user_stack(error)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said}".rstrip(": ") + place


def _named(module: ModuleType, home: str, names: list[str]) -> tuple[str, str]:
    if len(names) != 2 or not all(names):
        raise ImplementationNotFoundError(f"name two functions, {home}:forward,backward, not {','.join(names)!r}")
    for name in names:
        if not callable(getattr(module, name, None)):
            near = _close(name, _functions(module))
            hint = f"; it has {listed(near)}" if near else ""
            raise ImplementationNotFoundError(f"{home} has no function {name!r}{hint}")
    return names[0], names[1]


def _only_pair(module: ModuleType, home: str, layer: Layer) -> tuple[str, str]:
    pairs = [pair for pair in _pairs(module) if _fits(module, pair, layer)]
    of_layer = [pair for pair in pairs if layer.name in pair[0].lower()]
    candidates = of_layer or pairs
    if len({tuple(getattr(module, name) for name in pair) for pair in candidates}) == 1:
        return candidates[0]
    signature = ", ".join(layer.inputs)
    gradients = ", ".join(f"d{name}" for name in layer.inputs)
    if candidates:
        choices = "\n".join(f"  {home}:{forward},{backward}" for forward, backward in candidates)
        raise ImplementationNotFoundError(f"{home} has several pairs that fit; name one:\n{choices}")
    have = _functions(module)
    found = f"; it has {listed(have[:8])}" + (" and more" if len(have) > 8 else "") if have else "; it has no functions"
    raise ImplementationNotFoundError(
        f"{home} has no pair {layer.name}_forward({signature}, {layer.name}_param) -> (out, cache) and "
        f"{layer.name}_backward(dout, cache) -> ({gradients}){found}"
    )


def _pairs(module: ModuleType) -> list[tuple[str, str]]:
    """Match functions whose names differ only in which pass they name: `conv_forward_naive`, `conv_backward_naive`."""
    names = set(_functions(module))
    pairs = ((name, re.sub(_FORWARD, _BACKWARD, name)) for name in sorted(names) if _FORWARD in name)
    return [(forward, backward) for forward, backward in pairs if backward in names]


def _fits(module: ModuleType, pair: tuple[str, str], layer: Layer) -> bool:
    """Tell whether the functions can be called with the inputs and parameters, and with cotangent and cache."""
    given = [None] * (len(layer.inputs) + 1), [None] * 2
    for name, arguments in zip(pair, given, strict=True):
        try:
            inspect.signature(getattr(module, name)).bind(*arguments)
        except TypeError:
            return False
        except ValueError:  # a compiled function may not say
            continue
    return True


def _functions(module: ModuleType) -> list[str]:
    """Name the functions that a module defines, or for want of any those that it imports."""
    functions = {name: value for name, value in vars(module).items() if inspect.isroutine(value) and name[0] != "_"}
    own = [name for name, value in functions.items() if getattr(value, "__module__", None) == module.__name__]
    return own if any(_FORWARD in name for name in own) else list(functions)


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f", nor a folder {path.parent}"
    files = [file.name for file in path.parent.glob("*.py")]
    near = _close(path.name, files)
    return f"; there is {path.with_name(near[0])}" if near else ""


def _close(word: str, words: list[str]) -> list[str]:
    import difflib  # only a mistyped name needs it

    return difflib.get_close_matches(word, words, n=3)


def _accepted(layer: Layer) -> str:
    return f"give {', '.join(layer.builtin)}, FILE.py, FILE.py:forward,backward or package.module:forward,backward"
