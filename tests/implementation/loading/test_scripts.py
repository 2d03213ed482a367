"""Scripts that do more than define: they read data that is not there, read their arguments, ask, leave, or train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import report_of
from tests.sampling import in_parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

_RELU = """\
def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, x):
    return dout * (x > 0)
"""
_TANH = """\
def tanh_forward(x):
    y = np.tanh(x)
    return y, y


def tanh_backward(dout, y):
    return dout * (1 - y**2)
"""

#: What stands between two layers, and what is said of it; nothing where it does not raise.
SCRIPTS = {
    "data = open('train.csv').read()": "FileNotFoundError: [Errno 2] No such file or directory: 'train.csv'",
    "import no_such_data\nX = np.array(no_such_data.load())": "MissingImportError",
    "import sys\nrate = float(sys.argv[1])": "IndexError: list index out of range",
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('--rate', default=1)\np.parse_args()": "",
    "count = int(input('how many? '))": "EOFError",
    "assert relu_forward(np.ones(1))[0] == 2, 'wrong'": "AssertionError: wrong",
    "import sys\nsys.exit(1)": "SystemExit: 1",
    "w = np.zeros(3)\nfor _ in range(100):\n    w -= 0.1 * relu_backward(w, w)\nprint(w)": "",
}


@in_parts(3)
def test_the_layers_of_a_script_are_checked_whatever_it_does(part: int, tmp_path: Path, gradcheck: Program) -> None:
    names, scripts = [], list(SCRIPTS.items())[part::3]
    for number, (script, _) in enumerate(scripts):
        names.append(f"script-{number}.py")
        text = f"from __future__ import annotations\nimport numpy as np\n\n\n{_RELU}\n\n{script}\n\n\n{_TANH}"
        (tmp_path / names[-1]).write_text(text, encoding="utf-8")
    run = gradcheck(*names, "--json", "-")
    results = report_of(run)["results"]
    assert run.returncode == 0, run.stdout
    assert {(one["implementation"].partition(":")[0], one["layer"]) for one in results if one["verdict"] == "pass"} == {
        (name, layer) for name in names for layer in ("relu", "tanh")
    }
    for name, (script, said) in zip(names, scripts, strict=True):
        line = 13 + script.count("\n")
        assert (f"{name}:" in run.stderr) == bool(said)
        assert not said or f"{name}:{line} raised {said}" in run.stderr, run.stderr


def test_what_is_wrong_in_a_script_fails(tmp_path: Path, gradcheck: Program) -> None:
    text = f"import numpy as np\n\n\n{_RELU}\n\nraise SystemExit\n\n\n{_TANH.replace('1 - y**2', '1 - y')}"
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    run = gradcheck("script.py", "-q")
    assert run.returncode == 1
    assert "FAIL" in run.stdout
    assert "script.py:12 raised SystemExit; it goes on without" in run.stderr


def test_what_defines_nothing_cannot_be_imported(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "script.py").write_text("import numpy as np\n\nraise ValueError('no data')\n", encoding="utf-8")
    run = gradcheck("script.py")
    assert run.returncode == 2
    assert "script.py cannot be imported: ValueError: no data" in run.stderr
