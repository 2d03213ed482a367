"""`python -m docs.write` writes what the documentation shows of the program: pictures, screens, options, manual pages.

Nothing is written where only figures differ that depend on the machine and its load, unless `--figures` is given.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs import diagnoses, manual, options, pictures
from docs.pages import DOCS, PAGES, ROOT, blocks, fill, follow, matches, run


def screens(page: Path, *, figures: bool) -> bool:
    """Write the screens of a page anew; tell whether one of them was different."""
    old, new, end = page.read_text(encoding="utf-8"), "", 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        for block in blocks(page):
            follow(block, folder)
            for command in block.commands():
                run(command, folder)
            if parts := [_screen(page, *screen, folder, figures=figures) for screen in block.screens()]:
                new += old[end : block.start] + "".join(parts)
                end = block.start + len(block.text)
    new += old[end:]
    page.write_text(new, encoding="utf-8")
    return new != old


def _screen(page: Path, command: str, expected: str, folder: Path, *, figures: bool) -> str:
    """Return what a block shall show of a command: the same as before, if only figures are different."""
    done = run(command, folder)
    shown = done.stdout
    if done.returncode and not shown and expected:
        raise SystemExit(f"{page.name}: nothing is written, for this command prints nothing: {command}\n{done.stderr}")
    if not matches(expected, shown) and "…" in expected:
        sys.stderr.write(f"{page.name}: write this screen by hand: {command}\n")
    keep = "…" in expected or (matches(expected, shown) and not figures)
    return f"$ {command}\n{expected if keep else shown}"


def main() -> None:
    """Write all, and say which files were different."""
    figures = "--figures" in sys.argv
    written = [*pictures.write(figures=figures)]
    generated: dict[Path, Callable[[], str]] = {
        DOCS / "options.md": options.markdown,
        DOCS / "diagnoses.md": diagnoses.markdown,
        DOCS / "convcheck.1": partial(manual.page, "convcheck"),
        DOCS / "gradcheck.1": partial(manual.page, "gradcheck"),
    }
    for path, make in generated.items():
        text = make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    written += [page for page in PAGES if screens(page, figures=figures)]
    for path in written:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
