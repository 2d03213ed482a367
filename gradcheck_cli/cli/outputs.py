"""Where reports are written: stdout, files and folders."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from gradcheck_cli.cli.streams import raw_stdout

if TYPE_CHECKING:
    from gradcheck_cli.cli.output_file import File
    from gradcheck_cli.cli.output_folder import OutputFolder

#: Blanks at the end of a line, where a table pads its last column.
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)(?=\n)")


class Stdout(io.TextIOWrapper):
    """Stdout until its reader goes away (`convcheck | head`), and nothing from then on: the exit code still counts."""

    def __init__(self, descriptor: int) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        raw = raw_stdout(descriptor)
        super().__init__(io.BufferedWriter(raw), encoding, "replace", line_buffering=raw.isatty())
        self.before_write: Callable[[], None] = lambda: None  #: makes room on the terminal

    @property
    def stream(self) -> TextIO:
        """What the report writes to."""
        return self

    def write(self, text: str, /) -> int:
        """Write, if anybody reads."""
        self.before_write()
        with self._reader_may_leave():
            super().write(_PADDING.sub(r"\1", text))
        return len(text)

    def flush(self) -> None:
        """Flush, if anybody reads."""
        with self._reader_may_leave():
            super().flush()

    def commit(self) -> None:
        """Flush: what was written cannot be taken back."""
        self.flush()

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # what is buffered is written once more at the end, and Python would complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())


@contextmanager
def reserved_stdout() -> Iterator[Stdout]:
    """Keep stdout for a report: within the block all else that is written to it, by whatever road, goes to stderr."""
    sys.stdout.flush()
    kept, before = os.dup(1), sys.stdout
    stdout = Stdout(kept)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield stdout
    finally:
        sys.stdout = before
        os.dup2(kept, 1)


@contextmanager
def open_files(paths: Mapping[str, str], folders: Collection[str] = ()) -> Iterator[dict[str, File | OutputFolder]]:
    """Open the files that flags name; those that are not committed within the block stay as they were.

    Args:
        paths: the files, by flag.
        folders: the flags that name a folder.

    Raises:
        click.BadParameter: one cannot be written. Raised before the block runs.
    """
    if not paths:
        yield {}
        return
    from pathlib import Path  # only where a file is written

    from gradcheck_cli.cli.output_file import File
    from gradcheck_cli.cli.output_folder import OutputFolder

    files: dict[str, File | OutputFolder] = {}
    try:
        for flag, path in paths.items():
            files[flag] = OutputFolder(Path(path), flag) if flag in folders else File(Path(path), flag)
        yield files
    finally:
        for file in files.values():
            file.discard()
