"""Checks code in any form: right as it is, and with one thing replaced that makes it wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.examine import examine
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.program import run_program

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case

#: Cases that are checked of what is found: a form that fits some fits all.
_MOST = 2


class Outcome(NamedTuple):
    """The verdict on a case, and why."""

    verdict: Verdict
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Form:
    """Code in some form, how it must be understood, and what makes it wrong."""

    shows: str = ""  #: the forms in `table.FORMS` that it is a sample of, by their keys, separated by spaces
    text: str | Mapping[str, str]  #: of a file, after `import numpy as np`; or of several by their names, as they are
    wrong: tuple[str, str] = ("", "")  #: what to replace, and by what
    layer: str = ""  #: "function" for what is of no known layer; "" for any, found as `gradcheck FILE.py` finds it
    asked: bool = False  #: whether the layer is named, as in `gradcheck LAYER FILE.py`
    understood: tuple[str, ...] = ()  #: words of the header
    folder: bool = False  #: whether `gradcheck FOLDER` checks the files together
    names: str = ""  #: what is checked in the file; by default what is found
    first: int = 0  #: the number of the first case that is checked
    most: int = _MOST  #: how many are
    passed: int = 0  #: how many of the first cases pass, while the others are skipped; 0 for any number but none
    wrong_verdicts: frozenset[Verdict] = field(default_factory=lambda: frozenset({Verdict.FAIL}))

    def assert_understood(self, folder: Path) -> None:
        """Assert that the right code passes, and that the wrong one does not."""
        convention, found = self.results(folder / "right.py")
        verdicts = [result.verdict for result in found]
        assert set(verdicts) <= {Verdict.PASS, Verdict.SKIP}, [result.reason for result in found]
        assert verdicts.count(Verdict.PASS) == self.passed or not self.passed, [result.reason for result in found]
        assert Verdict.PASS in verdicts, [result.reason for result in found]
        for words in self.understood:
            assert words in convention
        convention, outcomes = self._outcomes(folder / "wrong.py", *self.wrong)
        assert any(outcome.verdict in self.wrong_verdicts for outcome in outcomes), convention

    def results(self, path: Path, old: str = "", new: str = "") -> tuple[str, list[Outcome]]:
        """Return how code is understood, and the results of the first cases of all that is found.

        Args:
            path: where to write it; of several files, their folder but for the suffix.
            old: what to replace in it.
            new: by what.
        """
        convention, outcomes = self._outcomes(path, old, new)
        return convention, [*outcomes]

    def _outcomes(self, path: Path, old: str, new: str) -> tuple[str, Iterable[Outcome]]:
        """Return the same, each case checked when it is asked for."""
        several = not isinstance(self.text, str)
        texts = {path.name: f"import numpy as np\n\n\n{self.text}"} if isinstance(self.text, str) else self.text
        assert any(old in text for text in texts.values())
        folder = path.with_suffix("") if several else path.parent
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text.replace(old, new) if old else text, encoding="utf-8")
        if self.folder:
            return "", self._of_folder(folder)
        spec = str(folder / (next(iter(texts)) if several else path.name))
        found = [*self._implementations(f"{spec}:{self.names}" if self.names else spec)]
        assert found, f"nothing is found in {spec}"
        checked = (
            Outcome((result := check_case(case, implementation, Settings())).verdict, result.reason)
            for implementation, cases in found
            for case in islice(cases, self.first, self.first + self.most)
        )
        return "; ".join(implementation.convention for implementation, _ in found), checked

    def _of_folder(self, folder: Path) -> list[Outcome]:
        """Return the results of the program."""
        run = run_program("gradcheck", [folder.name, "--json", "-"], folder.parent, dict(os.environ))
        results = json.loads(run.stdout)["results"]
        assert {result["layer"] for result in results} == {self.layer}
        return [Outcome(Verdict(result["verdict"]), result["reason"]) for result in results]

    def _implementations(self, spec: str) -> Iterator[tuple[Implementation, Iterable[Case]]]:
        if self.layer and self.asked:
            yield find(spec, LAYERS[self.layer]), LAYERS[self.layer].standard()
            return
        loader = Loader()
        for offer in take_inventory(spec, loader).offers:
            if not (one := examine(offer, loader)):
                continue
            assert not one.reason, one.reason
            assert self.layer in ("", one.layer), f"it is taken for {one.layer}"
            case = one.cases[0] if one.cases else None
            found = find(offer.spec, LAYERS[one.layer], loader=loader, case=case)
            yield found, one.cases or LAYERS[one.layer].standard()
