"""Ways to fail: of several cases that do, which have the same cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.results.result import CaseResult


@frozen
class Way:
    """How a case fails: two that agree in this are taken to have the same cause."""

    verdict: Verdict
    parts: frozenset[str]  #: the names of arrays that are wrong, and of duties that are not done
    causes: frozenset[str]  #: the codes of the diagnosis; of an error what was raised, without its figures

    @classmethod
    def of(cls, result: CaseResult) -> Way | None:
        """Return the way in which a case failed, or could not be decided; None if it did not."""
        if result.verdict in (Verdict.PASS, Verdict.SKIP):
            return None
        if result.verdict is Verdict.ERROR:
            raised = re.sub(r"\d+", "", (result.reason or "").partition(": ")[0])
            return cls(verdict=result.verdict, parts=frozenset(), causes=frozenset({raised}))
        verdicts = {name: gradient.verdict for name, gradient in result.gradients.items()}
        verdicts |= {name: duty.verdict for name, duty in result.duties.items()}
        if result.forward:
            verdicts["out"] = result.forward.verdict
        return cls(
            verdict=result.verdict,
            parts=frozenset(name for name, verdict in verdicts.items() if verdict is result.verdict),
            causes=frozenset(diagnosis.code for diagnosis in result.diagnosis),
        )

    def within(self, other: Way) -> bool:
        """Tell whether the other is this and more."""
        return (
            self != other
            and self.verdict is other.verdict
            and self.parts <= other.parts
            and self.causes <= other.causes
        )
