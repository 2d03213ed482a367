"""Feedback for the authors of the files that were checked: a text for each file, with what its author needs to know.

A text says nothing of other files, and names its own without the folder that it was checked in.
"""

from __future__ import annotations

import contextlib
import os
import re
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path

from gradcheck_cli.checks.replay import quote
from gradcheck_cli.implementation.loading.paths import split_spec
from gradcheck_cli.report.formats import DisplayOptions, Folder
from gradcheck_cli.report.plain import describe_case, describe_others, describe_versions, explain
from gradcheck_cli.report.style import word
from gradcheck_cli.results.findings import Finding
from gradcheck_cli.results.grades import Grade, Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.text.clean import clean, clean_lines, escaped
from gradcheck_cli.text.install import INSTALL
from gradcheck_cli.text.names import join_names

#: How each text begins. A file that begins otherwise is not replaced.
MARK = "Feedback of "

#: Stands for the slash of a path in the name of a file.
_SEPARATOR = "--"

#: Columns of a text, characters of a command, and bytes of the name of a file: a file system allows 255.
_WIDTH, _LONGEST_COMMAND, _LONGEST_NAME = 80, 10_000, 200


class FeedbackReport:
    """Collects grades and failures, and writes the texts when the run is over."""

    def __init__(self, run: Run, stream: Folder, options: DisplayOptions) -> None:  # noqa: ARG002
        self._run, self._folder = run, stream
        self._grades = Grades(random=run.random)

    def add(self, result: CaseResult) -> None:
        """Count one result."""
        self._grades.add(result)

    def finish(self, summary: Summary) -> None:
        """Write a text for each file."""
        files: dict[str, list[tuple[tuple[str, str], Grade]]] = {}
        for key, grade in self._grades.in_order():
            files.setdefault(split_spec(key[0])[0], []).append((key, grade))
        taken: set[str] = set()
        for file, grades in files.items():
            own = escaped(re.split(r"[\\/]", file.rstrip("\\/"))[-1])
            blocks = [f"{MARK}{self._run.program} on {own}{_count([grade for _, grade in grades])}"]
            for key, grade in sorted(grades, key=lambda item: item[1].badness, reverse=True):
                blocks += self._describe(key, grade, file, own)
            if summary.cut_short:
                blocks.append("The run ended early: not every case was checked.")
            blocks.append(f"({describe_versions(self._run)})")
            if not all(grade.verdict in (Verdict.PASS, Verdict.SKIP) for _, grade in grades):
                blocks[-1] += f"\n(to install {self._run.program}: {INSTALL})"
            self._folder.write(file_name(file, taken), "\n\n".join(blocks) + "\n", MARK)

    def _describe(self, key: tuple[str, str], grade: Grade, file: str, own: str) -> Iterator[str]:
        """Yield the paragraphs on one implementation."""
        implementation, layer = key
        names = split_spec(implementation)[1]
        what = f"{join_names(names) if names else own}" + (f" ({layer})" if layer else "")
        cases = f", {grade.counts[Verdict.PASS]} of {grade.ran} cases passed" if grade.ran and layer else ""
        yield clean(f"{word(grade.verdict)}: {what}{cases}")
        found = self._grades.findings.of(implementation, layer)[::-1]
        if grade.reason and not found:  # a skip, or a remark on a pass
            yield _indented(_without_folder(grade.reason, file, own))
        for finding in found:
            yield from _explain(finding, file, own)


def _explain(finding: Finding, file: str, own: str) -> Iterator[str]:
    """Yield the paragraphs on one failure."""
    result = finding.result
    yield "\n".join(_indented(_without_folder(line, file, own)) for line in explain(result))
    if result.traceback:
        yield textwrap.indent(clean_lines(_without_folder(result.traceback, file, own)), "    ")
    if result.ran:
        more = "".join(f"; {line}" for line in describe_others(finding))
        yield _indented(f"The simplest case that shows it: {describe_case(result)}{more}.")
    if result.command:
        yield _indented(f"To see it again, in the folder of {own}:") + f"\n    {_own_command(result, file, own)}"
    if result.diagnosis:
        commands = dict.fromkeys(f"    gradcheck explain {diagnosis.code}" for diagnosis in result.diagnosis)
        yield "\n".join(["    The cause, with a wrong and a right example:", *commands])


def _count(grades: list[Grade]) -> str:
    """Say how many of several functions are right; what was skipped does not count."""
    right = sum(grade.verdict is Verdict.PASS for grade in grades)
    ran = sum(grade.verdict is not Verdict.SKIP for grade in grades)
    return f": {right} of {ran} passed" if ran > 1 else ""


def _without_folder(text: str, file: str, own: str) -> str:
    """Replace the path of a file by its name: as it was typed, as a place has it, and as a traceback has it."""
    with contextlib.suppress(ValueError):  # a path with a null character
        paths = {file, os.path.normpath(file), str(Path.cwd() / file), os.path.realpath(file)}
        for path in sorted({*paths, *map(escaped, paths)}, key=len, reverse=True):
            if os.sep in path.strip(os.sep):
                text = text.replace(path, own)
    return text.replace(file, own)


def _own_command(result: CaseResult, file: str, own: str) -> str:
    """Return the command with the file's own name; quoted or not, the name is replaced as the command has it."""
    name, command = escaped(result.implementation), escaped(result.command or "", _LONGEST_COMMAND)
    return command.replace(quote(name), quote(own + name.removeprefix(escaped(file))))


def _indented(text: str) -> str:
    return textwrap.fill(
        clean(text),
        _WIDTH,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def file_name(file: str, taken: set[str]) -> str:
    """Return the name of the text for a file: `ada--layers.py.txt` for `ada/layers.py`, whatever else is checked.

    If that could be the name for another file as well, a checksum of the path is added.

    Args:
        file: the path, as it was given.
        taken: the names that are taken, in lower case; the name is added.
    """
    parts = [part for part in re.split(r"[\\/]+", file) if part not in ("", ".", "..")]
    safe = [re.sub(r"[^\w .,+()-]", "_", part.strip().lstrip(".-")) for part in parts]
    whole = _SEPARATOR.join(safe)
    stem = whole.encode()[:_LONGEST_NAME].decode(errors="ignore") or "this folder"
    unclear = stem.split(_SEPARATOR) != parts
    name, number = f"{stem}.txt", 0
    while unclear or name.lower() in taken:
        path = f"{file}{number or ''}".encode(errors="surrogatepass")
        name, number, unclear = f"{stem}-{zlib.crc32(path):08x}.txt", number + 1, False
    taken.add(name.lower())
    return name
