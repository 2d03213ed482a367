"""Places of failures in files of other implementations, which code of users can claim for its own failure."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.loading.imports import sources
from gradcheck_cli.implementation.loading.paths import files_of, split_spec
from gradcheck_cli.results.result import CaseResult


def without_claimed_places(results: Iterable[CaseResult], homes: Iterable[str]) -> Generator[CaseResult]:
    """Yield results, without places in a file of another implementation that theirs does not import.

    Args:
        results: of several implementations.
        homes: their files and modules.
    """
    checked = {os.path.realpath(file) for home in homes for file in files_of(home)}
    for result in results:
        place = result.place
        if place and (file := os.path.realpath(place.file)) in checked and not _is_part(file, result.implementation):
            yield replace(result, place=None)
        else:
            yield result


def _is_part(file: str, implementation: str) -> bool:
    """Tell whether a file is one of an implementation, or one that it imports."""
    own = {os.path.realpath(one) for one in files_of(split_spec(implementation)[0])}
    return file in own or file in {str(one) for one in sources(implementation)}
