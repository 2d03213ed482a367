"""Statements with faults of loops, windows and crops: which elements are reached."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gradcheck_cli.checks.diagnosis.place.syntax import (
    called_name,
    is_number,
    names_in,
    values_in,
    variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.checks.diagnosis.place.flow import Definition


def is_overwriting(found: Definition) -> bool:
    """`=` in a loop, of something that other rounds of the loop give a value too."""
    if not found.loops or found.augmented or found.target is None or found.value is None:
        return False
    if found.variable in values_in(found.value) or _is_part_of_gradient(found):
        return False
    others = found.flow.definitions[found.variable]
    if not any(len(other.loops) < len(found.loops) for other in others):  # nothing to add to
        return False
    own = {name for loop in found.loops if isinstance(loop, ast.For) for name in names_in(loop.target)}
    index = found.target.slice if isinstance(found.target, ast.Subscript) else ast.Tuple(elts=[])
    elements = index.elts if isinstance(index, ast.Tuple) else [index]
    fixed = {one.id for one in elements if isinstance(one, ast.Name)}
    return not own <= fixed


def adds_only_once(found: Definition) -> bool:
    """`=` in a loop, or `dW[x] += dout`, which adds only one of several contributions to the same row."""
    return is_overwriting(found) or _is_added_at_array(found)


def _is_added_at_array(found: Definition) -> bool:
    if found.loops or not isinstance(found.statement, ast.AugAssign) or not isinstance(found.target, ast.Subscript):
        return False
    index = found.target.slice
    return any(isinstance(one, ast.Name) for one in (index.elts if isinstance(index, ast.Tuple) else [index]))


def _is_part_of_gradient(found: Definition) -> bool:
    """Tell whether what is assigned is a part of an array that is added to elsewhere, as by a crop."""
    whole = _base(found.value)
    others = found.flow.definitions.get(whole, []) if whole else []
    return bool(whole) and any(other.augmented for other in others)


def is_never_filled(found: Definition) -> bool:
    """`db = np.zeros_like(b)`, to which nothing is added."""
    made = called_name(found.value) in ("zeros", "zeros_like")
    return made and len(found.flow.definitions[found.variable]) == 1


def is_crop(found: Definition) -> bool:
    """A slice of an array whose bounds do not depend on a loop."""
    return any(
        isinstance(one, ast.Slice)
        and (one.lower or one.upper)
        and not any(other.loops for name in names_in(one) for other in found.flow.definitions.get(name, []))
        for one in _slices_of(found.value)
    )


def is_empty_crop(found: Definition) -> bool:
    """`[pad:-pad]`."""
    return any(
        isinstance(one, ast.Slice)
        and one.lower is not None
        and isinstance(one.upper, ast.UnaryOp)
        and isinstance(one.upper.op, ast.USub)
        and ast.dump(one.lower) == ast.dump(one.upper.operand)
        and not isinstance(one.lower, ast.Constant)
        for one in _slices_of(found.value)
    )


def is_fixed_crop(found: Definition) -> bool:
    """`[1:-1]`."""
    return any(
        isinstance(one, ast.Slice) and is_number(one.lower, 1) and is_number(one.upper, -1)
        for one in _slices_of(found.value)
    )


def has_fixed_pad(found: Definition) -> bool:
    """`np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))`, or a crop by `[1:-1]`."""
    return is_fixed_crop(found) or any(
        called_name(one) == "pad" and any(isinstance(part, ast.expr) and is_number(part, 1) for part in ast.walk(one))
        for one in found.expressions
    )


def ends_early(found: Definition) -> bool:
    """`range(N - 1)`, or `[:-1]`."""
    return any(
        (called_name(one) in ("range", "arange", "ndindex") and _leaves_out_last(one))
        or (isinstance(one, ast.Slice) and one.lower is None and one.step is None and is_number(one.upper, -1))
        for one in found.expressions
    )


def lacks_a_window(found: Definition) -> bool:
    """A loop that ends early, or an output size without its `+ 1`."""
    if ends_early(found):
        return True
    parts = list(found.expressions)
    divides = any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.FloorDiv) for one in parts)
    adds = any(
        isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Add)
        and (is_number(one.left, 1) or is_number(one.right, 1))
        for one in parts
    )
    return divides and not adds and isinstance(found.statement, ast.Assign | ast.For)


def is_size_of_other_axis(found: Definition) -> bool:
    """`W_out = (W + 2 * pad - HH) // stride + 1`."""
    if found.target is None or found.value is None:
        return False
    if not any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.FloorDiv) for one in ast.walk(found.value)):
        return False
    axis = _axis(variable(found.target))
    return axis is not None and any(_axis(name) not in (axis, None) for name in names_in(found.value))


def is_loop(found: Definition) -> bool:
    """A loop, from the first to the last."""
    return isinstance(found.statement, ast.For)


def is_return(found: Definition) -> bool:
    """A return statement."""
    return isinstance(found.statement, ast.Return)


def _slices_of(value: ast.expr | None) -> list[ast.expr]:
    """Return the index of a value that is a part of an array, or a copy of it."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and called_name(value) == "copy":
        value = value.func.value
    if not isinstance(value, ast.Subscript):
        return []
    return list(value.slice.elts) if isinstance(value.slice, ast.Tuple) else [value.slice]


def _base(value: ast.expr | None) -> str:
    return variable(value) if isinstance(value, ast.Subscript | ast.Name) else ""


def _leaves_out_last(call: ast.expr) -> bool:
    assert isinstance(call, ast.Call)
    if len(call.args) == 3 and isinstance(call.args[2], ast.UnaryOp) and called_name(call) != "ndindex":
        return False  # downwards, from the last, which is N - 1
    ends: Iterable[ast.expr] = call.args if called_name(call) == "ndindex" else call.args[:2][-1:]
    return any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) and is_number(one.right, 1) for one in ends)


def _axis(name: str) -> str | None:
    """Tell from a name whether it is a size across or down."""
    lower = name.lower().replace("width", "w").replace("height", "h").replace("weight", "")
    lower = lower.replace("cols", "w").replace("rows", "h").replace("col", "w").replace("row", "h")
    across, down = "w" in lower, "h" in lower
    return None if across == down or len(lower) > 6 else "across" if across else "down"
