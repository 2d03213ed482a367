"""The tests in `docs/pytest.md` are tests."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import clean_environment

if TYPE_CHECKING:
    from tests.conftest import LayerFile

DOCS = Path(__file__).parents[2] / "docs" / "pytest.md"

AFFINE = """

def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)
"""


@pytest.mark.long
def test_the_examples_pass(layer_file: LayerFile, tmp_path: Path) -> None:
    path = layer_file()
    path.write_text(path.read_text(encoding="utf-8") + AFFINE, encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "test_examples.py").write_text("\n\n".join(examples), encoding="utf-8")
    plugin = [] if entry_points(group="pytest11", name="gradcheck") else ["-p", "gradcheck_cli.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-Werror", f"--rootdir={tmp_path}", "--gradcheck", *plugin],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout  # four tests of the page, and two pairs


def test_all_flags_for_files_are_named() -> None:
    from gradcheck_cli.cli.commands import files_command
    from gradcheck_cli.testing.files import settable_flags

    text = DOCS.read_text(encoding="utf-8")
    sentence = re.search(r"The flags in `--gradcheck-args`.*?`(.*?)`\.", text, re.DOTALL)
    assert sentence
    assert sorted(sentence[1].split()) == sorted(
        name for flag in settable_flags(files_command("gradcheck")) for name in flag.opts
    )
