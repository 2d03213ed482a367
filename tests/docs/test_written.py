"""What `python -m docs.write` writes is what the programs say now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs import options, pictures
from docs.pages import DOCS
from gradcheck_cli.cli.commands import files_command, layer_command
from gradcheck_cli.layers import LAYERS
from tests.docs.forked import run
from tests.sampling import one_in

if TYPE_CHECKING:
    from tests.conftest import Program

_HINT = "write it anew: python -m docs.write"


def test_options_are_those_of_the_commands(convcheck: Program, gradcheck: Program) -> None:
    page = (DOCS / "options.md").read_text(encoding="utf-8")
    assert page == options.markdown(), _HINT
    flags = set(re.findall(r"(?<![\w`-])`?(-{1,2}[A-Za-z][\w-]*)", page))
    for shown in (convcheck("--help"), gradcheck("FILE.py", "--help"), gradcheck("sweep", "conv", "--help")):
        known = re.sub(r"^ {6,}.*", "", shown.stdout, flags=re.MULTILINE)
        assert set(re.findall(r"(?<![\w-])-{1,2}[A-Za-z][\w-]*", known)) - {"-h", "--help"} <= flags


def test_layers_are_all_described_with_their_flags() -> None:
    rows: dict[str, str] = {}
    for line in (DOCS / "layers.md").read_text(encoding="utf-8").splitlines():
        cells = re.split(r"(?<!\\) \| ", line.strip("| "))
        if line.startswith("| `") and len(cells) == 3:
            rows |= dict.fromkeys(re.findall(r"`([\w-]+)`", cells[0]), cells[2])
    assert set(LAYERS) <= set(rows)
    common = {name for param in files_command("gradcheck").params for name in param.opts}
    for name in LAYERS:
        own = {flag for param in layer_command(name, name).params for flag in param.opts if flag.startswith("--")}
        missing = own - common - {"--adapter"} - set(re.findall(r"--\w+", rows[name]))
        assert not missing, f"docs/layers.md: {name} has {missing}"


@pytest.mark.parametrize("name", one_in(4, [*pictures.PICTURES, *pictures.REPORTS, *pictures.SWEEPS]))
def test_pictures_show_what_the_program_shows(name: str) -> None:
    drawn = (pictures.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert pictures.text_of(drawn) == pictures.text_of(pictures.draw(name, run)), _HINT
    assert len(drawn) < 75_000
    assert not re.search(r"(href|src)=[\"']?http|url\([\"']?http|@import|<script", drawn)  # it loads nothing
