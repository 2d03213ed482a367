"""Stands in for modules that a file imports and that are not there, until the check itself reaches one."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import NoReturn

import numpy as np

from gradcheck_cli.implementation.calling import MissingImportError
from gradcheck_cli.implementation.loading.imports import in_library

_OWN = str(Path(__file__))

#: Decorators that compile or watch a function, which computes the same without them.
_COMPILERS = {"jit", "njit", "pjit", "compile", "function", "profile", "no_grad", "jaxtyped", "typechecked", "beartype"}


@dataclass(kw_only=True)
class Missing:
    """The modules that one file does without.

    While the file is loaded, what it does with them is let pass, because most of it (a style set for plots, a
    decorator that compiles) has no part in the layer; from then on any use of them is an error.
    """

    file: str  #: as the user typed it
    names: list[str] = field(default_factory=list)
    loading: bool = True

    def error(self, name: str) -> MissingImportError:
        """Make the error for a use of module `name`, with the place in the user's code."""
        frame = sys._getframe(1)  # noqa: SLF001  # the documented way to the caller
        while frame.f_back and (frame.f_code.co_filename == _OWN or in_library(frame.f_code.co_filename)):
            frame = frame.f_back
        place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        return MissingImportError(f"{self.file} needs {name}, which is not installed (used at {place})")

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the imports of `names` succeed, in this block only."""
        finder = _Finder(self)
        sys.meta_path.append(finder)
        self.loading = True
        try:
            yield
        finally:
            self.loading = False
            sys.meta_path.remove(finder)
            for name in [name for name, module in sys.modules.items() if isinstance(module, _MissingModule)]:
                del sys.modules[name]


class _Finder(MetaPathFinder, Loader):
    """Finds what no other finder found, if it is listed as missing or inside of what is."""

    def __init__(self, missing: Missing) -> None:
        self._missing = missing

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        listed = any(f"{fullname}.".startswith(f"{missing}.") for missing in self._missing.names)
        return ModuleSpec(fullname, self, is_package=True) if listed else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _MissingModule(spec.name, self._missing)

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []


class _MissingModule(ModuleType):
    """A module that is not there."""

    def __init__(self, name: str, missing: Missing) -> None:
        super().__init__(name)
        self.__dict__["_missing"] = missing

    def __getattr__(self, name: str) -> object:
        missing = self.__dict__["_missing"]
        if name == "__version__" and missing.loading:
            return "0"  # text in which a number can be looked for: older than any that is asked for
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        return _StandIn(self.__name__, missing, name)


class _StandIn:
    """Something of a module that is not there: a function, a class, a constant."""

    def __init__(self, module: str, missing: Missing, name: str = "") -> None:
        object.__setattr__(self, "_origin", (module, missing, name))

    def _use(self, *arguments: object, **__: object) -> object:
        module, missing, name = object.__getattribute__(self, "_origin")
        if name == "get_array_module":
            return np  # of arrays of NumPy, which all are
        if not missing.loading:
            raise missing.error(module)
        if name in _COMPILERS and len(arguments) == 1 and isinstance(arguments[0], FunctionType):
            return arguments[0]
        return _StandIn(module, missing, name if name in _COMPILERS else "")  # `@jit(nopython=True)`

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        module, missing, _name = object.__getattribute__(self, "_origin")
        raise missing.error(module)

    def _is_none(self, *_: object) -> bool:
        """Answer `isinstance(x, cp.ndarray)`: nothing is of a type that is not there."""
        return False

    def _deny(self, *_: object) -> bool:
        """Answer a condition at the top of a file as if nothing of the module were there."""
        self._use()
        return False

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        module, missing, _ = object.__getattribute__(self, "_origin")
        return _StandIn(module, missing, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._use()

    def __setitem__(self, key: object, value: object) -> None:
        self._use()

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return ()  # `class Net(nn.Module)` may stand in the same file

    def __exit__(self, *exception: object) -> None:
        self._use()

    def __repr__(self) -> str:
        module, *_ = object.__getattribute__(self, "_origin")
        return f"<something of {module}, which is missing>"

    __call__ = __getitem__ = __enter__ = _use
    # In annotations and constants: `int | nt.Tensor`, `EPS = 2 * nt.eps`.
    __or__ = __ror__ = __and__ = __rand__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _use
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _use
    __matmul__ = __rmatmul__ = __neg__ = __pos__ = __abs__ = __invert__ = __xor__ = __rxor__ = _use
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _use
    # In conditions: `if nt.available():`, `if nt.version >= (2, 0):`, `isinstance(x, nt.Tensor)`.
    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _deny
    __instancecheck__ = __subclasscheck__ = _is_none
    # What must be a number, an array or so many values cannot be made up.
    __iter__ = __next__ = __reversed__ = __len__ = __divmod__ = __rdivmod__ = _refuse
    __int__ = __float__ = __complex__ = __round__ = __index__ = __array__ = _refuse


#: In an error of Python's own, such as that of a function that wants another type.
_StandIn.__name__ = _StandIn.__qualname__ = "missing import"


def is_missing(value: object) -> bool:
    """Tell whether a value stands in for something of a module that is not there."""
    return issubclass(type(value), _StandIn)


def missing_module_of(value: object) -> str:
    """Name the module that is not there which something is or is a part of; "" for what is there."""
    module = value.__name__ if isinstance(value, _MissingModule) else ""
    return (object.__getattribute__(value, "_origin")[0] if is_missing(value) else module).partition(".")[0]


def names_read(function: FunctionType) -> list[str]:
    """List the global names that a function reads; of `np.dot` it reads np."""
    read = dis.get_instructions(function.__code__)
    return [str(one.argval) for one in read if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
