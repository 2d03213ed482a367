"""What a notebook shows of a result: the description of a failure in the HTML report, without a script."""

from __future__ import annotations

from gradcheck_cli.report.html.elements import Html, el, style
from gradcheck_cli.report.html.finding import Detail, describe, title_of
from gradcheck_cli.report.html.tables import badge
from gradcheck_cli.results.result import CaseResult


def fragment(result: CaseResult) -> Html:
    """Describe a result in HTML that can stand anywhere: its styles apply to nothing else."""
    title = el("p", badge(result.verdict), " ", title_of(result), class_="title")
    return el("div", el("style", style()), title, describe(result, Detail.PICTURES), class_="gradcheck notebook")
