"""Where forward is the reference, the reference is differentiated; verdicts are those of forward's own derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.results.result import Verdict
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

#: Calls of forward that a case of any layer takes, and of any that is affine in each input, in all and with its duties.
MOST, MOST_IF_AFFINE = 40, 20

AFFINE = ("conv", "conv1d", "conv3d", "conv-transpose", "depthwise-conv", "affine", "temporal-affine", "avgpool")


class Counted:
    """The reference of a layer as somebody's code, with its calls of forward, and a gradient that may be changed."""

    def __init__(self, layer: str) -> None:
        self.calls = 0
        self._reference = built_in(LAYERS[layer], next(iter(LAYERS[layer].builtin)))

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Count a call."""
        self.calls += 1
        return self._reference.forward(inputs, parameters)

    def implementation(self, **changed: Any) -> Implementation:
        """Return it under another name than the reference's."""
        return replace(self._reference, name="somebody's", forward=self.forward, **changed)


def checked(case: Case, *, method: str = "auto", **changed: Any) -> tuple[CaseResult, int]:
    """Return the result of somebody's code, and its calls of forward."""
    code = Counted(case.layer)
    return check_case(case, code.implementation(**changed), Settings(method=method)), code.calls


def moved(layer: str, name: str, by: float) -> Any:
    """Return a backward pass of which one element of a gradient is off by so many roundings of its own size."""
    reference = built_in(LAYERS[layer], next(iter(LAYERS[layer].builtin)))

    def backward(cotangent: Any, cache: Any, names: tuple[str, ...]) -> Mapping[str, object]:
        found = {key: np.array(value) for key, value in reference.backward(cotangent, cache, names).items()}
        flat = found[name].reshape(-1)
        flat[abs(flat).argmax()] *= 1 + by * np.finfo(flat.dtype).eps
        return found

    return backward


@in_parts(2)
def test_a_case_of_any_layer_takes_few_calls_of_forward(part: int) -> None:
    for layer in LAYERS.values():
        for case in list(layer.standard())[part : part + 1] if layer.reference else ():
            result, calls = checked(case)
            most = MOST_IF_AFFINE if layer.name in AFFINE else MOST
            assert result.verdict is Verdict.PASS, (case, result.reason)
            assert calls <= most, (case, calls)


@in_parts(4)
def test_verdicts_and_figures_are_those_of_forwards_own_derivatives(part: int) -> None:
    """In three dtypes, of right gradients and of some off by what is allowed, by more, and by all."""
    layers = (("affine", "dw"), ("batchnorm", "dx"), ("softmax", "dx"), ("rnn-step", "dWh"))
    for layer, name in layers[part::4]:
        case = next(iter(LAYERS[layer].standard()))
        for dtype in ("float64", "float32", "float16"):
            for by in (0, 90, 110, 1e4):
                changed = {"backward": moved(layer, name.removeprefix("d"), by)} if by else {}
                typed = replace(case, dtype=dtype)
                shared, calls = checked(typed, **changed)
                own, many = checked(typed, method="dense", **changed)
                assert shared.verdict is own.verdict, (layer, dtype, by, shared.reason, own.reason)
                assert calls < many or by
                for key, gradient in shared.gradients.items():
                    other = own.gradients[key]
                    assert gradient.verdict is other.verdict, (layer, dtype, by, key)
                    assert gradient.wrong == other.wrong
                    if gradient.worst and other.worst and gradient.wrong and gradient.wrong.count:
                        assert gradient.worst.index == other.worst.index
                        assert gradient.worst.numeric == pytest.approx(other.worst.numeric, rel=1e-4)


@pytest.mark.parametrize("share", [1e-3, 1e-6])
def test_a_forward_that_is_the_reference_only_at_its_point_is_differentiated_itself(share: float) -> None:
    """Its output equals the reference's there, and its derivative differs by a share of one weight."""
    first: list[Array] = []

    def forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
        first.append(x.copy())
        out, cache = conv_forward_naive(x, w, b, conv_param)
        out = out + (share * (x - first[0])[0, 0, 0, 0] if x.shape == first[0].shape else 0)
        return out, cache

    result = check(ConvCase(N=2, C=2, H=4, W=4, F=2), (forward, conv_backward_naive))
    assert result.verdict is Verdict.FAIL
    dx = result.gradients["dx"]
    assert dx.wrong is not None
    assert (dx.verdict, dx.wrong.count) == (Verdict.FAIL, 1)


def test_a_forward_that_is_noisy_or_moves_off_is_not_taken_for_the_reference() -> None:
    calls = 0

    def noisy(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
        nonlocal calls
        calls += 1
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out * (1 + 1e-15 * calls), cache

    result = check(ConvCase(N=1, C=2, H=3, W=3, F=2), (noisy, conv_backward_naive))
    assert max(gradient.evaluations for gradient in result.gradients.values()) > 2 + 6
