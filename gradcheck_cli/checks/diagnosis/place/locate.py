"""The place of a failure: from the cause to the function, and to the statement if exactly one fits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import CodeType

from gradcheck_cli.checks.diagnosis.place.flow import Definition, Flow, Pass, returned
from gradcheck_cli.checks.diagnosis.place.frame import LONGEST_PATH, shown_place
from gradcheck_cli.checks.diagnosis.place.patterns import DRAWS, look_for
from gradcheck_cli.checks.diagnosis.place.roots import names_of_gradient, variables_of
from gradcheck_cli.checks.diagnosis.place.source import Source, code_of, read
from gradcheck_cli.checks.diagnosis.place.syntax import called_name
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.results.result import CaseResult, Diagnosis, Place, Verdict
from gradcheck_cli.text.clean import LONGEST_NAME, clean, escaped

#: Causes that lie in what is not there, or in no single statement.
_NO_STATEMENT = (
    r"stale-cache|c-order-assumed|flaky|leak|own-function|reference-gradient|mode-ignored|two-axes-only|running-statistics|"
    r"wrong-at-zero|(cell-)?not-carried-back|upstream-missing|crop-missing|unseen-left-out|.*-permuted|"
    r"stride-.*|pad-.*|crop-.*|size-.*|same-size-only|loop-over-input-size|last-.*|unfinished|wrong-order|zero"
)


def with_place(result: CaseResult, implementation: Implementation, folder: str | None) -> CaseResult:
    """Return a result that failed with the place of its failure, as far as it is known.

    Args:
        result: that failed; if code raised, with the place where it did, which a cause can tell better.
        implementation: of it.
        folder: the current one, before user code ran.
    """
    try:
        found = place_of(result, implementation)
        place = found if found and (found.statement or not result.place) else result.place  # where it raised
        return replace(result, place=place and shown_place(place, folder, implementation.spec))
    except Exception:  # noqa: BLE001  # the verdict is worth more than its place, in whatever files and objects there are
        return replace(result, place=None)


def place_of(result: CaseResult, implementation: Implementation) -> Place | None:
    """Return where in the user's file the cause of a failure is; None if the source is not known.

    It is the forward pass if that is wrong, else the backward pass; and of it the one statement that fits a cause.
    """
    names = (implementation.spec or "").rpartition(":")[2].split(",")
    passes = [
        _read_pass(function, names[number] if len(names) == 2 else "")
        for number, function in enumerate(implementation.passes)
    ]
    is_forward = implementation.passes[1] is None or _is_in_forward(result)
    where: Definition | None = None
    own = passes[not is_forward]
    words = {f"d{name}": names_of_gradient(name, words) for name, words in implementation.words.items()}
    for cause in result.diagnosis:
        if own and not where:
            where = _statement(own, cause, result, words, implementation.cotangents)
    breaking = [] if where else _breaking([one for one in passes if one], result)
    if len(breaking) == 1:
        (where,) = breaking
    if where:
        return _place(where.flow, where.statement)
    return _place(own.main) if own else None


def _is_in_forward(result: CaseResult) -> bool:
    if result.verdict is Verdict.ERROR:  # a gradient is not there, and forward has been judged unless it raised
        return result.forward is None or result.forward.verdict is not Verdict.PASS
    return result.forward is not None and result.forward.verdict is Verdict.FAIL


def _read_pass(function: object, name: str) -> Pass | None:
    code = code_of(function, name)
    source = code and read(code.co_filename)
    return _pass(source, code) if source and code else None


@lru_cache(maxsize=8)  # the cases of an implementation come one after the other
def _pass(source: Source, code: CodeType) -> Pass | None:
    definition = source.function(code)
    return Pass(source, definition) if definition else None


def _breaking(passes: list[Pass], result: CaseResult) -> list[Definition]:
    """Return the statements that may break a duty, and by that make arrays wrong, where nothing else explains these."""
    broken = {name for name, duty in result.duties.items() if duty.verdict is Verdict.FAIL}
    if result.diagnosis or result.verdict is Verdict.ERROR:
        return []
    if "inputs_unchanged" in broken:
        return _distinct(one for each in passes for one in writes_into_inputs(each))
    if "deterministic" in broken:
        return _distinct(one for each in passes for one in draws(each))
    return []


def _place(flow: Flow, statement: ast.stmt | None = None) -> Place:
    return Place(
        file=escaped(flow.source.file, LONGEST_PATH),
        line=flow.function.lineno if statement is None else statement.lineno,
        function=clean(flow.source.name(flow.function), LONGEST_NAME),
        statement=None if statement is None else flow.source.statement(statement),
        cell=flow.source.cell,
    )


def _statement(
    own: Pass,
    cause: Diagnosis,
    result: CaseResult,
    words: Mapping[str, frozenset[str]],
    cotangents: tuple[str, ...],
) -> Definition | None:
    """Return the one statement that fits a cause, if there is one.

    It is one that looks like the fault; or else the only one that computes something on which all of the wrong arrays
    depend.
    """
    order, look = list(result.gradients), look_for(cause)

    def needed(name: str) -> list[Definition]:
        flow, variables = variables_of(name, own, own.main, words, order) if name else (own.main, {returned(0)})
        found = own.slice(flow, variables, copies=look is not None and look.last)
        return [one for one in found if one.mode in ("", result.case.geometry.get("mode", one.mode))]

    in_forward = _is_in_forward(result)
    wrong = [needed(name) for name in ([""] if in_forward else _named(cause, result))]
    if look is not None:
        bare = [Definition(flow, "", s, loops=loops) for flow in own.flows() for s, loops in flow.statements]
        searched = [_with_values(one) for one in bare] if look.everywhere else wrong
        if fitting := _distinct(one for each in searched for one in each if look.pattern(one)):
            return fitting[0] if len(fitting) == 1 else None
        if look.only:
            return None
    if not wrong or result.verdict is Verdict.ERROR or re.fullmatch(_NO_STATEMENT, cause.code):
        return None
    shared = set[int].intersection(*({id(one) for one in each} for each in wrong))
    suspects = [one for one in wrong[0] if id(one) in shared]
    if cause.code == "factor":  # in several arrays it may be anywhere; one that is left out changes no part of one
        suspects = [one for one in suspects if len(wrong) == 1 and not isinstance(one.target, ast.Subscript)]
    computing = _distinct(one for one in suspects if one.computes or _renames(one, cotangents))
    return computing[0] if len(computing) == 1 and computing[0].computes else None


def _renames(found: Definition, cotangents: tuple[str, ...]) -> bool:
    """Tell whether a variable is only another name for dout, or for what was computed: a factor may be missing."""
    if not isinstance(found.value, ast.Name) or not isinstance(found.target, ast.Name):
        return False
    others = found.flow.definitions.get(found.value.id, [])
    return found.value.id in cotangents or any(one.computes for one in others)


def _with_values(bare: Definition) -> list[Definition]:
    """Return the definitions that a statement makes, or if there are none the statement."""
    found = [one for several in bare.flow.definitions.values() for one in several if one.statement is bare.statement]
    return found or [bare]


def _distinct(found: Iterable[Definition]) -> list[Definition]:
    """Leave one definition for each statement."""
    return list({id(definition.statement): definition for definition in found}.values())


def _named(cause: Diagnosis, result: CaseResult) -> list[str]:
    """Return the gradients of which a cause speaks, by default all that are wrong."""
    said = set(re.findall(r"\w+", cause.text.partition(". ")[0]))
    wrong = [name for name, gradient in result.gradients.items() if gradient.verdict is Verdict.FAIL]
    return [name for name in wrong if name in said] or wrong


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
