"""Checks code in any form: right as it is, and with one thing replaced that makes it wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.results.result import CaseResult

#: Cases of the standard set that are checked: a form that fits some fits all.
_MOST = 4


@dataclass(frozen=True, kw_only=True)
class Form:
    """Code in some form, how it must be understood, and what makes it wrong."""

    layer: str
    text: str
    understood: tuple[str, ...] = ()  #: words of the header
    wrong: tuple[str, str] = ("", "")  #: what to replace, and by what
    names: str = ""  #: what is checked in the file; by default what is found
    first: int = 0  #: the number of the first case that is checked
    most: int = _MOST  #: how many are
    passed: int = -1  #: of these; the others are skipped; by default all
    wrong_verdicts: frozenset[Verdict] = field(default_factory=lambda: frozenset({Verdict.FAIL}))

    def assert_understood(self, folder: Path) -> None:
        """Assert that the right code passes, and that the wrong one does not."""
        convention, found = self.results(folder / "right.py", self.text)
        verdicts = [result.verdict for result in found]
        assert set(verdicts) <= {Verdict.PASS, Verdict.SKIP}, [result.reason for result in found]
        assert verdicts.count(Verdict.PASS) == (self.most if self.passed < 0 else self.passed), [
            result.reason for result in found
        ]
        for words in self.understood:
            assert words in convention
        old, new = self.wrong
        assert old in self.text
        _, found = self.results(folder / "wrong.py", self.text.replace(old, new))
        assert {result.verdict for result in found} & self.wrong_verdicts
        assert Verdict.PASS not in {result.verdict for result in found[:1]}

    def results(self, path: Path, text: str) -> tuple[str, list[CaseResult]]:
        """Return how code is understood, and the results of the first cases."""
        path.write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
        implementation = find(f"{path}:{self.names}" if self.names else str(path), LAYERS[self.layer])
        cases = islice(LAYERS[self.layer].standard(), self.first, self.first + self.most)
        return implementation.convention, [check_case(case, implementation, Settings()) for case in cases]
