"""Notebooks: their code cells, without what is no Python, are checked like a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.implementation.loading.notebook import python_cells

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

PAIR = """\
def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)
"""


def notebook(*cells: str, language: str = "python") -> str:
    """Write a notebook as Jupyter does, with a text before each cell."""
    found: list[dict[str, Any]] = []
    for cell in cells:
        found.append({"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "!text"]})
        lines = cell.splitlines(keepends=True)
        found.append({"cell_type": "code", "metadata": {}, "source": lines, "outputs": [], "execution_count": None})
    metadata = {"language_info": {"name": language}}
    return json.dumps({"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


#: Cells in forms of IPython's, and what is left of them.
CELLS = {
    "%matplotlib inline\nx = 1\n": "None\nx = 1",
    "!pip install numpy \\\n    scipy\nx = 1": "None\n\nx = 1",
    "files = !ls\nx = 1": "files = None\nx = 1",
    "if True:\n    %timeit f()\n": "if True:\n    None",
    "%time y = f(x)": "y = f(x)",
    "np.sum?\nx = 1": "None\nx = 1",
    "?np.sum": "None",
    "%%time\nx = 1\n": "\nx = 1",
    "\n%%capture out\n!ls\nx = 1\n": "\n\nNone\nx = 1",
    "%%bash\nls -l\n": "",
    "%%writefile layers.py\nx = 1\n": "\nx = 1",
    "%%writefile notes.txt\nx = 1\n": "",
    "%%html\n<b>x</b>\n": "",
    's = """\n%d percent\n!\n"""\n': 's = """\n%d percent\n!\n"""',
    "x = a % b\ny = (a\n% b)": "x = a % b\ny = (a\n% b)",
    "y = x != 1": "y = x != 1",
}


def test_what_is_no_python_is_left_out() -> None:
    for cell, left in CELLS.items():
        ((_, found),) = python_cells(notebook(cell).encode(), "x.ipynb")
        assert found.rstrip("\n") == left, cell


def test_a_notebook_is_checked_as_it_is(tmp_path: Path, convcheck: Program, gradcheck: Program) -> None:
    magic = "%matplotlib inline\nimport numpy as np\n!ls"
    (tmp_path / "right.ipynb").write_text(notebook(magic, PAIR, "%timeit 1\ndisplay(np.zeros(2))"), encoding="utf-8")
    (tmp_path / "wrong.ipynb").write_text(
        notebook(magic, PAIR.replace("dout.sum(0)", "dout.mean(0)")), encoding="utf-8"
    )
    for command, code in (("right.ipynb", 0), ("wrong.ipynb", 1), ("right.ipynb:affine_forward,affine_backward", 0)):
        run = gradcheck(command)
        assert run.returncode == code, run.stdout + run.stderr
        assert "affine" in run.stdout
    assert gradcheck("affine", "right.ipynb").returncode == 0
    assert gradcheck(".").returncode == 1
    run = convcheck("right.ipynb")
    assert run.returncode == 2
    assert "`gradcheck right.ipynb` checks it" in run.stderr


def test_version_3_of_the_format_is_read() -> None:
    text = '{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"]}]}]}'
    assert python_cells(text.encode(), "x.ipynb") == [(1, "x = 1")]


def test_a_traceback_has_the_number_of_the_cell_and_its_line(tmp_path: Path, gradcheck: Program) -> None:
    raises = PAIR.replace("x, w = cache", "x, w, b = cache")
    (tmp_path / "raises.ipynb").write_text(notebook("import numpy as np", "x = 1", raises), encoding="utf-8")
    run = gradcheck("affine", "raises.ipynb")
    assert run.returncode == 1
    assert 'raises.ipynb, cell 3", line 6, in affine_backward' in run.stdout
    assert "x, w, b = cache" in run.stdout


def test_a_place_has_the_number_of_the_cell_and_its_line(tmp_path: Path, gradcheck: Program) -> None:
    """The line is that of the cell, and no line of the file, which is JSON."""
    wrong = PAIR.replace("dout.sum(0)", "dout.mean(0)")
    helper = "def affine_forward(x, w, b):\n    return x @ w + b, missing\n"
    for name, cells, where, statement in (
        ("wrong", ["import numpy as np", "%time x = 1", wrong], "cell 3, line 7", "return dout @ w.T"),
        ("raises", [PAIR, helper], "cell 2, line 2", "return x @ w + b, missing"),
    ):
        (tmp_path / f"{name}.ipynb").write_text(notebook(*cells), encoding="utf-8")
        run = gradcheck("affine", f"{name}.ipynb", "--json", "found.json", "--format", "github")
        assert run.returncode == 1
        found = [one["place"] for one in json.loads((tmp_path / "found.json").read_text())["results"] if one["place"]]
        assert found
        for place in found:
            assert f"{place['file']}, cell {place['cell']}, line {place['line']}" == f"{name}.ipynb, {where}"
            assert place["statement"].startswith(statement)
        assert f"{name}.ipynb,title=" in run.stdout
        assert "line=" not in run.stdout
        shown = gradcheck("affine", f"{name}.ipynb").stdout
        assert where in shown.replace('", line', ", line")  # as in a traceback


def test_a_cell_that_raises_is_skipped(tmp_path: Path, gradcheck: Program) -> None:
    cells = ["import missing_module", "data = open('train.csv')\nn = len(data)\n" + PAIR, "print(", "exit()", "x = 1"]
    (tmp_path / "odd.ipynb").write_text(notebook(*cells), encoding="utf-8")
    run = gradcheck("affine", "odd.ipynb")
    assert run.returncode == 0, run.stdout + run.stderr
    for said in ("cell 2 raised FileNotFoundError", "cell 3 raised SyntaxError", "missing_module"):
        assert said in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is no notebook of version 4"),
        ('{"worksheets": []}', "it is no notebook of version 4"),
        (notebook("1 + 1", language="julia"), "its language is julia"),
        (notebook("x = 1"), "has no"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str, tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "odd.ipynb").write_text(text, encoding="utf-8")
    run = gradcheck("odd.ipynb")
    assert run.returncode == 2
    assert said in run.stderr
    assert len(run.stderr.splitlines()) <= 2
