"""The place of a frame of a stack, where code raised, hung or crashed; and how the file of a place is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from gradcheck_cli.checks.diagnosis.place.source import read
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.loading.notebook import split_cell
from gradcheck_cli.results.result import Place
from gradcheck_cli.text.clean import LONGEST_NAME, clean, escaped

if TYPE_CHECKING:
    from gradcheck_cli.guard.crash import Frame

#: A path has up to 4096 bytes.
LONGEST_PATH = 4096


def place_of_frame(frame: Frame, sources: Container[str] | None = None) -> Place | None:
    """Return the place of a frame of a stack, with the statement that was carried out.

    Args:
        frame: file, line and function.
        sources: the files that may be read; None for all. A stack of a process that crashed can name any file.
    """
    compiled_as, line, name = frame
    file, cell = split_cell(compiled_as)
    source = read(compiled_as) if sources is None or file in sources else None
    if not file or file.startswith("<"):
        return None
    place = Place(file=escaped(file, LONGEST_PATH), line=line, function=clean(name, LONGEST_NAME), cell=cell)
    if source is None:
        return place
    function, statement = source.around(line)
    named = function if function.rpartition(".")[2] == name else place.function
    quoted = source.statement(statement) if statement is not None else None
    return replace(place, function=clean(named, LONGEST_NAME), statement=quoted)


def shown_place(place: Place, folder: str | None, spec: str | None) -> Place:
    """Return a place with its file as the user knows it: below the current folder, or as it was typed.

    Args:
        place: with an absolute path.
        folder: the current one, in which paths were typed.
        spec: of the implementation, as it was typed.
    """
    home = re.sub(r":[^:/\\]*$", "", spec or "")
    if folder is not None and Path(place.file).is_relative_to(folder):
        file = os.path.relpath(place.file, folder)
    elif folder is not None and home and os.path.realpath(Path(folder, home)) == place.file:
        file = home
    else:
        file = place.file
    return replace(place, file=file)
