"""From the results of an implementation to what pytest shows of it."""

from __future__ import annotations

import io
from collections.abc import Sequence

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.report.formats import FORMATS, DisplayOptions, make_report
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.text.workflow_commands import defuse, in_actions


@frozen
class Outcome:
    """The verdict on one implementation, with the report."""

    verdict: Verdict
    reason: str  #: in one line; empty if there is nothing to say
    report: str  #: as the command line shows it

    @property
    def message(self) -> str:
        """What a failed test shows: pytest repeats the first line in its summary."""
        word = "" if self.verdict is Verdict.FAIL else f"{self.verdict.value}: "
        text = f"{word}{self.reason}\n\n{self.report}"
        return defuse(text) if in_actions() else text


def make_outcome(results: Sequence[CaseResult], *, program: str, width: int, random: bool = False) -> Outcome:
    """Judge the results of one implementation, of which there is at least one, and write their report."""
    drawn = [result for result in results if result.smallest is None]
    run = Run(program=program, argv=(), seed=drawn[0].case.seed, cases=len(drawn), random=random, versions={})
    grades, stream = Grades(), io.StringIO()
    report = make_report(FORMATS[0], run, stream, DisplayOptions(show="findings", width=width))
    for result in results:
        report.add(result)
    for result in drawn:
        grades.add(result)
    verdicts = [result.verdict for result in drawn]
    remark = report.finish(Summary.of(verdicts, seconds=sum(result.seconds for result in results)))
    ((_, grade),) = grades.items()
    text = "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
    return Outcome(verdict=grade.verdict, reason=grade.reason, report=f"{text}\n{remark}" if remark else text)
