"""Statements whose faults show in what is around them: loops, other statements, and names of sizes."""

from __future__ import annotations

import ast

from gradcheck_cli.checks.diagnosis.place.flow import Definition
from gradcheck_cli.checks.diagnosis.place.syntax import called_name, names_in, values_in, variable
from gradcheck_cli.checks.diagnosis.place.templates import has


def adds_only_once(found: Definition) -> bool:
    """`=` in a loop, or `dW[x] += dout`, which adds only one of several contributions to the same row."""
    return _is_overwriting(found) or _is_added_at_array(found)


def _is_overwriting(found: Definition) -> bool:
    """`=` in a loop, of something that other rounds of the loop give a value too."""
    if not found.loops or found.augmented or found.target is None or found.value is None:
        return False
    if found.variable in values_in(found.value) or _is_part_of_gradient(found):
        return False
    others = found.flow.definitions[found.variable]
    if not any(len(other.loops) < len(found.loops) for other in others):  # nothing to add to
        return False
    own = {name for loop in found.loops if isinstance(loop, ast.For) for name in names_in(loop.target)}
    return not own <= {one.id for one in _indices(found.target) if isinstance(one, ast.Name)}


def _is_added_at_array(found: Definition) -> bool:
    if found.loops or not isinstance(found.statement, ast.AugAssign):
        return False
    return any(isinstance(one, ast.Name) for one in _indices(found.target))


def _is_part_of_gradient(found: Definition) -> bool:
    """Tell whether what is assigned is a part of an array that is added to elsewhere, as by a crop."""
    whole = variable(found.value) if isinstance(found.value, ast.Subscript | ast.Name) else ""
    return any(other.augmented for other in found.flow.definitions.get(whole, []))


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
        for one in _indices(found.value)
    )


def at_labels(found: Definition) -> bool:
    """`dx[np.arange(N), y] -= 1`."""
    indices = _indices(found.target)
    return len(indices) > 1 and any(not isinstance(one, ast.Slice) for one in indices)


def lacks_a_window(found: Definition) -> bool:
    """An output size without its `+ 1`."""
    sized = isinstance(found.statement, ast.Assign | ast.For)
    return sized and has("_ // _", without=("_ + 1", "1 + _"))(found)


def is_size_of_other_axis(found: Definition) -> bool:
    """`W_out = (W + 2 * pad - HH) // stride + 1`."""
    if found.target is None or found.value is None or not has("_ // _")(found):
        return False
    axis = _axis(variable(found.target))
    return axis is not None and any(_axis(name) not in (axis, None) for name in names_in(found.value))


def _indices(part: ast.expr | None) -> list[ast.expr]:
    """List the indices of a part of an array, or of a copy of one, along its axes."""
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and called_name(part) == "copy":
        part = part.func.value
    if not isinstance(part, ast.Subscript):
        return []
    return list(part.slice.elts) if isinstance(part.slice, ast.Tuple) else [part.slice]


def _axis(name: str) -> str | None:
    """Tell from a name whether it is a size across or down."""
    lower = name.lower().replace("width", "w").replace("height", "h").replace("weight", "")
    lower = lower.replace("cols", "w").replace("rows", "h").replace("col", "w").replace("row", "h")
    across, down = "w" in lower, "h" in lower
    return None if across == down or len(lower) > 6 else "across" if across else "down"
