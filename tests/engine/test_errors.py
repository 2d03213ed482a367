"""What ended a case is the user's code, the user's sizes, or a bug in the checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck_cli
from gradcheck_cli import ConvCase
from gradcheck_cli.engine.errors import ErrorReport, describe_error
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, Duty, Verdict


def report_of(code: str, file: str, **values: Any) -> ErrorReport:
    """Run code as if it came from a file, and report what it raises."""
    try:
        exec(compile(code, file, "exec"), values)
    except BaseException as error:  # noqa: BLE001  # any
        return describe_error(error)
    raise AssertionError("nothing was raised")


OURS = str(Path(gradcheck_cli.__file__).parent / "checks" / "check.py")
REFERENCE = str(Path(gradcheck_cli.__file__).parent / "layers" / "affine.py")
THEIRS = "/home/me/layers.py"


@pytest.mark.parametrize(
    ("code", "file", "reason"),
    [
        ("raise ValueError('v')", THEIRS, "the implementation raised ValueError: v"),
        ("raise SystemExit(3)", OURS, "the implementation raised SystemExit: 3"),
        ("raise MemoryError", OURS, "there is not enough memory"),
        ("raise OSError(24, 'f')", OURS, "the system refuses what the checker needs: Too many open files"),
        ("raise OSError(24, 'f')", THEIRS, "the implementation raised OSError: [Errno 24] f"),
        ("raise RecursionError", OURS, "what the implementation returned is nested too deeply"),
        ("np.zeros(2**62)", OURS, "arrays of these sizes cannot be made (ValueError: "),
        ("np.zeros((2**62, 2**62))", OURS, "arrays of these sizes cannot be made (ValueError: "),
        ("raise Missing('no such')", OURS, "no such"),
    ],
)
def test_what_is_no_bug(code: str, file: str, reason: str) -> None:
    found = report_of(code, file, np=np, Missing=ImplementationNotFoundError)
    assert found.reason.startswith(reason)
    assert found.bug is None


def test_a_bug() -> None:
    found = report_of("raise ValueError('\x1b[2Jv')", OURS)
    assert found.reason == "a bug in the checker: ValueError: v"
    assert found.bug is not None
    assert OURS in found.bug
    assert "\x1b" not in found.bug


def test_a_result_is_cleaned_in_every_text() -> None:
    class Own(np.ndarray):
        pass

    odd = "\x1b[2Jodd\udcff" + " " * 50_000 + "x" * 50_000
    array = ArrayResult(
        name="dx",
        verdict=Verdict.FAIL,
        reason=odd,
        shape=None,
        expected_shape=(2,),
        dtype=odd,
        max_rel_error=None,
        max_abs_error=None,
        scaled_error=None,
        tolerance=100.0,
        floor=None,
        worst=None,
        wrong=None,
        method="colored",
        evaluations=1,
    )
    result = CaseResult(
        implementation="\x1b[2Jname",
        layer="conv",
        case=ConvCase(),
        verdict=Verdict.FAIL,
        reason=odd,
        forward=array,
        gradients={odd: array},
        duties={"finite": Duty(verdict=Verdict.FAIL, reason=odd)},
        diagnosis=(Diagnosis(code="c", text=odd),),
        traceback=odd,
        understood=odd,
        warnings=(odd,),
        arrays={"x": np.zeros(2).view(Own), "out": np.array([None])},
    )
    cleaned = sanitize(result)
    (gradient,) = cleaned.gradients.values()
    assert cleaned.forward is not None
    texts = [
        cleaned.implementation,
        cleaned.reason,
        cleaned.traceback,
        cleaned.understood,
        *cleaned.warnings,
        *cleaned.gradients,
        gradient.reason,
        gradient.dtype,
        cleaned.forward.reason,
        cleaned.duties["finite"].reason,
        cleaned.diagnosis[0].text,
    ]
    for text in texts:
        assert text is not None
        assert text.isprintable()
        assert len(text) < 2100
    assert type(cleaned.arrays["x"]) is np.ndarray
    assert list(cleaned.arrays) == ["x"]
    assert sanitize(cleaned) == cleaned
