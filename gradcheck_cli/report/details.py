"""All about one case: what is wrong and why, pictures of the errors, and a table of its arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.style import STYLES, figure, sizes, word
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from gradcheck_cli.results.result import ArrayResult, CaseResult, SmallestFailure, WorstElement

#: From this width on there is room for the columns that few people need.
_WIDE = 130

#: The least digits of two values that are compared.
_DIGITS = 6


class _Column(NamedTuple):
    """A column of figures: `-` where an array could not be compared."""

    title: str
    cell: Callable[[ArrayResult, WorstElement], str]
    right: bool = True
    width: int = 0  #: of the console, at least


_COLUMNS = (
    _Column("rel error", lambda array, _: figure(array.max_rel_error or 0)),
    _Column("eps off", lambda array, _: figure(array.scaled_error or 0)),
    _Column("of", lambda array, _: f"{array.tolerance:g}", width=_WIDE),
    _Column("abs error", lambda array, _: figure(array.max_abs_error or 0), width=_WIDE),
    _Column("worst at", lambda _, worst: ",".join(map(str, worst.index)), right=False),
    _Column("analytic", lambda array, worst: _values(array, worst)[0]),
    _Column("numeric", lambda array, worst: _values(array, worst)[1]),
    _Column("bound", lambda _, worst: figure(worst.error_bound), width=_WIDE),
    _Column("method", lambda array, _: array.method, right=False, width=_WIDE),
    _Column("forwards", lambda array, _: str(array.evaluations), width=_WIDE),
)


def describe(result: CaseResult, console: Console, *, named: bool, verbose: bool) -> Iterator[RenderableType]:
    """Yield what there is to say of a case, block by block; a `Text` is to be printed unbroken.

    Args:
        result: the case.
        console: where it is printed.
        named: whether its implementation has been introduced.
        verbose: whether duties and whole arrays are shown, too.
    """
    case, style = result.case, STYLES[result.verdict]
    yield Text(f"{word(result.verdict)} ", style=style).append(result.implementation, style="bold default")
    if result.understood and (verbose or not named):
        yield Padding(Text(f"understood as {result.understood}", style="dim"), 0)  # wrapped at words
    shape = f" -> {sizes(result.forward.expected_shape)}" if result.forward else ""
    yield Text(f"{case.label()}{shape}, {case.dtype}, seed {case.seed}")
    if result.smallest:
        yield Text(_represented(result.smallest, result.verdict))
    arrays = [*([result.forward] if result.forward else []), *result.gradients.values()]
    # The one reason of an error or a skip, of which the arrays know nothing, or those of the arrays.
    as_whole = result.verdict in (Verdict.ERROR, Verdict.SKIP)
    yield from (Text(reason, style=style) for reason in ([result.reason or ""] if as_whole else result.reasons))
    yield from (Text(diagnosis.text, style="bold") for diagnosis in result.diagnosis)
    if result.traceback:
        yield Text(result.traceback)
    if any(array.picture for array in arrays):
        yield _pictures(arrays, ascii_only=console.options.ascii_only)
    if arrays and result.verdict is not Verdict.ERROR:
        yield _table(arrays, console.width)
    if verbose:
        yield from _more(result, arrays)
    if result.command and result.verdict is not Verdict.PASS:
        yield Text(f"replay: {result.command}")


def _table(arrays: list[ArrayResult], width: int) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="default")
    columns = [column for column in _COLUMNS if column.width <= width]
    table.add_column("")
    table.add_column("shape")
    for column in columns:
        is_value = column.title in ("analytic", "numeric")
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=is_value)
    table.add_column("verdict")
    for array in arrays:
        figures = ["-" if array.worst is None else column.cell(array, array.worst) for column in columns]
        shape = "none" if array.shape is None else sizes(array.shape)
        table.add_row(array.name, shape, *figures, Text(word(array.verdict), style=STYLES[array.verdict]))
    return table


def _values(array: ArrayResult, worst: WorstElement) -> tuple[str, str]:
    """Write two values with as many digits as it takes to tell them apart, if they are not taken for the same."""
    digits, analytic, numeric = _DIGITS, worst.analytic, worst.numeric
    while array.verdict is not Verdict.PASS and analytic != numeric and digits < 17:
        if f"{analytic:.{digits}g}" != f"{numeric:.{digits}g}":
            break
        digits += 1
    return f"{analytic:.{digits}g}", f"{numeric:.{digits}g}"


def _pictures(arrays: list[ArrayResult], *, ascii_only: bool) -> RenderableType:
    """Draw what is wrong in part, side by side as far as there is room."""
    from rich.columns import Columns  # only pictures need it

    from gradcheck_cli.report.picture import shaded

    drawn = [shaded(array.name, array.picture, ascii_only=ascii_only) for array in arrays if array.picture]
    return Columns(drawn, padding=(0, 3))


def _more(result: CaseResult, arrays: list[ArrayResult]) -> Iterator[Text]:
    """Yield duties, those that are not fulfilled with their verdicts, and whole arrays."""
    duties = [
        name if duty.verdict is Verdict.PASS else f"{name} {word(duty.verdict)}" for name, duty in result.duties.items()
    ]
    if duties:
        yield Text(f"duties: {', '.join(duties)}")
    for array in arrays:
        if array.arrays is not None:
            for name in ("analytic", "numeric", "error_bound"):
                yield Text(f"{array.name} {name.replace('_', ' ')}:\n{getattr(array.arrays, name)}")


def _represented(smallest: SmallestFailure, verdict: Verdict) -> str:
    one, many = ("is undecided", "are undecided") if verdict is Verdict.INCONCLUSIVE else ("fails", "fail")
    which = f"1 case that {one}" if smallest.failures == 1 else f"{smallest.failures} cases that {many}"
    return f"the smallest found of {which} in this way" + (f"; {smallest.note}" if smallest.note else "")
