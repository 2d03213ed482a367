"""The report as JUnit XML, which CI servers and grading platforms read: a test suite for each implementation.

A case that could not be decided is an `<error type="inconclusive">`: these programs know no third outcome, and the exit
code is not 0 either. Smallest cases of `--fuzz`, which were not drawn, stand in the output of their suite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TextIO
from xml.etree import ElementTree as ET

from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.plain import account_for, describe_case
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary

#: Characters that XML 1.0 does not have, even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_ELEMENTS = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.SKIP: "skipped",
}


class JUnitReport:
    """Collects a test case for each result, and writes the document when the run is over."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._run, self._stream = run, stream
        self._cases: dict[tuple[str, str], list[ET.Element]] = {}  # by implementation and layer
        self._smallest: dict[tuple[str, str], list[str]] = {}

    def add(self, result: CaseResult) -> None:
        """Add one result."""
        suite = result.implementation, result.layer
        if result.smallest is None:
            self._cases.setdefault(suite, []).append(_test_case(result))
        else:
            self._smallest.setdefault(suite, []).append(f"{describe_case(result)}\n{account_for(result)}")

    def finish(self, summary: Summary) -> None:
        """Write the document."""
        root = _element("testsuites", name=self._run.program)
        _count(root, (case for cases in self._cases.values() for case in cases))
        for (implementation, layer), cases in self._cases.items():
            name = f"{implementation} ({layer})" if layer else implementation
            suite = ET.SubElement(root, "testsuite", name=_legal(name))
            _count(suite, cases)
            self._add_properties(suite, summary)
            suite.extend(cases)
            if smallest := self._smallest.get((implementation, layer)):
                ET.SubElement(suite, "system-out").text = _legal("\n\n".join(smallest))
        ET.indent(root)
        # ASCII, with references for all other characters, is right whatever the encoding of stdout is.
        self._stream.write(ET.tostring(root, encoding="us-ascii", xml_declaration=True).decode("ascii") + "\n")

    def _add_properties(self, suite: ET.Element, summary: Summary) -> None:
        known = {"seed": str(self._run.seed), **self._run.versions}
        if summary.cut_short:
            known["cut short"] = f"after {summary.cases} of {self._run.cases} cases"
        properties = ET.SubElement(suite, "properties")
        for name, value in known.items():
            properties.append(_element("property", name=name, value=value))


def _test_case(result: CaseResult) -> ET.Element:
    name = f"{result.case.label()} {result.case.dtype}" if result.ran else "loading"
    case = _element("testcase", classname=result.implementation, name=name, time=f"{result.seconds:.6f}")
    if result.verdict is not Verdict.PASS:
        outcome = _element(_ELEMENTS[result.verdict], type=str(result.verdict), message=result.headline)
        if result.verdict is not Verdict.SKIP:
            outcome.text = _legal(account_for(result))
        case.append(outcome)
        if result.output:
            ET.SubElement(case, "system-out").text = _legal(result.output)
    return case


def _count(element: ET.Element, cases: Iterable[ET.Element]) -> None:
    """Give an element the attributes that count its cases."""
    cases = list(cases)
    found = {name: sum(case.find(name) is not None for case in cases) for name in ("failure", "error", "skipped")}
    seconds = sum(float(case.get("time", 0)) for case in cases)
    counts = {"tests": len(cases), "failures": found["failure"], "errors": found["error"], "skipped": found["skipped"]}
    element.attrib |= {name: str(count) for name, count in counts.items()} | {"time": f"{seconds:.6f}"}


def _element(tag: str, **attributes: str) -> ET.Element:
    return ET.Element(tag, {name: _legal(value) for name, value in attributes.items()})


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
