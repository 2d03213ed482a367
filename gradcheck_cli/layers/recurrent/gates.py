"""Faults of the gates of a step, whatever is made of them: wrong slopes, and gates in another order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.layers.elementwise.elementwise import sigmoid_slopes, tanh_slopes
from gradcheck_cli.layers.framework.equations import EquationFault, fault
from gradcheck_cli.numeric.arrays import Array

_COUNTS = {3: "three", 4: "four"}


def gate_faults(sigmoids: str, tanh: str, remedy: str) -> Iterator[EquationFault]:
    """Yield wrong slopes of one gate or several, and orders of all of them.

    Equations are `gate_slopes`, a list with the slopes of each gate, and `order`, in which gates are joined. Of their
    values, `a` is what gates are functions of, and `slopes` the right ones, side by side.

    Args:
        sigmoids: the gates that are sigmoids, a letter each, in their order.
        tanh: the last gate.
        remedy: for wrong slopes.
    """
    gates, count = sigmoids + tanh, len(sigmoids) + 1
    positions = {"the sigmoids": range(count - 1), **{f"gate {name}": [k] for k, name in enumerate(sigmoids)}}
    wrong = [
        (name, own, words, slope)
        for name, own in positions.items()
        for _, words, slope in sigmoid_slopes("a", "s" if len(own) > 1 else name[-1])
    ]
    wrong += [(f"gate {tanh}", [count - 1], words, slope) for _, words, slope in tanh_slopes(f"a_{tanh}", tanh)]
    wrong.append((f"all {_COUNTS[count]} gates", range(count), "left out", np.ones_like))
    for name, own, words, slope in wrong:
        slopes = partial(_slopes, frozenset(own), count, slope)
        yield fault("gate-slope", f"the slope of {name} is {words}", remedy, gate_slopes=slopes)
    forward = f"Join the gradients of the gates in the order in which forward splits them: {', '.join(gates)}."
    for order in [*itertools.permutations(range(count))][1:]:
        words = f"the gates are in the order {', '.join(gates[k] for k in order)}"
        yield fault("gate-columns-permuted", words, forward, order=order)


def _slopes(wrong: frozenset[int], count: int, slope: Callable[[Array], Array], v: Any) -> list[Array]:
    """Return the slopes of all gates, some of them wrong."""
    sums, right = np.split(v.a, count, axis=1), np.split(v.slopes, count, axis=1)
    return [slope(sums[k]) if k in wrong else right[k] for k in range(count)]
