"""What user code writes to a pipe, as far as it is kept."""

from __future__ import annotations

import os
import select
import time

from gradcheck_cli.text.clean import clean_lines

#: Lines that are shown, and their width.
_LINES, _WIDTH = 100, 4096

#: Seconds for reading all that was written, as some code never stops writing: a pipe holds a megabyte at most.
_MOST_SECONDS = 1.0


def is_ready(descriptor: int, patience: float = 0) -> bool:
    """Tell whether something can be read, or nothing will come any more."""
    return bool(select.select([descriptor], [], [], patience)[0])


class Output:
    """The beginning and the end of what is written to a pipe."""

    def __init__(self, end: int, head: int, tail: int) -> None:
        """Read from a descriptor, and keep so many bytes of the beginning and of the end."""
        self.end, self._most = end, (head, tail)
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._head, self._tail, self._length = b"", b"", 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.end

    def read(self) -> bool:
        """Read some of what was written; return False if there will be no more."""
        try:
            text = os.read(self.end, 2**16)
        except OSError:
            text = b""
        self._length += len(text)
        head, tail = self._most
        room = head - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-tail:]
        return bool(text)

    def read_all(self, patience: float = 0, pause: float = 0) -> None:
        """Read until nothing comes, for some seconds at first and then after each read, or too long."""
        deadline = time.monotonic() + patience + _MOST_SECONDS
        while is_ready(self.end, patience) and self.read() and time.monotonic() < deadline:
            patience = pause

    def bytes(self) -> bytes:
        """Return what is kept, and say how much is not."""
        left_out = self._length - len(self._head) - len(self._tail)
        middle = f"\n[... {left_out:,} bytes ...]\n".encode() if left_out else b""
        return self._head + middle + self._tail

    def text(self) -> str:
        """Return it without control characters."""
        text = self.bytes().decode(errors="replace")
        end = "\n" if text.endswith("\n") else ""
        return clean_lines(text.removesuffix("\n"), _LINES, _WIDTH) + end
