"""Convolutions that are right, and do things that nobody expects of one."""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

Pair = tuple[Callable[..., Any], Callable[..., Any]]

ODD: dict[str, Callable[[], Pair]] = {}


def odd(make: Callable[[], Pair]) -> Callable[[], Pair]:
    ODD[make.__name__] = make
    return make


def _does(something: Callable[[], object]) -> Pair:
    """Make a pair of which both do something before they do their work."""

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        something()
        return conv_forward_naive(x, w, b, conv_param)

    def backward(dout: Array, cache: Any) -> Any:
        something()
        return conv_backward_naive(dout, cache)

    return forward, backward


@odd
def returns_lists() -> Pair:
    return (
        lambda x, w, b, conv_param: list(conv_forward_naive(x, w, b, conv_param)),
        lambda dout, cache: list(conv_backward_naive(dout, cache)),
    )


@odd
def returns_fortran_order() -> Pair:
    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return np.asfortranarray(out), cache

    return forward, lambda dout, cache: tuple(map(np.asfortranarray, conv_backward_naive(dout, cache)))


@odd
def returns_views() -> Pair:
    def inside(array: Array) -> Array:
        """A view of every second element of something larger, backwards."""
        room = np.zeros(tuple(2 * size for size in array.shape), array.dtype)
        view = room[tuple(slice(None, None, -2) for _ in array.shape)]
        view[...] = array
        return view

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return inside(out), cache

    return forward, lambda dout, cache: tuple(map(inside, conv_backward_naive(dout, cache)))


@odd
def returns_two_buffers_in_turn() -> Pair:
    buffers: dict[Any, Array] = {}
    calls = 0

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        nonlocal calls
        out, cache = conv_forward_naive(x, w, b, conv_param)
        calls += 1
        buffer = buffers.setdefault((out.shape, out.dtype, calls % 2), np.empty_like(out))
        buffer[...] = out
        return buffer, cache

    return forward, conv_backward_naive


@odd
def returns_what_cannot_be_written() -> Pair:
    def frozen(array: Array) -> Array:
        array.flags.writeable = False
        return array

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return frozen(out), cache

    return forward, lambda dout, cache: tuple(frozen(g.copy()) for g in conv_backward_naive(dout, cache))


@odd
def returns_the_same_buffer_at_each_call() -> Pair:
    buffers: dict[Any, Array] = {}

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        buffer = buffers.setdefault((out.shape, out.dtype), np.empty_like(out))
        buffer[...] = out
        return buffer, cache

    return forward, conv_backward_naive


@odd
def returns_wider_gradients() -> Pair:
    return conv_forward_naive, lambda dout, cache: tuple(
        g.astype(np.longdouble) for g in conv_backward_naive(dout, cache)
    )


@odd
def keeps_a_dictionary_for_a_cache() -> Pair:
    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out, dict(zip(("x", "w", "b", "conv_param"), cache, strict=True))

    return forward, lambda dout, cache: conv_backward_naive(dout, tuple(cache.values()))


@odd
def prints() -> Pair:
    return _does(lambda: print("so far, so good"))  # noqa: T201


@odd
def warns() -> Pair:
    return _does(lambda: warnings.warn("a warning of the layer's", RuntimeWarning, stacklevel=2))


@odd
def seeds_the_global_generators() -> Pair:
    def seed() -> None:
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)

    return _does(seed)


@odd
def raises_floating_point_errors() -> Pair:
    return _does(lambda: np.seterr(all="raise", under="ignore"))


@odd
def changes_the_environment() -> Pair:
    return _does(lambda: os.environ.update(ODD_LAYER="1"))


@odd
def takes_integers_only() -> Pair:
    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        assert type(conv_param["stride"]) is int
        assert type(conv_param["pad"]) is int
        return conv_forward_naive(x, w, b, conv_param)

    return forward, conv_backward_naive


@odd
def works_in_threads() -> Pair:
    def apart(function: Callable[..., Any], *args: Any) -> Any:
        returned: list[Any] = []
        thread = threading.Thread(target=lambda: returned.append(function(*args)))
        thread.start()
        thread.join()
        return returned[0]

    return (
        lambda x, w, b, conv_param: apart(conv_forward_fast, x, w, b, conv_param),
        lambda dout, cache: apart(conv_backward_fast, dout, cache),
    )


@odd
def sums_in_another_order() -> Pair:
    """Channels backwards: what a blocked kernel does, and it rounds differently."""

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        out, _ = conv_forward_naive(x[:, ::-1], w[:, ::-1], b, conv_param)
        return out, (x, w, b, conv_param)

    return forward, conv_backward_naive


@odd
def multiplies_spectra() -> Pair:
    """By the FFT, which spreads its roundoff evenly over all elements."""

    def sizes(x: Array, w: Array, conv_param: Any) -> tuple[int, int]:
        pad = conv_param["pad"]
        return x.shape[2] + 2 * pad + w.shape[2], x.shape[3] + 2 * pad + w.shape[3]

    def spectrum(array: Array, size: tuple[int, int]) -> Array:
        return np.asarray(np.fft.rfft2(array, size))

    def padded(x: Array, pad: int) -> Array:
        return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        size, s = sizes(x, w, conv_param), conv_param["stride"]
        product = np.einsum("ncij,fcij->nfij", spectrum(padded(x, conv_param["pad"]), size), spectrum(w, size).conj())
        full = np.fft.irfft2(product, size)
        rows = x.shape[2] + 2 * conv_param["pad"] - w.shape[2] + 1
        columns = x.shape[3] + 2 * conv_param["pad"] - w.shape[3] + 1
        out = full[:, :, :rows:s, :columns:s] + b[:, None, None]
        return out.astype(x.dtype), (x, w, b, conv_param)

    def backward(dout: Array, cache: Any) -> Any:
        x, w, _, conv_param = cache
        size, s, pad = sizes(x, w, conv_param), conv_param["stride"], conv_param["pad"]
        spread = np.zeros((*dout.shape[:2], *size), dout.dtype)
        spread[:, :, : dout.shape[2] * s : s, : dout.shape[3] * s : s] = dout
        found = spectrum(spread, size)
        dx = np.fft.irfft2(np.einsum("nfij,fcij->ncij", found, spectrum(w, size)), size)
        dw = np.fft.irfft2(np.einsum("nfij,ncij->fcij", found.conj(), spectrum(padded(x, pad), size)), size)
        dx = dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
        dw = dw[:, :, : w.shape[2], : w.shape[3]]
        return dx.astype(x.dtype), dw.astype(w.dtype), dout.sum(axis=(0, 2, 3))

    return forward, backward
