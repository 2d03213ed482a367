"""How a case fails: what tells apart failures that have different causes."""

from __future__ import annotations

import re

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.result import CaseResult, Verdict

#: Causes that say what the numbers are, not what the code does, in families that are hard to tell apart. In a small
#: geometry other faults have the same effect: where there is one window, a loop that misses the last one leaves zeros.
_FAMILIES = {
    "zero": "unfilled",
    "unfinished": "unfilled",
    "factor": "factor",
    "reshaped": "rearranged",
    "transposed": "rearranged",
    "reshaped-not-transposed": "rearranged",
}

#: A cause that follows from another one.
_CONSEQUENCE = "reference-gradient"


@frozen
class FailureSignature:
    """How a case fails. Two failures with the same signature are taken to have the same cause."""

    verdict: Verdict
    parts: frozenset[
        str
    ]  #: names of the arrays that have the verdict, or else of duties; of an error what raised where
    causes: frozenset[str]  #: codes of the diagnosis

    @classmethod
    def of(cls, result: CaseResult) -> FailureSignature | None:
        """Return the signature of a result that failed or could not be decided, None for any other."""
        if result.verdict in (Verdict.PASS, Verdict.SKIP):
            return None
        codes = frozenset(diagnosis.code for diagnosis in result.diagnosis)
        return cls(
            verdict=result.verdict,
            parts=_raised(result) if result.verdict is Verdict.ERROR else _wrong(result),
            causes=codes - {_CONSEQUENCE} or codes,
        )

    @property
    def is_specific(self) -> bool:
        """Whether it says what the code does: not if no cause is known, or only what the numbers are."""
        return None in self._families()

    def _families(self) -> set[str | None]:
        """The families of its causes, with None for a specific one."""
        return {"rearranged" if code.endswith("-permuted") else _FAMILIES.get(code) for code in self.causes}

    def is_part_of(self, other: FailureSignature) -> bool:
        """Tell whether the other failure includes this one and more."""
        return (
            self != other
            and self.verdict is other.verdict
            and self.parts <= other.parts
            and self.causes <= other.causes
        )

    def may_be(self, other: FailureSignature) -> bool:
        """Tell whether one fault explains this failure and the other one, which is the more telling of the two.

        A fault may leave an array right in some geometries, and raise in others: the same specific cause in some of
        the same arrays is one fault. Where nothing is known but the arrays, those of one must include the other's.
        """
        if self.causes == other.causes and self.is_specific:
            return Verdict.ERROR in (self.verdict, other.verdict) or bool(self.parts & other.parts)
        if self.verdict is not other.verdict or self.is_specific:
            return False
        if self.causes == other.causes:
            return self.parts <= other.parts or other.parts <= self.parts
        if other.is_specific:
            return self.parts <= other.parts
        alike = self._families() == other._families() or not (self.causes and other.causes)
        return self.parts == other.parts and alike


def _wrong(result: CaseResult) -> frozenset[str]:
    """Return the arrays with the verdict of the whole, apart those that are missing, or else the duties."""
    found = {name if array.shape is not None else f"no {name}": array for name, array in result.gradients.items()}
    verdicts = {name: gradient.verdict for name, gradient in found.items()}
    if result.forward:
        verdicts["out"] = result.forward.verdict
    arrays = frozenset(name for name, verdict in verdicts.items() if verdict is result.verdict)
    return arrays or frozenset(name for name, duty in result.duties.items() if duty.verdict is result.verdict)


def _raised(result: CaseResult) -> frozenset[str]:
    """Return what was raised, without its message and other figures, and the line that raised it.

    What hangs is interrupted at any line.
    """
    what = re.sub(r"\d+", "", (result.reason or "").partition(": ")[0])
    place = result.place if " raised " in what else None
    return frozenset({f"{what} at {place.location}" if place else what})
