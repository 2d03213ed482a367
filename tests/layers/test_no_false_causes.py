"""What is wrong in no way that people know has no cause: noise in gradients and outputs, and unrelated numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case

NAMES = [name for name, layer in LAYERS.items() if layer.reference]


#: The size of relative errors, 0 for other numbers, and the dtype, in each of two geometries.
ERRORS = (((1e-9, "float64"), (0.0, "float64")), ((0.1, "float64"), (1e-2, "float32")))


def spoilt(array: Any, source: Any, size: float) -> Any:
    """Return an array with errors of a size relative to each element; with other numbers in its place if that is 0."""
    if not isinstance(array, np.ndarray | np.generic) or np.asarray(array).dtype.kind != "f":
        return array
    noise = source.normal(size=np.shape(array))
    return (array * (1 + size * noise) if size else noise).astype(array.dtype)


def small_cases(name: str) -> list[Case]:
    """Return the two smallest cases in which some gradient has enough elements to tell causes apart."""
    layer = LAYERS[name]
    sizes = {case: max(layer.problem(case).inputs[n].size for n in layer.differentiable) for case in layer.standard()}
    return [case for case in sorted(sizes, key=sizes.__getitem__) if sizes[case] >= 12][:2]


@pytest.mark.parametrize("name", one_in(6, NAMES))
def test_noise_and_other_numbers_have_no_cause(name: str) -> None:
    layer = LAYERS[name]
    functions = next(iter(layer.builtin.values()))
    taken = ERRORS[0], ERRORS[1][NAMES.index(name) % 2 :][:1]  # of the second geometry, in every second layer
    for number, (case, errors) in enumerate(zip(small_cases(name), taken, strict=False)):
        for size, dtype in errors:
            source = np.random.default_rng(number)

            def wrong(*given: Any, size: float = size, source: Any = source) -> Any:
                returned = functions[-1](*given)
                if layer.loss:
                    return returned[0], spoilt(returned[1], source, size)
                if isinstance(returned, np.ndarray):
                    return spoilt(returned, source, size)
                return tuple(spoilt(array, source, size) for array in returned)

            result = check(replace(case, dtype=dtype, seed=number), wrong if layer.loss else (functions[0], wrong))
            assert result.verdict is Verdict.FAIL
            assert result.diagnosis == (), (case.label(), dtype, size, result.diagnosis)


@pytest.mark.parametrize("name", one_in(6, NAMES))
def test_a_forward_that_is_another_function_is_called_nothing_else(name: str) -> None:
    layer = LAYERS[name]
    functions = next(iter(layer.builtin.values()))
    factor = 1.37

    def forward(*given: Any) -> Any:
        first, *rest = functions[0](*given)
        return first * first.dtype.type(factor) + first.dtype.type(0.1), *rest

    case, *_ = small_cases(name)
    result = check(case, forward if layer.loss else (forward, functions[-1]))
    assert result.verdict is Verdict.FAIL
    codes = {found.code for found in result.diagnosis}
    assert codes <= {"reference-gradient", "factor", "own-function"}, result.diagnosis
