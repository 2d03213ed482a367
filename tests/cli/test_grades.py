"""Several implementations in one command: a row each, the worst last, whatever one of them does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

DB = "    db = dout.sum(axis=(0, 2, 3))\n"
DOUBLED = (DB, DB + "    dw *= 2\n")
CROPPED = ("pad : pad + H, pad : pad + W]", "pad:-pad, pad:-pad]")
RAISES = (DB, DB + "    raise RuntimeError('out of order')\n")
EXITS = ("import numpy as np\n", "import os\n\nimport numpy as np\n"), (DB, DB + "    os._exit(3)\n")


def folder(layer_file: LayerFile) -> list[str]:
    layer_file(name="ada/layers.py")
    layer_file(DOUBLED, name="bob/layers.py")
    layer_file(CROPPED, name="cyd/layers.py")
    layer_file(RAISES, name="dan/layers.py")
    layer_file(*EXITS, name="eve/layers.py")
    layer_file(("def conv_forward", "def conv_forward(:\ndef f"), name="fay/layers.py")
    return [f"{name}/layers.py" for name in ("bob", "fay", "cyd", "dan", "ada", "eve", "nobody")]


def test_one_table_the_worst_last_and_every_case_in_the_report(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    names = folder(layer_file)
    run = convcheck(*names, *SMALL, "--pad", "0,1", "--show", "grades", "--json", "report.json")
    assert run.returncode == 1
    assert run.stderr == ""
    _, rule, *lines = run.stdout.splitlines()
    assert set(rule) == {"─"}
    rows = [line.split(maxsplit=2) for line in lines if "/layers.py" in line and "/2 " in line]
    assert [(row[0], row[1]) for row in rows] == [
        ("pass", "2/2"),
        ("ERROR", "0/2"),
        ("ERROR", "0/2"),
        ("ERROR", "0/2"),
        ("ERROR", "0/2"),
        ("FAIL", "1/2"),
        ("FAIL", "0/2"),
    ]
    assert [row[2].split("/")[0] for row in rows] == ["ada", "fay", "dan", "eve", "nobody", "cyd", "bob"]
    words = " ".join(run.stdout.split())
    for said in ("has a syntax error", "out of order", "exit code 3", "no such file", "empty slice at pad 0"):
        assert said in words
    assert lines[-1].startswith("14 cases: 3 passed, 3 failed, 8 raised in ")
    results = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["results"]
    assert [result["implementation"].partition(":")[0] for result in results[::2]] == names
    verdicts = [(one["verdict"], other["verdict"]) for one, other in zip(results[::2], results[1::2], strict=True)]
    error = ("error", "error")
    assert verdicts == [("fail", "fail"), error, ("fail", "pass"), error, ("pass", "pass"), error, error]


def test_few_cases_of_several_are_shown_in_full_and_in_the_table(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(name="ada/layers.py")
    layer_file(DOUBLED, name="bob/layers.py")
    run = convcheck("ada/layers.py", "bob/layers.py", *SMALL)
    assert "dw is 2 times the derivative" in run.stdout
    assert "replay: convcheck bob/layers.py:conv_forward,conv_backward" in run.stdout
    assert [line.split()[:2] for line in run.stdout.splitlines() if line.split()[1:2] in (["1/1"], ["0/1"])] == [
        ["pass", "1/1"],
        ["FAIL", "0/1"],
    ]


def test_alone_what_cannot_be_found_is_2_and_among_others_an_error(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(name="ada/layers.py")
    assert convcheck("nobody/layers.py").returncode == 2
    assert convcheck("ada/layers.py", "nobody/layers.py", *SMALL).returncode == 1
