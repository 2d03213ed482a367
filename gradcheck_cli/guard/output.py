"""The output of user code during a call, as far as it is kept."""

from __future__ import annotations

from gradcheck_cli.text.clean import clean_lines

#: Bytes that are kept of the beginning and of the end: two screens each.
_KEPT = 4096
_LINES = 100


class Output:
    """The beginning and the end of some output."""

    def __init__(self) -> None:
        self._head, self._tail, self._length = b"", b"", 0

    def add(self, text: bytes) -> None:
        """Append some bytes."""
        self._length += len(text)
        room = _KEPT - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-_KEPT:]

    def text(self) -> str:
        """Return it without control characters, and without its middle if it is long."""
        left_out = self._length - len(self._head) - len(self._tail)
        middle = f"\n[... {left_out:,} bytes ...]\n".encode() if left_out else b""
        text = (self._head + middle + self._tail).decode(errors="replace")
        end = "\n" if text.endswith("\n") else ""
        return clean_lines(text.removesuffix("\n"), _LINES, _KEPT) + end
