"""Statements with faults of formulas: factors, sums, masks, axes, numbers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gradcheck_cli.checks.diagnosis.place.syntax import called_name, has_number, is_number, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gradcheck_cli.checks.diagnosis.place.flow import Definition

_TRANSPOSES = ("transpose", "swapaxes", "moveaxis", "rollaxis", "permute")

#: Parts of the names of a cell state.
_CELLS = {"c", "cell", "ct", "cn"}


def calls(*names: str) -> Callable[[Definition], bool]:
    """Return the pattern of a call of one of these functions or methods."""
    return lambda found: any(called_name(one) in names for one in found.expressions)


def names_dtype(code: str) -> Callable[[Definition], bool]:
    """Return the pattern of a statement that names a dtype, `np.float32` or "float32"."""
    return lambda found: any(
        (isinstance(one, ast.Attribute) and one.attr == code)
        or (isinstance(one, ast.Constant) and one.value == code)
        or (isinstance(one, ast.Name) and one.id == code)
        for one in found.expressions
    )


def divides(found: Definition) -> bool:
    """A division other than by a sum, or a mean."""
    if isinstance(found.statement, ast.AugAssign) and isinstance(found.statement.op, ast.Div):
        return not _is_sum(found.statement.value)
    return any(
        called_name(one) in ("mean", "average", "divide", "true_divide")
        or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div) and not _is_sum(one.right))
        for one in _outside_of_indices(found)
    )


def divides_by_anything(found: Definition) -> bool:
    """A division."""
    if isinstance(found.statement, ast.AugAssign) and isinstance(found.statement.op, ast.Div):
        return True
    return any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div) for one in _outside_of_indices(found))


def multiplies(found: Definition) -> bool:
    """A product with a number."""
    if isinstance(found.statement, ast.AugAssign) and isinstance(found.statement.op, ast.Mult | ast.Div):
        return has_number(found.statement.value)
    return any(
        isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Mult | ast.Div)
        and has_number(one.left, one.right)
        and not isinstance(one.left, ast.BinOp | ast.UnaryOp)
        for one in _outside_of_indices(found)
    )


def negates(found: Definition) -> bool:
    """A minus before a whole, or `-=`."""
    if isinstance(found.statement, ast.AugAssign) and isinstance(found.statement.op, ast.Sub):
        return True
    return any(
        (isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub) and not isinstance(one.operand, ast.Constant))
        or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult) and is_number(one.left, -1))
        for one in _outside_of_indices(found)
    )


def compares(found: Definition) -> bool:
    """`x < 0`, `~mask` or `1 - mask`."""
    return any(
        (isinstance(one, ast.Compare) and isinstance(one.ops[0], ast.Lt | ast.Gt | ast.LtE | ast.GtE))
        or (isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.Invert))
        or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) and is_number(one.left, 1))
        for one in found.expressions
    )


def squares(found: Definition) -> bool:
    """`m ** 2`, `m * m` or `np.square(m)`."""
    return calls("square")(found) or any(
        isinstance(one, ast.BinOp)
        and (
            (isinstance(one.op, ast.Pow) and is_number(one.right, 2))
            or (isinstance(one.op, ast.Mult) and ast.dump(one.left) == ast.dump(one.right))
        )
        for one in found.expressions
    )


def reverses(found: Definition) -> bool:
    """`[::-1]`, a flip, a roll or an index in another order."""
    return calls("flip", "fliplr", "flipud", "rot90", "roll", "argsort", "permutation", "reversed")(found) or any(
        isinstance(one, ast.Slice) and is_number(one.step, -1) for one in found.expressions
    )


def moves_axes(found: Definition) -> bool:
    """A transpose."""
    return calls(*_TRANSPOSES)(found) or any(
        isinstance(one, ast.Attribute) and one.attr == "T" for one in found.expressions
    )


def only_reshapes(found: Definition) -> bool:
    """A reshape that mixes axes: without a transpose before or after it, and not by the first axis of the array."""
    parts = list(found.expressions)
    transposed = [one.func for one in parts if isinstance(one, ast.Call) and called_name(one) in _TRANSPOSES]
    transposed += [one for one in parts if isinstance(one, ast.Attribute) and one.attr == "T"]
    transposed_after = {id(one.value) for one in transposed if isinstance(one, ast.Attribute)}
    return any(
        isinstance(one, ast.Call)
        and called_name(one) in ("reshape", "view", "resize")
        and id(one) not in transposed_after
        and not _is_transposed(one)
        and not _adds_axes(one)
        and not any(isinstance(part, ast.Attribute) and part.attr == "shape" for part in one.args)
        and not _keeps_first_axis(one, found)
        for one in parts
    )


def takes_root(found: Definition) -> bool:
    """`np.sqrt(var + eps)`, or a power of it."""
    return calls("sqrt", "rsqrt")(found) or any(
        isinstance(one, ast.BinOp) and isinstance(one.op, ast.Pow) and _is_fraction(one.right)
        for one in found.expressions
    )


def has_small_number(found: Definition) -> bool:
    """`1e-5`, whatever eps is."""
    return any(
        isinstance(one, ast.Constant) and isinstance(one.value, float) and 0 < one.value < 1e-2
        for one in found.expressions
    )


def takes_first(found: Definition) -> bool:
    """`dout[0]`."""
    return any(
        isinstance(one, ast.Subscript)
        and isinstance(one.ctx, ast.Load)
        and (is_number(one.slice, 0) or (isinstance(one.slice, ast.Tuple) and is_number(one.slice.elts[0], 0)))
        and not (isinstance(one.value, ast.Attribute) and one.value.attr == "shape")
        for one in found.expressions
    )


def at_labels(found: Definition) -> bool:
    """`dx[np.arange(N), y] -= 1`."""
    target = found.target
    return (
        isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Tuple)
        and any(not isinstance(one, ast.Slice) for one in target.slice.elts)
    )


def reduces(least: int) -> Callable[[Definition], bool]:
    """Return the pattern of a formula that has at least so many means or sums in it, and not only their names."""
    return lambda found: sum(called_name(one) in ("sum", "mean") for one in found.expressions) >= least


def takes_from_one(found: Definition) -> bool:
    """`1 - p`."""
    return any(
        isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) and is_number(one.left, 1)
        for one in found.expressions
    )


def squares_cell(found: Definition) -> bool:
    """`1 - next_c**2`, of the cell state and not of its tanh."""
    return any(
        isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Sub)
        and is_number(one.left, 1)
        and isinstance(one.right, ast.BinOp)
        and isinstance(one.right.left, ast.Name)
        and bool(_CELLS & set(one.right.left.id.lower().split("_")))
        for one in found.expressions
    )


def divides_by_one_less(found: Definition) -> bool:
    """`/ (N - 1)`, or `ddof=1`."""
    return any(
        isinstance(one, ast.BinOp)
        and isinstance(one.op, ast.Div)
        and isinstance(one.right, ast.BinOp)
        and isinstance(one.right.op, ast.Sub)
        and is_number(one.right.right, 1)
        for one in found.expressions
    ) or any(
        keyword.arg == "ddof" for one in found.expressions if isinstance(one, ast.Call) for keyword in one.keywords
    )


def _is_transposed(call: ast.Call) -> bool:
    """Tell whether what is reshaped is a transpose: `x.transpose(0, 2, 1).reshape(...)`, `np.reshape(x.T, ...)`."""
    whole = call.func.value if isinstance(call.func, ast.Attribute) else None
    if (whole is None or isinstance(whole, ast.Name)) and call.args and len(call.args) == 2:
        whole = call.args[0] if isinstance(call.args[1], ast.Tuple) else whole
    return called_name(whole) in _TRANSPOSES or (isinstance(whole, ast.Attribute) and whole.attr == "T")


def _adds_axes(call: ast.Call) -> bool:
    """Tell whether all elements stay along one axis, as in `b.reshape(-1, 1)`."""
    sizes = call.args[0].elts if len(call.args) == 1 and isinstance(call.args[0], ast.Tuple) else call.args
    return sum(not is_number(size, 1) for size in sizes) == 1


def _keeps_first_axis(call: ast.Call, found: Definition) -> bool:
    """Tell whether a reshape is `x.reshape(len(x), -1)`, which keeps the order of the axes whatever they are."""
    sizes = call.args[0].elts if len(call.args) == 1 and isinstance(call.args[0], ast.Tuple) else call.args
    match sizes[0] if sizes else None:
        case ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Subscript(value=ast.Attribute(attr="shape"), slice=ast.Constant(value=0)):
            return True
        case ast.Name(id=name):
            whole = variable(call.func) if isinstance(call.func, ast.Attribute) else ""
            flattens = name in ("N", "n", "m", "batch_size", "B") and any(is_number(size, -1) for size in sizes[1:])
            return flattens or any(
                isinstance(one.value, ast.Attribute)
                and one.value.attr == "shape"
                and variable(one.value) == whole
                and _is_first_target(one)
                for one in found.flow.definitions.get(name, [])
            )
        case _:
            return False


def _is_first_target(found: Definition) -> bool:
    match found.statement:
        case ast.Assign(targets=[ast.Tuple(elts=[first, *_])]):
            return first is found.target
        case _:
            return False


def _is_sum(value: ast.expr) -> bool:
    """Tell whether something is divided by its sum, as probabilities are."""
    return called_name(value) == "sum"


def _is_fraction(expression: ast.expr) -> bool:
    if isinstance(expression, ast.UnaryOp):
        return _is_fraction(expression.operand)
    return isinstance(expression, ast.Constant) and expression.value in (0.5, 1.5)


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
