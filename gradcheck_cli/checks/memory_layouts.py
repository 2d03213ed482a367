"""Whether the layout of arrays in memory matters: to compiled code, or one that computes strides from shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gradcheck_cli.checks.repetition import name_arrays
from gradcheck_cli.data.memory_layout import MemoryLayout
from gradcheck_cli.implementation.implementation import ImplementationError

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import Diagnosis

    Named = dict[str, Array]


def _in_fortran_order(array: Array) -> Array:
    return array.copy("F")


def _transposed_and_backward(array: Array) -> Array:
    """Swap the last two axes in memory, and let all run backward."""
    axes = tuple(range(array.ndim))
    return MemoryLayout((*axes[:-2], *axes[:-3:-1]), (True,) * array.ndim).copy(array)


#: What to do about code that dies of other layouts.
HOW_TO_SKIP = "; --skip-duty memory_layouts leaves these out"

#: Ways to lay out every array that user code is given, and what they are called.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": _in_fortran_order,
    "transposed views with negative strides": _transposed_and_backward,
}


def layouts_matter(
    again: Callable[[str, Callable[[Array], Array]], Named], differing: Callable[[Named], list[str]]
) -> tuple[str | None, tuple[Diagnosis, ...]]:
    """Call both passes with arrays in other layouts; say what came out different, and why.

    Code that raises for a layout has been asked for what it does not take, and gives no wrong numbers.

    Args:
        again: calls both passes with arrays that are laid out so, and returns all that comes out.
        differing: names what of that differs from what came out before.
    """
    for words, lay_out in LAYOUTS.items():
        try:
            different = differing(again(f"with arrays {words}{HOW_TO_SKIP}", lay_out))
        except ImplementationError:
            continue
        if different:
            from gradcheck_cli.checks.diagnosis.codes import explanation  # only for code to which layouts matter

            reason = f"{name_arrays(different)} came out different when inputs and cotangent were {words}"
            return reason, (explanation("c-order-assumed").diagnosis(),)
    return None, ()
