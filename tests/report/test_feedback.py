"""Feedback for the authors of files: one text each, which says nothing of the others."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradcheck_cli.report.feedback import file_name
from gradcheck_cli.results.result import Place, Verdict
from tests.report.course import HOSTILE, course, hostile, made, report


class Texts(dict[str, str]):
    """A folder that remembers what is written to it."""

    def write(self, name: str, text: str, mark: str) -> None:
        assert name not in self
        assert text.startswith(mark)
        self[name] = text


def texts() -> Texts:
    folder = Texts()
    report("feedback", course(), folder)
    return folder


def test_a_text_for_each_file() -> None:
    written = texts()
    assert list(written) == ["ada--layers.py.txt", "bob--layers.py.txt", "cyd.py.txt", "dan.py.txt", "eve.py.txt"]
    assert (
        written["bob--layers.py.txt"]
        == """\
Feedback of gradcheck on layers.py

FAIL: conv_forward and conv_backward (conv), 1 of 4 cases passed

    dw is 2 times the derivative. Look for a contribution that is added twice.
    [factor]
    layers.py:12, in conv_backward: dw += dw
    dw is wrong in 2 of 9 elements

    The simplest case that shows it: 2x3x5x5 * 2x3x3x3 stride 1 pad 1, float64,
    seed 0; 1 more case fails this way.

    To see it again, in the folder of layers.py:
    convcheck layers.py:conv_forward,conv_backward --N 2

    The cause, with a wrong and a right example:
    gradcheck explain factor

    dw is missing

    The simplest case that shows it: 5x3x5x5 * 2x3x3x3 stride 1 pad 1, float64,
    seed 0.

    To see it again, in the folder of layers.py:
    convcheck layers.py:conv_forward,conv_backward --N 5

(seed 7, gradcheck 1.2, python 3.4, numpy 5.6)
(to install gradcheck: pip install git+https://github.com/convcheck/convcheck)
"""
    )
    assert "pass: conv_forward and conv_backward (conv), 2 of 2 cases passed\n" in written["ada--layers.py.txt"]
    assert "pass: affine_forward and affine_backward (affine), 1 of 1 cases passed\n" in written["ada--layers.py.txt"]
    assert '    g raised IndexError: 7 is out of bounds\n\n    File "layers.py", line 3' in written["cyd.py.txt"]
    assert "ERROR: eve.py\n\n    eve.py is no Python: line 1\n" in written["eve.py.txt"]


def test_no_text_speaks_of_another_file_or_of_the_folder() -> None:
    written = texts()
    for name, text in written.items():
        others = [other.split("--")[0].split(".")[0] for other in written if other != name]
        assert not [other for other in others if other in text]
        assert "/" not in without_url(text)


def without_url(text: str) -> str:
    return text.replace("git+https://github.com/convcheck/convcheck", "")


def test_the_folder_is_left_out_however_the_path_is_written() -> None:
    """A place is relative to the current folder, a traceback has the whole path."""
    for typed, placed in (
        ("./ada/it's.py", "ada/it's.py"),
        ("ada//it's.py", "ada/it's.py"),
        ("../a/it's.py", "/a/it's.py"),
    ):
        whole = Path(os.path.realpath(typed))
        shown = str(whole) if placed.startswith("/") else placed
        place = Place(file=shown, line=3, function="f", statement="x")
        more: dict[str, Any] = {
            "reason": f"{typed}: f raised ({whole}:3)",
            "traceback": f'File "{whole}", line 3',
            "place": place,
        }
        folder = Texts()
        report("feedback", [made(Verdict.ERROR, f"{typed}:f,g", command=None, **more)], folder)
        (text,) = folder.values()
        assert "/" not in without_url(text)
        assert "    it's.py:3, in f: x\n    it's.py: f raised (it's.py:3)\n\n    File \"it's.py\", line 3" in text


def test_the_first_line_counts_what_passed() -> None:
    assert texts()["ada--layers.py.txt"].startswith("Feedback of gradcheck on layers.py: 2 of 2 passed\n")
    assert "install" not in texts()["ada--layers.py.txt"]  # there is nothing to replay
    folder = Texts()
    skipped = made(Verdict.SKIP, "a.py:j,k", reason="so")
    report("feedback", [made(Verdict.PASS, "a.py:f,g"), made(Verdict.FAIL, "a.py:h,i"), skipped], folder)
    assert folder["a.py.txt"].startswith("Feedback of gradcheck on a.py: 1 of 2 passed\n\nFAIL: h and i")


def test_a_quoted_name_is_replaced_in_the_command() -> None:
    for path, own, command in (
        ("of ada/layers.py", "layers.py", "convcheck 'of ada/layers.py:f,g' --N 2"),
        ("it's/my layers.py", "my layers.py", "convcheck 'it'\"'\"'s/my layers.py:f,g' --N 2"),
        ("~ada/layers.py", "layers.py", "convcheck '~ada/layers.py:f,g' --N 2"),
    ):
        folder = Texts()
        report("feedback", [replace(made(Verdict.FAIL, f"{path}:f,g"), command=command)], folder)
        (text,) = folder.values()
        shown = f"'{own}:f,g'" if " " in own else f"{own}:f,g"
        assert f"    convcheck {shown} --N 2\n" in text


def test_names_are_safe_and_differ_whatever_the_paths_are() -> None:
    paths = ["a/b.py", "a--b.py", "a-/b.py", "a/-b.py", "A/b.py", "./a/b.py/", "../a/b.py", "a/b:c.py"]
    paths += ["a/b?c.py", "..", "/", "a/.b.py"]
    paths += [HOSTILE, "x" * 4000, "x" * 4000 + "y", "\u202ea.py", "a\nb.py", "a.module", "-rf.py", "\xe9/\xe9.py"]
    taken: set[str] = set()
    names = [file_name(path, taken) for path in paths]
    assert len({name.lower() for name in names}) == len(paths)
    for name in names:
        assert name.endswith(".txt")
        assert len(name.encode()) < 255
        assert not name.startswith((".", "-"))
        assert not set(name) & set('/\\:*?"<>|\n\x00\x1b\u202e\ud800')
    assert names[0] == "a--b.py.txt"
    assert "a.module.txt" in names
    assert "\xe9--\xe9.py.txt" in names
    alone = [file_name(path, set()) for path in ("a/b.py", "a--b.py", "a/b?c.py", "a/b:c.py")]
    assert len(set(alone)) == 4  # the same in a run of one file as in a run of all


def test_hostile_text_is_shown_without_what_acts_on_a_terminal() -> None:
    folder = Texts()
    report("feedback", hostile(), folder)
    assert len(folder) == 2
    for text in folder.values():
        assert not set(text) & set("\x1b\x00\u202e\ud800\r")
        assert "<script>alert(1)</script>" in text
