"""Messages between the checker and the process of user code.

The checker sends pickles, which only the other process reads. What comes back is text as JSON, and arrays as dtype,
shape and bytes; all of it is checked before it is used, because user code may have written it.
"""

from __future__ import annotations

import copyreg
import io
import json
import pickle
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.data.memory_layout import MemoryLayout

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

#: What each message begins with: where its arrays are, then the bytes of its text, and of its arrays.
HEADER = struct.Struct("<4sIQ")
INLINE, SHARED = b"gc\xf5\x01", b"gc\xf5\x02"

#: Bytes of the text of a message, and arrays of an answer. The longest are lists of what is in a file.
MOST_TEXT, _MOST_ARRAYS = 2**24, 2**14

_ALIGNED = 64
_NUMBERS = re.compile(r"[<>|=][biufc]\d{1,2}")


class ProtocolError(Exception):
    """What came is no message of this protocol."""


class Answer(NamedTuple):
    """What a request is answered with."""

    value: Any  #: what JSON can hold
    arrays: Sequence[Array] = ()


def aligned(size: int) -> int:
    """Return the bytes that an array takes in a message."""
    return -(-size // _ALIGNED) * _ALIGNED


def encode(answer: Answer) -> tuple[bytes, list[Array]]:
    """Return the text of an answer, and the bytes of its arrays."""
    parts = [np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in answer.arrays]
    forms = [[array.dtype.str, array.shape] for array in answer.arrays]
    text = json.dumps({"value": answer.value, "arrays": forms}).encode("ascii")
    return text, parts


def decode(text: bytes, payload: Any) -> Answer:
    """Read an answer. Its arrays share the memory of the payload.

    Raises:
        ProtocolError: it is none.
    """
    try:
        whole = json.loads(text)
        return Answer(whole["value"], _arrays(whole["arrays"], payload))
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError, OverflowError) as error:
        raise ProtocolError(str(error)) from error


def _arrays(forms: Any, payload: Any) -> list[Array]:
    if len(forms) > _MOST_ARRAYS:
        raise ProtocolError("too many arrays")
    found, start = [], 0
    for written, shape in forms:
        dtype, count, size = _form(written, tuple(shape))
        if start + size > len(payload):
            raise ProtocolError("an array of more bytes than there are")
        found.append(np.frombuffer(payload, dtype, count, start if count else 0).reshape(shape))
        start += aligned(size)
    return found


@lru_cache(maxsize=64)  # a case has thirty arrays of each form
def _form(written: str, shape: tuple[int, ...]) -> tuple[np.dtype[Any], int, int]:
    """Return the dtype of an array, its elements and its bytes."""
    if not _NUMBERS.fullmatch(written) or any(type(size) is not int or size < 0 for size in shape):
        raise ProtocolError("an array of no numbers")
    dtype, count = np.dtype(written), prod(shape)
    return dtype, count, count * dtype.itemsize


def _reduce_array(array: Array) -> Any:
    """Reduce an array for a pickle, with its memory layout, which NumPy does not keep, and in a third of the time."""
    if array.dtype.hasobject or array.size == 0:
        return array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if array.flags.c_contiguous:
        return _restored, (array.tobytes(), array.dtype.str, array.shape)
    layout = MemoryLayout.of(array)
    return layout.view, (np.ascontiguousarray(layout.base(array)),)


def _restored(content: bytes, dtype: str, shape: tuple[int, ...]) -> Array:
    return np.frombuffer(content, dtype).reshape(shape)


class _Pickler(pickle.Pickler):
    dispatch_table = {**copyreg.dispatch_table, np.ndarray: _reduce_array}  # noqa: RUF012  # as pickle has it


def encode_request(request: object) -> tuple[bytes, list[memoryview]]:
    """Return a request as the parts of a message without text."""
    stream = io.BytesIO()
    _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(request)
    return b"", [stream.getbuffer()]


def decode_request(_text: bytes, payload: Any) -> Any:
    """Read a request, in the process that is asked."""
    return pickle.loads(payload)  # noqa: S301  # from the checker
