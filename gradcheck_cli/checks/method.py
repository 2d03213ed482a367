"""The choice of a method by sizes alone, never by a clock, so that a command does the same work on every machine."""

from __future__ import annotations

from gradcheck_cli.numeric.black_box import affordable

METHODS = ("auto", "dense", "colored", "projected")


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
