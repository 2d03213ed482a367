"""Any function with its gradient: there is no reference, and the shapes are what a user says."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

from gradcheck_cli import FunctionCase, Verdict, check
from gradcheck_cli.cases.cases import Shard
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.layers.function import LAYER, damped, damped_grad, problem
from gradcheck_cli.report.json import encode
from gradcheck_cli.report.json import schema as report_schema
from gradcheck_cli.results.encoding import decode
from gradcheck_cli.results.encoding import encode as encode_whole
from tests.checks.test_replay import assert_same
from tests.conftest import report_of
from tests.faults.functions import DENSE, RIGHT, SAME, WRONG, Checked, dense, dense_grad, triple, triple_grad
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

ROWS = FunctionCase(shape={"x": (4,)})

FILE = """\
import numpy as np


def f(x, w):
    return np.tanh(x @ w)


def f_grad(dout, x, w):
    g = dout / np.cosh(x @ w) ** 2
    return g @ w.T, 2 * x.T @ g


def root(x):
    return np.sqrt(x), x


def root_backward(dout, cache):
    return dout / (2 * np.sqrt(cache))
"""


def case_of(checked: Checked, dtype: str, seed: int = 0) -> FunctionCase:
    return FunctionCase(shape=checked.shape, range=checked.range, dtype=dtype, seed=seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_built_in_example_passes(dtype: str) -> None:
    for seed, case in enumerate(LAYER.standard()):
        result = check(replace(case, dtype=dtype, seed=seed))
        assert result.passed, result.summary()
        assert result.forward is None


def test_the_built_in_gradient_is_the_derivative() -> None:
    for case in LAYER.standard():
        signal, gain = problem(case).inputs.values()  # type: ignore[arg-type]
        dout = np.ones(signal.shape)
        slopes = damped((signal + 1e-30j), gain).imag / 1e-30, damped(signal, gain + 1e-30j).imag / 1e-30
        np.testing.assert_allclose(damped_grad(dout, signal, gain), slopes, rtol=1e-14)


@pytest.mark.parametrize("checked", one_in(3, RIGHT), ids=[right.name for right in RIGHT])
def test_right_functions_pass(checked: Checked) -> None:
    for seed, dtype in enumerate(("float32", "float64")):
        result = check(case_of(checked, dtype, seed), checked.functions)
        assert result.passed, result.summary()
        assert list(result.gradients) == [f"d{name}" for name in checked.shape]
        assert all(duty.verdict is Verdict.PASS for duty in result.duties.values())


@pytest.mark.parametrize("checked", one_in(2, WRONG), ids=[wrong.name for wrong in WRONG])
def test_wrong_gradients_fail_and_are_named(checked: Checked) -> None:
    for seed, dtype in enumerate(("float32", "float64")):
        result = check(case_of(checked, dtype, seed), checked.functions)
        assert result.verdict is Verdict.FAIL, result.summary()
        assert {name for name, one in result.gradients.items() if one.verdict is Verdict.FAIL} == set(checked.wrong)
        codes = {diagnosis.code for diagnosis in result.diagnosis}
        assert codes == checked.codes if checked.codes else not codes


def test_a_factor_is_named_by_the_size_that_another_shape_confirms() -> None:
    """At K.shape[1] = 4 its root is 2, and so is the first size; only other shapes tell."""

    def forward(q: Any, k: Any) -> Any:
        return q @ k.T / np.sqrt(q.shape[1])

    def unscaled(dout: Any, q: Any, k: Any) -> Any:
        return dout @ k, dout.T @ q

    def doubled(dout: Any, q: Any, k: Any) -> Any:
        return 2 * dout @ k / np.sqrt(q.shape[1]), 2 * dout.T @ q / np.sqrt(q.shape[1])

    def by_samples(dout: Any, q: Any, k: Any) -> Any:
        return len(q) * dout @ k / np.sqrt(q.shape[1]), len(q) * dout.T @ q / np.sqrt(q.shape[1])

    case = FunctionCase(shape={"q": (2, 4), "k": (3, 4)})
    (root,) = check(case, (forward, unscaled)).diagnosis
    assert root.text.startswith("dq and dk are 2 times the derivative, a factor of sqrt(q.shape[1]) or sqrt(k.")
    (twice,) = check(case, (forward, doubled)).diagnosis
    assert twice.text == "dq and dk are 2 times the derivative. Look for a contribution that is added twice."
    (often,) = check(case, (forward, by_samples)).diagnosis
    assert "out.shape[0] or q.shape[0]" in often.text


@pytest.mark.parametrize("factor", [1.0000041, 0.99997, 1.37])
def test_a_factor_that_does_not_hold_for_other_numbers_is_not_named(factor: float) -> None:
    """What is left out depends on x: an eps, say."""
    x = problem(FunctionCase(shape={"x": (1, 6)})).inputs["x"]

    def backward(dout: Any, x_: Any) -> Any:
        return 2 * dout * x_ * (factor if np.array_equal(x, x_) else 1 + (factor - 1) / 2)

    assert check(FunctionCase(shape={"x": (1, 6)}), (lambda x: x * x, backward)).diagnosis == ()


def test_wrong_ones_are_wrong_along_directions_too() -> None:
    checked = next(wrong for wrong in WRONG if wrong.name == "slope_missing")
    assert check(case_of(checked, "float64"), checked.functions, method="projected").verdict is Verdict.FAIL
    right = next(right for right in RIGHT if right.name == "curved")
    assert check(case_of(right, "float64"), right.functions, method="projected").passed


def test_the_order_of_the_shapes_makes_no_difference() -> None:
    turned = dict(reversed(SAME.items()))
    exchanged = (triple, lambda dout, x, y, z: [triple_grad(dout, x, y, z)[k] for k in (1, 0, 2)])
    one, other = (check(FunctionCase(shape=shape), exchanged) for shape in (SAME, turned))
    assert one.case == other.case
    assert hash(one.case) == hash(other.case)
    assert list(other.gradients) == ["dx", "dy", "dz"]
    assert one.gradients == other.gradients
    assert "in the order (dx, dy, dz)" in other.diagnosis[0].text


def test_forward_is_called_once_for_the_output() -> None:
    calls = 0

    def counted(x: Any, w: Any, b: Any) -> Any:
        nonlocal calls
        calls += 1
        return dense(x, w, b)

    result = check(FunctionCase(shape=DENSE), (counted, dense_grad))
    assert result.passed
    # The output, which also gives the cotangent its shape; again at the point; duties;
    # and for each of three inputs, once with a zero, and nine times around that.
    assert calls == sum(gradient.evaluations for gradient in result.gradients.values()) + 1 + 1 + 4 + 3 * (1 + 9)


def test_inputs_are_drawn_where_the_case_says() -> None:
    case = FunctionCase(shape={"x": (100,), "w": (100,)}, range={"x": (0.5, 2.0)})
    x, w = problem(case).inputs.values()
    assert 0.5 < x.min() < 0.56
    assert 1.94 < x.max() < 2
    assert {*np.sign(w)} == {-1, 1}
    seen: list[Any] = []

    def log(x: Any, w: Any) -> Any:
        seen.append(x)
        return np.log(x) * w

    assert check(case, (log, lambda dout, x, w: (dout * w / x, dout * np.log(x)))).passed
    others = [moved for moved in seen if np.median(abs(moved - x)) > 0.1 and moved.min() > 0]  # one duty's, drawn anew
    assert len(others) == 1
    assert 0.5 < others[0].min() < 0.56
    assert 1.94 < others[0].max() < 2


@pytest.mark.parametrize("number", [(), (1,)])
def test_the_cotangent_of_a_number_is_1(number: tuple[int, ...]) -> None:
    given: list[Any] = []

    def grad(dout: Any, x: Any) -> Any:
        given.append(dout)
        return 2 * x * dout

    assert check(ROWS, (lambda x: (x**2).sum().reshape(number), grad)).passed
    assert given[0] == 1
    assert given[0].shape == number
    # What is not linear in it is found out all the same.
    result = check(ROWS, (lambda x: (x**2).sum(), lambda dout, x: 2 * x * dout**2))
    assert result.duties["linear_in_cotangent"].verdict is Verdict.FAIL


def test_kinks_and_noise_are_named() -> None:
    corner = problem(ROWS).inputs["x"] * [0, 0, 1, 0]
    result = check(ROWS, (lambda x: abs(x - corner), lambda dout, x: dout * np.sign(x - corner)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == "dx could not be decided in 1 of 4 elements: forward is not differentiable at x[2]"
    number = FunctionCase(shape={"a": ()})
    at = problem(number).inputs["a"]
    result = check(number, (lambda a: abs(a - at), lambda dout, a: dout * np.sign(a - at)))
    assert (result.reason or "").startswith("da could not be decided: forward is not differentiable at a;")
    source = np.random.default_rng(0)
    result = check(ROWS, (lambda x: x + 1e-6 * source.random(4), lambda dout, x: dout))
    assert "forward is noisy" in (result.reason or "")
    result = check(FunctionCase(shape=SAME), (lambda x, y, z: x * y, lambda dout, x, y, z: (dout * y, dout * x, 0 * z)))
    assert result.reason == "forward does not depend on z: zero is right, and little could be wrong"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (lambda x: x * [1, 1, np.nan, 1], "out is NaN in 1 of 4 elements, the first at [2]: if forward is not defined"),
        (lambda x: x.astype(int), "forward returned an array of int64; only floating point can be differentiated"),
        (lambda x: x[x > 9], "forward returned an empty array, of shape (0,)"),
        (lambda x: None, "forward returned a value of type NoneType"),
        (lambda x: (x, x, x), "returned 3 values, not (out, cache)"),
    ],
)
def test_what_cannot_be_differentiated_is_an_error(out: Any, said: str) -> None:
    with np.errstate(all="ignore"):
        result = check(ROWS, (out, lambda dout, x: dout))
    assert result.verdict is Verdict.ERROR
    assert said in (result.reason or "")
    assert result.forward is None


def test_results_survive_json_and_fit_the_schema() -> None:
    checked = next(right for right in RIGHT if right.name == "refuses what is out of its range")
    functions = from_functions(checked.functions, LAYER)
    result = check_case(case_of(checked, "float64"), functions, Settings(keep_arrays=True))
    assert set(result.arrays) == {"x", "dout", "out", "dx"}
    again = decode(json.loads(json.dumps(encode_whole(result), allow_nan=False)))
    assert again == result
    assert again.case == pickle.loads(pickle.dumps(result.case))
    report = encode(result)
    schema = json.loads(report_schema())
    jsonschema.validate(report, {**schema["$defs"]["result"], "$defs": schema["$defs"]})
    assert report["case"] == {
        "shape": {"x": [4]},
        "range": {"x": [0.01, 2.0]},
        "value": {},
        "labels": {},
        "example": "",
        "dtype": "float64",
        "seed": 0,
    }
    assert report["forward"] is None


def test_cases_fall_to_one_shard() -> None:
    from gradcheck_cli.cases.cases import Listed

    cases = Listed(cases=tuple(FunctionCase(shape={"x": (n,)}) for n in range(1, 20)))
    parts = [case for number in (1, 2, 3) for case in Shard(cases=cases, number=number, of=3)]
    assert sorted(case.geometry["shape"]["x"] for case in parts) == [(n,) for n in range(1, 20)]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"shape": {"x": (0,)}}, "shape of x must be 0 or more sizes of at least 1, not 0"),
        ({"shape": {"x": 3}}, "shape of x must be a tuple of sizes, not 3"),
        ({"shape": (2, 3)}, "shape must be a dictionary of values by name"),
        ({"range": {"x": (2, 1)}}, "range of x must be from a number to a larger one, not 2..1"),
        ({"range": {"x": 2}}, "range of x must be two numbers, not 2"),
    ],
)
def test_a_case_says_what_it_takes(numbers: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        FunctionCase(**numbers)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["functions.py:f"],
            "f(x, w) takes x and w, of which no shape is given; add --shape x=2,3 --shape w=2,3; for labels --labels",
        ),
        (
            ["functions.py:f", "--shape", "x=2,3"],
            "f(x, w) takes w, of which no shape is given; add --shape w=2,3; for labels --labels w=6:10",
        ),
        (
            ["functions.py:f", "--shape", "x=2", "--shape", "w=2", "--shape", "v=2"],
            "f(x, w) takes no v; leave it out: it takes x and w",
        ),
        (["--shape", "2,3"], "'2,3': say of what, such as x=2,3."),
        (["--shape", "x="], "'x=': give a shape such as 2,3 or 2x3, or several as 2x3,4x5, or scalar for a number."),
        (["--shape", "x=2", "--shape", "x=3"], "x is given twice; several values are a list after one flag."),
        (["--range", "x=1..2"], "there is a range of x, and no shape; add --shape x=2,3"),
        (["--shape", "x=2", "--range", "x=3"], "'x=3': give two numbers such as 0.5..2."),
        (["--shape", "out=2"], "out is the name of the output"),
        (["functions.py"], "name one:\n  functions.py:f,f_grad\n  functions.py:root,root_backward"),
        (["functions.py:np"], "functions.py has no function or class 'np'"),
    ],
)
def test_mistakes_are_answered(args: list[str], said: str, tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "functions.py").write_text(FILE, encoding="utf-8")
    run = gradcheck("function", *args)
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_from_the_command_line(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "functions.py").write_text(FILE, encoding="utf-8")
    shapes = ("--shape", "w=3x4,3x2", "--shape", "x=2,3")
    run = gradcheck("function", "functions.py:f", *shapes, "--dtype", "float32,float64", "--json", "-")
    assert run.returncode == 1
    results = report_of(run)["results"]
    assert [(result["case"]["shape"], result["case"]["dtype"]) for result in results] == [
        ({"w": [3, 4], "x": [2, 3]}, "float32"),
        ({"w": [3, 4], "x": [2, 3]}, "float64"),
        ({"w": [3, 2], "x": [2, 3]}, "float32"),
        ({"w": [3, 2], "x": [2, 3]}, "float64"),
    ]
    for result in results:
        assert [diagnosis["code"] for diagnosis in result["diagnosis"]] == ["factor"]
        assert {name: one["verdict"] for name, one in result["gradients"].items()} == {"dx": "pass", "dw": "fail"}
    assert " --shape w=3x2 --shape x=2x3 " in results[3]["command"]
    assert_same(results[3], tmp_path)
    shown = gradcheck("function", "functions.py:f", "--shape", "w=3x4", "--shape", "x=2,3").stdout.splitlines()
    assert shown[:3] == [
        "functions.py:f,f_grad, seed 0",
        "understood as f(x, w) and f_grad(dout, x, w)",
        "FAIL w 3x4, x 2x3, float64",
    ]


def test_ranges_and_sweeps_from_the_command_line(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "functions.py").write_text(FILE, encoding="utf-8")
    flags = ("function", "functions.py:root", "--shape", "x=4", "--range", "x=1e-2..2")
    run = gradcheck(*flags)
    assert run.returncode == 0, run.stdout
    assert "understood as root(x), which returns (out, cache), and root_backward(dout, cache)" in run.stdout
    assert "x 4 in 0.01..2, float64\n" in run.stdout
    swept = gradcheck("sweep", *flags)
    assert swept.returncode == 0
    assert "due to" in swept.stdout
    assert "truncation" in swept.stdout


def test_several_files_are_distinguished(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "one.py").write_text("def f(x):\n    return (x**2).sum(), 2 * x\n", encoding="utf-8")
    (tmp_path / "other.py").write_text("def f(y):\n    return (y**2).sum(), 2 * y\n", encoding="utf-8")
    run = gradcheck("function", "one.py", "other.py", "--shape", "x=3", "--json", "-")
    assert run.returncode == 1
    verdicts = [(result["verdict"], result["reason"]) for result in report_of(run)["results"]]
    assert verdicts == [
        ("pass", None),
        (
            "error",
            (
                "f(y) takes y, of which no shape is given; add --shape y=2,3; for labels --labels y=6:10, "
                "for a number --value y=2"
            ),
        ),
    ]


def test_nothing_typed_checks_the_example(gradcheck: Program) -> None:
    run = gradcheck("function")
    assert run.returncode == 0
    assert "5 cases passed" in run.stdout
