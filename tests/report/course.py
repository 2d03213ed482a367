"""Results of a small course, some with text that means something to each format, and reports of them."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

from gradcheck_cli.layers.conv.conv import ConvCase
from gradcheck_cli.layers.dense.affine import AffineCase
from gradcheck_cli.layers.framework.case import NoCase
from gradcheck_cli.report.formats import FORMATS, DisplayOptions, make_report
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, Place, Verdict
from gradcheck_cli.results.run import Run, Summary

#: What a name or a message may hold that one of the formats takes for its own.
HOSTILE = (
    "=1+1]]>|`x`<script>alert(1)</script>```\n::error::forged\n\n# Title\n%0A\r\n\x1b[31m\x00\u202e&amp;'\"##[error]"
    "~~~</details> @everyone #1 https://evil.test *b* _i_ [a](b) \\ \ud800\ufffe\N{GRINNING FACE}"
)
DOUBLED = Diagnosis(code="factor", text="dw is 2 times the derivative. Look for a contribution that is added twice.")
PLACE = Place(file="bob/layers.py", line=12, function="conv_backward", statement="dw += dw")


def made(verdict: Verdict, implementation: str, size: int = 2, **more: Any) -> CaseResult:
    """Make a result in which dw has the verdict."""
    reason = None if verdict is Verdict.PASS else more.pop("reason", f"dw is wrong in {size} of 9 elements")
    shape = None if reason == "dw is missing" else (9,)
    array = ArrayResult(
        name="dw", verdict=verdict, reason=reason, shape=shape, expected_shape=(9,), dtype="float64", tolerance=100.0
    )
    known: dict[str, Any] = {
        "layer": "conv",
        "case": ConvCase(N=size),
        "command": f"convcheck {implementation} --N {size}",
        "seconds": 0.25,
    }
    return CaseResult(
        implementation=implementation, verdict=verdict, reason=reason, gradients={"dw": array}, **{**known, **more}
    )


def course() -> list[CaseResult]:
    """Return results of every kind: six implementations in five files, two of them of the same name."""
    ada, bob = "ada/layers.py:conv_forward,conv_backward", "bob/layers.py:conv_forward,conv_backward"
    affine = AffineCase(N=3)
    raised: dict[str, Any] = {"reason": "g raised IndexError: 7\nis out of bounds"}
    raised["traceback"] = 'File "layers.py", line 3, in g'
    return [
        made(Verdict.PASS, ada, 2),
        made(Verdict.PASS, ada, 3),
        made(Verdict.SKIP, ada, 4, reason="the kernel does not fit"),
        made(Verdict.PASS, "ada/layers.py:affine_forward,affine_backward", layer="affine", case=affine),
        made(Verdict.FAIL, bob, 3, diagnosis=(DOUBLED,), place=PLACE),
        made(Verdict.FAIL, bob, 2, diagnosis=(DOUBLED,), place=PLACE),
        made(Verdict.FAIL, bob, 5, reason="dw is missing"),
        made(Verdict.PASS, bob, 6),
        made(Verdict.ERROR, "cyd.py:f,g", **raised, output="printed"),
        made(Verdict.INCONCLUSIVE, "dan.py:f,g", reason="dw could not be judged"),
        made(Verdict.ERROR, "eve.py", layer="", case=NoCase(), reason="eve.py is no Python: line 1", command=None),
    ]


def hostile() -> list[CaseResult]:
    """Return results with hostile text in every place where text of user code can be."""
    place = Place(file=HOSTILE, line=1, function=HOSTILE, statement=HOSTILE)
    more: dict[str, Any] = {"reason": HOSTILE, "traceback": HOSTILE, "output": HOSTILE, "understood": HOSTILE}
    more |= {"command": f"convcheck {HOSTILE}", "warnings": (HOSTILE,)}
    cause = Diagnosis(code="own-function", text=HOSTILE)
    return [
        made(Verdict.FAIL, HOSTILE, **more, diagnosis=(cause,), place=place),
        made(Verdict.ERROR, f"other {HOSTILE}", **more),
    ]


def run_of(results: list[CaseResult], **more: Any) -> tuple[Run, Summary]:
    """Return what is known before and after a run with these results."""
    counts = Counter(result.verdict for result in results if result.smallest is None)
    versions = {"gradcheck": "1.2", "python": "3.4", "numpy": "5.6"}
    known: dict[str, Any] = {"program": "gradcheck", "argv": ("x",), "seed": 7, "cases": counts.total()}
    run = Run(**{**known, "versions": versions, "implementations": 6, "surveyed": True, **more})
    return run, Summary(counts={verdict: counts[verdict] for verdict in Verdict}, seconds=1.5)


def report(name: str, results: list[CaseResult], target: Any = None, **more: Any) -> str:
    """Return what a format makes of results, or write it to a target."""
    stream = io.StringIO(newline="") if target is None else target
    run, summary = run_of(results, **more)
    (form,) = (one for one in FORMATS if one.name == name)
    made = make_report(form, run, stream, DisplayOptions(show="grades", width=100))
    for result in results:
        made.add(result)
    made.finish(summary)
    return stream.getvalue() if target is None else ""
