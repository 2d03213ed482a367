"""The README says what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import clean_environment
from tests.program import run_program

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(words: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return run_program(words[0], words[1:], folder, clean_environment())


def screens() -> list[tuple[str, str]]:
    blocks = re.findall(r"```console\n\$ (.*?)\n(.*?)```", README, re.DOTALL)
    return [(command, screen) for command, screen in blocks]


def without_figures(text: str) -> str:
    """Roundings depend on the machine's BLAS, times on everything; words, shapes and the order of rows do not."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    table = re.compile(r"^(out|d\w+) (\S+) .* (\S+)$")
    lines = [table.sub(r"\1 \2 \3", line) for line in lines]
    lines = [re.sub(r"\b\d\.\de[-+]\d+|(?<= )[-+]\d\.\d\b", "#", line) for line in lines]  # errors and slopes
    return "\n".join(re.sub(r"\d+\.\d+ (eps|s)\b|─+|\(d\w\)|\(out\)|\d eps", "", line) for line in lines).strip()


@pytest.mark.parametrize(("command", "screen"), screens(), ids=[str(i) for i in range(len(screens()))])
def test_screens_are_real(command: str, screen: str) -> None:
    assert len(screens()) >= 2
    assert without_figures(run(shlex.split(command)).stdout) == without_figures(screen)


def test_the_option_table_is_that_of_help() -> None:
    rows = re.findall(r"^\| (`-.*?`) \|", README, re.MULTILINE)
    in_table = {flag for row in rows for flag in re.findall(r"-{1,2}[A-Za-z][\w-]*", row)}
    shown = run(["convcheck", "--help"]).stdout
    in_help = set(re.findall(r"(?<![\w-])-{1,2}[A-Za-z][\w-]*", re.sub(r"^ {6,}.*", "", shown, flags=re.MULTILINE)))
    assert in_table == in_help


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
    "empty_crop.py": (["convcheck", "empty_crop.py", "--pad", "0,1"], 1, "dx is empty"),
}


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "examples").glob("*.py"))])
def test_examples_do_what_they_say(name: str) -> None:
    words, code, said = EXAMPLES[name]
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert shlex.join(words) in text
    assert said in re.sub(r"`", "", text)
    done = run(words, ROOT / "examples")
    assert done.returncode == code
    assert said in done.stdout
