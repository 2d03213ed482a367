"""The choice of a method by sizes alone, never by a clock, so that a command does the same work on every machine."""

from __future__ import annotations

METHODS = ("auto", "dense", "colored", "projected")

#: The cost that a gradient may have: evaluations times the numbers that each reads and writes. 2e8 take one to three
#: seconds. (1, 64, 56, 56) x (64, 64, 3, 3) exceeds it with 5e8 coloured, (8, 3, 224, 224) x (64, 3, 7, 7) with 2e9.
AFFORDABLE = 2e8

#: The cost of a call itself, in numbers read and written.
_OVERHEAD = 5_000


def affordable(evaluations: int, inputs: int, outputs: int) -> bool:
    """Tell whether `evaluations` calls of a function with `inputs` and `outputs` elements are affordable."""
    return evaluations * (inputs + outputs + _OVERHEAD) <= AFFORDABLE


def choose_method(method: str, inputs: int, outputs: int, colors: int | None) -> str:
    """Return the method that gives the most evidence at an affordable cost: "colored", "dense" or "projected".

    Args:
        method: the method asked for. Only "auto" leaves a choice; "colored" without a coupling means "dense".
        inputs: elements to differentiate in.
        outputs: elements of the output.
        colors: colours of the input, None if it has no coupling.
    """
    if method == "colored" and colors is None:
        return "dense"
    if method != "auto":
        return method
    if colors is not None and affordable(2 * colors, inputs, outputs):
        return "colored"
    return "dense" if affordable(2 * inputs, inputs, outputs) else "projected"
