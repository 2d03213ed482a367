"""Named axes. A layer declares those of its arrays once, in the letters of the literature's code.

So `declare(x="N C H W", w="F C HH WW", b="F", out="N F H' W'")` is convolution. Shapes, couplings and
the words for a position in an array (`the last row`, `samples n >= 1`) follow from it.
"""

from __future__ import annotations

from typing import NamedTuple


class Axis(NamedTuple):
    """The names of one axis of an array, as in `the last row`, `samples n >= 1`, `divided by N`."""

    name: str
    letter: str  #: of an index along it
    size: str  #: as messages write it; the case's number of that name, where it has one
    spatial: bool = False  #: its indices have neighbours: there is a first, a last and a border
    windows: bool = False  #: each of its indices is a row, or a column, of windows

    @property
    def plural(self) -> str:
        """The name of several indices."""
        return f"{self.name}es" if self.name.endswith("s") else f"{self.name}s"


SAMPLE = Axis(name="sample", letter="n", size="N")
STEP = Axis(name="step", letter="t", size="T", spatial=True)

CHANNEL = Axis(name="channel", letter="c", size="C")
ROW = Axis(name="row", letter="i", size="H", spatial=True)
COLUMN = Axis(name="column", letter="j", size="W", spatial=True)
FILTER = Axis(name="filter", letter="f", size="F")
KERNEL_ROW = Axis(name="kernel row", letter="h", size="HH", spatial=True)
KERNEL_COLUMN = Axis(name="kernel column", letter="k", size="WW", spatial=True)
OUT_ROW = Axis(name="row", letter="i", size="H'", spatial=True, windows=True)
OUT_COLUMN = Axis(name="column", letter="j", size="W'", spatial=True, windows=True)

FEATURE = Axis(name="feature", letter="d", size="D")
UNIT = Axis(name="unit", letter="m", size="M")
WORD = Axis(name="word", letter="v", size="V")

#: Any number of axes: those of an array of any shape.
ANY = Axis(name="index", letter="i", size="...")

_USUAL = (
    *(SAMPLE, STEP, CHANNEL, ROW, COLUMN, FILTER, KERNEL_ROW, KERNEL_COLUMN, OUT_ROW, OUT_COLUMN),
    *(FEATURE, UNIT, WORD, ANY),
)

# Letters that have another meaning in some layers, which name these axes beside them.
CLASS = Axis(name="class", letter="c", size="C")
HIDDEN = Axis(name="unit", letter="h", size="H")

#: Axes of an array of any shape, and of an index along them: from the last one back, and the only one.
_PRINTED = (("block", "l"), ("plane", "k"), ("row", "i"), ("column", "j"))
_ONLY = (("element", "i"),)


def declare(*others: Axis, **arrays: str) -> dict[str, tuple[Axis, ...]]:
    """Return the axes of each array, given by their sizes, such as `x="N C H W"`; "" is a number, "..." any shape.

    Args:
        others: axes that take the place of the usual ones of their letter.
        arrays: inputs, outputs and state of a layer.

    Raises:
        KeyError: no axis has such a size.
    """
    by_letter = {axis.size: axis for axis in (*_USUAL, *others)}
    return {name: tuple(by_letter[letter] for letter in letters.split()) for name, letters in arrays.items()}


def indexed(axes: tuple[Axis, ...], count: int) -> tuple[Axis, ...]:
    """Name the axes of an array of any shape, by how it is printed; return others as they are."""
    if axes != (ANY,):
        return axes
    return tuple(axis._replace(size=f"shape[{k}]") for k, axis in enumerate(anonymous("", count)))


def anonymous(name: str, count: int) -> tuple[Axis, ...]:
    """Name `count` axes of an array of which nothing is known, by how it is printed."""
    named = _ONLY if count == 1 else [_PRINTED[max(k, 0)] for k in range(len(_PRINTED) - count, len(_PRINTED))]
    return tuple(
        Axis(name=axis, letter=letter, size=f"{name}.shape[{k}]", spatial=True)
        for k, (axis, letter) in enumerate(named)
    )
