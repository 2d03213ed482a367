"""The connection between a process and whoever asks it: messages of text and arrays, large arrays in shared memory."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import socket
import struct
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.guard.protocol import HEADER, INLINE, MOST_TEXT, SHARED, ProtocolError, aligned

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

#: Arrays of more bytes go through shared memory.
LARGE = 2**16

#: Bytes that are shared for large arrays, half for each direction, and where they begin, after those of a clock. Memory
#: is taken as it is used.
_AREA, _START = 2**33, mmap.ALLOCATIONGRANULARITY
_NO_RESERVE = 0x4000  # MAP_NORESERVE of Linux


def shared_memory() -> int:
    """Return the descriptor of memory for another process too; a page, where it would be a file of a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gradcheck", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.truncate(descriptor, _START + _AREA)
        # Whoever reads what the other end has cut off dies of a bus error.
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
        os.truncate(descriptor, _START)
    return descriptor


class Channel:
    """One end of a connection. A message is answered before the next is sent."""

    def __init__(self, connection: socket.socket, memory: int, *, asks: bool) -> None:
        """Use a socket, and of shared memory one half for requests and one for answers, if it is large enough."""
        self.connection = connection
        self._sent = self._received = None
        with contextlib.suppress(OSError, ValueError):  # there is none, or no room for it
            whole = mmap.mmap(memory, _AREA, flags=mmap.MAP_SHARED | _NO_RESERVE, offset=_START)
            halves = memoryview(whole)[: _AREA // 2], memoryview(whole)[_AREA // 2 :]
            self._sent, self._received = halves[not asks], halves[asks]
        self.largest = 0  #: bytes of the largest message through shared memory

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.connection.fileno()

    def bound_sending(self, seconds: float) -> None:
        """Have sending fail after some seconds: the other end may be stopped."""
        whole, rest = divmod(seconds, 1)
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(whole), int(rest * 1e6))
        )

    def send(self, text: bytes, parts: Sequence[Any]) -> None:
        """Send text and arrays, as bytes.

        Raises:
            OSError: the other end is gone, or takes nothing.
        """
        size = sum(aligned(part.nbytes) for part in parts)
        if self._sent is not None and LARGE < size <= len(self._sent):
            start = 0
            for part in parts:
                self._sent[start : start + part.nbytes] = part
                start += aligned(part.nbytes)
            self.largest = max(self.largest, size)
            self.connection.sendall(HEADER.pack(SHARED, len(text), size) + text)
            return
        pieces = [HEADER.pack(INLINE, len(text), size), text]
        for part in parts:
            pieces += (part, bytes(aligned(part.nbytes) - part.nbytes))
        self.connection.sendall(b"".join(pieces))

    def receive(self, wait: Callable[[], object] | None = None) -> tuple[bytes, Array]:
        """Receive a message: its text, and the bytes of its arrays.

        Args:
            wait: returns when there is something to read.

        Raises:
            EOFError: the other end is gone.
            ProtocolError: what comes is no message.
        """
        message = bytearray()
        self._read(message, HEADER.size, wait)
        kind, text_size, size = HEADER.unpack_from(message)
        known = kind == INLINE or (kind == SHARED and self._received is not None)
        if not known or text_size > MOST_TEXT or size > _AREA // 2:
            raise ProtocolError("no header")
        start = HEADER.size + text_size
        end = start + (size if kind == INLINE else 0)
        self._read(message, end, wait)
        if len(message) > end:
            raise ProtocolError("more than one message")
        if kind == INLINE or self._received is None:
            payload = np.frombuffer(message, np.uint8)[start:]
        else:
            self.largest = max(self.largest, size)
            payload = np.frombuffer(self._received[:size], np.uint8)
        return bytes(message[HEADER.size : start]), payload.copy()  # which the other end cannot change

    def _read(self, message: bytearray, size: int, wait: Callable[[], object] | None) -> None:
        while len(message) < size:
            if wait is not None:
                wait()
            text = self.connection.recv(max(size - len(message), 2**16), socket.MSG_DONTWAIT if wait else 0)
            if not text:
                raise EOFError
            message += text
            begun = message[: len(INLINE)]
            if (begun not in (INLINE, SHARED) and len(begun) == len(INLINE)) or begun[:1] != INLINE[:1]:
                raise ProtocolError("no header")
