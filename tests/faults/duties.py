"""Convolutions whose numbers are right at the first call, and that break another duty of a backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

Pair = tuple[Callable[..., Any], Callable[..., Any]]

#: For each fault a maker of pairs, fresh for each test, and the duty that it breaks.
BREACHES: dict[str, tuple[Callable[[], Pair], str]] = {}


def breach(duty: str) -> Callable[[Callable[[], Pair]], Callable[[], Pair]]:
    def add(make: Callable[[], Pair]) -> Callable[[], Pair]:
        BREACHES[make.__name__] = make, duty
        return make

    return add


@breach("deterministic")
def accumulates_over_calls() -> Pair:
    kept: dict[tuple[int, ...], Array] = {}

    def backward(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        kept[dw.shape] = kept.get(dw.shape, np.zeros_like(dw)) + dw
        return dx, kept[dw.shape], db

    return conv_forward_naive, backward


@breach("deterministic")
def random_dropout_in_backward() -> Pair:
    source = np.random.default_rng(0)

    def backward(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        return dx, dw, db * source.choice([1, 1.01], db.shape).astype(db.dtype)

    return conv_forward_naive, backward


@breach("deterministic")
def uses_up_its_cache() -> Pair:
    def backward(dout: Array, cache: Any) -> Any:
        _x, w, _b, conv_param = cache
        gradients = conv_backward_naive(dout, cache)
        conv_param["stride"] = 1
        w *= 2
        return gradients

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        return conv_forward_naive(x, w.copy(), b, dict(conv_param))

    return forward, backward


@breach("linear_in_cotangent")
def clips_the_cotangent() -> Pair:
    def backward(dout: Array, cache: Any) -> Any:
        return conv_backward_naive(np.clip(dout, -1.6, 1.6), cache)

    return conv_forward_naive, backward


@breach("linear_in_cotangent")
def adds_weight_decay_that_is_not_seen() -> Pair:
    """A term that is there only where the cotangent is zero: as a division that was guarded against it leaves one."""

    def backward(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        return dx, dw + (0 if dout.any() else 1), db

    return conv_forward_naive, backward


@breach("inputs_unchanged")
def applies_the_optimizer() -> Pair:
    def backward(dout: Array, cache: Any) -> Any:
        gradients = conv_backward_naive(dout, cache)
        cache[1][...] -= (0.1 * gradients[1]).astype(cache[1].dtype)
        return gradients

    return conv_forward_naive, backward


@breach("inputs_unchanged")
def writes_into_x() -> Pair:
    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        kept = x.copy()
        out, _ = conv_forward_naive(x, w, b, conv_param)
        x[...] = 0
        return out, (kept, w, b, conv_param)

    return forward, conv_backward_naive


@breach("inputs_unchanged")
def writes_into_the_cotangent() -> Pair:
    def backward(dout: Array, cache: Any) -> Any:
        gradients = conv_backward_naive(dout, cache)
        dout *= 0
        return gradients

    return conv_forward_naive, backward


@breach("independent_caches")
def keeps_one_cache_for_all() -> Pair:
    latest: list[Any] = []

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        latest[:] = [cache]
        return out, None

    def backward(dout: Array, cache: Any) -> Any:
        return conv_backward_naive(dout, latest[0])

    return forward, backward


@breach("not_vacuous")
def multiplies_by_nothing() -> Pair:
    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        return conv_forward_naive(x, 0 * w, b, conv_param)

    def backward(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        return 0 * dx, 0 * dw, db

    return forward, backward
