"""The JSON report: strict, and as its schema says."""

from __future__ import annotations

import io
import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from gradcheck_cli import ConvCase, Verdict, __version__, check
from gradcheck_cli.cli.recorded import read_report
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.json import MANY_CASES, SCHEMA_VERSION, JsonReport, schema
from gradcheck_cli.results.encoding import plain
from gradcheck_cli.results.result import Place
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.results.signature import FailureSignature
from tests.conftest import SMALL, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli import CaseResult
    from gradcheck_cli.numeric.arrays import Array
    from tests.conftest import LayerFile, Program

    Gradients = tuple[Any, ...]

CASE = ConvCase(N=1, C=2, H=3, W=4, F=2, stride=(1, 2))

ARRAY_KEYS = {
    "verdict",
    "reason",
    "shape",
    "expected_shape",
    "dtype",
    "max_rel_error",
    "max_abs_error",
    "scaled_error",
    "tolerance",
    "worst",
    "wrong",
    "method",
    "evaluations",
}
RESULT_KEYS = {
    "implementation",
    "layer",
    "case",
    "verdict",
    "reason",
    "forward",
    "gradients",
    "duties",
    "diagnosis",
    "command",
    "seconds",
}
CASE_KEYS = ["N", "C", "H", "W", "F", "HH", "WW", "stride", "pad", "dilation", "groups", "dtype", "seed"]
SUMMARY_KEYS = {"verdict", "cases", "pass", "fail", "inconclusive", "error", "skip", "seconds"}


def spoiled(spoil: Callable[..., Gradients]) -> Callable[[Array, Any], Gradients]:
    return lambda dout, cache: spoil(*conv_backward_naive(dout, cache))


def doubled(dx: Array, dw: Array, db: Array) -> Gradients:
    return dx, 2 * dw, db


def cropped(dx: Array, dw: Array, db: Array) -> Gradients:
    return dx[:, :, 1:], dw, db


def missing(dx: Array, dw: Array, db: Array) -> Gradients:
    return dx, None, db


def with_nan(dx: Array, dw: Array, db: Array) -> Gradients:
    return np.full_like(dx, np.nan), np.full_like(dw, np.inf), db


def raising(dx: Array, dw: Array, db: Array) -> Gradients:
    raise ValueError("out of order")


def blind(x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> tuple[Array, Any]:
    out, cache = conv_forward_naive(x, w, b, conv_param)
    return (out if x.dtype == np.float16 else np.full_like(out, np.nan)), cache


KINDS: dict[str, Callable[[], CaseResult]] = {
    "pass": lambda: check(CASE, "naive", repeat=3),
    "wrong values": lambda: check(CASE, (conv_forward_naive, spoiled(doubled))),
    "wrong shape": lambda: check(CASE, (conv_forward_naive, spoiled(cropped))),
    "missing": lambda: check(CASE, (conv_forward_naive, spoiled(missing))),
    "NaN": lambda: check(CASE, (conv_forward_naive, spoiled(with_nan))),
    "raised": lambda: check(CASE, (conv_forward_naive, spoiled(raising))),
    "skip": lambda: check(ConvCase(H=1, HH=9), "naive"),
    "inconclusive": lambda: check(ConvCase(N=1, C=1, F=1, dtype="float16"), (blind, conv_backward_naive)),
}

#: The verdict on each kind; on the others it is fail.
VERDICTS = {"pass": "pass", "raised": "error", "skip": "skip", "inconclusive": "inconclusive"}


@cache
def result(kind: str) -> CaseResult:
    return KINDS[kind]()


def written(
    *found: CaseResult, interrupted: bool = False, cases: int | None = None, verbose: bool = False
) -> dict[str, Any]:
    """Write a report of these results, and read it as strictly as can be."""
    run = Run(
        program="convcheck",
        argv=("layers.py", "--N", "2"),
        seed=3,
        cases=cases or len(found),
        implementations=2,
        versions={"convcheck": "1.2", "python": "3.4", "numpy": "5.6"},
    )
    stream = io.StringIO()
    report = JsonReport(run, stream, DisplayOptions(verbose=verbose))
    for each in found:
        report.add(each)
    report.finish(Summary.of((each.verdict for each in found), seconds=0.5, interrupted=interrupted))
    read: dict[str, Any] = json.loads(stream.getvalue(), parse_constant=_refuse)
    return read


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def validate(report: object) -> None:
    Draft202012Validator(json.loads(schema())).validate(report)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(schema()))
    assert json.loads(schema())["properties"]["schema_version"] == {"const": SCHEMA_VERSION}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_result_is_as_the_schema_says(name: str) -> None:
    report = written(result(name))
    validate(report)
    entry, verdict = report["results"][0], VERDICTS.get(name, "fail")
    assert entry["verdict"] == report["summary"]["verdict"] == verdict
    assert {key: report["summary"][key] for key in Verdict} == {key: int(key == verdict) for key in Verdict}
    assert entry.keys() >= RESULT_KEYS
    assert list(entry["case"]) == CASE_KEYS
    assert entry.get("repetition", {}).get("calls") == (3 if name == "pass" else None)
    assert (entry["reason"] is None) == (entry["verdict"] == "pass")
    assert entry["reason"] == result(name).reason
    arrays = [*([entry["forward"]] if entry["forward"] else []), *entry["gradients"].values()]
    assert all(array.keys() >= ARRAY_KEYS for array in arrays)
    if entry["verdict"] != "skip":
        assert list(entry["gradients"]) == ["dx", "dw", "db"]


def test_a_report_says_what_was_run() -> None:
    report = written(*map(result, KINDS))
    validate(report)
    assert report.keys() >= {"schema_version", "tool", "argv", "seed", "summary", "results"}
    assert report["tool"] == {"name": "convcheck", "version": "1.2", "python": "3.4", "numpy": "5.6"}
    assert (report["argv"], report["seed"]) == (["layers.py", "--N", "2"], 3)
    assert report["summary"].keys() >= SUMMARY_KEYS
    assert report["summary"]["cases"] == len(KINDS)
    assert report["summary"]["fail"] == 4
    assert report["summary"]["verdict"] == "fail"
    assert report["summary"]["interrupted"] is False


def test_an_interrupted_report() -> None:
    report = written(result("pass"), interrupted=True)
    validate(report)
    assert report["summary"]["interrupted"] is True
    nothing = written(interrupted=True)
    validate(nothing)
    assert (nothing["summary"]["cases"], nothing["results"]) == (0, [])


def test_a_case_is_written_with_every_number() -> None:
    sizes = {"N": 1, "C": 2, "H": 3, "W": 4, "F": 2, "HH": 3, "WW": 3}
    pairs = {"stride": [1, 2], "pad": [1, 1], "dilation": [1, 1]}
    case = written(result("pass"))["results"][0]["case"]
    assert case == {**sizes, **pairs, "groups": 1, "dtype": "float64", "seed": 0}


def test_wrong_values_are_counted_and_located() -> None:
    dw = written(result("wrong values"))["results"][0]["gradients"]["dw"]
    assert dw["wrong"] == {"count": 36, "of": 36, "where": "everywhere"}
    assert dw["worst"].keys() == {"index", "analytic", "numeric", "error_bound"}
    assert dw["worst"]["analytic"] == pytest.approx(2 * dw["worst"]["numeric"])
    assert dw["max_rel_error"] == pytest.approx(1 / 3)
    assert dw["scaled_error"] > 1e10 > dw["tolerance"] == 100


def test_a_wrong_shape_is_named_and_has_no_figures() -> None:
    dx = written(result("wrong shape"))["results"][0]["gradients"]["dx"]
    assert (dx["shape"], dx["expected_shape"]) == ([1, 2, 2, 4], [1, 2, 3, 4])
    assert [dx[key] for key in ("max_rel_error", "max_abs_error", "scaled_error", "worst", "wrong")] == [None] * 5


def test_a_gradient_that_was_not_returned_fails_and_has_no_shape() -> None:
    dw = written(result("missing"))["results"][0]["gradients"]["dw"]
    assert (dw["verdict"], dw["shape"], dw["dtype"]) == ("fail", None, None)
    assert dw["expected_shape"] == [2, 2, 3, 3]


def test_an_error_has_the_traceback_of_the_implementation() -> None:
    entry = written(result("raised"))["results"][0]
    assert entry["reason"].endswith("raised ValueError: out of order")
    assert "in raising" in entry["traceback"]
    assert entry["forward"]["verdict"] == "pass"
    assert {gradient["verdict"] for gradient in entry["gradients"].values()} == {"error"}


def test_a_place_is_written_where_one_is_known() -> None:
    place = Place(file="layers.py", line=7, function="backward", statement="dw = 2 * dw")
    report = written(replace(result("wrong values"), place=place), result("pass"))
    validate(report)
    assert [one["place"] for one in report["results"]] == [
        {"file": "layers.py", "line": 7, "function": "backward", "statement": "dw = 2 * dw"},
        None,
    ]


def test_of_very_many_cases_the_first_of_each_failure_has_all_figures() -> None:
    found = [result(name) for name in ("pass", "wrong values", "wrong values", "raised", "raised", "missing", "skip")]
    found.append(replace(result("wrong values"), implementation="other.py"))
    in_full, many = written(*found, cases=MANY_CASES)["results"], written(*found, cases=MANY_CASES + 1)["results"]
    validate(written(*found, cases=MANY_CASES + 1))
    brief = {"verdict", "shape", "max_rel_error", "scaled_error", "tolerance"}
    for number, (one, full) in enumerate(zip(many, in_full, strict=True)):
        if number in (1, 3, 5, 7):  # the first of its kind
            assert one == full
            continue
        assert one["gradients"].keys() == full["gradients"].keys()  # an entry for each, whatever its verdict
        for name, array in [*one["gradients"].items(), *([("out", one["forward"])] if one["forward"] else [])]:
            known = full["forward"] if name == "out" else full["gradients"][name]
            left = known if known["verdict"] != "pass" else {key: known[key] for key in brief}
            assert array == left
        assert one["duties"] == {name: duty for name, duty in full["duties"].items() if duty["verdict"] != "pass"}
        assert one["command"] == (None if number in (0, 6) else full["command"])
    assert written(*found, cases=MANY_CASES + 1, verbose=True)["results"] == in_full


def test_a_failure_is_known_again_whatever_is_left_out(tmp_path: Path) -> None:
    found = [result("wrong values"), result("wrong values"), result("missing"), result("missing"), result("raised")]
    forward = result("wrong values").forward
    assert forward
    wrong_too = replace(result("wrong values"), forward=replace(forward, verdict=Verdict.FAIL, reason="out is wrong"))
    found += [result("raised"), result("inconclusive"), wrong_too] * 2
    path = tmp_path / "report.json"
    path.write_text(json.dumps(written(*found, cases=MANY_CASES + 1)), encoding="utf-8")
    read = read_report(str(path)).results
    assert list(map(FailureSignature.of, read)) == list(map(FailureSignature.of, found))


def test_a_skip_has_nothing_but_its_reason() -> None:
    entry = written(result("skip"))["results"][0]
    assert "does not fit" in entry["reason"]
    assert (entry["forward"], entry["gradients"]) == (None, {})


def test_an_element_that_could_not_be_seen() -> None:
    dx = written(result("inconclusive"))["results"][0]["gradients"]["dx"]
    assert (dx["verdict"], dx["wrong"]["count"]) == ("inconclusive", 0)
    assert (dx["worst"]["numeric"], dx["worst"]["error_bound"]) == ("nan", "inf")
    assert isinstance(dx["worst"]["analytic"], float)


def test_gradients_that_were_returned_have_a_shape_though_forward_is_wrong() -> None:
    def forward(x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> tuple[Array, Any]:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out[:, :, 1:], cache

    def backward(dout: Array, cache: Any) -> Gradients:
        return conv_backward_naive(np.ones((1, 2, 3, 2)), cache)

    entry = written(check(CASE, (forward, backward)))["results"][0]
    assert (entry["verdict"], entry["forward"]["verdict"]) == ("fail", "fail")
    assert [gradient["shape"] for gradient in entry["gradients"].values()] == [[1, 2, 3, 4], [2, 2, 3, 3], [2]]


def test_what_json_can_hold() -> None:
    for value, replaced in (
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.float64(math.inf), "inf"),
        (1.5, 1.5),
        (True, True),
        (None, None),
        ((1, math.nan), [1, "nan"]),
        ({"a": [{"b": (math.inf,)}]}, {"a": [{"b": ["inf"]}]}),
        (Verdict.PASS, "pass"),
    ):
        assert plain(value) == replaced
        assert type(json.loads(json.dumps(plain(value), allow_nan=False))) is type(replaced)


def test_what_the_program_writes(convcheck: Program, layer_file: LayerFile) -> None:
    layer = layer_file(("return dx, dw, db", "return dx, np.full_like(dw, np.nan), db")).name
    run = convcheck(layer, *SMALL, "--HH", "3,9", "--seed", "4", "--json", "-")
    report = report_of(run)
    validate(report)
    assert run.returncode == 1
    assert report["argv"] == [layer, *SMALL, "--HH", "3,9", "--seed", "4", "--json", "-"]
    assert report["seed"] == 4
    assert report["tool"] == {
        "name": "convcheck",
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    failed, skipped = report["results"]
    assert (failed["verdict"], skipped["verdict"]) == ("fail", "skip")
    assert failed["implementation"] == "layers.py:conv_forward,conv_backward"
    assert failed["command"].startswith("convcheck layers.py:conv_forward,conv_backward --N 1 ")
    assert failed["gradients"]["dw"]["reason"] == "dw is NaN in 9 of 9 elements, the first at [0, 0, 0, 0]"
