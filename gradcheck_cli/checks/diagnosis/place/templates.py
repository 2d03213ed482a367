"""Templates of statements: Python with wildcards, such as `_ / (_ - 1)`, which occurs in a statement or does not."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache

from gradcheck_cli.checks.diagnosis.place.flow import Definition
from gradcheck_cli.checks.diagnosis.place.syntax import called_name

#: Wildcards for numbers.
_NUMBERS: dict[str, Callable[[object], bool]] = {
    "NUMBER": lambda value: value not in (0, 1),
    "SMALL": lambda value: isinstance(value, float) and 0 < value < 1e-2,
}


def has(*templates: str, without: tuple[str, ...] = ()) -> Callable[[Definition], bool]:
    """Return the pattern of a statement in which one of some templates occurs, and none of others.

    A template is an expression, a slice such as `[1:-1]`, or an assignment such as `_ /= 2`. In it `_` is anything, a
    single letter anything that is the same wherever the letter is, `NUMBER` a number other than 0 and 1, and `SMALL`
    one below 0.01. Functions and methods go by their last name, and `...` among arguments is any number of others.
    Formulas within an index do not count: they say which elements are meant.
    """

    def occurs(template: str, found: Definition) -> bool:
        whole = _parse(template)
        if isinstance(whole, ast.AugAssign):
            return _fits(whole, found.statement, {})
        return any(_fits(whole, one, {}) for one in _outside_of_indices(found))

    def pattern(found: Definition) -> bool:
        return any(occurs(one, found) for one in templates) and not any(occurs(one, found) for one in without)

    return pattern


@cache
def _parse(template: str) -> ast.AST:
    """Parse a template; of a slice, what stands between the brackets."""
    (statement,) = ast.parse(f"_{template}" if template.startswith("[") else template).body
    whole = statement.value if isinstance(statement, ast.Expr) else statement
    return whole.slice if template.startswith("[") and isinstance(whole, ast.Subscript) else whole


def _fits(template: object, node: object, letters: dict[str, str]) -> bool:
    """Tell whether a part of a statement is what a part of a template says.

    Args:
        template: a node, a list of nodes or a value of a node.
        node: likewise.
        letters: what each letter stands for; what it is met with first is added.
    """
    match template:
        case ast.Name(id="_"):
            return True
        case ast.Name(id=name) if name in _NUMBERS:
            return isinstance(node, ast.Constant) and _NUMBERS[name](node.value)
        case ast.Name(id=name) if len(name) == 1:
            return isinstance(node, ast.expr) and letters.setdefault(name, ast.dump(node)) == ast.dump(node)
        case ast.Call():
            return isinstance(node, ast.Call) and _is_call(template, node, letters)
        case ast.AST():
            fields = [name for name in template._fields if name not in ("ctx", "kind")]
            same = type(node) is type(template)
            return same and all(_fits(getattr(template, name), getattr(node, name), letters) for name in fields)
        case list():
            parts = node if isinstance(node, list) and len(node) == len(template) else None
            return parts is not None and all(map(lambda one, other: _fits(one, other, letters), template, parts))
    return type(node) is type(template) and node == template


def _is_call(template: ast.Call, node: ast.Call, letters: dict[str, str]) -> bool:
    needed = [one for one in template.args if ast.unparse(one) != "..."]
    if len(needed) == len(template.args):
        arguments = _fits(needed, node.args, letters)
    else:
        arguments = all(any(_fits(one, other, letters) for other in node.args) for one in needed)
    keywords = {keyword.arg for keyword in template.keywords} <= {keyword.arg for keyword in node.keywords}
    return called_name(template) in ("", "_", called_name(node)) and arguments and keywords


def _outside_of_indices(found: Definition) -> Iterator[ast.expr]:
    """Yield the expressions of a statement, without the formulas of indices."""
    indices = [one.slice for one in found.expressions if isinstance(one, ast.Subscript)]
    formulas = {id(one) for index in indices for one in ast.walk(index) if isinstance(one, ast.BinOp | ast.UnaryOp)}
    yield from (one for one in found.expressions if id(one) not in formulas)
