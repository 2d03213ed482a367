"""Gradients of affine functions at small integers, where nothing rounds and the tolerance is zero, in any dtype.

As long as the terms of a sum are integers and their absolute values add up to at most 2 / eps, every partial sum is a
number of the dtype, in whatever order they are summed. <gradient, u> then equals <cotangent, f(x + u) - f(x)> exactly
for integers u, and an error in any element shows with probability 1 - 1/2R for u drawn from the 2R integers from -R to
R (Freivalds, 1977), whatever the size of the arrays: one evaluation and one dot product.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.data.drawing import random_words
from gradcheck_cli.numeric.arrays import Array, largest_exact, working_dtype
from gradcheck_cli.numeric.directions import FEW
from gradcheck_cli.numeric.halving import halve

if TYPE_CHECKING:
    from gradcheck_cli.numeric.black_box import Function

#: Values may be multiples of 1/64: means of 2, 4, ... 64 numbers are exact too.
GRID = 64

#: Magnitudes of inputs and cotangents, up to 3 or 1 where sums are long; and what a product of two comes to on average.
_MAGNITUDES = {3: 4, 1: 1}

#: Components of a direction reach 2^20, or as far as sums are exact.
_MOST_BITS = 20

#: The probability that an error goes unseen, at most, and the directions that are taken for it.
_MISSED, _MOST_DIRECTIONS = 2.0**-20, 4


class ExactTest(NamedTuple):
    """Whether a gradient at integers is right."""

    equal: bool | None  #: None where a value is rounded, or the function not affine, so that nothing can be said
    missed: float = 1.0  #: the probability with which an error in one element would have gone unseen


def largest_magnitude(terms: float, dtype: str) -> int | None:
    """Return up to which magnitude integers can be drawn; None if sums of so many terms round in a dtype anyway."""
    return next((most for most, usual in _MAGNITUDES.items() if usual * terms <= largest_exact(dtype)), None)


def draw_integers(like: Array, largest: int, seed: str) -> Array:
    """Draw integers of random sign and of a magnitude up to `largest`, in an array's dtype; 0 where the array is 0."""
    values = _draw(seed, like.size, largest).reshape(like.shape)
    values[like == 0] = 0
    return values.astype(like.dtype, copy=False)


class ExactLine:
    """An affine function at integers, its claimed gradient there, and differences of any length along directions."""

    def __init__(
        self,
        function: Function,
        x: Array,
        cotangent: Array,
        center: Array | None,
        gradient: Array,
        *,
        terms: float,
        epsilon: float,
    ) -> None:
        """Take the point.

        Args:
            function: it maps an array of x's shape and dtype to one of cotangent's shape.
            x: small integers.
            cotangent: small integers.
            center: function(x) in 64ths, as `on_grid` has it.
            gradient: of <cotangent, function(x)>, as it is claimed to be.
            terms: how many terms are summed for an element of function(x), at most.
            epsilon: the machine epsilon of the function's values.
        """
        self._function, self._x, self._center = function, x, center
        self._cotangent, self._gradient = cotangent.astype(np.int64), on_grid(gradient)
        self._bits = _bits(terms, epsilon)
        self.evaluations = 0

    def test(self) -> ExactTest:
        """Compare along random directions over the whole array: as many as it takes for an error to show."""
        if self._bits < 1 or self._gradient is None:
            return ExactTest(equal=None)
        for count in range(1, _MOST_DIRECTIONS + 1):
            error = self._error(slice(None), count)
            if error is None or error:
                return ExactTest(equal=None if error is None else False)
            if (missed := 2.0 ** -(count * (self._bits + 1))) <= _MISSED:
                break
        return ExactTest(equal=True, missed=missed)

    def locate(self, most: int) -> dict[int, float]:
        """Return wrong elements, and by how much they are off: at most so many."""
        found = halve(self._x.size, most, lambda part: abs(self._error(part, 0) or 0))
        return {p: (self._error(slice(p, p + 1), 0) or 0) / (GRID * int(self._direction(0)[p])) for p in found}

    def _error(self, elements: slice, number: int) -> int | None:
        """Return <gradient, u> - <cotangent, f(x + u) - f(x)> in 64ths, u being 0 outside of the elements.

        None if some value is rounded, or f(x - u) shows that f is not affine here: a hinge that is far away at real
        inputs may be met at integers. Both are taken modulo 2^64, in which integers of NumPy are exact.
        """
        direction = np.zeros(self._x.size, np.int64)
        direction[elements] = self._direction(number)[elements]
        ahead = self._difference(direction)
        if ahead is None or self._gradient is None:
            return None
        error = int((self._gradient.reshape(-1) * direction).sum() - (self._cotangent * ahead).sum())
        if error:
            behind = self._difference(-direction)
            if behind is None or (ahead + behind).any():
                return None
        return error

    def _difference(self, direction: Array) -> Array | None:
        """Return f(x + u) - f(x) in 64ths; None if one of them is rounded."""
        self.evaluations += 1
        there = on_grid(np.asarray(self._function(self._moved(direction))))
        return None if there is None or self._center is None else there - self._center

    def _moved(self, direction: Array) -> Array:
        return _moved(self._x, direction)

    def _direction(self, number: int) -> Array:
        return _direction(self._x, self._bits, number)


def first_point(x: Array, *, terms: float, epsilon: float) -> Array:
    """Return where `ExactLine.test` evaluates first."""
    return _moved(x, _direction(x, _bits(terms, epsilon), 1))


def _bits(terms: float, epsilon: float) -> int:
    """Return how large components of a direction may be: 2 to this power."""
    return min(_MOST_BITS, math.floor(math.log2(2 / epsilon / (max(_MAGNITUDES) * terms))))


def _moved(x: Array, direction: Array) -> Array:
    return np.asarray(x + direction.reshape(x.shape).astype(x.dtype))


def _direction(x: Array, bits: int, number: int) -> Array:
    draw = _drawn_before if x.size <= FEW else _draw
    return draw(f"direction {number}", x.size, 2**bits).astype(np.int64)


def on_grid(values: Array) -> Array | None:
    """Return values in 64ths, as integers; None if one is none, or so large that its dtype is too coarse."""
    wide = values.astype(working_dtype(values.dtype), copy=False)
    scaled, are_whole = wide * GRID, (wide == np.rint(wide)).all()
    if not (are_whole or (scaled == np.rint(scaled)).all()):
        return None
    finest = 1 if are_whole else GRID
    return scaled.astype(np.int64) if abs(wide).max(initial=0) * finest <= largest_exact(values.dtype) else None


def _draw(seed: str, count: int, largest: int) -> Array:
    """Draw integers of random sign and of a magnitude from 1 to `largest`, as floats."""
    words = random_words(random.Random(seed), (count,))  # noqa: S311  # to compute with, not secrets
    return np.asarray(np.copysign(words % largest + 1.0, 0.5 - (words >> 31)))


_drawn_before = lru_cache(maxsize=64)(_draw)
