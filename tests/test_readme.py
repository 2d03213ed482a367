"""The README says what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import clean_environment
from tests.program import run_program
from tests.sampling import one_in

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(words: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return run_program(words[0], words[1:], folder, clean_environment())


def test_both_lines_make_their_own_environment() -> None:
    lines = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert [line.split(" && ")[-1].split("/")[-1].split()[0] for line in lines] == ["convcheck", "pytest"]
    assert all("pip install" in line for line in lines)


ADAPTED = (["convcheck", "one_image.py", "--adapter", "adapter.py:adapt"], 0, "13 cases passed")
EXAMPLES = {
    "adapter.py": ADAPTED,
    "one_image.py": ADAPTED,
    "course.py": (["gradcheck", "course.py"], 1, "through the variance"),
    "own_layer.py": (["convcheck", "own_layer.py"], 0, "13 cases passed"),
    "batchnorm.py": (["gradcheck", "batchnorm", "batchnorm.py"], 0, "9 passed, 1 skipped"),
    "lstm.py": (shlex.split("gradcheck lstm lstm.py --N 2 --D 3 --H 4 --T 3"), 1, "the forget gate is missing"),
    "missed_windows.py": (["convcheck", "missed_windows.py"], 1, "the last column of windows are missed"),
    "empty_crop.py": (["convcheck", "empty_crop.py", "--pad", "0,1"], 1, "dx is empty"),
}


@pytest.mark.parametrize("name", one_in(4, [path.name for path in sorted((ROOT / "examples").glob("*.py"))]))
def test_examples_do_what_they_say(name: str) -> None:
    words, code, said = EXAMPLES[name]
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert shlex.join(words) in text
    assert said in re.sub(r"`", "", text)
    done = run(words, ROOT / "examples")
    assert done.returncode == code
    assert said in done.stdout
