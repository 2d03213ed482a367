"""`--adapter`: what the user's function is called with, what it may return, and that a replay repeats it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.layers import LAYERS
from tests.conftest import SMALL, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

CONV = LAYERS["conv"]
CASE = ConvCase(N=1, C=1, H=3, W=3, F=1)

GLUE = """
def whole(module):
    return module.ahead, module.astern

def named(ahead, astern):
    return ahead, lambda dout, cache: [2 * g for g in astern(dout, cache)]

def raising(module):
    raise ValueError("no such thing")

def one(module):
    return module.ahead
"""


@pytest.fixture
def odd(layer_file: LayerFile, tmp_path: Path) -> Path:
    (tmp_path / "glue.py").write_text(GLUE, encoding="utf-8")
    return layer_file(("conv_forward", "ahead"), ("conv_backward", "astern"), name="odd.py")


def test_it_is_given_the_module(odd: Path) -> None:
    adapter = f"{odd.with_name('glue.py')}:whole"
    implementation = find(str(odd), CONV, adapter)
    assert implementation.name == implementation.spec == str(odd)
    assert implementation.convention == f"adapted by {adapter}"
    assert check(CASE, implementation).passed


def test_it_is_given_what_was_named(odd: Path) -> None:
    implementation = find(f"{odd}:ahead,astern", CONV, f"{odd.with_name('glue.py')}:named")
    result = check(CASE, implementation)
    assert [name for name, gradient in result.gradients.items() if gradient.verdict == "fail"] == ["dx", "dw", "db"]


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ("glue.py:raising", "raising raised ValueError: no such thing"),
        ("glue.py:one", "returned a value of type function, not (forward, backward)"),
        ("glue.py", "give FILE.py:function"),
        ("glue.py:a,b", "give FILE.py:function"),
        ("none.py:one", "give FILE.py:function, of a file that is there"),
        ("glue.py:wole", "has no function or class 'wole'; it has whole"),
    ],
)
def test_what_it_may_not_be(odd: Path, monkeypatch: pytest.MonkeyPatch, adapter: str, said: str) -> None:
    monkeypatch.chdir(odd.parent)
    with pytest.raises(ImplementationNotFoundError) as caught:
        find("odd.py", CONV, adapter)
    assert said in str(caught.value)


def test_it_is_in_the_command(convcheck: Program, odd: Path) -> None:
    run = convcheck("odd.py:ahead,astern", *SMALL, "--adapter", "glue.py:named", "--json", "-")
    (result,) = report_of(run)["results"]
    assert run.returncode == 1
    assert result["command"].startswith("convcheck odd.py:ahead,astern --adapter glue.py:named --N 1 ")


def test_it_needs_something_to_adapt(convcheck: Program, odd: Path) -> None:
    run = convcheck("--adapter", "glue.py:whole")
    assert run.returncode == 2
    assert "--adapter glue.py:whole has nothing to adapt; name an IMPLEMENTATION" in run.stderr
