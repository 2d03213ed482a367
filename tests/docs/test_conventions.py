"""The examples of conventions are understood as the layer that the page says, and are right."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from docs.pages import DOCS, blocks
from tests.docs.forked import run
from tests.implementation.forms.table import FORMS

if TYPE_CHECKING:
    from pathlib import Path


def test_every_form_is_shown_or_told() -> None:
    page = (DOCS / "conventions.md").read_text(encoding="utf-8")
    shown = {key for said in re.findall(r"<!-- (?:check|told): ([^,]*?)(?:,.*)? -->", page) for key in said.split()}
    assert shown == set(FORMS)


def test_examples_are_understood_and_right(tmp_path: Path) -> None:
    examples = [block for block in blocks(DOCS / "conventions.md") if block.kind == "check"]
    layers = {}
    for number, block in enumerate(examples):
        path = tmp_path / f"form_{number}.py"
        path.write_text(f"import numpy as np\n\n\n{block.text}", encoding="utf-8")
        layers[path.name] = block.said.partition(", ")[2]
    done = run(f"gradcheck {' '.join(layers)} --json report.json", tmp_path)
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    passed = {
        (result["implementation"].partition(":")[0], result["layer"])
        for result in report["results"]
        if result["verdict"] == "pass"
    }
    assert passed == {*layers.items()}
