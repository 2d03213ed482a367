"""What an argument of a function may be, of which only the name is known: an array, labels or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from gradcheck_cli.implementation.conventions.slots import Slot

_LABELS = {"y", "label", "labels", "target", "targets", "t", "idx", "index", "indices", "words", "ids", "tokens", "ys"}
NUMBER_NAMES = {
    *(
        "stride",
        "pad",
        "padding",
        "axis",
        "k",
        "n",
        "size",
        "kernel",
        "kernelsize",
        "groups",
        "eps",
        "epsilon",
        "alpha",
    ),
    *(
        "p",
        "momentum",
        "scale",
        "temperature",
        "dim",
        "numheads",
        "heads",
        "nheads",
        "reg",
        "slope",
        "dilation",
        "margin",
    ),
}


class Kind(NamedTuple):
    """What an argument may be."""

    name: str  #: array, labels or value
    rank: int = 0
    value: float = 0


ARRAYS = [Kind("array", rank) for rank in (2, 1, 3, 0, 4)]
NUMBERS = [Kind("value", value=1), Kind("value", value=2)]
LABELS = [Kind("labels", 1), Kind("labels", 2), Kind("labels", 0)]
_KINDS = {
    "labels": [*LABELS, *ARRAYS],
    "numbers": [*NUMBERS, *ARRAYS],
    "arrays": [*ARRAYS, Kind("labels", 1)],  # no number: with 1 in its place much that is wrong would be right
}


def kinds_of(slot: Slot) -> list[Kind]:
    """List the kinds of an argument, the likeliest first."""
    name = slot.name if len(slot.name) == 1 else word(slot.name)  # K and V may be arrays where k is a number
    return _KINDS["labels" if name in _LABELS else "numbers" if name in NUMBER_NAMES or slot.whole else "arrays"]
