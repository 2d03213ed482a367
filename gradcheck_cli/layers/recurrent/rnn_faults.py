"""What people get wrong in one step of a recurrent layer, next_h = tanh(a) with a = x Wx + prev_h Wh + b."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.elementwise.slope_faults import tanh_slopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from gradcheck_cli.layers.recurrent.recurrent import Slip
    from gradcheck_cli.numeric.arrays import Array


def slips(backward: Callable[..., Any]) -> Iterator[Slip]:
    """Yield what people get wrong in a step, whose right backward pass is given."""
    remedy = "Multiply dnext_h by 1 - next_h^2 first: da = dnext_h (1 - next_h^2)."
    for code, words, slope in tanh_slopes("a", "next_h"):

        def with_slope(dnext_h: Array, cache: Any, slope: Callable[[Array], Array] = slope) -> Any:
            return backward(dnext_h, cache._replace(slope=slope(cache.a)))

        yield code, f"In {{names}} the slope of tanh is {words}.", remedy, with_slope
    yield (
        "tanh-slope",
        "In {names} the slope of tanh is 1 - prev_h^2, that of the step before.",
        remedy,
        lambda dnext_h, cache: backward(dnext_h, cache._replace(slope=1 - cache.prev_h**2)),
    )
    yield (
        "slope-missing",
        "In {names} the slope of tanh is left out of what is carried back to prev_h.",
        "With da = dnext_h (1 - next_h^2), dprev_h = da Wh'.",
        lambda dnext_h, cache: _replaced(backward(dnext_h, cache), 1, dnext_h @ cache.Wh.T),
    )
    yield (
        "weights-not-transposed",
        "In {names} Wh is not transposed on the way back to prev_h.",
        "With da = dnext_h (1 - next_h^2), dprev_h = da Wh', the product with the transpose.",
        lambda dnext_h, cache: _replaced(backward(dnext_h, cache), 1, dnext_h * cache.slope @ cache.Wh),
    )
    yield (
        "state-of-other-step",
        "In {names} next_h stands for prev_h.",
        "dWh = prev_h' da, with the state that the step was given.",
        lambda dnext_h, cache: _replaced(backward(dnext_h, cache), 3, np.tanh(cache.a).T @ (dnext_h * cache.slope)),
    )


def _replaced(gradients: tuple[Array, ...], place: int, value: Array) -> tuple[Array, ...]:
    return *gradients[:place], value, *gradients[place + 1 :]
