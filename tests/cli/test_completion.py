"""Completion: what is offered, and that bash, zsh and fish take it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.cli.completion import complete_code, complete_files, complete_words
from gradcheck_cli.layers import TITLES
from tests.conftest import PROGRAMS, clean_environment, notebook_of
from tests.program import run_program
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

CODE = """\
import nothing_that_is_there


def conv_forward(x): pass
def conv_backward(dout, cache): pass
def _helper(): pass
class Pool:
    def forward(self): pass
print >> "a file for Python 2", x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "two words.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "book.ipynb").write_text(notebook_of(CODE), encoding="utf-8")
    (tmp_path / ".hidden.py").touch()
    (tmp_path / "sub" / "deep.py").write_text(CODE, encoding="utf-8")
    return tmp_path


def values(items: list[CompletionItem]) -> list[str]:
    return [item.value for item in items]


def offered(folder: Path, line: str, shell: str = "bash", breaks: str = " :=") -> list[str]:
    """Ask a program as a shell does."""
    asked = {"_GRADCHECK_COMPLETE": shell, "_GRADCHECK_LINE": line, "_GRADCHECK_BREAKS": breaks}
    run = run_program(line.split(maxsplit=1)[0], [], folder, clean_environment(**asked))
    assert (run.returncode, run.stderr) == (0, "")
    return [text if shell == "fish" else text.split("\t", 1)[1] for text in run.stdout.splitlines()]


def test_words_and_lists_of_them() -> None:
    known = ("float16", "float32", "longdouble")
    for incomplete, listed, expected in (
        ("", True, ["float16", "float32", "longdouble"]),
        ("fl", False, ["float16", "float32"]),
        ("float32,", True, ["float32,float16", "float32,longdouble"]),
        ("float32,long", True, ["float32,longdouble"]),
        ("float32,long", False, []),
        ("x", True, []),
    ):
        assert values(complete_words(incomplete, known, listed=listed)) == expected


def test_files(folder: Path) -> None:
    for incomplete, suffixes, expected in (
        ("", (".py",), ["layers.py", "sub/", "two words.py"]),
        ("", (), ["layers.py", "notes.txt", "sub/", "two words.py"]),
        (".h", (), [".hidden.py"]),
        ("s", (".py",), ["sub/"]),
        ("sub/", (".py",), ["sub/deep.py"]),
        ("./l", (".py",), ["./layers.py"]),
        (f"{folder}/l", (".py",), [f"{folder}/layers.py"]),
        ("none/", (), []),
    ):
        assert values(complete_files(incomplete, suffixes)) == expected


def test_names_in_files_are_read_without_running_them(folder: Path) -> None:
    everything = ["conv_forward,conv_backward", "conv_forward", "conv_backward", "_helper", "Pool"]
    for incomplete, expected in (
        ("layers.py:", everything),
        ("layers.py:P", ["Pool"]),
        ("layers.py:conv_forward,", ["conv_forward,conv_backward", "conv_forward,_helper", "conv_forward,Pool"]),
        ("absent.py:", []),
    ):
        assert values(complete_code(incomplete)) == [f"{incomplete.partition(':')[0]}:{name}" for name in expected]
    assert values(complete_code("sub/")) == ["sub/book.ipynb", "sub/deep.py"]
    assert values(complete_code("sub/book.ipynb:P")) == ["sub/book.ipynb:Pool"]
    assert "conv_forward,conv_backward" not in str(values(complete_code("layers.py:", pairs=False)))
    assert values(complete_code("n", builtin=("fast", "naive"))) == ["naive"]


def test_programs_offer_layers_flags_values_and_files(folder: Path) -> None:
    assert offered(folder, "convcheck ") == ["fast", "naive", "layers.py", "sub/", "two words.py"]
    assert offered(folder, "convcheck --dty") == ["--dtype"]
    assert offered(folder, "convcheck layers.py --show w") == ["worst"]
    assert offered(folder, "convcheck --dtype float64,longdouble,float3") == ["float64,longdouble,float32"]
    assert offered(folder, "convcheck --json n") == ["notes.txt"]
    assert offered(folder, "convcheck --adapter layers.py:_h") == ["_helper"]
    assert offered(folder, "convcheck --jobs ") == ["auto"]
    assert offered(folder, "gradcheck batchnorm --mode train,") == ["train,test"]
    layers = {f"{name}\t{title}" for name, title in TITLES.items() if name.startswith("s")}
    first = set(offered(folder, "gradcheck s", "zsh"))
    assert layers | {"schema\tPrint the JSON Schema of --json and --format json.", "sub/\t"} <= first
    assert offered(folder, "gradcheck sweep conv --plo") == ["--plot"]
    (folder / "old.json").touch()
    assert offered(folder, "gradcheck compare old.json ") == ["old.json", "sub/"]
    assert "--timeout" in offered(folder, "gradcheck --")
    assert offered(folder, "gradcheck layers.py --timeo") == ["--timeout"]
    assert offered(folder, "gradcheck no-such-command ")[0] == "conv"
    assert offered(folder, "gradcheck --no-such-flag layers.py --no-such-flag --dty") == ["--dtype"]


def test_what_a_shell_takes_for_earlier_words_is_left_out(folder: Path) -> None:
    for line, shell, breaks, expected in (
        ("convcheck layers.py:P", "bash", " :=", "Pool"),
        ("convcheck layers.py:P", "bash", " ", "layers.py:Pool"),
        ('convcheck "layers.py:P', "bash", " :=", "layers.py:Pool"),
        ("convcheck layers.py:P", "zsh", "", "layers.py:Pool\t"),
        ("convcheck --dtype=l", "bash", " :=", "longdouble"),
        ("convcheck --dtype=l", "zsh", "", "--dtype=longdouble\t"),
        ("convcheck --dtype=l", "fish", "", "--dtype=longdouble\t"),
        (r"convcheck two\ w", "bash", " :=", "two words.py"),
    ):
        assert offered(folder, line, shell, breaks) == [expected]


#: How each shell is started without anybody's settings, and told to complete arguments.
SHELLS = {
    "bash": ("bash --norc --noprofile -i", 'eval "$(gradcheck completion bash)"'),
    "zsh": ("zsh -f -i", 'autoload -U compinit; compinit -u -D; bindkey -e; eval "$(gradcheck completion zsh)"'),
    "fish": ("fish --no-config -i", "gradcheck completion fish | source"),
}

#: What is typed before Tab is pressed, and the words that are there then.
TYPED = {
    "convcheck lay": ["convcheck", "layers.py"],
    "convcheck layers.py:conv_forward,conv": ["convcheck", "layers.py:conv_forward,conv_backward"],
    "gradcheck relu two": ["gradcheck", "relu", "two words.py"],
    "gradcheck sub/d": ["gradcheck", "sub/deep.py"],
    "convcheck --dtype=float16,long": ["convcheck", "--dtype=float16,longdouble"],
    "gradcheck completion fi": ["gradcheck", "completion", "fish"],
}


@pytest.mark.parametrize("shell", one_in(3, SHELLS))
def test_real_shells_complete(folder: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command, setup = SHELLS[shell]
    environment = clean_environment(PATH=f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", TERM="dumb", HOME=str(folder))
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command.split()[0], command.split(), environment)
    try:
        os.write(terminal, f"{setup}\nprintf '(%s)' rea''dy\n".encode())
        read_until(terminal, "(ready)")
        if shell == "bash":  # the slash of a folder is shown once
            (folder / "slow").mkdir()
            os.write(terminal, b"gradcheck conv s\t\t")
            assert "slow//" not in read_until(terminal, "sub/")
            os.write(terminal, b"\x15")
        for typed, words in TYPED.items():
            # Tab, to the start of the line, and print its words instead of running it.
            os.write(terminal, f"{typed}\t\x01printf '(%s)' \x05 e''nd\n".encode())
            found = re.findall(r"\(([^()%]*)\)", read_until(terminal, "(end)"))
            assert found[-1 - len(words) :] == [*words, "end"], typed
    finally:
        os.kill(process, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(process, 0)


def read_until(terminal: int, mark: str, seconds: float = 30) -> str:
    text, deadline = "", time.monotonic() + seconds
    while mark not in text:
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 2**16).decode(errors="replace")
    return text
