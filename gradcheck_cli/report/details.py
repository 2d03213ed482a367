"""All about one case: what is wrong and why, where, pictures of the errors, and a table of its arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from gradcheck_cli.report.arrays import array_table, term
from gradcheck_cli.report.plain import describe_others, describe_place, describe_smallest, reasons_of
from gradcheck_cli.report.style import STYLES, sizes, word
from gradcheck_cli.results.findings import Finding
from gradcheck_cli.results.result import ArrayResult, CaseResult, Verdict


def introduce(result: CaseResult, *, layer: bool) -> Iterator[Text]:
    """Yield the name of an implementation, and how it was read."""
    name = f"{result.implementation} ({result.layer})" if layer and result.layer else result.implementation
    text = Text(name, style="bold", no_wrap=True)
    yield text.append(f", seed {result.case.seed}" if result.ran else "")
    if result.understood:
        yield Text(f"understood as {result.understood}", style="dim")


def describe_finding(finding: Finding, console: Console, *, explained: bool) -> Iterator[RenderableType]:
    """Yield what there is to say of a failure, block by block: all about its simplest case, and how many are like it.

    Args:
        finding: the failure.
        console: where it is printed.
        explained: whether the terms of the table have been explained.
    """
    yield from describe(finding.result, console, explained=explained)
    for number, line in enumerate(describe_others(finding)):
        yield Text(line if number else f"and {line}")


def describe(
    result: CaseResult, console: Console, *, verbose: bool = False, explained: bool = True
) -> Iterator[RenderableType]:
    """Yield what there is to say of a case, block by block.

    A `Text` that must not be wrapped, because it is copied or has lines of its own, has `no_wrap` set.

    Args:
        result: the case.
        console: where it is printed.
        verbose: whether duties and whole arrays are shown, too.
        explained: whether the terms of the table have been explained.
    """
    style = STYLES[result.verdict]
    shape = f" -> {sizes(result.forward.expected_shape)}" if result.forward else ""
    title = f"{result.case.label()}{shape}, {result.case.dtype}" if result.ran else result.reason or ""
    yield Text(f"{word(result.verdict)} ", style=style).append(title, style="bold default")
    if result.smallest:
        yield Text(describe_smallest(result.smallest, result.verdict))
    for diagnosis in result.diagnosis:
        yield Text(f"{diagnosis.text} [{diagnosis.code}]", style="bold")
    if result.place and f"line {result.place.line}, in" not in (result.traceback or ""):
        yield Text(f"at {describe_place(result.place)}", style="bold")
    if result.ran:
        yield from (Text(reason, style=style) for reason in reasons_of(result))
    if result.traceback:
        yield Text(result.traceback, no_wrap=True)
    arrays = result.compared
    if any(array.picture for array in arrays):
        yield _pictures(arrays, ascii_only=console.options.ascii_only)
    if arrays and result.verdict is not Verdict.ERROR:
        table, titles = array_table(arrays, console.width)
        yield table
        if not explained and has_figures(result) and (sentence := term(arrays, titles, result.case.dtype)):
            yield Text(sentence, style="dim")
    if verbose:
        yield from _more(result, arrays)
    if result.command and result.verdict is not Verdict.PASS:
        yield Text(f"replay: {result.command}", no_wrap=True)


def has_figures(result: CaseResult) -> bool:
    """Tell whether something is wrong in a case of which the table is shown, with figures in it."""
    unfit = (Verdict.ERROR, Verdict.PASS)
    return result.verdict not in unfit and any(array.worst for array in result.compared)


def _pictures(arrays: Sequence[ArrayResult], *, ascii_only: bool) -> RenderableType:
    """Draw what is wrong in part, side by side as far as there is room."""
    from rich.columns import Columns  # only pictures need it

    from gradcheck_cli.report.picture import shaded

    drawn = [shaded(array.name, array.picture, ascii_only=ascii_only) for array in arrays if array.picture]
    return Columns(drawn, padding=(0, 3))


def _more(result: CaseResult, arrays: Sequence[ArrayResult]) -> Iterator[Text]:
    """Yield duties, those that are not fulfilled with their verdicts, what is exact, and whole arrays."""
    duties = [
        name if duty.verdict is Verdict.PASS else f"{name} {word(duty.verdict)}" for name, duty in result.duties.items()
    ]
    if duties:
        yield Text(f"duties: {', '.join(duties)}")
    if repetition := result.repetition:
        yield Text(
            f"called {repetition.calls:,} times more, different {repetition.different:,} times: {repetition.risk}"
        )
    if exact := [array for array in arrays if array.exact]:
        missed = max(array.missed or 0.0 for array in exact)
        names = ", ".join(array.name for array in exact)
        yield Text(f"exact at small integers: {names}; an error in one element is missed with probability {missed:.1g}")
    yield from _accumulation(arrays)
    for array in arrays:
        if array.arrays is not None:
            for name in ("analytic", "numeric", "error_bound"):
                yield Text(f"{array.name} {name.replace('_', ' ')}:\n{getattr(array.arrays, name)}", no_wrap=True)


def _accumulation(arrays: Sequence[ArrayResult]) -> Iterator[Text]:
    """Yield how arrays were accumulated, as far as that is known."""
    for dtype in sorted({array.accumulates_in for array in arrays if array.accumulates_in}):
        own, others = (
            ", ".join(a.name for a in arrays if a.accumulates_in == dtype and (a.dtype == dtype) is is_own)
            for is_own in (True, False)
        )
        if own:
            yield Text(f"rounded to {dtype} at each step: {own}")
        if others:
            yield Text(f"accumulated in {dtype}: {others}")
