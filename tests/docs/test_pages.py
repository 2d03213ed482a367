"""What the documentation says of the programs is true: every screen, every command, every link."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from docs.pages import DOCS, OWN, PAGES, ROOT, blocks, fill, follow, matches, program
from tests.docs.forked import run
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

#: What a line of a block `sh` may start besides the programs: what installs them, shells, other programs.
_OTHERS = {".", "pip", "python", "python3", "pytest", "git", "eval", "dask", "mkdocs", "ruff", "mypy", ".ci/run"}


@pytest.mark.parametrize("page", one_in(6, PAGES), ids=[page.name for page in PAGES])
def test_screens_are_real_and_commands_run(page: Path, tmp_path: Path) -> None:
    fill(tmp_path)
    for block in blocks(page):
        follow(block, tmp_path)
        for command, expected in block.screens():
            done = run(command, tmp_path)
            assert matches(expected, done.stdout), f"{command}\n{done.stdout}{done.stderr}"
        for command in block.commands():
            done = run(command, tmp_path)
            assert done.returncode in ((0, 1) if program(command) in OWN else (0,)), f"{command}\n{done}"


def test_lines_of_shell_blocks_start_known_programs() -> None:
    for page in PAGES:
        for block in blocks(page):
            assert block.info, f"{page.name}: a block without a language: {block.text[:60]}"
            for line in block.text.splitlines() if block.info == "sh" else ():
                if shlex.split(line, comments=True):
                    assert program(line) in {*_OTHERS, "convcheck", "gradcheck"}, f"{page.name}: {line}"


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        targets = re.findall(r"\]\(([^)\s]+)\)", text)
        for target in targets:
            if re.match(r"https?:|mailto:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            assert path.exists(), f"{page.name}: {target}"
            assert page.parent == ROOT or path.is_relative_to(DOCS), f"{page.name}: {target} is not on the site"
            assert not anchor or anchor in _anchors(path), f"{page.name}: {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in DOCS.glob("*.md")} - set(re.findall(r"\(docs/(.*?\.md)\)", readme)) == {"index.md"}
    assert readme.count("\n") <= 150
