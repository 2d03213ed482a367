"""Which way to differentiate: by sizes alone, never by a clock, so that a command does the same work everywhere."""

from __future__ import annotations

METHODS = ("auto", "dense", "colored", "projected")

#: What a gradient may cost: evaluations times the numbers that each reads and writes. 2e8 are one to three seconds.
#: Beyond lie (1, 64, 56, 56) x (64, 64, 3, 3), 5e8 coloured, and (8, 3, 224, 224) x (64, 3, 7, 7), 2e9.
AFFORDABLE = 2e8

#: A call costs as much as reading and writing some 5,000 numbers, however few there are.
_OVERHEAD = 5_000


def affordable(evaluations: int, inputs: int, outputs: int) -> bool:
    """Tell whether so many evaluations of a function of so many numbers are within reason."""
    return evaluations * (inputs + outputs + _OVERHEAD) <= AFFORDABLE


def choose(method: str, inputs: int, outputs: int, colors: int | None) -> str:
    """Choose the method with the most evidence that is affordable: colored, dense, projected.

    Args:
        method: what was asked for; only "auto" is chosen about, and "colored" where nothing can be coloured is dense.
        inputs: elements to differentiate in.
        outputs: elements of the output.
        colors: colours of the input, None where no coupling is stated.
    """
    if method == "colored" and colors is None:
        return "dense"
    if method != "auto":
        return method
    if colors is not None and affordable(2 * colors, inputs, outputs):
        return "colored"
    return "dense" if affordable(2 * inputs, inputs, outputs) else "projected"
