"""The HTML report in Chromium: it loads nothing, says nothing on the console, and can be used in both schemes."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict
from gradcheck_cli.results.result import Arrays, SmallestFailure
from tests.report.course import DOUBLED, course, hostile, made, report
from tests.report.html.document import parse
from tests.report.html.test_report import ONE, with_arrays

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium, such as of the distribution's packages")

DARK, LIGHT = 0, 1  # as Chromium numbers the schemes


def opened(page: str, folder: Path, scheme: int, width: int, **given: str) -> tuple[dict[str, Any], list[str]]:
    """Open a page, use it, and return what came of it with what the console says.

    The page's own policy stays in force; it allows the script that uses the page beside its own.
    """
    driver = Path(__file__).with_name("driver.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(driver.encode()).digest()).decode()
    data = " ".join(f'data-{name}="{value}"' for name, value in given.items())
    # The quotes of the policy are escaped in its attribute.
    allowed = page.replace("script-src ", f"script-src &#x27;sha256-{digest}&#x27; ")
    driven = allowed.replace("<body>", f"<body {data}>").replace("</body>", f"<script>{driver}</script></body>")
    assert driven.count("<script>") == page.count("<script>") + 1
    file = folder / "page.html"
    file.write_text(driven, encoding="utf-8")
    run = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"),
            *(f"--user-data-dir={folder}/profile", f"--blink-settings=preferredColorScheme={scheme}"),
            *(f"--window-size={width},1000", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    (output,) = [one for one in parse(run.stdout).all("output") if one.attributes.get("id") == "found"]
    found: dict[str, Any] = json.loads(output.text)
    return found, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def test_one_implementation_in_the_dark_on_a_narrow_screen(tmp_path: Path) -> None:
    numeric = np.arange(48.0).reshape(2, 2, 3, 4)
    wrong = numeric >= 24
    arrays = Arrays(analytic=numeric + wrong, numeric=numeric, error_bound=np.zeros(48), wrong=wrong)
    verdicts = [Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.SKIP, Verdict.INCONCLUSIVE]
    results = [made(verdict, ONE, 2 + number, seconds=1 / (1 + number)) for number, verdict in enumerate(verdicts * 2)]
    results[1] = with_arrays(replace(results[1], diagnosis=(DOUBLED,)), arrays)
    page = report("html", results, surveyed=False)
    found, console = opened(page, tmp_path, DARK, 500, sort="seconds", search="FAIL")
    assert console == []
    assert found["background"] == "rgb(17, 22, 29)"
    assert found["contrast"]["contrast"] >= 4.5, found["contrast"]
    assert not found["wider"]
    assert found["aria"] == "ascending"
    assert len(set(found["before"])) == 1  # the dtype
    assert found["filtered"] == 2
    # Of an array (2, 2, 3, 4), whose slices stand side by side.
    assert found["focused"] == "dx[0, 0, 0, 0]  analytic 0  numeric 0  error 0"
    assert found["moved"] == "dx[0, 0, 1, 2]  analytic 6  numeric 6  error 0"
    assert found["pointed"] == "dx[1, 1, 2, 3]  analytic 48  numeric 47  error 1"
    assert found["buttons"]
    assert set(found["buttons"]) == {"Copy"}


def test_a_course_with_hostile_names_in_the_light(tmp_path: Path) -> None:
    smallest = SmallestFailure(failures=2, note=None)
    results = [*course(), *hostile(), made(Verdict.FAIL, "random.py:f,g", smallest=smallest)]
    found, console = opened(report("html", results), tmp_path, LIGHT, 1280, sort="implementation", search="bob/")
    assert console == []
    assert found["background"] == "rgb(255, 255, 255)"
    assert found["contrast"]["contrast"] >= 4.5, found["contrast"]
    assert not found["wider"]
    names = {result.implementation for result in results if result.smallest is None}
    assert len(found["before"]) == len(names)
    assert found["ascending"] != found["before"]
    assert found["descending"] == found["ascending"][::-1]
    assert [name.partition("/")[0] for name in found["ascending"] if "/layers" in name] == ["ada", "ada", "bob"]
    assert found["filtered"] == 1
