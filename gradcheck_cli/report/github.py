"""The report in GitHub Actions: the table, and an annotation of the user's code for each failure, the worst first."""

from __future__ import annotations

import os
from typing import TextIO

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.plain import count_cases, describe_case, explain
from gradcheck_cli.report.table import TableReport
from gradcheck_cli.results.findings import Finding, Findings
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.text.clean import clean, clean_lines
from gradcheck_cli.text.workflow_commands import command

#: GitHub shows ten errors and ten warnings of a step, and drops the others (actions/toolkit issue 734).
_MOST = 10

#: Characters of a title; lines and characters per line of the explanation. The runner cuts a message at 4096.
_TITLE, _LINES, _WIDTH = 120, 8, 250


class GitHubReport:
    """Prints the table as it comes, and the annotations at the end."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:
        self._run, self._stream = run, stream
        self._table = TableReport(run, stream, replace(options, defused=True))
        self._findings = Findings(random=run.random)

    def add(self, result: CaseResult) -> None:
        """Add one result."""
        self._table.add(result)
        self._findings.add(result)

    def finish(self, summary: Summary) -> None:
        """Finish the table, annotate the failures, and count in a notice what is left out."""
        self._table.finish(summary)
        found = sorted(self._findings.all(), key=lambda one: (one.result.verdict.rank, one.cases), reverse=True)
        lines = [_annotation(finding) for finding in found[:_MOST]]
        if found:
            rest = len(found) - len(lines)
            note = f"; {rest} more {'failure is' if rest == 1 else 'failures are'} not annotated" if rest else ""
            lines.append(command("notice", f"{count_cases(self._run, summary)}{note}", title=self._run.program))
        self._stream.write("".join(f"{line}\n" for line in lines))


def _annotation(finding: Finding) -> str:
    result, place = finding.result, {}
    if result.place is not None:  # absolute, because the step may not run in the repository's own folder
        file = os.path.abspath(result.place.file)  # noqa: PTH100  # links stay as they are
        place = {"file": file} if result.place.cell else {"file": file, "line": str(result.place.line)}
    cases = "1 case" if finding.cases == 1 else f"{finding.cases} cases"
    lines = [
        clean_lines("\n".join(explain(result)), _LINES, _WIDTH),
        result.implementation + (f" in {cases}, such as {describe_case(result)}" if result.ran else ""),
        f"replay: {result.command}" if result.command else "",
        result.traceback,
    ]
    level = "warning" if result.verdict is Verdict.INCONCLUSIVE else "error"
    title = clean(result.headline, _TITLE)
    return command(level, "\n".join(filter(None, lines)), **place, title=title)
