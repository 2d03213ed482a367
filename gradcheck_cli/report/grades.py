"""What is said of each implementation: in a table, and line by line; the worst last."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from gradcheck_cli.report.style import STYLES, make_table, word
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.text.clean import clean
from gradcheck_cli.text.names import join_names

#: Characters of a reason in a row: some lines, as a terminal is wide.
_LONGEST = 400

#: Characters that fit into a line of the summary.
_LINE = 90

#: Columns that a reason needs beside a name: in fewer, a sentence becomes a tower of words.
_REASON = 28


def grade_lines(grades: Grades) -> Iterator[Text]:
    """Yield one line for each implementation: verdict, passed cases, name and cause; the worst last."""
    often = Counter(name for (name, _), _ in grades.items())
    for (name, layer), grade in grades.items():
        rest = f" {grade.passed} {name}" + (f" ({layer})" if often[name] > 1 else "")
        rest += f": {clean(grade.reason, _LONGEST)}" if grade.reason else ""
        yield Text(word(grade.verdict), style=STYLES[grade.verdict]).append(rest, style="default")


def cause_lines(grades: Grades) -> Iterator[Text]:
    """Yield one line for each distinct failure: verdict, cause, and in how many cases; the worst last."""
    for _, grade in grades.items():  # noqa: PERF102  # no dictionary
        for finding in grade.findings:
            verdict, ran = finding.result.verdict, grade.ran
            rest = f" {clean(_in_short(finding.result), _LONGEST)}"
            rest += f" ({finding.cases:,} of {ran:,} cases)" if ran > 1 else ""
            yield Text(word(verdict), style=STYLES[verdict]).append(rest, style="default")


def _in_short(result: CaseResult) -> str:
    """Name the causes, or without any what is wrong: of several arrays only their names, where all takes too long."""
    names = [array.name for array in result.compared if array.verdict is result.verdict]
    as_whole = result.diagnosis or result.verdict is Verdict.ERROR or len(names) < 2
    if as_whole or len(result.headline) <= _LINE:
        return result.headline
    return f"{join_names(names)} {'are wrong' if result.verdict is Verdict.FAIL else 'could not be decided'}"


def grade_table(grades: Grades, width: int, *, layers: bool, by: str = "file") -> RenderableType:
    """Make the table.

    Args:
        grades: of all implementations.
        width: of the screen, in columns. Where it is narrow, reasons stand below the table.
        layers: whether there is a column for the layer.
        by: "file" to keep the rows of one file together, "verdict" not to.
    """
    items = grades.items()
    if by == "file":
        last = {_home(name): place for place, ((name, _), _) in enumerate(items)}  # where the worst of the file stands
        items = sorted(items, key=lambda item: last[_home(item[0][0])])
    short = _shorten([name for (name, _), _ in items])
    names = [_broken(short[name], 2 * width // 5) for (name, _), _ in items]
    reasons = [clean(grade.reason, _LONGEST) for _, grade in items]
    widest = min(max(len(line) for name in ["implementation", *names] for line in name.splitlines()), width // 2)
    columns = [[word(grade.verdict) for _, grade in items], ["passed", *(grade.passed for _, grade in items)]]
    columns += [[layer for (_, layer), _ in items]] if layers else []
    room = width - widest - 2 - sum(max(map(len, column), default=0) + 2 for column in columns)
    wide = room >= _REASON
    table = make_table()
    table.add_column("", no_wrap=True)
    table.add_column("passed", justify="right", no_wrap=True)
    if layers:
        table.add_column("layer", no_wrap=wide, overflow="fold")
    table.add_column("implementation", overflow="fold", width=widest if wide else None)
    if wide:
        table.add_column("why", overflow="fold")  # a command in it is whole, to be typed
    for name, reason, ((_, layer), grade) in zip(names, reasons, items, strict=True):
        verdict = Text(word(grade.verdict), style=STYLES[grade.verdict])
        beside = [Text(reason)] if wide and reason else []
        table.add_row(verdict, grade.passed, *([layer] if layers else []), Text(name), *beside)
    if wide or not any(reasons):
        return table
    below = [f"{short[name]}: {reason}" for reason, ((name, _), _) in zip(reasons, items, strict=True) if reason]
    return Group(table, *(Text(f"\n{line}", overflow="fold") for line in below))


def _shorten(names: list[str]) -> dict[str, str]:
    """Shorten `layers.py:forward,backward` to what differs: the file, or what is within one file."""
    homes = {name: _home(name) for name in names}
    often = Counter(homes.values())
    if len(often) == 1:
        return {name: name.removeprefix(f"{homes[name]}:") for name in names}
    return {name: home if often[home] == 1 and home.endswith(".py") else name for name, home in homes.items()}


def _broken(name: str, room: int) -> str:
    """Break a name into lines, after a slash, a colon or a comma, so that each has room if its parts have."""
    lines = [""]
    for part in re.split(r"(?<=[/:,])(?=.)", name):
        if lines[-1] and len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _home(name: str) -> str:
    """Return the file or module of an implementation."""
    return name.rpartition(":")[0] or name
