"""The fingerprint of code: another one for whatever may give other results, and none where that cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.implementation.loading import fingerprint
from gradcheck_cli.implementation.loading.fingerprint import Fingerprint

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "layers.py": "import numpy as np\nimport helper\nfrom rest import tools\n\n\ndef f(x):\n    return helper.g(x)\n",
    "helper.py": "import deeper\n\n\ndef g(x):\n    return x\n",
    "deeper.py": "",
    "rest/__init__.py": "",
    "rest/tools.py": "from . import more\n",
    "rest/more.py": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(folder: Path, name: str = "layers.py", adapter: str | None = None) -> str | None:
    return Fingerprint(str(folder / name), adapter).digest


def test_each_file_that_is_imported_counts_and_no_other(folder: Path) -> None:
    before = digest(folder)
    assert before is not None
    assert before.startswith("sha256:")
    (folder / "other.py").write_text("import layers\n")
    assert digest(folder) == before
    for name, text in FILES.items():
        (folder / name).write_text(text + "# edited\n")
        assert digest(folder) != before, name
        (folder / name).write_text(text)
        assert digest(folder) == before
    (folder / "rest" / "more.py").unlink()
    assert digest(folder) != before


def test_two_files_that_are_exchanged_are_a_difference(folder: Path) -> None:
    (folder / "helper.py").write_text("a = 1\n")
    (folder / "deeper.py").write_text("a = 2\n")
    (folder / "layers.py").write_text("import helper\nimport deeper\n")
    before = digest(folder)
    (folder / "helper.py").rename(folder / "swap.py")
    (folder / "deeper.py").rename(folder / "helper.py")
    (folder / "swap.py").rename(folder / "deeper.py")
    assert digest(folder) != before


def test_the_adapter_counts(folder: Path) -> None:
    (folder / "adapter.py").write_text("def adapt(module): ...\n")
    before = digest(folder, adapter=f"{folder / 'adapter.py'}:adapt")
    assert before not in (None, digest(folder))
    (folder / "adapter.py").write_text("def adapt(module): return module\n")
    assert digest(folder, adapter=f"{folder / 'adapter.py'}:adapt") != before


def test_installed_packages_count_by_their_versions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "layers.py").write_text("import pytest\nimport no_such_package\n")
    before = digest(folder)
    assert before is not None
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.1")
    assert digest(folder) not in (None, before)
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(folder / "elsewhere"))
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "no_such_package.py").write_text("")
    assert digest(folder) is None, "a module of PYTHONPATH can be edited"


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import os.path as p",
        "from pathlib import Path",
        "import importlib.util",
        "from io import open",
        "from builtins import eval",
        "import builtins",
        "w = open('weights.txt')",
        "w = np.load('weights.npy')",
        "from numpy import loadtxt",
        "exec('import other')",
        "import sys; sys.path.append('..')",
        "from sys import path",
        "def f(): return __import__('other')",
        "here = __file__",
        "import ctypes",
    ],
)
def test_code_that_reaches_for_more_has_none(folder: Path, line: str) -> None:
    (folder / "deeper.py").write_text(f"import numpy as np\n{line}\n")
    assert digest(folder) is None


@pytest.mark.parametrize(
    "line",
    [
        "from builtins import range",
        "import sys; eps = sys.float_info.epsilon",
        "import re; words = re.compile('x')",
        "model.eval()",
        "from .deeper import load_all",
        "import math, random, functools, typing, torch",
        "def broken(:",
        "x = 'open(weights)'",
    ],
)
def test_ordinary_code_has_one(folder: Path, line: str) -> None:
    (folder / "layers.py").write_text(f"import numpy as np\n{line}\n")
    assert digest(folder) is not None


def test_a_compiled_module_beside_the_file_has_none(folder: Path) -> None:
    (folder / "layers.py").write_text("import kernels\n")
    assert digest(folder) is not None
    (folder / "kernels.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    assert digest(folder) is None


def test_what_is_no_file_or_too_many_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Fingerprint("fast").digest is None
    assert Fingerprint("numpy").digest is None
    assert digest(folder, "no_such.py") is None
    assert digest(folder, "") is not None  # the folder, which has six files
    monkeypatch.setattr(fingerprint, "_MOST_FILES", 5)
    assert digest(folder, "") is None


def test_an_edit_after_it_was_taken_is_noticed(folder: Path) -> None:
    taken = Fingerprint(str(folder / "layers.py"))
    assert taken.still_holds()
    (folder / "deeper.py").write_text("x = 1\n")
    assert not taken.still_holds()
    (folder / "deeper.py").unlink()
    assert not taken.still_holds()
