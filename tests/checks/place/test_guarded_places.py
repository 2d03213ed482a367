"""Places of code that cannot be imported, hangs or crashes: from the process in which it ran to the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

HANGS = """\
import numpy as np


def relu_forward(x):
    return np.maximum(x, 0), x


def spin():
    while True:
        pass


def relu_backward(dout, cache):
    spin()
    return dout * (cache > 0)
"""


def places(output: str) -> dict[str, Any]:
    return {one["implementation"].partition(":")[0]: one["place"] for one in json.loads(output)["results"]}


def test_code_that_dies_has_a_place(gradcheck: Program, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hangs.py").write_text(HANGS, encoding="utf-8")
    crash = HANGS.replace("    spin()\n", "    import ctypes\n    ctypes.string_at(0)\n")
    (tmp_path / "crashes.py").write_text(crash, encoding="utf-8")
    done = gradcheck("relu", "hangs.py", "crashes.py", "--shape", "2,3", "--timeout", "0.3", "--format", "json")
    found = places(done.stdout)
    assert found["crashes.py"] == {
        "file": "crashes.py",
        "line": 15,
        "function": "relu_backward",
        "statement": "ctypes.string_at(0)",
    }
    assert found["hangs.py"]["function"] == "spin"
    assert (found["hangs.py"]["line"], found["hangs.py"]["statement"]) in ((9, "while True:"), (10, "pass"))


def test_a_file_that_cannot_be_imported_has_a_place(gradcheck: Program, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raises.py").write_text("import numpy as np\n\nlayers = 1 / 0\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("import numpy as np\n\n\ndef conv_forward(x:\n", encoding="utf-8")
    (tmp_path / "elsewhere.py").write_text("exec(compile('1 / 0', 'raises.py', 'exec'))\n", encoding="utf-8")
    done = gradcheck("raises.py", "broken.py", "elsewhere.py", "--format", "json")
    found = places(done.stdout)
    assert found["raises.py"] == {"file": "raises.py", "line": 3, "function": "<module>", "statement": "layers = 1 / 0"}
    assert found["broken.py"] == {"file": "broken.py", "line": 4, "function": "<module>", "statement": None}
    assert found["elsewhere.py"]["statement"] is None  # of a file that only says to be that one
