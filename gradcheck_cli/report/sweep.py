"""A step sweep for people: a table of the error of plain differences against h, and what to read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.console import make_console
from gradcheck_cli.results.result import Verdict
from gradcheck_cli.results.step_sweep import STEPS, ErrorSource

if TYPE_CHECKING:
    from gradcheck_cli.report.report import Look
    from gradcheck_cli.results.result import CaseResult
    from gradcheck_cli.results.step_sweep import StepError, Sweep

#: The step of most notebooks, which the closing sentence is about.
HABITUAL = 1e-5

_STYLES = {
    ErrorSource.TRUNCATION: "cyan",
    ErrorSource.ROUNDOFF: "yellow",
    ErrorSource.LOST: "red",
    ErrorSource.UNDEFINED: "red",
    ErrorSource.UNSEEN: "dim",
}

#: What each word means, each in a line of 80 columns at most.
_LEGEND = {
    ErrorSource.TRUNCATION: "truncation: forward bends between x - h and x + h; if smoothly, slope +2 (h^2)",
    ErrorSource.ROUNDOFF: "roundoff: rounding of forward and of x, divided by 2h; slope -1 (1/h)",
    ErrorSource.LOST: "lost: x + h rounds to x, so that the difference is 0",
    ErrorSource.UNDEFINED: "undefined: forward is not finite at x + h or x - h",
    ErrorSource.UNSEEN: "<: no more than the error bound of the checker's derivative, which tells it",
}

#: Columns that h takes, and each gradient with and without its slopes.
_STEP_WIDTH, _WIDE, _NARROW = 8, 30, 24


class SweepReport:
    """Prints each sweep as it comes."""

    def __init__(self, stream: TextIO, look: Look) -> None:
        self._console = make_console(stream, look)
        self._look = look
        self._said_something = False

    def sweep(self, result: CaseResult) -> None:
        """Print a sweep: one line if quiet, else the whole of it."""
        if self._look.quiet:
            said = sentence(result) if result.sweeps else f"{_word(result.verdict)}{result.reason}"
            self._print(f"{result.implementation} {result.case.label()} {result.case.dtype}: {said}")
            return
        if self._said_something:
            self._console.print()
        self._said_something = True
        case = result.case
        self._print(f"{_word(result.verdict)}{result.implementation}", "bold")
        self._print(f"{case.label()}, {case.dtype}, seed {case.seed}")
        for line in (result.reason, result.traceback):
            if line:
                self._print(line)
        if result.verdict is Verdict.PASS:
            self._print("largest error of (f(x + h) - f(x - h)) / 2h, as a share of the element's scale")
            for table in self._tables(result):
                self._console.print(table)
            for note in (*_legend(result), *_notes(result)):
                self._print(note, "dim")
            self._print(sentence(result), "bold")

    def _tables(self, result: CaseResult) -> list[Table]:
        """Make as few tables as hold all gradients side by side."""
        names, room = list(result.sweeps), self._console.width - _STEP_WIDTH
        wide = room >= _WIDE * min(len(names), 3)
        count = max(1, room // (_WIDE if wide else _NARROW))
        groups = [names[start : start + count] for start in range(0, len(names), count)]
        shown = STEPS if self._look.verbose else STEPS[::2]
        return [_table({name: result.sweeps[name] for name in group}, shown, wide=wide) for group in groups]

    def _print(self, line: str, style: str = "default") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)


def sentence(result: CaseResult) -> str:
    """Say in a line what the habitual step does to the worst gradient, and what the checker's does."""
    tried = {name: found for name, sweep in result.sweeps.items() if (found := sweep.at(HABITUAL))}
    if not tried:
        return f"{_word(result.verdict)}{result.reason}"
    name = max(tried, key=lambda name: tried[name].error)
    sweep = result.sweeps[name]
    off = (
        "undefined"
        if tried[name].source is ErrorSource.UNDEFINED
        else f"off by {_error(tried[name], sweep)} of its scale"
    )
    return f"h = {figure(HABITUAL)}: {name} {off}; checker's {chosen(sweep)}: < {sweep.bound:.1e}"


def chosen(sweep: Sweep) -> str:
    """Name the step of the checker: the one, or about which."""
    return f"h {'=' if sweep.steps[0] == sweep.steps[2] else '~'} {figure(sweep.steps[1])}"


def figure(step: float) -> str:
    """Write a step as people do: 64, 1, 1e-5, 3.2e-1."""
    if step >= 1:
        return f"{step:g}"
    mantissa, exponent = f"{step:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _table(sweeps: dict[str, Sweep], shown: tuple[float, ...], *, wide: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="default")
    table.add_column("h", no_wrap=True)
    for name in sweeps:
        table.add_column(f"{name} off", justify="right", no_wrap=True)
        if wide:
            table.add_column("slope", justify="right", no_wrap=True)
        table.add_column("due to", no_wrap=True)
    own = {sweep.steps[1] for sweep in sweeps.values() if sweep.affine}
    for step in sorted({*shown, *own}, reverse=True):
        cells = [cell for sweep in sweeps.values() for cell in _cells(sweep.at(step), sweep, wide=wide)]
        table.add_row(f"{figure(step)}{' *' if step in own else ''}", *cells)
    table.add_section()
    checker = [cell for sweep in sweeps.values() for cell in _checker(sweep, wide=wide)]
    table.add_row("checker", *checker, style="bold green")
    return table


def _cells(found: StepError | None, sweep: Sweep, *, wide: bool) -> list[Text]:
    if found is None:
        return [Text()] * (3 if wide else 2)
    style = _STYLES[found.source]
    slope = [Text("" if found.slope is None else f"{found.slope:+.1f}", style)] if wide else []
    return [
        Text(_error(found, sweep), style),
        *slope,
        Text("" if found.source is ErrorSource.UNSEEN else found.source, style),
    ]


def _checker(sweep: Sweep, *, wide: bool) -> list[str]:
    if not sweep.errors:
        return ["-"] * (3 if wide else 2)
    return [f"<{sweep.bound:.1e}", *([""] if wide else []), chosen(sweep)]


def _error(found: StepError, sweep: Sweep) -> str:
    return f"<{sweep.bound:.1e}" if found.source is ErrorSource.UNSEEN else f"{found.error:.1e}"


def _legend(result: CaseResult) -> list[str]:
    sources = {found.source for sweep in result.sweeps.values() for found in sweep.errors}
    lines = [line for source, line in _LEGEND.items() if source in sources]
    if any(sweep.affine for sweep in result.sweeps.values()):
        lines.append("*: the checker's h")
    numeric_dtype = next(iter(result.sweeps.values())).numeric_dtype
    if numeric_dtype != result.case.dtype:
        lines.append(f"checker: evaluates forward in {numeric_dtype}, and not in {result.case.dtype} as above")
    return lines


def _notes(result: CaseResult) -> list[str]:
    """Say what holds of single gradients."""
    notes = []
    if straight := [name.removeprefix("d") for name, sweep in result.sweeps.items() if sweep.affine]:
        notes.append(f"forward is affine in {', '.join(straight)}: nothing is truncated, and a large h is best")
    for name, sweep in result.sweeps.items():
        if sweep.sampled < sweep.size:
            notes.append(f"{name}: {sweep.sampled} of {sweep.size:,} elements, drawn at random, were swept")
        if sweep.unknown:
            notes.append(
                f"{name}: {sweep.unknown} of {sweep.sampled:,} elements left out: no derivative was found there"
            )
        if not sweep.errors and not sweep.unknown:
            notes.append(f"{name}: no element reaches an output")
        elif sweep.errors and not sweep.affine:
            least, largest = figure(sweep.steps[0]), figure(sweep.steps[2])
            span = least if least == largest else f"{least} to {largest}, by element"
            notes.append(f"{name}: the checker extrapolates; its smallest h is {span}")
    return notes


def _word(verdict: Verdict) -> str:
    return "" if verdict is Verdict.PASS else f"{verdict.value if verdict is Verdict.SKIP else verdict.upper()} "
