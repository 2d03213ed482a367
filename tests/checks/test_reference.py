"""The examples of `gradcheck explain` are real: in a layer the wrong one has its code, and the right one passes."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docs.diagnoses import markdown
from gradcheck_cli import Verdict, check
from gradcheck_cli.checks.diagnosis.reference import KINDS, by_code, entries, near
from gradcheck_cli.checks.settings import DUTIES
from gradcheck_cli.layers import LAYERS
from tests.checks.cause_layers import FILES
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.checks.diagnosis.reference import Entry

DOCUMENT = Path(__file__).parents[2] / "docs" / "diagnoses.md"

#: Entries whose examples are lines of whole layers.
CHECKED = [entry for entry in entries() if entry.layer]


def with_example(entry: Entry) -> tuple[str, range]:
    """Return the file with the layer of an entry, the wrong example in place of the right one, and its lines."""
    start = f"def {entry.layer.replace('-', '_')}_"
    for text in FILES:
        for indent in range(4, 24, 4):
            right, wrong = (textwrap.indent(lines, " " * indent) + "\n" for lines in (entry.right, entry.wrong))
            if start in text and f"\n{right}" in text:
                before, _, after = text.rpartition(f"\n{right}")  # where forward has the line too, that in backward
                line = before.count("\n") + 2
                return f"{before}\n{wrong}{after}", range(line, line + wrong.count("\n"))
    raise AssertionError(f"no {entry.layer} has\n{entry.right}")


def functions_of(text: str, layer: str, file: str) -> Any:
    """Run a file, and return the functions of a layer."""
    names: dict[str, Any] = {}
    exec(compile(text, file, "exec"), names)
    stem = layer.replace("-", "_")
    return tuple(names[name] for name in names if re.match(f"{stem}_(forward|backward|loss)", name))


@in_parts(6)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_wrong_example_has_its_code_and_no_other_line_is_blamed(part: int, tmp_path: Path) -> None:
    assert len(CHECKED) >= 90
    statements = 0
    for number, entry in enumerate(CHECKED[part::6]):
        (text, lines), file = with_example(entry), tmp_path / f"{number}.py"
        file.write_text(text, encoding="utf-8")
        functions, found = functions_of(text, entry.layer, str(file)), set[str]()
        for case in LAYERS[entry.layer].standard():
            result = check(case, functions, skipped_duties=DUTIES)
            found |= {cause.code for cause in result.diagnosis}
            if result.verdict is Verdict.FAIL and entry.codes[0] != "exp-overflow":  # found where exp is called
                assert result.place is not None, entry
                statements += result.place.statement is not None
                assert result.place.statement is None or result.place.line in lines, (entry, result.place)
            if entry.codes[0] in found:
                break
        assert entry.codes[0] in found, entry
    assert statements >= 7


@in_parts(3)
def test_the_layers_around_the_examples_pass(part: int) -> None:
    for text in FILES[part::3]:
        for layer in sorted({entry.layer for entry in CHECKED}):
            if functions := functions_of(text, layer, "layers.py"):
                results = [check(case, functions) for case in list(LAYERS[layer].standard())[:1]]
                assert {result.verdict for result in results} <= {Verdict.PASS, Verdict.SKIP}, (layer, results)
                assert not any(result.diagnosis for result in results), (layer, results)


def test_all_examples_compile_and_differ() -> None:
    for entry in entries():
        assert bool(entry.wrong) == bool(entry.right) == (entry.kind != "verdict"), entry
        if entry.wrong:
            wrong, right = (
                ast.parse(f"{one}\n    pass" if one[-1] == ":" else one) for one in (entry.wrong, entry.right)
            )
            assert ast.dump(wrong) != ast.dump(right), entry
            assert max(text.count("\n") for text in (entry.wrong, entry.right)) < 8, entry


def test_texts_are_whole_sentences() -> None:
    for entry in entries():
        assert entry.kind in KINDS
        assert entry.meaning[-1] == ".", entry
        assert entry.shows[-1:] in (".", ""), entry
        assert entry.brief[-1] != "." or entry.brief.endswith("..."), entry
        assert len(entry.brief) <= 140, entry
        assert re.fullmatch(r"[\x20-\x7e]+", entry.brief + entry.meaning + entry.shows), entry


def test_duties_and_verdicts_are_those_that_there_are() -> None:
    assert [code for entry in entries() if entry.kind == "duty" for code in entry.codes] == list(DUTIES)
    described = {code for entry in entries() if entry.kind == "verdict" for code in entry.codes}
    assert described == {Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.SKIP}
    assert sum(len(entry.codes) for entry in entries()) == len(by_code())


def test_near_codes() -> None:
    assert near("crop") == ["crop-empty", "crop-missing", "crop-fixed", "crop-wrong-side", "crop-square"]
    assert near("kernel-rotatd")[0] == "kernel-rotated"
    assert near("qqqq") == []
    assert near("") == []


def test_the_document_is_written_from_the_same_entries() -> None:
    hint = "write it anew: python -m docs.write"
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(), hint
