"""No cause is named for errors without one, in the layers related to convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.faults import faults_to_try
from tests.sampling import one_in

if TYPE_CHECKING:
    from collections.abc import Mapping

KIN = ("affine", "avgpool", "conv1d", "conv-transpose", "depthwise-conv", "maxpool")


@pytest.mark.parametrize("name", one_in(3, KIN))
def test_errors_without_a_cause_are_not_explained(name: str) -> None:
    forward, right = next(iter(LAYERS[name].builtin.values()))
    for seed, case in enumerate([*LAYERS[name].standard()][::2]):
        source = np.random.default_rng(seed)

        def noisy(array: Any, source: Any = source) -> Any:
            return array * (1 + 0.1 * source.normal(size=array.shape))

        def backward(dout: Any, cache: Any, noisy: Any = noisy) -> Any:
            returned = right(dout, cache)
            return noisy(returned) if isinstance(returned, np.ndarray) else tuple(map(noisy, returned))

        assert check(case, (forward, backward)).diagnosis == ()


@pytest.mark.parametrize("name", one_in(3, KIN))
def test_an_output_that_is_wrong_without_a_cause_is_not_explained(name: str) -> None:
    right, backward = next(iter(LAYERS[name].builtin.values()))
    for case in LAYERS[name].standard():

        def forward(*args: Any) -> Any:
            out, cache = right(*args)
            return out + 0.1 * np.cos(np.arange(out.size)).reshape(out.shape), cache

        codes = {found.code for found in check(case, (forward, backward)).diagnosis}
        assert codes <= {"own-function"}


@pytest.mark.parametrize("name", KIN)
def test_every_fault_makes_a_difference(name: str) -> None:
    """A fault that never differed from what is right would be a cause that cannot be refuted."""
    layer = LAYERS[name]
    differ: dict[tuple[str, str], bool] = {}
    for case in layer.standard():
        problem = layer.problem(case)
        right = {**layer.gradients(problem, problem.inputs, problem.cotangent), "out": problem.expected}
        faults: list[tuple[str, str, Mapping[str, Any]]] = [
            (fault.code, fault.cause, fault.gradients(problem.inputs, problem.cotangent))
            for fault in faults_to_try(layer, case, problem)
        ]
        mistakes = layer.forward_faults(case, problem, problem.expected)
        faults += [(mistake.code, mistake.cause, mistake.outputs) for mistake in mistakes]
        for code, cause, found in faults:
            other = any(
                array.shape != right[key].shape or not np.allclose(array, right[key]) for key, array in found.items()
            )
            differ[code, cause] = differ.get((code, cause), False) or other
            assert set(found) <= set(right)
    assert len(differ) >= 6
    never = [key for key, other in differ.items() if not other]
    assert {code for code, _ in never} <= {"filters-permuted"}, never  # of a depthwise kernel, one for each channel
