"""The style of reports for people: words and colours of verdicts, figures, and the console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.results.result import Verdict
from gradcheck_cli.text.workflow_commands import DefusedStream

#: Digits of two values that are compared, and the most that it may take to tell them apart.
_DIGITS, _MOST_DIGITS = 6, 17

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.SKIP: "dim",
}

#: How a summary counts verdicts, in this order.
COUNTED = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.ERROR: "raised",
    Verdict.SKIP: "skipped",
}


def word(verdict: Verdict) -> str:
    """Write a verdict, in capitals unless all is well."""
    return verdict.value if verdict in (Verdict.PASS, Verdict.SKIP) else verdict.value.upper()


def sizes(shape: tuple[int, ...]) -> str:
    """Write a shape: `2x3`."""
    return "x".join(map(str, shape)) or "scalar"


def figure(value: float) -> str:
    """Write an error, in two digits: nobody reads more of one."""
    return "0" if value == 0 else f"{value:.1f}" if 0.05 <= value < 1000 else f"{value:.1e}"


def told_apart(one: float, other: float, *, differ: bool) -> tuple[str, str]:
    """Write two values with as many digits as it takes to tell them apart, if they are not taken for the same."""
    digits = _DIGITS
    while differ and one != other and digits < _MOST_DIGITS and f"{one:.{digits}g}" == f"{other:.{digits}g}":
        digits += 1
    return f"{one:.{digits}g}", f"{other:.{digits}g}"


def make_console(stream: TextIO, options: DisplayOptions) -> Console:
    """Make a console that takes nothing for markup."""
    return Console(
        file=cast("TextIO", DefusedStream(stream)) if options.defused else stream,
        width=options.width,
        force_terminal=options.color,
        no_color=not options.color,
        color_system="standard" if options.color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def make_table() -> Table:
    """Make an empty table, with a rule below its head and no other lines."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="default")


def hang(text: Text, console: Console, indent: int) -> Iterator[Text]:
    """Yield the lines of a text wrapped at words, all but the first indented; for want of room, not indented."""
    indent = indent if console.width >= 4 * indent else 0
    for number, line in enumerate(text.wrap(console, console.width - indent)):
        line.rstrip()
        yield Text(" " * indent).append_text(line) if number else line
