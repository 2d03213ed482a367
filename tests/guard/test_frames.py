"""Whose code a frame is, and what is shown of a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gradcheck_cli
from gradcheck_cli.guard.crash import crash_stack, main_stack
from gradcheck_cli.guard.frames import describe_user_stack, format_user_frames, raised_by_user

PACKAGE = Path(gradcheck_cli.__file__).parent
CHILD = (str(PACKAGE / "guard" / "child.py"), 40, "serve")
CHECK = (str(PACKAGE / "checks" / "check.py"), 80, "check_case")
LAYER = (str(PACKAGE / "layers" / "conv_naive.py"), 30, "conv_forward_naive")
NUMPY = (str(Path(np.__file__).parent / "_core" / "numeric.py"), 1, "tensordot")
STANDARD = (json.__file__, 1, "loads")


def caught(function: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as info:  # noqa: PT011  # any
        function()
    return info.value


def test_library_frames_are_left_out_and_the_message_stays() -> None:
    for function in (lambda: np.linalg.inv(np.zeros((2, 2))), lambda: json.loads("nope")):
        shown = format_user_frames(caught(function)) or ""
        assert "linalg" not in "".join(line for line in shown.splitlines() if line.startswith("  File"))
        assert "decoder.py" not in shown
        assert shown.splitlines()[-1].startswith(("LinAlgError: Singular matrix", "JSONDecodeError: Expecting value"))


def test_long_messages_and_deep_stacks_are_cut() -> None:
    def deep(count: int) -> None:
        if count:
            deep_again(count - 1)
        raise ValueError("x" * 10**6)

    def deep_again(count: int) -> None:
        deep(count)

    shown = format_user_frames(caught(lambda: deep(100))) or ""
    assert len(shown.splitlines()) <= 22
    assert max(map(len, shown.splitlines())) < 300
    assert "left out" in shown


def test_who_raised() -> None:
    assert raised_by_user(caught(lambda: 1 / 0))
    assert raised_by_user(caught(lambda: json.loads("nope")))
    code = compile("def f(): raise ValueError", str(PACKAGE / "checks" / "x.py"), "exec")
    namespace: dict[str, Callable[[], object]] = {}
    exec(code, namespace)
    assert not raised_by_user(caught(namespace["f"]))


def test_lines_are_quoted_of_the_implementation_alone(tmp_path: Path) -> None:
    ours, other = tmp_path / "layers.py", tmp_path / "secret"
    for file in (ours, other):
        file.write_text(f"line of {file.name}\n")
    stack = [CHECK, (str(ours), 1, "f"), (str(other), 1, "g"), NUMPY]
    lines, called, innermost = describe_user_stack(stack, {str(ours)})
    assert (called, innermost) == ("f", (str(other), 1, "g"))
    assert lines is not None
    assert "line of layers.py" in lines
    assert "line of secret" not in lines
    assert f'"{other}", line 1, in g' in lines
    assert describe_user_stack([CHECK]) == (None, None, None)


CRASH = b"""Fatal Python error: Segmentation fault

Thread 0x00000002 (most recent call first):
  File "/a/other.py", line 7 in wait

Current thread 0x00000001 (most recent call first):
  File "/a/layers.py", line 5 in backward
  File "/a/layers.py", line 9 in outer

Extension modules: numpy (total: 1)
"""


def test_reports_of_the_fault_handler_are_read() -> None:
    stack = [("/a/layers.py", 9, "outer"), ("/a/layers.py", 5, "backward")]
    assert crash_stack(CRASH) == stack
    assert crash_stack(b"") == []
    asked = CRASH.partition(b"\n\n")[2].partition(b"\n\nExt")[0]
    assert main_stack(asked) == stack
    assert crash_stack(asked) == []
