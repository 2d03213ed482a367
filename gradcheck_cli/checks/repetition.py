"""Calls at the same inputs, many times over: code that is wrong only sometimes, such as one with a race."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.results.result import Repetition
from gradcheck_cli.text.names import join_names

#: What one call of each pass returned: gradients by input, and the output.
Arrays = dict[str, Array]

#: Where the output is, among gradients by the names of inputs.
OUTPUT = ""

#: Different results that are remembered. Code with more of them has no usual one.
_MOST_KINDS = 8


def repeat(
    call: Callable[[int], Arrays], differing: Callable[[Arrays, Arrays], list[str]], first: Arrays, times: int
) -> tuple[Repetition, str | None]:
    """Call both passes again and again, and count how often they give something else than most calls do.

    Args:
        call: calls forward and backward for the nth time.
        differing: names the arrays in which two results differ by more than rounding.
        first: the result that is known already. Most calls may differ from it.
        times: how many more calls are made.

    Returns:
        The counts, and if there were differences a sentence on them.
    """
    kinds, counts, names = [first], [1], dict[str, None]()
    for number in range(1, times + 1):
        found = call(number)
        for place, kind in enumerate(kinds):
            if not (different := differing(kind, found)):
                counts[place] += 1
                break
            names |= dict.fromkeys(different)
        else:
            if len(kinds) < _MOST_KINDS:
                kinds.append(found)
                counts.append(1)
    different_calls = times + 1 - max(counts)
    rate = 10.0 ** -max(1, len(str(times)) - 1)  # 1 of 10 for up to 99 calls, 1 of 100 for up to 999
    repetition = Repetition(calls=times, different=different_calls, rate=rate, missed=(1 - rate) ** times)
    if not different_calls:
        return repetition, None
    share = f"{different_calls:,} of {times + 1:,} calls ({100 * different_calls / (times + 1):.2g} %)"
    return repetition, f"{name_arrays(names)} came out different in {share}, at the same inputs"


def name_arrays(names: Iterable[str]) -> str:
    """Name the output and the gradients of inputs in a sentence."""
    return join_names("out" if name == OUTPUT else f"d{name}" for name in names)
