"""The pages of the documentation: their fenced blocks, and the commands and screens in these.

An HTML comment on the line before a block says what it is:

    <!-- file: layers.py -->       the block is written to that file; later commands of the page find it
    <!-- edit: layers.py -->       the block, a `diff`, is applied to that file
    <!-- check: affine, relu -->   the block is code that `gradcheck` understands as these layers, and that is right
    <!-- not run: why -->          of its commands, those of the programs are only read, with --show-config

In a block `sh`, each line that starts one of the programs, pytest or Python is run. In a block `console`, a line that
begins with `$ ` is a command, and what follows must be what it prints, but for figures that differ from machine to
machine; `…` stands for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

#: Pages that people read, in the order of the site's menu.
PAGES = (*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")), *sorted(DOCS.glob("*.md")))

PACKAGE = "gradcheck_cli"

#: The programs of this package.
OWN = ("convcheck", "gradcheck")

#: Whose lines are run.
_PROGRAMS = (*OWN, "pytest", "python")

_BLOCK = re.compile(r"^(?:<!-- ([\w ]+?): ([^\n]*?) -->\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    start: int  #: where its text begins in the page
    info: str  #: the language after the fence
    text: str
    kind: str = ""  #: the word of the comment before it: file, check, not run
    said: str = ""  #: what follows that word

    def screens(self) -> list[tuple[str, str]]:
        """Return the commands of a block `console`, each with what it must print."""
        if self.info != "console":
            return []
        return [(part[0], part[1]) for part in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", self.text, re.MULTILINE)]

    def commands(self) -> list[str]:
        """Return the lines of a block `sh` that start one of the programs, without comments and pipes."""
        if self.info != "sh":
            return []
        lines = [line.partition("  #")[0].partition(" | ")[0].strip() for line in self.text.splitlines()]
        if self.kind == "not run":
            return [f"{line} --show-config" for line in lines if program(line) in OWN]
        return [line for line in lines if program(line) in _PROGRAMS]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(page, found.start(4), found[3], found[4], found[1] or "", found[2] or "")


def follow(block: Block, folder: Path) -> None:
    """Write or edit the file of a block, if it is one; what a page changes of this package is changed in a copy."""
    path = folder / block.said
    if block.kind in ("file", "edit") and block.said.startswith(PACKAGE) and not (folder / PACKAGE).exists():
        shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    if block.kind == "file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    elif block.kind == "edit":
        lines = block.text.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{block.page.name}: {block.said} has not exactly one place for this edit:\n{block.text}")
        path.write_text(text.replace(old, new), encoding="utf-8")


def program(command: str) -> str:
    """Return the program that a command line starts, after the variables before it."""
    return next((word for word in command.split() if not re.match(r"[A-Z_]+=", word)), "")


def fill(folder: Path) -> None:
    """Put what the pages' commands name into a folder: the examples, and the samples beside the pages."""
    shutil.copytree(ROOT / "examples", folder / "examples", dirs_exist_ok=True)
    shutil.copytree(DOCS / "samples", folder, dirs_exist_ok=True)
    for path in folder.rglob("*.py.txt"):  # no Python, as some of what is handed in
        path.rename(path.with_suffix(""))


def split(command: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the variables and the words of a command line; a pattern becomes the files of the folder that match."""
    words = shlex.split(command)
    variables = {}
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    expanded = []
    for word in words:
        files = sorted(str(path.relative_to(folder)) for path in folder.glob(word)) if "*" in word else []
        expanded += files or [word]
    return variables, expanded


def environment(**more: str) -> dict[str, str]:
    """Return the variables for a program that shall print what a pipe gets anywhere."""
    meddling = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_", "GITHUB_", "GRADCHECK_", "PYTHON", "PYTEST")
    return {name: value for name, value in os.environ.items() if not name.startswith(meddling)} | more


def read(command: str, folder: Path) -> subprocess.CompletedProcess[str] | None:
    """Do what `cat FILE` does; return None for any other command."""
    words = command.split()
    return (
        subprocess.CompletedProcess(words, 0, (folder / words[1]).read_text(encoding="utf-8"), "")
        if words[0] == "cat"
        else None
    )


def run(command: str, folder: Path, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run an installed program in a folder."""
    if done := read(command, folder):
        return done
    own, words = split(command, folder)
    start: list[str | Path] = [Path(sys.executable).parent / words[0]]
    if words[0] in OWN and (folder / PACKAGE).exists():
        start = [sys.executable, "-m", PACKAGE]
        own |= {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [*start, *words[1:]],
        cwd=folder,
        env=environment(**own, **(variables or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def without_figures(text: str) -> str:
    """Roundings depend on the machine's BLAS, times on everything; words, shapes and the order of rows do not."""
    text = re.sub(
        r"\b(gradcheck|convcheck|python|numpy)( |\" value=\")\d+[\w.]*|(?<=time=)\"[\d.]+\"",
        r"\1",
        text,
    )
    lines = [" ".join(line.split()) for line in text.splitlines()]
    table = re.compile(r"^(out|d\w+) (\S+) .* (\S+)$")
    lines = [table.sub(r"\1 \2 \3", line) for line in lines]
    lines = [re.sub(r"\b\d\.\de[-+]\d+|(?<= )[-+]\d\.\d\b", "#", line) for line in lines]  # errors and slopes
    return "\n".join(re.sub(r"\d+\.\d+ (eps|s)\b|─+|\(d\w\)|\(out\)|\d eps", "", line) for line in lines).strip()


def matches(expected: str, shown: str) -> bool:
    """Tell whether a screen shows what is expected; `…` stands for anything."""
    parts = (re.escape(without_figures(part)) for part in expected.split("…"))
    pattern = "(?s:.*?)".join(parts)
    return re.fullmatch(f"\\s*{pattern}\\s*", without_figures(shown)) is not None
