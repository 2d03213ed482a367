"""`gradcheck explain`: what is shown of a code, of all, and of one that does not exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcheck_cli.checks.diagnosis.reference import by_code, entries

if TYPE_CHECKING:
    from tests.conftest import Program


def test_a_code_is_described_with_its_example(gradcheck: Program) -> None:
    done = gradcheck("explain", "[Crop-Empty]")  # as a report shows it, or as someone types it
    assert (done.returncode, done.stderr) == (0, "")
    entry = by_code()["crop-empty"]
    assert " ".join(done.stdout.split()) == " ".join(
        f"crop-empty: {entry.brief} {entry.meaning} Where it shows: {entry.shows} Wrong {entry.wrong} "
        f"Right {entry.right}".split()
    )
    assert f"\n    {entry.wrong}\n" in done.stdout
    assert not re.search(r" \n|\x1b", done.stdout)
    assert "The same holds for cotangent-ones, cotangent-mean and cotangent-first." in (
        gradcheck("explain", "cotangent-sum").stdout
    )


def test_all_codes_have_a_line(gradcheck: Program) -> None:
    done = gradcheck("explain")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for entry in entries():
        for code in entry.codes:
            assert [line.split(maxsplit=1) for line in lines].count([code, entry.brief]) == 1


def test_text_wraps_at_words_and_code_does_not(gradcheck: Program) -> None:
    narrow = {"COLUMNS": "50"}
    for words in ((), ("variance-path",)):
        done = gradcheck("explain", *words, env=narrow)
        lines = done.stdout.splitlines()
        assert len(lines) > 15
        assert all(len(line) <= 50 or line.startswith("    dx = (g") for line in lines), words


def test_an_unknown_code_is_refused_with_those_like_it(gradcheck: Program) -> None:
    for typed, said in (
        ("crop-emtpy", "Is it crop-empty"),
        ("flip", "Is it kernel-flipped?"),
        ("qqqq", "`gradcheck explain` lists all"),
        ("\x1b[31m", r"'\x1b[31m'"),
    ):
        done = gradcheck("explain", typed)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "\x1b" not in done.stderr


def test_help_names_the_command(gradcheck: Program) -> None:
    assert "explain" in gradcheck("--help").stdout
    assert "CODE" in gradcheck("explain", "--help").stdout
