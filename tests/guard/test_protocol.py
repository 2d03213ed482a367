"""Messages: what is sent arrives, and what is no message is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gradcheck_cli.guard.channel import Channel, shared_memory
from gradcheck_cli.guard.protocol import (
    Answer,
    ProtocolError,
    decode,
    decode_request,
    encode,
    encode_request,
)

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.arange(6.0).reshape(2, 3).T,
    np.arange(10, dtype=">i2")[::-3],
    np.array(1.5, np.longdouble),
    np.zeros((0, 3), np.float16),
    np.ones((1,) * 64, bool),
    np.broadcast_to(1j, (2, 2)),
]


def through(text: bytes, parts: Sequence[Any], *, shared: bool) -> tuple[bytes, Any]:
    one, other = socket.socketpair()
    memory = shared_memory() if shared else -1
    with one, other:
        Channel(one, memory, asks=True).send(text, parts)
        return Channel(other, memory, asks=False).receive()


def test_answers_arrive_as_they_are() -> None:
    found = decode(
        *through(*encode(Answer({"name": "\ud800\x1b", "numbers": [1, 2.5, None, True]}, ARRAYS)), shared=False)
    )
    assert found.value == {"name": "\ud800\x1b", "numbers": [1, 2.5, None, True]}
    for array, given in zip(found.arrays, ARRAYS, strict=True):
        assert (array.dtype, array.shape) == (given.dtype, given.shape)
        np.testing.assert_array_equal(array, given)


def test_requests_arrive_as_they_are() -> None:
    sent = [*ARRAYS, np.arange(10_000.0)]  # of which the last goes through shared memory, and the others then too
    for given in ARRAYS, sent:
        text, payload = through(*encode_request((max, (given, {"pad": (1, 2)}))), shared=True)
        function, (arrays, numbers) = decode_request(text, payload)
        assert (function, numbers) == (max, {"pad": (1, 2)})
        for array, one in zip(arrays, given, strict=True):
            np.testing.assert_array_equal(array, one)


@pytest.mark.parametrize(
    "arrays",
    [
        [["<f8", [3]]],  # of 24 bytes, and there are 16
        [["<f8", [-1]]],
        [["<f8", [2**62, 2**62]]],
        [["<f8", [1.0]]],
        [["<f8", [True]]],
        [["<f8", "12"]],
        [["<f8", None]],
        [["|O", [2]]],
        [["<U2", [2]]],
        [["f8,i4", [1]]],
        [["<f9", [1]]],
        [[8, [1]]],
        [["<f8"]],
        [["<f8", [1] * 1000]],
        "no list",
        5,
        None,
    ],
)
def test_arrays_that_are_none_are_refused(arrays: Any) -> None:
    with pytest.raises(ProtocolError):
        decode(json.dumps({"value": None, "arrays": arrays}).encode(), bytearray(16))


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"1" * 10**5, b"[" * 10**5, b'{"value": 1}', b'{"arrays": []}', b"\xff", b"\0" * 9],
)
def test_text_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(text, bytearray())
