"""Every planted fault is caught where it matters, in the gradient that is wrong, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.layers.conv.conv import LAYER, standard
from gradcheck_cli.numeric.arrays import epsilon
from tests import slow_conv
from tests.faults.conv import FAULTS, faulty_pair, off_by
from tests.sampling import one_in

if TYPE_CHECKING:
    Pair = tuple[Callable[..., Any], Callable[..., Any]]


#: What a single element must be off, by dtype, to be an error and no rounding.
SMALLEST = {"float16": 1e-2, "float32": 1e-3, "float64": 1e-9, "longdouble": 1e-12}


@cache
def exact_gradients(case: ConvCase) -> dict[str, Any]:
    problem = LAYER.problem(case)
    x, w, _ = problem.inputs.values()
    return dict(zip(("dx", "dw", "db"), slow_conv.backward(case, problem.cotangent, x, w), strict=True))


def wrong_gradients(case: ConvCase, pair: Pair) -> set[str]:
    """Work out from the definition which gradients a pair gets wrong: beyond every rounding of its dtype."""
    problem = LAYER.problem(case)
    x, w, b = problem.inputs.values()
    _, cache = pair[0](x, w, b, dict(problem.parameters or {}))
    returned = dict(zip(("dx", "dw", "db"), pair[1](problem.cotangent, cache), strict=False))
    exact = exact_gradients(case)
    return {name for name, want in exact.items() if not _equal(returned.get(name), want, case.dtype)}


def _equal(array: Any, want: Any, dtype: str) -> bool:
    if array is None or array.shape != want.shape or epsilon(array.dtype) > epsilon(dtype):
        return False
    return bool(np.allclose(array.astype(np.longdouble), want, rtol=0, atol=20 * epsilon(dtype) * abs(want).max()))


def caught(verdicts: Mapping[str, Verdict]) -> set[str]:
    assert set(verdicts.values()) <= {Verdict.PASS, Verdict.FAIL}
    return {name for name, verdict in verdicts.items() if verdict is Verdict.FAIL}


@pytest.mark.parametrize("fault", one_in(2, FAULTS))
def test_faults_fail_where_they_matter_and_only_there(fault: str) -> None:
    """One geometry is checked for each set of gradients that the fault spoils, and one in which it spoils none."""
    pair = faulty_pair(fault)
    cases = {frozenset(wrong_gradients(case, pair)): case for case in standard()}
    assert set(cases) - {frozenset()}, "the standard set has no geometry that shows this fault"
    for wrong, case in cases.items():
        result = check(case, pair)
        assert caught({name: gradient.verdict for name, gradient in result.gradients.items()}) == wrong, case.label()
        assert result.verdict is (Verdict.FAIL if wrong else Verdict.PASS)
        assert result.forward is not None
        assert result.forward.verdict is Verdict.PASS
        assert all(name in (result.reason or "") for name in wrong)


@pytest.mark.parametrize("dtype", one_in(2, SMALLEST))
@pytest.mark.parametrize("name", ["dx", "dw"])
def test_one_element_slightly_off_is_found(name: str, dtype: str) -> None:
    cases = [replace(case, dtype=dtype, seed=seed) for seed, case in enumerate(standard()[::2])]
    if dtype == "float16":
        cases = [case for case in cases if _outweighs_rounding(case, name)]
        assert len(cases) >= 2
    for case in cases:
        result = check(case, off_by(name, SMALLEST[dtype]))
        gradient = result.gradients[name]
        assert gradient.wrong is not None
        assert gradient.wrong.count == 1, case.label()
        assert gradient.worst is not None
        place = "everywhere" if gradient.wrong.of == 1 else f"at {list(gradient.worst.index)}"
        assert gradient.wrong.where == place
        others = {other: found.verdict for other, found in result.gradients.items() if other != name}
        assert set(others.values()) == {Verdict.PASS}


def _outweighs_rounding(case: ConvCase, name: str) -> bool:
    """Ten roundings of a float16 element are less than those of its terms, where it is a small rest of large ones."""
    problem = LAYER.problem(case)
    x, w, _ = (value.astype(np.float64) for value in problem.inputs.values())
    index = ("dx", "dw", "db").index(name)
    exact = abs(slow_conv.backward(case, problem.cotangent, x, w)[index])
    scale = slow_conv.backward(case, abs(problem.cotangent), abs(x), abs(w))[index]
    where = exact.argmax()
    return bool(1e-2 * exact.flat[where] > 6 * epsilon("float16") * scale.flat[where])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_tenth_of_the_smallest_catchable_is_still_no_rounding_in_practice(dtype: str) -> None:
    """The figures above are promises with room to spare: a tenth of them is found as well."""
    case = standard()[0]
    result = check(replace(case, dtype=dtype), off_by("dx", SMALLEST[dtype] / 10))
    assert result.gradients["dx"].verdict is Verdict.FAIL
