"""The statement that breaks a duty other than right numbers: one that writes into an input, or draws random numbers."""

from __future__ import annotations

import ast

from gradcheck_cli.checks.diagnosis.place.flow import Definition, Flow, Pass
from gradcheck_cli.checks.diagnosis.place.patterns import DRAWS
from gradcheck_cli.checks.diagnosis.place.syntax import called_name


def writes_into_inputs(own: Pass) -> list[Definition]:
    """List the statements of a pass that write into an argument, or into what was unpacked from one."""
    flow = own.main
    views = set(flow.parameters)
    while more := {name for name in flow.definitions if name not in views and _is_view(flow, name, views)}:
        views |= more
    found = [
        definition
        for name in sorted(views)
        for definition in flow.definitions.get(name, [])
        if definition.augmented or isinstance(definition.target, ast.Subscript)
    ]
    return [one for one in found if not _is_setting(one)]


def draws(own: Pass) -> list[Definition]:
    """List the statements of a pass that draw random numbers."""
    flow = own.main
    every = [Definition(flow, "", statement) for statement, _ in flow.statements]
    return [one for one in every if DRAWS(one)]


def accumulates(own: Pass) -> list[Definition]:
    """List the statements of a pass that add to what an earlier call left in the object."""
    flow = own.main
    found = [one for name, several in flow.definitions.items() if name.startswith("self.") for one in several]
    return [one for one in found if one.augmented and all(other.augmented for other in flow.definitions[one.variable])]


def _is_view(flow: Flow, name: str, views: set[str]) -> bool:
    """Tell whether a variable is another name for an argument, or a part of it."""
    values = [one.value for one in flow.definitions[name] if isinstance(one.target, ast.Name)]
    return bool(values) and any(_core(value) in views for value in values)


def _core(value: ast.expr | None) -> str:
    while isinstance(value, ast.Subscript | ast.Attribute) or called_name(value) in (
        *("reshape", "transpose", "view", "ravel", "asarray", "squeeze"),
    ):
        if isinstance(value, ast.Call):
            value = value.func.value if isinstance(value.func, ast.Attribute) else None
        elif isinstance(value, ast.Subscript | ast.Attribute):
            value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def _is_setting(found: Definition) -> bool:
    """Tell whether an entry of a dictionary is written, such as a running mean."""
    target = found.target
    return (
        isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Constant)
        and isinstance(target.slice.value, str)
    )
