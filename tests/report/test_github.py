"""Annotations for GitHub, read back as its runner reads a log."""

from __future__ import annotations

from pathlib import Path

from gradcheck_cli.layers.conv.conv import ConvCase
from gradcheck_cli.results.result import Verdict
from tests.report.course import course, hostile, made, report


def commands(log: str) -> list[tuple[str, dict[str, str], str]]:
    """Return name, properties and message of the commands in a log, as actions/runner's `ActionCommand` reads them."""
    found = []
    for line in log.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        stripped = line.lstrip()
        if stripped.startswith("::") and "::" in stripped[2:]:
            head, _, message = stripped[2:].partition("::")
            name, _, rest = head.partition(" ")
            pairs = (pair.split("=", 1) for pair in rest.strip().split(",") if pair)
            found.append((name, {key: unescaped(value, ":,") for key, value in pairs}, unescaped(message)))
        elif "##[" in line and "]" in line.partition("##[")[2]:
            found.append((line.partition("##[")[2].partition("]")[0], {}, ""))
    return found


def unescaped(text: str, more: str = "") -> str:
    for char in f"\r\n{more}%":
        text = text.replace(f"%{ord(char):02X}", char)
    return text


def test_each_failure_is_annotated_once_the_worst_first() -> None:
    found = commands(report("github", course()))
    assert [name for name, _, _ in found] == ["error", "error", "error", "error", "warning", "notice"]
    assert [properties["title"] for _, properties, _ in found] == [
        "dw is 2 times the derivative [factor]",
        "dw is missing",
        "g raised IndexError: 7 is out of bounds",
        "eve.py is no Python: line 1",
        "dw could not be judged",
        "gradcheck",
    ]
    (_, first, message), *others = found
    assert first["file"] == str(Path("bob/layers.py").absolute())
    assert first["line"] == "12"
    assert message.splitlines() == [
        "dw is 2 times the derivative. Look for a contribution that is added twice. [factor]",
        "bob/layers.py:12, in conv_backward: dw += dw",
        "dw is wrong in 2 of 9 elements",
        f"bob/layers.py:conv_forward,conv_backward in 2 cases, such as {ConvCase(N=2).label()}, float64, seed 0",
        "replay: convcheck bob/layers.py:conv_forward,conv_backward --N 2",
    ]
    assert not any("file" in properties or "line" in properties for _, properties, _ in others)
    assert others[-1][-1] == "11 cases: 4 passed, 3 failed, 1 inconclusive, 2 raised, 1 skipped in 1.50 s"


def test_the_table_comes_first() -> None:
    table, github = report("table", course()), report("github", course())
    assert github.startswith(table)
    assert github.removeprefix(table).startswith("::error ")


def test_ten_are_annotated_and_the_rest_is_counted() -> None:
    found = commands(report("github", [made(Verdict.FAIL, f"{n}.py") for n in range(12)]))
    assert [name for name, _, _ in found] == ["error"] * 10 + ["notice"]
    assert found[-1][-1] == "12 cases failed in 1.50 s; 2 more failures are not annotated"


def test_nothing_is_annotated_where_nothing_failed() -> None:
    assert commands(report("github", [made(Verdict.PASS, "a.py"), made(Verdict.SKIP, "b.py")])) == []


def test_user_text_makes_no_command() -> None:
    found = commands(report("github", hostile()))
    assert [name for name, _, _ in found] == ["error", "error", "notice"]
    assert all(properties.keys() <= {"file", "line", "title"} for _, properties, _ in found)
    assert "::error::forged" in found[0][2]
    assert found[0][1]["title"].startswith("=1+1]]>|`x`<script>alert(1)</script>``` ::error::forged # Title %0A")
    lines = [made(Verdict.ERROR, "a.py", reason="x", traceback=f"x\n{space}::error::y") for space in ("", "  ", "\xa0")]
    assert [name for name, _, _ in commands(report("github", lines))] == ["error", "notice"]
