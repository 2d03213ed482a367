"""What stands at the head and at the foot of the HTML report."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gradcheck_cli.report.html.elements import Html, el, join, text
from gradcheck_cli.report.html.tables import badge
from gradcheck_cli.report.style import COUNTED
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.results.run import Run, Summary

#: Characters of a command beyond which it is scrolled.
_LONG = 600


def outcome(noun: str, counts: Mapping[Verdict, int]) -> str:
    """Say how many of what passed, in a few words: `3 of 12 cases failed`."""
    found = {verdict: counts[verdict] for verdict in COUNTED if counts.get(verdict) and verdict is not Verdict.SKIP}
    ran, bad = sum(found.values()), {verdict for verdict in found if verdict is not Verdict.PASS}
    if not ran:
        return f"No {noun} was checked"
    number = sum(found[verdict] for verdict in bad) or ran
    words = COUNTED[next(iter(bad), Verdict.PASS)] if len(bad) < 2 else "did not pass"
    if words == "inconclusive":
        words = "is inconclusive" if number == 1 else "are inconclusive"
    if ran == 1:
        return f"The only {noun} {words}"
    return f"All {ran} {noun}s {words}" if number == ran else f"{number} of {ran} {noun}s {words}"


def header(run: Run, summary: Summary, title: str) -> Html:
    """Sum up the run: verdict, counts, command, seed, time and versions."""
    found = [verdict for verdict in COUNTED if summary.counts.get(verdict)]
    noun = "case " if found and summary.counts[found[0]] == 1 else "cases "
    counts = [
        el(
            "li",
            el("b", str(summary.counts[one])),
            " ",
            noun if one is found[0] else None,
            COUNTED[one],
            class_=str(one),
        )
        for one in found
    ]
    command = text(shlex.join([*run.program.split(), *run.argv]), limit=None)
    long = len(command) > _LONG
    facts = {
        "Command": el("code", command, class_="long" if long else None, tabindex=0 if long else None),
        "Seed": str(run.seed),
        "Time": f"{summary.seconds:.2f} s",
        "Versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    cut_short = None
    if summary.cut_short:
        how = f"The run was {summary.cut_short} after {summary.cases} of {run.cases} cases."
        cut_short = el("p", how, class_="warning")
    return el(
        "header",
        el("p", run.program, class_="program"),
        el("h1", badge(summary.verdict), " ", title),
        el("ul", *counts, class_="counts") if len(counts) > 1 else None,
        cut_short,
        el("dl", *(join([el("dt", name), el("dd", value)]) for name, value in facts.items()), class_="facts"),
        class_=str(summary.verdict),
    )


def explain_terms() -> Html:
    """Explain the terms of the report, folded."""
    terms = {
        "relative error": "max |a - n| / max(1e-8, |a| + |n|), the usual measure. The verdict does not use it, because "
        "a correct float32 gradient exceeds any threshold wherever terms cancel.",
        "eps off": "The error of the worst element in roundings: multiples of the dtype's machine epsilon times the "
        "sum of the absolute values of the terms that make up the element. A correct layer is off by a few.",
        "allowed": "How many roundings an element may be off, beyond the error bound of the numeric side.",
        "analytic, numeric": "What the backward pass returned, and the derivative of its own forward pass; for the "
        "output of forward, what the textbook's returns.",
        "heat map": "The error of each element, by decades of the largest one. Point at a cell, or move to the map "
        "with Tab and within it with the arrow keys, to read its values.",
        "plain differences": "(f(x + h) - f(x - h)) / 2h of the worst element of an array, for steps from 1 to 1e-12, "
        "as the loop of a course takes them. Where no h comes near the returned value, the fault is not the step's.",
    }
    rows = [join([el("dt", term), el("dd", meaning)]) for term, meaning in terms.items()]
    return el("details", el("summary", "How to read this report"), el("dl", *rows, class_="facts"), class_="help")
