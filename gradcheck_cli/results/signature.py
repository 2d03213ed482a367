"""Which of several failing cases have the same cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.results.result import CaseResult


@frozen
class FailureSignature:
    """How a case fails. Two failures with the same signature are taken to have the same cause."""

    verdict: Verdict
    parts: frozenset[str]  #: names of the arrays and duties that have the verdict
    causes: frozenset[str]  #: codes of the diagnosis; for an error what was raised, without digits

    @classmethod
    def of(cls, result: CaseResult) -> FailureSignature | None:
        """Return the signature of a result that failed or could not be decided, None for any other."""
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

    def is_part_of(self, other: FailureSignature) -> bool:
        """Tell whether the other failure includes this one and more."""
        return (
            self != other
            and self.verdict is other.verdict
            and self.parts <= other.parts
            and self.causes <= other.causes
        )
