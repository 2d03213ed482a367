"""Derivatives of a forward pass that several checks share: wrong backward passes of one forward pass, in one case.

A check spends most of its time on these, and they depend on nothing that backward returns but on whether it can be
compared. `tests/layers/test_shared.py` compares results with those of checks on their own.
"""

from __future__ import annotations

import contextlib
import importlib
from types import FunctionType
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.checks.differentiation import Derivatives
    from gradcheck_cli.checks.run import CaseRun

_KNOWN: dict[Any, Derivatives] = {}


@contextlib.contextmanager
def derivatives_shared() -> Iterator[None]:
    """Have checks in this process use the derivatives of an earlier one of the same forward pass in the same case."""
    module = importlib.import_module("gradcheck_cli.checks.check")
    differentiate = module.differentiate

    def shared(run: CaseRun) -> Derivatives:
        key = _key(run)
        if key not in _KNOWN:
            found: Derivatives = differentiate(run)
            if found.projections:  # along directions that depend on what backward returned
                return found
            _KNOWN[key] = found
        return _KNOWN[key]

    with mock.patch.object(module, "differentiate", shared):
        yield


def _key(run: CaseRun) -> Any:
    forward = run.implementation.passes[0]
    comparable = not (run.forward and run.forward.worst is None) and run.gradients is not None
    names = tuple(name for name in run.problem.differentiable if comparable and not run.subjects[name].flaw)
    return run.case, run.settings, run.implementation.convention, _identity(forward), names


def _identity(value: Any) -> Any:
    """Return what tells functions apart: their code and what that has from outside. Others are only like themselves."""
    if isinstance(value, FunctionType):
        held = tuple(_identity(cell.cell_contents) for cell in value.__closure__ or ())
        return value.__code__, value.__module__, value.__defaults__, held
    return value if isinstance(value, str | int | float | bool | type(None)) else _Itself(value)


class _Itself:
    """Something that is equal to nothing else, and kept, so that nothing takes its place."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)
