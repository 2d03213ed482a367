"""Loading whatever is typed: odd files are refused in a sentence, and files that Python accepts are accepted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.checks.check import check, check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.imports import package_root, parse_file, sources
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from tests.conftest import Program

RELU = LAYERS["relu"]
PAIR = """
def relu_forward(x):
    return x * (x > 0), x


def relu_backward(dout, x):
    return dout * (x > 0)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def write(name: str, text: str | bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def verdicts(spec: str) -> set[str]:
    implementation = find(spec, RELU)
    return {check_case(case, implementation, Settings()).verdict.value for case in RELU.standard()}


def odd_files() -> dict[str, str]:
    """Make things that are no Python files; each with what is said of it."""
    os.mkfifo("pipe.py")
    Path(".#layers.py").symlink_to("user@host.1234")
    Path("loop.py").symlink_to("loop.py")
    Path("folder.py").mkdir()
    write("deep.py", f"x = {'-' * 100_000}1\n{PAIR}")
    write("sum.py", f"x = 1{'+1' * 100_000}\n{PAIR}")
    write("brackets.py", f"x = {'(' * 5000}{')' * 5000}\n{PAIR}")
    write("null.py", PAIR + "x = 1\0\n")
    write("latin.py", b"x = 'caf\xe9'\n" + PAIR.encode())
    write("coded.py", "# -*- coding: no-such-code -*-\n" + PAIR)
    return {
        "pipe.py": "no regular file",
        "/dev/zero": "no regular file",
        "./pipe.py": "no regular file",
        ".#layers.py": "a link that leads nowhere",
        "loop.py": "a link that leads nowhere",
        f"{'n' * 300}.py": "there is no such file",
        f"./{'n' * 300}/layers.py": "there is no such file",
        "deep.py": "nested too deeply",
        "sum.py": "nested too deeply",
        "brackets.py": "has a syntax error",
        "null.py": "null",
        "latin.py": "has a syntax error",
        "coded.py": "no-such-code",
    }


def test_odd_files_are_refused_in_a_sentence() -> None:
    for spec, said in odd_files().items():
        for search in (lambda spec: find(spec, RELU), lambda spec: take_inventory(spec, Loader())):
            with pytest.raises(ImplementationNotFoundError) as refused:
                search(spec)
            assert said in str(refused.value), spec
            assert "\n" not in str(refused.value)
        assert len(sources(spec)) <= 1


def test_a_folder_that_is_called_as_a_file_is_a_folder() -> None:
    write("layers.py/relu.py", PAIR)
    assert verdicts("layers.py") == {"pass"}


def test_what_is_nested_too_deeply_is_no_python(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError, match="nested too deeply"):
        parse_file(write("deep.py", "not " * 100_000 + "1"))


def test_odd_files_end_no_program(gradcheck: Program, tmp_path: Path) -> None:
    write("relu.py", PAIR)
    specs = [spec for spec in odd_files() if not spec.startswith("/") and len(spec) < 250]
    run = gradcheck("relu.py", *specs, "folder.py/../relu.py")
    assert (run.returncode, "Traceback" in run.stderr, "pass" in run.stdout) == (1, False, True), run.stderr


#: At its import, at its first call, and out of a folder that is deleted.
CHANGES = {
    "at import": "import os\nos.chdir('/')\n" + PAIR,
    "at a call": "import os\n" + PAIR.replace("    return x *", "    os.chdir('/')\n    return x *"),
    "beside itself": "import os\nos.chdir(os.path.dirname(os.path.abspath(__file__)))\n" + PAIR,
    "twice": "import os\nos.chdir('/')\nos.chdir('/tmp')\n" + PAIR,
}


@pytest.mark.parametrize("text", CHANGES.values(), ids=list(CHANGES))
def test_a_file_may_change_the_folder(text: str) -> None:
    write("mine/layers.py", text)
    write("mine/other.py", PAIR)
    start = Path.cwd()
    try:
        loader = Loader()
        for spec in ("mine/layers.py", "mine/layers.py:relu_forward,relu_backward", "mine/other.py"):
            implementation = find(spec, RELU, loader=loader)
            assert {check_case(case, implementation, Settings()).verdict.value for case in RELU.standard()} == {"pass"}
        with pytest.raises(ImplementationNotFoundError, match="no such file"):
            find("mine/another.py", RELU, loader=loader)
    finally:
        os.chdir(start)


@pytest.mark.parametrize("text", CHANGES.values(), ids=list(CHANGES))
def test_a_check_in_python_returns_to_its_folder(text: str) -> None:
    write("mine/layers.py", text)
    start = Path.cwd()
    assert all(check(case, "mine/layers.py").passed for case in RELU.standard())
    assert Path.cwd() == start


def test_where_the_user_goes_paths_follow() -> None:
    write("mine/layers.py", PAIR)
    write("layers.py", PAIR.replace("relu_", "rectify_relu_"))
    assert find("layers.py", RELU).name == "layers.py:rectify_relu_forward,rectify_relu_backward"
    os.chdir("mine")
    assert find("layers.py", RELU).name == "layers.py:relu_forward,relu_backward"


@pytest.mark.parametrize("where", ["at import", "at a call"])
def test_every_program_goes_on_elsewhere(where: str, gradcheck: Program, tmp_path: Path) -> None:
    write("mine/layers.py", CHANGES[where] + "\n\nclass ReLU:\n    forward = staticmethod(relu_forward)\n")
    for arguments in (("mine/layers.py",), ("relu", "mine/layers.py:relu_forward,relu_backward")):
        run = gradcheck(*arguments)
        assert run.returncode == 0, run.stdout + run.stderr


#: Imports in a circle that Python accepts: by the package's name, relative, and without a package.
CIRCLES = {
    "absolute": ("pkg/ops.py", "from pkg.engine import Function\n", "pkg/engine.py", "import pkg.ops as ops\n"),
    "deep": ("a/b/ops.py", "from a.b.engine import Function\n", "a/b/engine.py", "from a.b import ops\n"),
    "both": ("pkg/ops.py", "from pkg.engine import Function\n", "pkg/engine.py", "from . import ops\n"),
    "siblings": ("here/ops.py", "from engine import Function\n", "here/engine.py", "import ops\n"),
}


@pytest.mark.parametrize("circle", CIRCLES.values(), ids=list(CIRCLES))
def test_a_circle_that_python_accepts(circle: tuple[str, str, str, str]) -> None:
    ops, first, engine, second = circle
    write(ops, first + PAIR)
    write(engine, f"{second}class Function: ...\ndef late(): return ops.relu_forward\n")
    for folder in Path(ops).parents[:-1]:
        write(f"{folder}/__init__.py", "")
    assert verdicts(ops) == {"pass"}
    left = {"pkg", "pkg.ops", "a.b.ops", "ops", "engine"} & set(sys.modules)
    assert left == set()
    write(f"other/{ops}", first + PAIR.replace("dout * (x > 0)", "dout"))
    write(f"other/{engine}", second + "class Function: ...\n")
    assert "fail" in verdicts(f"other/{ops}")


def test_a_circle_that_python_does_not_accept() -> None:
    write("here/ops.py", "from engine import Function\n" + PAIR)
    write("here/engine.py", "from ops import relu_forward\nclass Function: ...\n")
    with pytest.raises(ImplementationNotFoundError, match="partially initialized module"):
        find("here/ops.py", RELU)


def test_a_file_that_cannot_be_read_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    write("layers.py", PAIR)

    def refuse(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(os, "access", refuse)  # tests may run as root, who can read everything
    with pytest.raises(ImplementationNotFoundError, match=r"layers\.py is a file that cannot be read: give"):
        find("layers.py", RELU)


def test_folders_that_are_searched_for_sources() -> None:
    for folder in ("repo", "repo/pkg"):
        write(f"{folder}/__init__.py", "")
    write("repo/pkg/layers.py", "import beside\nfrom repo.tools import t\nimport chance\n")
    for name in ("repo/pkg/beside.py", "repo/tools.py", "chance.py"):
        write(name, "")
    Path("above").mkdir()
    found = {path.name for path in sources("repo/pkg/layers.py")}
    assert {"layers.py", "beside.py", "tools.py", "chance.py"} <= found  # the last is in the folder of the package
    write("plain/deep/layers.py", "import chance\n")
    assert {path.name for path in sources("plain/deep/layers.py")} == {"layers.py"}
    assert package_root(Path("plain/deep/layers.py").resolve()) is None
