"""Code that takes one stride or pad for both axes: what it cannot be asked for is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.naive import conv_backward_naive as backward
from gradcheck_cli.layers.conv.naive import conv_forward_naive as forward

if TYPE_CHECKING:
    from pathlib import Path


def square(x: Any, w: Any, b: Any, conv_param: dict[str, Any]) -> Any:
    """Run forward with one number for stride and pad, as most courses have it."""
    step, pad = conv_param["stride"], conv_param["pad"]
    rows = 1 + (x.shape[2] + 2 * pad - w.shape[2]) // step
    out, cache = forward(x, w, b, {**conv_param, "stride": (step, step), "pad": (pad, pad)})
    assert out.shape[2] == rows
    return out, cache


def test_a_pair_in_the_dictionary_that_code_takes_for_a_number_is_skipped() -> None:
    for case, name in ((ConvCase(stride=(2, 1)), "stride"), (ConvCase(pad=(0, 1)), "pad")):
        result = check(case, (square, backward))
        assert result.verdict is Verdict.SKIP, result.reason
        assert f"square takes no pair of numbers as {name}" in (result.reason or "")
    assert check(ConvCase(stride=2), (square, backward)).passed


def test_another_mistake_at_a_pair_is_still_an_error() -> None:
    def raises(x: Any, w: Any, b: Any, conv_param: dict[str, Any]) -> Any:
        raise TypeError(f"cannot pickle {type(x).__name__}")

    assert check(ConvCase(stride=(2, 1)), (raises, backward)).verdict is Verdict.ERROR


def test_a_setting_beside_the_input_of_a_slope_is_no_learning_rate(tmp_path: Path) -> None:
    text = "import numpy as np\n\n\ndef leaky_relu(x, alpha=0.01):\n    return np.where(x > 0, x, alpha * x)\n\n\n"
    text += "def leaky_relu_derivative(x, alpha=0.01):\n    return np.where(x > 0, 1.0, alpha)\n"
    layer = LAYERS["leaky-relu"]
    for verdict, slope in ((Verdict.PASS, "1.0, alpha"), (Verdict.FAIL, "alpha, 1.0")):
        path = tmp_path / f"{verdict.value}.py"
        path.write_text(text.replace("1.0, alpha", slope), encoding="utf-8")
        result = check_case([*layer.standard()][1], find(str(path), layer), Settings())
        assert result.verdict is verdict, result.reason
