"""A step sweep for people: a table of the error of plain differences against h, and what to read from it."""

from __future__ import annotations

from typing import TextIO

from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.style import make_console, make_table, word
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.results.step_sweep import STEPS, ErrorSource, StepError, Sweep

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

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._console = make_console(stream, options)
        self._options = options
        self._printed = False

    def add(self, result: CaseResult) -> None:
        """Print a sweep: one line if quiet, else the whole of it."""
        case = result.case
        if self._options.quiet:
            self._print(f"{result.implementation} {case.label()} {case.dtype}: {sentence(result)}")
            return
        if self._printed:
            self._console.print()
        self._printed = True
        self._print(f"{_verdict(result)}{result.implementation}", "bold")
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
        self._console.file.flush()

    def finish(self, summary: Summary) -> None:
        """Do nothing: all is printed."""

    def _tables(self, result: CaseResult) -> list[Table]:
        """Make as few tables as hold all gradients side by side."""
        names, room = list(result.sweeps), self._console.width - _STEP_WIDTH
        wide = room >= _WIDE * min(len(names), 3)
        count = max(1, room // (_WIDE if wide else _NARROW))
        groups = [names[start : start + count] for start in range(0, len(names), count)]
        shown = STEPS if self._options.verbose else STEPS[::2]
        return [_table({name: result.sweeps[name] for name in group}, shown, wide=wide) for group in groups]

    def _print(self, line: str, style: str = "default") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)


def sentence(result: CaseResult) -> str:
    """Say in a line what the habitual step does to the worst gradient, and what the checker's does."""
    tried = {name: found for name, sweep in result.sweeps.items() if (found := sweep.at(HABITUAL))}
    if not tried:
        return f"{_verdict(result)}{result.reason}"
    name = max(tried, key=lambda name: tried[name].error)
    found, sweep = tried[name], result.sweeps[name]
    off = "undefined" if found.source is ErrorSource.UNDEFINED else f"off by {_error(found, sweep)} of its scale"
    return f"h = {step_text(HABITUAL)}: {name} {off}; checker's {chosen(sweep)}: < {sweep.bound:.1e}"


def chosen(sweep: Sweep) -> str:
    """Name the step of the checker: the one, or the median."""
    return f"h {'=' if sweep.steps[0] == sweep.steps[2] else '~'} {step_text(sweep.steps[1])}"


def step_text(step: float) -> str:
    """Write a step as people do: 64, 1, 1e-5, 3.2e-1."""
    if step >= 1:
        return f"{step:g}"
    mantissa, exponent = f"{step:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _table(sweeps: dict[str, Sweep], shown: tuple[float, ...], *, wide: bool) -> Table:
    """Make the table of some gradients; with slopes if it may be wide."""
    own = {sweep.steps[1] for sweep in sweeps.values() if sweep.affine}
    table = make_table()
    table.add_column("h", no_wrap=True)
    for name in sweeps:
        for title in (f"{name} off", "slope", "due to") if wide else (f"{name} off", "due to"):
            table.add_column(title, justify="left" if title == "due to" else "right", no_wrap=True)
    for step in sorted({*shown, *own}, reverse=True):
        cells = (cell for sweep in sweeps.values() for cell in _cells(sweep, step, wide=wide))
        table.add_row(f"{step_text(step)}{' *' if step in own else ''}", *cells)
    table.add_section()
    row = ["checker"]
    for sweep in sweeps.values():
        slope = [""] if wide else []
        row += [f"<{sweep.bound:.1e}", *slope, chosen(sweep)] if sweep.errors else ["-", *slope, "-"]
    table.add_row(*row, style="bold green")
    return table


def _cells(sweep: Sweep, step: float, *, wide: bool) -> list[Text]:
    """Return the cells of a gradient in the row of a step, which is empty where it was not tried."""
    found = sweep.at(step)
    if found is None:
        return [Text("")] * (3 if wide else 2)
    slope = "" if found.slope is None else f"{found.slope:+.1f}"
    source = "" if found.source is ErrorSource.UNSEEN else found.source
    texts = (_error(found, sweep), slope, source) if wide else (_error(found, sweep), source)
    return [Text(text, _STYLES[found.source]) for text in texts]


def _error(found: StepError, sweep: Sweep) -> str:
    return f"<{sweep.bound:.1e}" if found.source is ErrorSource.UNSEEN else f"{found.error:.1e}"


def _legend(result: CaseResult) -> list[str]:
    sweeps = result.sweeps.values()
    sources = {found.source for sweep in sweeps for found in sweep.errors}
    lines = [line for source, line in _LEGEND.items() if source in sources]
    if any(sweep.affine for sweep in sweeps):
        lines.append("*: the checker's h")
    others = dict.fromkeys(sweep.numeric_dtype for sweep in sweeps if sweep.numeric_dtype != result.case.dtype)
    return lines + [
        f"checker: evaluates forward in {dtype}, and not in {result.case.dtype} as above" for dtype in others
    ]


def _notes(result: CaseResult) -> list[str]:
    """Say what holds of single gradients."""
    notes = []
    if straight := [name.removeprefix("d") for name, sweep in result.sweeps.items() if sweep.affine]:
        notes.append(f"forward is affine in {', '.join(straight)}: nothing is truncated, and a large h is best")
    for name, sweep in result.sweeps.items():
        if sweep.sampled < sweep.size:
            notes.append(f"{name}: {sweep.sampled} of {sweep.size:,} elements, drawn at random, were swept")
        if sweep.unknown:
            left_out = f"{sweep.unknown} of {sweep.sampled:,} elements left out"
            notes.append(f"{name}: {left_out}: no derivative was found there")
        if not sweep.errors and not sweep.unknown:
            notes.append(f"{name}: no element reaches an output")
        elif sweep.errors and not sweep.affine:
            least, largest = step_text(sweep.steps[0]), step_text(sweep.steps[2])
            span = least if least == largest else f"{least} to {largest}, by element"
            notes.append(f"{name}: the checker extrapolates; its smallest h is {span}")
    return notes


def _verdict(result: CaseResult) -> str:
    return "" if result.verdict is Verdict.PASS else f"{word(result.verdict)} "
