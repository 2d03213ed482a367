"""What a statement with a certain fault looks like, by the code of the cause."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.checks.diagnosis.place.flow import called_name, expressions, values_in, variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.checks.diagnosis.place.flow import Definition

#: Tells whether a statement looks like the fault.
Pattern = Callable[["Definition"], bool]


class Look(NamedTuple):
    """Where to look for a fault, and for what."""

    pattern: Pattern
    everywhere: bool = False  #: in all statements of the pass, not only in those on which the wrong arrays depend


def look_for(code: str) -> Look | None:
    """Return what a fault looks like; None if its statement can only be told by what depends on it."""
    return next((look for codes, look in _LOOKS.items() if re.fullmatch(codes, code)), None)


def is_overwriting(found: Definition) -> bool:
    """`=` in a loop, of something that other rounds of the loop give a value too."""
    if not found.loops or found.augmented or not found.computes or found.target is None:
        return False
    if found.variable in values_in(found.value or found.target) or _is_part_of_gradient(found):
        return False
    own = {name for loop in found.loops if isinstance(loop, ast.For) for name in _names(loop.target)}
    index = found.target.slice if isinstance(found.target, ast.Subscript) else ast.Tuple(elts=[])
    elements = index.elts if isinstance(index, ast.Tuple) else [index]
    fixed = {one.id for one in elements if isinstance(one, ast.Name)}
    return not own <= fixed


def _is_part_of_gradient(found: Definition) -> bool:
    """Tell whether what is assigned is a part of an array that is added to elsewhere, as by a crop."""
    whole = _base(found.value)
    others = found.flow.definitions.get(whole, []) if whole else []
    return bool(whole) and any(other.augmented for other in others)


def is_crop(found: Definition) -> bool:
    """A slice of an array whose bounds do not depend on a loop."""
    return any(
        isinstance(one, ast.Slice)
        and (one.lower or one.upper)
        and not any(other.loops for name in _names(one) for other in found.flow.definitions.get(name, []))
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
        isinstance(one, ast.Slice) and _is_number(one.lower, 1) and _is_number(one.upper, -1)
        for one in _slices_of(found.value)
    )


def has_fixed_pad(found: Definition) -> bool:
    """`np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))`, or a crop by `[1:-1]`."""
    return is_fixed_crop(found) or any(
        called_name(one) == "pad" and any(isinstance(part, ast.expr) and _is_number(part, 1) for part in ast.walk(one))
        for one in expressions(found.statement)
    )


def ends_early(found: Definition) -> bool:
    """`range(N - 1)`, or `[:-1]`."""
    return any(
        (called_name(one) in ("range", "arange", "ndindex") and _leaves_out_last(one))
        or (isinstance(one, ast.Slice) and one.lower is None and one.step is None and _is_number(one.upper, -1))
        for one in expressions(found.statement)
    )


def lacks_a_window(found: Definition) -> bool:
    """A loop that ends early, or an output size without its `+ 1`."""
    if ends_early(found):
        return True
    parts = list(expressions(found.statement))
    divides = any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.FloorDiv) for one in parts)
    adds = any(
        isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Add)
        and (_is_number(one.left, 1) or _is_number(one.right, 1))
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
    return axis is not None and any(_axis(name) not in (axis, None) for name in _names(found.value))


def calls(*names: str) -> Pattern:
    """Return the pattern of a call of one of these functions or methods."""
    return lambda found: any(called_name(one) in names for one in expressions(found.statement))


def names_dtype(code: str) -> Pattern:
    """Return the pattern of a statement that names a dtype, `np.float32` or "float32"."""
    return lambda found: any(
        (isinstance(one, ast.Attribute) and one.attr == code)
        or (isinstance(one, ast.Constant) and one.value == code)
        or (isinstance(one, ast.Name) and one.id == code)
        for one in expressions(found.statement)
    )


def scales(found: Definition) -> bool:
    """A division, a mean, or a product with a number."""
    if isinstance(found.statement, ast.AugAssign) and isinstance(found.statement.op, ast.Div):
        return True
    return any(
        called_name(one) in ("mean", "average", "divide", "true_divide")
        or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div))
        or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult) and _has_number(one.left, one.right))
        or (isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub) and not isinstance(one.operand, ast.Constant))
        for one in _outside_of_indices(found)
    )


def compares(found: Definition) -> bool:
    """`x < 0`, `~mask` or `1 - mask`."""
    return any(
        (isinstance(one, ast.Compare) and isinstance(one.ops[0], ast.Lt | ast.Gt | ast.LtE | ast.GtE))
        or (isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.Invert))
        or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) and _is_number(one.left, 1))
        for one in expressions(found.statement)
    )


def reverses(found: Definition) -> bool:
    """`[::-1]`, a flip, a roll or an index in another order."""
    return calls("flip", "fliplr", "flipud", "rot90", "roll", "argsort", "permutation", "reversed")(found) or any(
        isinstance(one, ast.Slice) and _is_number(one.step, -1) for one in expressions(found.statement)
    )


def moves_axes(found: Definition) -> bool:
    """A transpose."""
    names = ("transpose", "swapaxes", "moveaxis", "rollaxis", "permute")
    return calls(*names)(found) or any(
        isinstance(one, ast.Attribute) and one.attr == "T" for one in expressions(found.statement)
    )


def only_reshapes(found: Definition) -> bool:
    """A reshape without a transpose, to another number of axes than rows of a matrix."""
    return calls("reshape", "view", "resize")(found) and not moves_axes(found)


def takes_root(found: Definition) -> bool:
    """`np.sqrt(var + eps)`, or a power of it."""
    return calls("sqrt", "rsqrt")(found) or any(
        isinstance(one, ast.BinOp) and isinstance(one.op, ast.Pow) and _is_fraction(one.right)
        for one in expressions(found.statement)
    )


def has_small_number(found: Definition) -> bool:
    """`1e-5`, whatever eps is."""
    return any(
        isinstance(one, ast.Constant) and isinstance(one.value, float) and 0 < one.value < 1e-2
        for one in expressions(found.statement)
    )


def takes_first(found: Definition) -> bool:
    """`dout[0]`."""
    return any(
        isinstance(one, ast.Subscript)
        and isinstance(one.ctx, ast.Load)
        and (_is_number(one.slice, 0) or (isinstance(one.slice, ast.Tuple) and _is_number(one.slice.elts[0], 0)))
        and not (isinstance(one.value, ast.Attribute) and one.value.attr == "shape")
        for one in expressions(found.statement)
    )


def at_labels(found: Definition) -> bool:
    """`dx[np.arange(N), y] -= 1`."""
    target = found.target
    return (
        isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Tuple)
        and any(not isinstance(one, ast.Slice) for one in target.slice.elts)
    )


def divides_by_one_less(found: Definition) -> bool:
    """`/ (N - 1)`, or `ddof=1`."""
    return any(
        isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Div)
        and isinstance(one.right, ast.BinOp)
        and isinstance(one.right.op, ast.Sub)
        and _is_number(one.right.right, 1)
        for one in expressions(found.statement)
    ) or any(
        keyword.arg == "ddof"
        for one in expressions(found.statement)
        if isinstance(one, ast.Call)
        for keyword in one.keywords
    )


def is_loop(found: Definition) -> bool:
    """A loop, from the first to the last."""
    return isinstance(found.statement, ast.For)


def is_return(found: Definition) -> bool:
    """A return statement."""
    return isinstance(found.statement, ast.Return)


_SUMS = calls("sum", "mean", "einsum", "reduce", "nansum", "average")
#: A statement that draws random numbers.
DRAWS = calls("rand", "random", "randn", "binomial", "uniform", "normal", "choice", "permutation", "random_sample")
_LAST = Look(ends_early, everywhere=True)

#: By regular expressions for codes.
_LOOKS = {
    "assigned-not-accumulated": Look(is_overwriting),
    "crop-empty": Look(is_empty_crop, everywhere=True),
    "crop-fixed": Look(is_fixed_crop, everywhere=True),
    "pad-fixed-at-1": Look(has_fixed_pad, everywhere=True),
    "crop-(wrong-side|square|wrong-axes)": Look(is_crop),
    "bias-axes|summed-axes|normalized-axes": Look(_SUMS),
    "last-(windows|row|column|kernel-row|kernel-column)-missed": Look(lacks_a_window, everywhere=True),
    "last-.*-missed|unfinished": _LAST,
    "size-of-wrong-axis": Look(is_size_of_other_axis, everywhere=True),
    "reshaped-not-transposed": Look(only_reshapes),
    "reshaped": Look(calls("reshape", "ravel", "flatten", "squeeze", "expand_dims")),
    "transposed": Look(moves_axes),
    "kernel-rotated|kernel-flipped|.*s-permuted": Look(reverses),
    "single-axis-dropped": Look(calls("squeeze"), everywhere=True),
    "factor|divided-twice|label-not-averaged|mean-over-steps|words-averaged": Look(scales),
    "divided-by-n-minus-1": Look(divides_by_one_less, everywhere=True),
    "mask-inverted|mask-of-dout": Look(compares),
    "mask-redrawn": Look(DRAWS, everywhere=True),
    "drop-probability": Look(compares),
    "cotangent-ones": Look(calls("ones", "ones_like", "full", "full_like")),
    "cotangent-(mean|sum)": Look(_SUMS),
    "cotangent-first": Look(takes_first),
    "label-(sign|counted|shifted|assigned|in-all-rows)": Look(at_labels),
    "eps-missing|eps-outside-root|root-missing": Look(takes_root, everywhere=True),
    "eps-fixed": Look(has_small_number, everywhere=True),
    "exp-overflow": Look(calls("exp", "exp2")),
    "log-underflow|guarded-logarithm": Look(calls("log", "log2", "log10")),
    "float16-inside": Look(names_dtype("float16"), everywhere=True),
    "float32-inside": Look(names_dtype("float32"), everywhere=True),
    "float64-inside": Look(names_dtype("float64"), everywhere=True),
    "time-not-reversed": Look(is_loop),
    "wrong-order": Look(is_return, everywhere=True),
}


def _slices_of(value: ast.expr | None) -> list[ast.expr]:
    """Return the index of a value that is a part of an array, or a copy of it."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and called_name(value) == "copy":
        value = value.func.value
    if not isinstance(value, ast.Subscript):
        return []
    return list(value.slice.elts) if isinstance(value.slice, ast.Tuple) else [value.slice]


def _base(value: ast.expr | None) -> str:
    return variable(value) if isinstance(value, ast.Subscript | ast.Name) else ""


def _names(expression: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


def _is_number(expression: ast.expr | None, number: int) -> bool:
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        return number < 0 and _is_number(expression.operand, -number)
    return isinstance(expression, ast.Constant) and type(expression.value) is int and expression.value == number


def _is_fraction(expression: ast.expr) -> bool:
    if isinstance(expression, ast.UnaryOp):
        return _is_fraction(expression.operand)
    return isinstance(expression, ast.Constant) and expression.value in (0.5, 1.5)


def _has_number(*factors: ast.expr) -> bool:
    return any(isinstance(one, ast.Constant) or _is_number(one, -1) for one in factors)


def _leaves_out_last(call: ast.expr) -> bool:
    assert isinstance(call, ast.Call)
    if len(call.args) == 3 and isinstance(call.args[2], ast.UnaryOp) and called_name(call) != "ndindex":
        return False  # downwards, from the last, which is N - 1
    ends: Iterable[ast.expr] = call.args if called_name(call) == "ndindex" else call.args[:2][-1:]
    return any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) and _is_number(one.right, 1) for one in ends)


def _outside_of_indices(found: Definition) -> Iterable[ast.expr]:
    """Yield the expressions of a value, without those in indices and of slopes such as `1 - c**2`."""
    pending: list[ast.AST] = [found.value] if found.value is not None else []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Subscript):
            pending.append(node.value)
            continue
        if isinstance(node, ast.expr):
            yield node
        pending += ast.iter_child_nodes(node)


def _axis(name: str) -> str | None:
    """Tell from a name whether it is a size across or down."""
    lower = name.lower().replace("width", "w").replace("height", "h").replace("weight", "")
    lower = lower.replace("cols", "w").replace("rows", "h").replace("col", "w").replace("row", "h")
    across, down = "w" in lower, "h" in lower
    return None if across == down or len(lower) > 6 else "across" if across else "down"
