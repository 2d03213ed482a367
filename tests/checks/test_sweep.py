"""Sweeps of cases: in the case's own dtype, held against the checker's own derivative, at a price that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.checks.sweep import sweep_case
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.fast import conv_forward_fast
from gradcheck_cli.results.step_sweep import STEPS, ErrorSource
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

CASE = ConvCase(N=2, H=4, W=4)
ROWS = len(STEPS) + 1  # and the checker's own


def swept(case: ConvCase = CASE, forward: Callable[..., Any] = conv_forward_fast, method: str = "auto") -> CaseResult:
    def backward(dout: Array, cache: object) -> None:
        raise AssertionError("a sweep has no use for backward")

    return sweep_case(case, from_functions((forward, backward), LAYERS[case.layer]), Settings(method=method))


def curved(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, None]:
    out, _ = conv_forward_fast(x, w, b, conv_param)
    return np.tanh(out / 8), None


@pytest.mark.parametrize(("dtype", "seed"), one_in(3, [("float32", 1), ("float16", 0), ("float64", 2)]))
def test_a_convolution_has_roundoff_and_no_truncation(dtype: str, seed: int) -> None:
    result = swept(ConvCase(N=2, dtype=dtype, seed=seed, stride=1 + seed))
    eps = float(np.finfo(dtype).eps)
    assert result.verdict is Verdict.PASS
    assert list(result.sweeps) == ["dx", "dw", "db"]
    for sweep in result.sweeps.values():
        assert sweep.affine
        assert sweep.numeric_dtype == "float64"
        assert sweep.steps == (64, 64, 64)
        assert sweep.bound < 1e-14
        assert ErrorSource.TRUNCATION not in {d.source for d in sweep.errors}
        for found in sweep.errors:
            if found.source is ErrorSource.ROUNDOFF and found.step <= 1:
                assert 1e-3 * eps < found.error * found.step < 100 * eps


@pytest.mark.parametrize("dtype", one_in(2, ["float64", "float32"]))
def test_a_curved_layer_has_both(dtype: str) -> None:
    for name, sweep in swept(ConvCase(N=2, dtype=dtype), curved).sweeps.items():
        sources = [found.source for found in sweep.errors]
        assert sources.count(ErrorSource.UNSEEN) <= 1  # where the two meet, the error may be too small to be measured
        sources = [source for source in sources if source is not ErrorSource.UNSEEN]
        assert not sweep.affine
        assert sources[0] is ErrorSource.TRUNCATION
        assert sources.index(ErrorSource.ROUNDOFF) == sources.count(ErrorSource.TRUNCATION)
        assert sweep.errors[1].slope == pytest.approx(2, abs=0.3)
        least = min(found.error for found in sweep.errors)
        if name != "db":  # its two elements can be right by luck
            assert sweep.bound < least / 5  # what extrapolation is for
        assert 2**-8 < sweep.steps[1] < 1


def test_each_step_costs_two_evaluations_for_each_colour() -> None:
    result = swept()
    assert {name: sweep.evaluations for name, sweep in result.sweeps.items()} == {
        "dx": 2 + 2 * 27 * ROWS,
        "dw": 2 + 2 * 27 * ROWS,
        "db": 2 + 2 * ROWS,
    }


def test_forward_is_evaluated_in_the_cases_own_dtype() -> None:
    seen: dict[str, int] = {}

    def watched(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, Any]:
        seen[str(x.dtype)] = seen.get(str(x.dtype), 0) + 1
        return conv_forward_fast(x, w, b, conv_param)

    result = swept(ConvCase(N=2, H=4, W=4, dtype="float32"), watched)
    plain = sum(sweep.evaluations for sweep in result.sweeps.values())
    assert seen["float32"] == plain + 1  # the first, which tells whether there is anything to differentiate
    assert seen["float64"] < plain / 5


def test_a_kernel_that_takes_one_dtype_alone_is_swept_too() -> None:
    def picky(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, Any]:
        assert x.dtype == np.float32
        return conv_forward_fast(x, w, b, conv_param)

    result = swept(ConvCase(N=2, H=4, W=4, dtype="float32"), picky)
    assert (result.verdict, result.sweeps["dx"].numeric_dtype) == (Verdict.PASS, "float32")
    assert result.sweeps["dx"].bound > 1e-8


def test_the_method_changes_the_price_alone() -> None:
    dense, colored = (swept(method=method).sweeps["dx"] for method in ("dense", "colored"))
    assert dense.evaluations == 2 + 2 * 96 * ROWS
    for one, other in zip(dense.errors, colored.errors, strict=True):
        assert one.step == other.step
        assert one.source == other.source or max(one.error, other.error) < 1e-15  # one of them is 0
        assert one.error == pytest.approx(other.error, rel=1e-3, abs=1e-15)


def test_where_all_would_be_too_many_a_few_elements_are_drawn() -> None:
    result = swept(method="projected")
    dx = result.sweeps["dx"]
    assert (dx.sampled, dx.size, dx.evaluations) == (8, 96, 2 + 2 * 8 * ROWS)
    assert result.sweeps["db"].sampled == result.sweeps["db"].size == 2
    whole = swept().sweeps["dx"].at(1e-6)
    found = dx.at(1e-6)
    assert found is not None
    assert whole is not None
    assert whole.error / 20 < found.error <= whole.error * (1 + 1e-3)


def test_auto_draws_elements_by_the_sizes() -> None:
    result = swept(ConvCase(N=2, C=16, H=28, W=28, F=16))  # affordable once, but not for each of so many steps
    assert {name: sweep.sampled for name, sweep in result.sweeps.items()} == {"dx": 8, "dw": 8, "db": 16}


def test_a_leak_costs_the_colours_and_not_the_truth() -> None:
    def leaking(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, None]:
        out, _ = conv_forward_fast(x, w, b, conv_param)
        return out + 0.1 * x.mean(), None

    sweep = swept(forward=leaking).sweeps["dx"]
    assert sweep.evaluations == 2 + 2 * 96 * ROWS
    found = sweep.at(1e-5)
    assert found is not None
    assert 1e-13 < found.error < 1e-9


def test_code_that_raises_is_an_error_with_its_traceback() -> None:
    def raising(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, Any]:
        raise ZeroDivisionError("no windows")

    result = swept(forward=raising)
    assert (result.verdict, result.reason) == (Verdict.ERROR, "raising raised ZeroDivisionError: no windows")
    assert result.traceback is not None
    assert "raise ZeroDivisionError" in result.traceback


def test_what_cannot_be_differentiated_is_not_swept() -> None:
    result = swept(forward=lambda x, w, b, p: (conv_forward_fast(x, w, b, p)[0][:, :, 1:], None))
    assert result.verdict is Verdict.FAIL
    assert "shape" in str(result.reason)
    assert not result.sweeps


def test_nothing_to_hold_differences_against_is_undecided() -> None:
    result = swept(forward=lambda x, w, b, p: (np.zeros_like(conv_forward_fast(x, w, b, p)[0]), None))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "does not depend" in str(result.reason)


def test_an_impossible_geometry_is_skipped() -> None:
    assert swept(ConvCase(HH=9)).verdict is Verdict.SKIP


def test_backward_is_for_checks() -> None:
    assert sweep_case(CASE, built_in(LAYERS["conv"], "fast"), Settings()).sweeps.keys() == {
        "dx",
        "dw",
        "db",
    }
