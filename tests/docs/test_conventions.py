"""The examples of conventions are understood as the layer that the page says, and are right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs.pages import DOCS, blocks
from gradcheck_cli.results.result import Verdict
from tests.implementation.forms.checked import Form
from tests.implementation.forms.table import FORMS

if TYPE_CHECKING:
    from pathlib import Path


def test_every_form_is_shown_or_told() -> None:
    page = (DOCS / "conventions.md").read_text(encoding="utf-8")
    shown = {key for said in re.findall(r"<!-- (?:check|told): ([^,]*?)(?:,.*)? -->", page) for key in said.split()}
    assert shown == set(FORMS)


@pytest.mark.long  # `tests/implementation/forms` has samples of the same forms
def test_examples_are_understood_and_right(tmp_path: Path) -> None:
    examples = [block for block in blocks(DOCS / "conventions.md") if block.kind == "check"]
    assert len(examples) > 20
    for number, block in enumerate(examples):
        form = Form(layer=block.said.partition(", ")[2], text=block.text)
        _, found = form.results(tmp_path / f"form_{number}.py")
        verdicts = {result.verdict for result in found}
        assert Verdict.PASS in verdicts, block.text
        assert verdicts <= {Verdict.PASS, Verdict.SKIP}, block.text
