"""Markdown, read back by a renderer."""

from __future__ import annotations

import html
import re

from markdown_it import MarkdownIt

from gradcheck_cli.results.result import Verdict
from tests.report.course import HOSTILE, course, hostile, made, report

#: With tables and HTML, as on GitHub.
RENDERER = MarkdownIt("commonmark").enable("table")


def rows(text: str) -> list[list[str]]:
    """Return the text of the cells of each row, without the head."""
    found = re.findall(r"<tr>(.*?)</tr>", RENDERER.render(text), re.DOTALL)
    cells = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in found[1:]]
    return [[html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in cells]


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the language and the content of each code block."""
    return [(token.info, token.content) for token in RENDERER.parse(text) if token.type == "fence"]


def test_a_row_for_each_implementation_the_worst_first() -> None:
    text = report("markdown", course())
    assert "11 cases: 4 passed, 3 failed, 1 inconclusive, 2 raised, 1 skipped in 1.50 s (seed 7, gradcheck 1.2," in text
    assert rows(text) == [
        [
            *("FAIL", "1/4", "conv", "bob/layers.py:conv_forward,conv_backward"),
            "dw is 2 times the derivative [factor] (in 2 of 4 cases; 1 other way)",
        ],
        ["ERROR", "0/1", "conv", "cyd.py:f,g", "g raised IndexError: 7 is out of bounds"],
        ["ERROR", "0/1", "", "eve.py", "eve.py is no Python: line 1"],
        ["INCONCLUSIVE", "0/1", "conv", "dan.py:f,g", "dw could not be judged"],
        ["pass", "2/2", "conv", "ada/layers.py:conv_forward,conv_backward", ""],
        ["pass", "1/1", "affine", "ada/layers.py:affine_forward,affine_backward", ""],
    ]


def test_each_failure_is_folded_with_its_simplest_case() -> None:
    text = report("markdown", course())
    shown = re.findall(r"<summary>(.*?)</summary>", RENDERER.render(text))
    assert shown[0] == (
        "FAIL <code>bob/layers.py:conv_forward,conv_backward</code> (conv): "
        "dw is 2 times the derivative &#91;factor&#93; (2 cases)"
    )
    assert len(shown) == text.count("<details>") == text.count("</details>") == 5
    (why, command, *_) = blocks(text)
    assert why[1].splitlines()[1:] == [
        "dw is 2 times the derivative. Look for a contribution that is added twice. [factor]",
        "bob/layers.py:12, in conv_backward: dw += dw",
        "dw is wrong in 2 of 9 elements",
    ]
    assert command == ("sh", "convcheck bob/layers.py:conv_forward,conv_backward --N 2\n")


def test_hostile_text_is_no_markup() -> None:
    text = report("markdown", hostile())
    tokens = RENDERER.parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or []}
    assert not {kind for kind in kinds if kind.startswith(("link", "em", "image", "code_inline", "hr", "code_block"))}
    assert next(token.content for token in tokens if token.type == "inline") == "gradcheck: FAIL"
    assert sum(token.type == "heading_open" for token in tokens) == 1
    raw = [token.content for token in tokens if token.type == "html_block"]
    raw += [child.content for token in tokens for child in token.children or [] if child.type == "html_inline"]
    tags = set(re.findall(r"</?\w*", "".join(raw)))
    assert tags == {"<code", "</code", "<details", "</details", "<summary", "</summary"}
    assert [language for language, _ in blocks(text)] == ["text", "sh", "text", "sh"]
    assert all("::error::forged" in content for _, content in blocks(text))
    for row in rows(text):
        assert len(row) == 5
        assert "<script>alert(1)</script>" in row[3]
        assert "@\N{ZERO WIDTH SPACE}everyone #\N{ZERO WIDTH SPACE}1 https:\N{ZERO WIDTH SPACE}//evil" in row[4]
    assert not re.search("[\ud800-\udfff\x00\x1b\u202e]", text)
    assert HOSTILE.count("@everyone") == 1


def test_details_stop_where_a_comment_would_be_full() -> None:
    text = report("markdown", [made(Verdict.FAIL, f"{n}.py", reason="x" * 1000) for n in range(300)])
    assert len(rows(text)) == 300
    assert len(text) < 200_000
    text = report("markdown", [made(Verdict.FAIL, "a.py", reason="x" * 400)] * 3)
    assert len(blocks(text)) == 2
    text = report("markdown", [made(Verdict.FAIL, f"{n}.py", reason=f"x{n}" * 100) for n in range(100)])
    details = text.count("<details>")
    assert 0 < details < 100
    assert text.endswith(f"\n{100 - details} more failures are not described here.\n")
    assert len(text) < 65_536
