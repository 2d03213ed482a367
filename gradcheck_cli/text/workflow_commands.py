"""Workflow commands of GitHub Actions: lines of a log that it acts on. Text of user code must not be taken for one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, TextIO

#: Characters that are escaped in a message; in a property the colon and the comma are, too.
_IN_MESSAGES = "%\r\n"


def in_actions() -> bool:
    """Tell whether this runs in GitHub Actions, where what is written to stdout and stderr is read for commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def command(name: str, message: str, **properties: str) -> str:
    """Return a command such as `::error file=layers.py,line=12::dw is wrong`, on one line whatever the texts are."""
    given = ",".join(f"{key}={_escape(value, _IN_MESSAGES + ':,')}" for key, value in properties.items())
    return f"::{name}{' ' if given else ''}{given}::{_escape(message, _IN_MESSAGES)}"


def defuse(text: str) -> str:
    """Spell what would be a command otherwise: `::` at the start of a line, and anywhere `##[`, the older form.

    The runner looks for them so (actions/runner, `ActionCommand.TryParseV2` and `TryParse`).
    """
    return re.sub(r"(^|\r)(\s*)::", r"\1\2: :", text, flags=re.MULTILINE).replace("##[", "# #[")


class DefusedStream:
    """A text stream to which no command can be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text without its commands."""
        self._stream.write(defuse(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _escape(text: str, special: str) -> str:
    return "".join(f"%{ord(char):02X}" if char in special else char for char in text)
