"""Which variables of a backward pass hold a gradient."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from gradcheck_cli.checks.diagnosis.place.flow import Flow, Pass, returned
from gradcheck_cli.checks.diagnosis.place.syntax import variable
from gradcheck_cli.implementation.vocabulary.vocabulary import word

#: How people name a gradient after an input, here "*".
_GRADIENT_NAMES = ("d*", "grad*", "*grad", "g*", "delta*", "dloss*", "gradof*")


def names_of_gradient(name: str, synonyms: Sequence[str]) -> frozenset[str]:
    """Return what people call the gradient of an input, as `word` reduces it."""
    return frozenset(pattern.replace("*", word(one)) for pattern in _GRADIENT_NAMES for one in (name, *synonyms))


def variables_of(
    name: str, own: Pass, flow: Flow, words: Mapping[str, frozenset[str]], order: list[str]
) -> tuple[Flow, set[str]]:
    """Return the function in which a gradient is held, and by which variables.

    They are known by their names, or else by the place of what the function returns.

    Args:
        name: of the gradient, such as "dx".
        own: the backward pass.
        flow: of its functions the one to look into.
        words: what people call each gradient, as `word` reduces it.
        order: of the gradients.
    """

    def is_held(variable: str, gradient: str) -> bool:
        return ("." in variable or "[" in variable) and _last(variable) in words.get(gradient, {word(gradient)})

    kept = {one for one in flow.definitions if is_held(one, name)}
    if kept:
        return flow, kept
    left = [one for one in order if not any(is_held(variable, one) for variable in flow.definitions)]
    found: set[str] = set()
    for _, values in flow.returned:
        if len(values) == 1 and len(left) > 1 and (helper := _helper_behind(own, flow, values[0])):
            return variables_of(name, own, helper, words, order)
        named = {n for n, one in enumerate(values) if _label(one) in words.get(name, {word(name)})}
        before = len(values) - len(left)  # the loss, of a function that returns it and its gradients
        placed = {left.index(name) + before} if before in (0, 1) else set()
        found |= {returned(number) for number in named or placed}
    return flow, found


def _helper_behind(own: Pass, flow: Flow, value: ast.expr) -> Flow | None:
    """Return the helper that returns all gradients, if a function returns what a helper does."""
    if isinstance(value, ast.Name):
        values = [one.value for one in flow.definitions.get(value.id, [])]
        value = values[0] if len(values) == 1 and values[0] is not None else value
    return own.helper(value, flow)


def _label(value: ast.expr) -> str:
    return _last(variable(value)) if isinstance(value, ast.Name | ast.Attribute | ast.Subscript) else ""


def _last(name: str) -> str:
    return word(re.split(r"[.\[]", name.rstrip("]"))[-1])
