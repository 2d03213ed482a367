"""The report as Markdown, for a pull request: a table with the worst first, and each failure once, folded.

Text of other people's code stands in code blocks whose fences are longer than any in the text, or has character
references for whatever Markdown or HTML would act on. Nothing in it is taken for markup, a mention or a link.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import TextIO

from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.plain import count_cases, describe_case, describe_versions, explain
from gradcheck_cli.report.style import word
from gradcheck_cli.results.findings import Finding
from gradcheck_cli.results.grades import Grade, Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.text.clean import clean, clean_lines, escaped

#: Bytes up to which details are added, and those that rows may take: a comment on GitHub holds 65,536 characters, and
#: the summary of a step 1 MiB.
_MOST_WITH_DETAILS, _MOST_OF_ROWS = 60_000, 900_000

#: Characters of a reason in a row, and lines and columns of a code block.
_LONGEST, _MOST_LINES, _WIDTH = 400, 60, 100

_HEAD = "| verdict | passed | layer | implementation | why |\n|---|---|---|---|---|"

#: What starts markup, a character reference or an escape. An underscore within a word starts nothing.
_MARKUP = re.compile(r"[\\`*{}\[\]<>|~&$^!#@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")

#: What becomes a mention, a reference to an issue or a link once character references are resolved.
_LINKED = re.compile(r"[@#](?=\w)|:(?=//)|www(?=\.)")


class MarkdownReport:
    """Collects grades and failures, and writes them when the run is over."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._run, self._stream = run, stream
        self._grades = Grades(random=run.random)

    def add(self, result: CaseResult) -> None:
        """Count one result."""
        self._grades.add(result)

    def finish(self, summary: Summary) -> None:
        """Write the whole report."""
        heading = [
            f"### {self._run.program}: {word(summary.verdict)}",
            f"{count_cases(self._run, summary)} ({describe_versions(self._run)})",
        ]
        worst_first = sorted(self._grades.in_order(), key=lambda item: item[1].badness, reverse=True)
        rows, rows_left_out = _fitting((_row(*item) for item in worst_first), _MOST_OF_ROWS)
        blocks = [*heading, "\n".join([_HEAD, *rows])]
        if rows_left_out:
            blocks.append(f"{rows_left_out} more implementations are left out here.")
        room = _MOST_WITH_DETAILS - sum(len(block.encode()) for block in blocks)
        found = [finding for (name, layer), _ in worst_first for finding in self._grades.findings.of(name, layer)[::-1]]
        details, left_out = _fitting(map(_details, found), room)
        if left_out:
            details.append(f"{left_out} more {'failure is' if left_out == 1 else 'failures are'} not described here.")
        self._stream.write("\n\n".join([*blocks, *details]) + "\n")


def _fitting(texts: Iterable[str], room: int) -> tuple[list[str], int]:
    """Return as many texts as fit into so many bytes, and how many do not."""
    kept, left_out = [], 0
    for text in texts:
        room -= len(text.encode()) + 2
        if room < 0 or left_out:
            left_out += 1
        else:
            kept.append(text)
    return kept, left_out


def _row(key: tuple[str, str], grade: Grade) -> str:
    implementation, layer = key
    verdict, why = word(grade.verdict), _inline(clean(grade.reason, _LONGEST))
    if grade.verdict not in (Verdict.PASS, Verdict.SKIP):
        verdict = f"**{verdict}**"
    return f"| {verdict} | {grade.passed} | {layer} | {_code(implementation)} | {why} |"


def _details(finding: Finding) -> str:
    """Fold all about a failure under a line that names it."""
    result = finding.result
    layer = f" ({result.layer})" if result.layer else ""
    why = _inline(clean(result.headline, _LONGEST))
    cases = "1 case" if finding.cases == 1 else f"{finding.cases} cases"
    lines = [*map(_wrapped, [describe_case(result), *explain(result)]), result.traceback]
    blocks = [
        f"<details><summary>{word(result.verdict)} {_code(result.implementation)}{layer}: {why} ({cases})</summary>",
        _code_block("text", "\n".join(filter(None, lines))),
        *([_code_block("sh", result.command)] if result.command else []),
        "</details>",
    ]
    return "\n\n".join(blocks)


def _wrapped(text: str) -> str:
    """Break a sentence into lines: a code block is not wrapped, but scrolled."""
    return textwrap.fill(clean(text), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _code_block(language: str, text: str) -> str:
    shown = clean_lines(text, _MOST_LINES, len(text))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}"


def _code(name: str) -> str:
    return f"<code>{_escape(escaped(name))}</code>"


def _inline(text: str) -> str:
    """Write text so that nothing in it is markup or a link, in a cell of a table as in HTML; `this` becomes code."""
    parts = re.split("`([^`]+)`", text)
    parts[::2] = [_escape(_LINKED.sub("\\g<0>\N{ZERO WIDTH SPACE}", part)) for part in parts[::2]]
    parts[1::2] = map(_code, parts[1::2])
    return "".join(parts)


def _escape(text: str) -> str:
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)
