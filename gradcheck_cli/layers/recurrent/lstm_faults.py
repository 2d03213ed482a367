"""What people get wrong in one step of an LSTM: slopes, paths that are left out, and gates in another order.

The names are those of `lstm_step`: with dc = dnext_c + dnext_h o (1 - tanh(next_c)^2), di = dc g, df = dc prev_c,
do = dnext_h tanh(next_c), dg = dc i and dprev_c = dc f, each gate's gradient goes through its slope into a.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.slope_faults import sigmoid_slopes, tanh_slopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gradcheck_cli.layers.recurrent.recurrent import Slip
    from gradcheck_cli.numeric.arrays import Array

    Cache = Any  # that of `lstm_step`, which imports this module
    Change = Callable[["Parts"], "Parts"]

_PATH = "dc = dnext_c + dnext_h o (1 - tanh(next_c)^2), and dprev_c = dc f."
_GATES = "di = dc g, df = dc prev_c, do = dnext_h tanh(next_c) and dg = dc i, each times the slope of its own gate."
_NAMES = ("i", "f", "o", "g")


@frozen
class Parts:
    """What the backward pass of a step is put together from, (N, H) each; lists are in the order i, f, o, g."""

    dnext_h: Array
    dnext_c: Array
    prev_h: Array
    prev_c: Array
    next_c: Array
    squashed: Array  #: tanh(next_c)
    gates: tuple[Array, ...]
    sums: tuple[Array, ...]  #: what the gates are applied to
    slopes: tuple[Array, ...]  #: of the gates
    dc: Array  #: into next_c, by itself and by next_h
    dgates: tuple[Array, ...]
    dprev_c: Array
    state: Array  #: by which dWh multiplies

    def through(self, dc: Array) -> Parts:
        """Return the parts with another dc, and what follows from it."""
        i, f, _, g = self.gates
        return replace(self, dc=dc, dgates=(dc * g, dc * self.prev_c, self.dgates[2], dc * i), dprev_c=dc * f)


def parts_of(dnext_h: Array, dnext_c: Array, cache: Cache) -> Parts:
    """Return the parts of a right backward pass."""
    prev_h, prev_c, squashed = cache.prev_h, cache.prev_c, cache.squashed
    i, f, o, g = cache.i, cache.f, cache.o, cache.g
    dc = dnext_c + dnext_h * o * cache.slope
    return Parts(
        dnext_h=dnext_h,
        dnext_c=dnext_c,
        prev_h=prev_h,
        prev_c=prev_c,
        next_c=f * prev_c + i * g,
        squashed=squashed,
        gates=(i, f, o, g),
        sums=tuple(np.split(cache.sums, 4, axis=1)),
        slopes=tuple(np.split(cache.slopes, 4, axis=1)),
        dc=dc,
        dgates=(dc * g, dc * prev_c, dnext_h * squashed, dc * i),
        dprev_c=dc * f,
        state=prev_h,
    )


def backward_with(change: Change, dnext_h: Array, dnext_c: Array, cache: Cache) -> tuple[Array, ...]:
    """Carry back with some parts changed."""
    parts = change(parts_of(dnext_h, dnext_c, cache))
    da = np.hstack([gate * slope for gate, slope in zip(parts.dgates, parts.slopes, strict=True)])
    return da @ cache.Wx.T, da @ cache.Wh.T, parts.dprev_c, cache.x.T @ da, parts.state.T @ da, da.sum(axis=0)


def slips() -> Iterator[Slip]:
    """Yield what people get wrong in a step: (code, cause, remedy, backward with the slip)."""
    for code, cause, remedy, change in (*_paths(), *_cell_slopes(), *_gate_slopes()):
        yield code, cause, remedy, partial(backward_with, change)
    yield from _orders()


def _paths() -> Iterator[tuple[str, str, str, Change]]:
    """Yield paths that are left out, or go through something else."""
    yield (
        "forget-gate",
        "In {names} the forget gate is left out.",
        _PATH,
        lambda p: replace(p, dprev_c=p.dc),
    )
    yield (
        "cell-path",
        "In {names} dnext_c is not used: the path through next_c is missing.",
        _PATH,
        lambda p: p.through(p.dc - p.dnext_c),
    )
    yield (
        "hidden-path",
        "In {names} the path from next_h to next_c is missing: dc is dnext_c alone.",
        _PATH,
        lambda p: p.through(p.dnext_c),
    )
    yield (
        "hidden-path",
        "In {names} the path from next_h to next_c is missing in dprev_c alone.",
        _PATH,
        lambda p: replace(p, dprev_c=p.dnext_c * p.gates[1]),
    )
    yield (
        "hidden-path",
        "In {names} the path from next_h to next_c is missing in the gates.",
        _PATH,
        lambda p: replace(p.through(p.dnext_c), dprev_c=p.dprev_c),
    )
    yield (
        "cell-path",
        "In {names} dnext_c is not used in the gates.",
        _PATH,
        lambda p: replace(p.through(p.dc - p.dnext_c), dprev_c=p.dprev_c),
    )
    yield (
        "cell-path",
        "In {names} dnext_c is not used in dprev_c.",
        _PATH,
        lambda p: replace(p, dprev_c=(p.dc - p.dnext_c) * p.gates[1]),
    )
    yield (
        "output-gate",
        "In {names} the output gate is left out of dc.",
        _PATH,
        lambda p: p.through(p.dnext_c + p.dnext_h * (1 - p.squashed**2)),
    )
    yield (
        "output-tanh",
        "In {names} do is dnext_h next_c, not dnext_h tanh(next_c).",
        _GATES,
        lambda p: replace(p, dgates=(*p.dgates[:2], p.dnext_h * p.next_c, p.dgates[3])),
    )
    yield (
        "cell-state",
        "In {names} df is dc next_c, not dc prev_c.",
        _GATES,
        lambda p: replace(p, dgates=(p.dgates[0], p.dc * p.next_c, *p.dgates[2:])),
    )
    yield (
        "gates-exchanged",
        "In {names} di and dg are exchanged: di is dc i, and dg is dc g.",
        _GATES,
        lambda p: replace(p, dgates=(p.dgates[3], *p.dgates[1:3], p.dgates[0])),
    )
    yield (
        "state-of-other-step",
        "In {names} next_h stands for prev_h.",
        "dWh = prev_h' da, with the state that the step was given.",
        lambda p: replace(p, state=p.gates[2] * p.squashed),
    )


def _cell_slopes() -> Iterator[tuple[str, str, str, Change]]:
    """Yield dc with another slope of the tanh before the output gate."""
    wrong: list[tuple[str, Callable[[Parts], Array]]] = [
        (words, lambda p, slope=slope: slope(p.next_c))  # type: ignore[misc]
        for _, words, slope in tanh_slopes("next_c", "tanh(next_c)")
    ]
    wrong.append(("1 - next_h^2, not 1 - tanh(next_c)^2", lambda p: 1 - (p.gates[2] * p.squashed) ** 2))
    for words, slope in wrong:

        def change(p: Parts, slope: Callable[[Parts], Array] = slope) -> Parts:
            return p.through(p.dnext_c + p.dnext_h * p.gates[2] * slope(p))

        yield "output-tanh", f"In {{names}} the slope of the tanh of next_c is {words}.", _PATH, change


def _gate_slopes() -> Iterator[tuple[str, str, str, Change]]:
    """Yield other slopes of all three sigmoids, of one of them, of the tanh, and of all four gates."""
    sigmoids = {"the sigmoids": (0, 1, 2), **{f"gate {_NAMES[k]}": (k,) for k in range(3)}}
    choices = [
        (gates, places, words, slope)
        for gates, places in sigmoids.items()
        for _, words, slope in sigmoid_slopes("a", "s" if len(places) > 1 else _NAMES[places[0]])
    ]
    choices += [("gate g", (3,), words, slope) for _, words, slope in tanh_slopes("a_g", "g")]
    choices.append(("all four gates", (0, 1, 2, 3), "left out", np.ones_like))
    for gates, places, words, slope in choices:

        def change(p: Parts, places: tuple[int, ...] = places, slope: Callable[[Array], Array] = slope) -> Parts:
            slopes = [slope(a) if k in places else p.slopes[k] for k, a in enumerate(p.sums)]
            return replace(p, slopes=tuple(slopes))

        yield "gate-slope", f"In {{names}} the slope of {gates} is {words}.", _GATES, change


def _orders() -> Iterator[Slip]:
    """Yield the blocks of da in another order."""
    for order in [*itertools.permutations(range(4))][1:]:
        yield (
            "gate-columns-permuted",
            f"In {{names}} the gates are in the order {', '.join(_NAMES[gate] for gate in order)}.",
            "Join their gradients in the order in which forward splits them: i, f, o, g.",
            partial(_with_gates_in_order, order),
        )


def _with_gates_in_order(order: tuple[int, ...], dnext_h: Array, dnext_c: Array, cache: Cache) -> tuple[Array, ...]:
    """Carry back with the blocks of da in another order: those of Wx', of dWx, dWh and db follow."""
    place = np.argsort(order)
    same: Change = lambda parts: parts  # noqa: E731  # nothing else is changed
    _, _, dprev_c, *found = backward_with(same, dnext_h, dnext_c, cache)
    turned = cache._replace(Wx=_blocks(cache.Wx, place), Wh=_blocks(cache.Wh, place))
    dx, dprev_h, *_ = backward_with(same, dnext_h, dnext_c, turned)
    return dx, dprev_h, dprev_c, *(_blocks(array, order) for array in found)


def _blocks(array: Array, order: Sequence[int] | Array) -> Array:
    """Return the four blocks of columns in another order."""
    return np.concatenate([np.split(array, 4, axis=-1)[gate] for gate in order], axis=-1)
