"""Causes one by one: what is named, what is said of it, and what is not named beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.norm.layernorm import LayernormCase, layernorm_backward, layernorm_forward
from tests.faults.conv import faulty_pair


def test_a_cause_that_another_case_refutes_is_not_named() -> None:
    """Sums over the wrong axes and a wrong slice come to the same for a square of ones; elsewhere they do not."""

    def halved_where_the_image_is_square(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx * (0.5 if dx.shape[2:] == (9, 9) else 1), dw, db

    assert check(ConvCase(H=9, W=9, N=2), (conv_forward_naive, halved_where_the_image_is_square)).diagnosis == ()

    def rotated_for_nine(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        turned = w[:, :, ::-1, ::-1] if x.shape[2] == 9 else w
        return conv_backward_naive(dout, (x, turned, b, conv_param))

    assert check(ConvCase(H=9, W=9, N=2), (conv_forward_naive, rotated_for_nine)).diagnosis == ()


def test_a_gradient_that_is_right_was_not_returned_in_the_place_of_another() -> None:
    def forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> Any:
        return layernorm_forward(x, gamma, beta, ln_param)

    def summed(dout: Any, stored: Any) -> Any:
        dx, _, dbeta = layernorm_backward(dout, stored)
        return dx, dbeta, dbeta

    def exchanged(dout: Any, stored: Any) -> Any:
        dx, dgamma, dbeta = layernorm_backward(dout, stored)
        return dx, dbeta, dgamma

    case = LayernormCase(N=4, D=5)
    assert "wrong-order" not in [found.code for found in check(case, (forward, summed)).diagnosis]
    assert [found.code for found in check(case, (forward, exchanged)).diagnosis] == ["wrong-order"]


def test_one_cause_of_several_wrong_gradients_is_named_once() -> None:
    case = ConvCase(N=2, H=6, W=7, stride=2)
    (found,) = check(case, faulty_pair("last_row_of_windows_missed")).diagnosis
    assert found.text == "In dx and dw the last row of windows is missed. Loop over all of dout: 3 rows and 4 columns."
    (found,) = check(case, faulty_pair("cotangent_taken_for_ones")).diagnosis
    assert found.text.startswith("In dx, dw and db dout is ignored: it is replaced by ones.")


def test_a_reshape_names_the_array_that_is_reshaped() -> None:
    """The gradient of the columns alone is mixed up where dw is right; else it is dout, as it is transposed in code."""
    case = ConvCase(N=3, C=2, H=6, W=7, F=4)
    (found,) = check(case, faulty_pair("columns_reshaped_in_dx")).diagnosis
    assert found.text.startswith("In dx the gradient of the columns, (C, HH, WW, N, H', W'), is reshaped as if")
    (found,) = check(case, faulty_pair("dout_transposed_with_samples_before_positions")).diagnosis
    assert "dout is transposed to the axes (F, N, H', W'), and reshaped as if they were (F, H', W', N)" in found.text


def test_two_causes_are_distinguished() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return 2 * dx, dw, db[::-1]

    found = check(ConvCase(F=3), (conv_forward_naive, backward)).diagnosis
    assert [diagnosis.code for diagnosis in found] == ["factor", "filters-permuted"]


RECTANGULAR = ConvCase(N=2, C=4, H=8, W=6, F=4, HH=3, WW=2, stride=(2, 1), pad=(1, 2), dilation=(1, 2), groups=2)


@pytest.mark.parametrize(
    ("code", "rows", "columns"),
    [
        ("crop-missing", slice(None), slice(None)),
        ("crop-wrong-side", slice(8), slice(6)),
        ("crop-wrong-side", slice(2, None), slice(4, None)),
        ("crop-fixed", slice(1, -1), slice(1, -1)),
        ("crop-square", slice(1, 9), slice(1, 7)),
        ("crop-square", slice(2, -2), slice(2, -2)),
        ("crop-square", slice(1, 9), slice(2, 10)),
        ("crop-square", slice(1, 7), slice(2, 10)),
    ],
)
def test_crops_of_a_rectangle(code: str, rows: slice, columns: slice) -> None:
    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
        dx, _, _ = conv_backward_naive(dout, (wide, w, b, {**conv_param, "pad": 0}))
        return dx[:, :, rows, columns], *conv_backward_naive(dout, stored)[1:]

    result = check(RECTANGULAR, (conv_forward_naive, backward))
    assert [found.code for found in result.diagnosis] == [code]


@pytest.mark.parametrize(("what", "case"), [
    ("stride", ConvCase(H=7, W=7, stride=(2, 1), pad=1)),
    ("pad", ConvCase(H=7, W=7, HH=3, WW=3, pad=(2, 0))),
])  # fmt: skip
def test_vertical_and_horizontal_exchanged(what: str, case: ConvCase) -> None:
    """Windows are taken from an image that is large enough for either, and the gradient is cut out of its."""

    def backward(dout: Any, stored: Any) -> Any:
        x, w, _, conv_param = stored
        (sv, sh), (pv, ph) = (as_pair(conv_param[name])[:: -1 if name == what else 1] for name in ("stride", "pad"))
        wide = np.zeros((*x.shape[:2], 40, 40))
        wide[:, :, pv : pv + 7, ph : ph + 7] = x
        dx, dw = np.zeros_like(wide), np.zeros_like(w)
        for i, j in np.ndindex(*dout.shape[2:]):
            window = np.s_[:, :, i * sv : i * sv + 3, j * sh : j * sh + 3]
            dx[window] += np.tensordot(dout[:, :, i, j], w, 1)
            dw += np.tensordot(dout[:, :, i, j], wide[window], ([0], [0]))
        return dx[:, :, pv : pv + 7, ph : ph + 7], dw, dout.sum((0, 2, 3))

    (found,) = check(case, (conv_forward_naive, backward)).diagnosis
    assert found.code == "height-width-confused"
    assert f"the vertical and the horizontal {what} are exchanged" in found.text


def as_pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def test_filters_of_the_next_group() -> None:
    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        dx, _, _ = conv_backward_naive(dout, (x, np.roll(w, 2, axis=0), b, conv_param))
        return dx, *conv_backward_naive(dout, stored)[1:]

    (found,) = check(ConvCase(C=6, F=6, groups=3), (conv_forward_naive, backward)).diagnosis
    assert found.code == "filters-permuted"
    assert "those of the next group" in found.text


def test_a_consistent_pair_that_is_something_else() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        return conv_forward_naive(x, w[:, :, ::-1, ::-1], b, conv_param)

    def backward(dout: Any, stored: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, stored)
        return dx, dw[:, :, ::-1, ::-1], db

    for case in standard():
        result = check(case, (forward, backward))
        assert [found.code for found in result.diagnosis] == ([] if result.passed else ["kernel-rotated"])
        if not result.passed:
            assert "out the kernel is rotated by 180 degrees" in result.diagnosis[0].text


def test_a_consistent_pair_of_which_nothing_more_is_known() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        return conv_forward_naive(x, w * abs(w), b, conv_param)[0], (x, w, b, conv_param)

    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        dx, dw, db = conv_backward_naive(dout, (x, w * abs(w), b, conv_param))
        return dx, 2 * abs(w) * dw, db

    (found,) = check(ConvCase(), (forward, backward)).diagnosis
    assert found.code == "own-function"
    assert "something other than convolution" in found.text


def test_a_right_backward_beside_a_wrong_forward() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        out, _ = conv_forward_naive(x, w[:, :, ::-1, ::-1], b, conv_param)
        return out, (x, w, b, conv_param)

    named_in = 0
    for number, case in enumerate(standard()):
        result = check(replace(case, dtype=("float32", "float64")[number % 2]), (forward, conv_backward_naive))
        codes = {found.code for found in result.diagnosis}
        assert codes <= {"reference-gradient", "kernel-rotated"}
        named_in += codes == {"reference-gradient", "kernel-rotated"}
    assert named_in >= 10


def test_a_forward_in_a_narrower_dtype() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        out, _ = conv_forward_naive(x.astype(np.float32), w.astype(np.float32), b.astype(np.float32), conv_param)
        return out.astype(x.dtype), (x, w, b, conv_param)

    for case in standard()[::4]:
        (found,) = check(case, (forward, conv_backward_naive)).diagnosis
        assert found.code == "float32-inside"
        assert found.text.startswith("out is computed in float32")


@pytest.mark.parametrize("name", ["x", "w", "dout"])
def test_an_array_that_is_rounded_before_it_is_used(name: str) -> None:
    def backward(dout: Any, stored: Any) -> Any:
        x, w, b, conv_param = stored
        arrays = {"x": x, "w": w, "dout": dout}
        arrays[name] = arrays[name].astype(np.float32).astype(float)
        return conv_backward_naive(arrays["dout"], (arrays["x"], arrays["w"], b, conv_param))

    (found,) = check(ConvCase(N=2, H=8, W=8), (conv_forward_naive, backward)).diagnosis
    assert found.code == "float32-inside"
    assert f"{name} is rounded to float32 first" in found.text


def test_a_cause_costs_a_few_calls_of_forward() -> None:
    calls = 0

    def forward(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return conv_forward_naive(*args)

    for fault, further in {"left_at_zero": 3, "assigned_instead_of_accumulated": 1, "not_cropped": 1}.items():
        calls = 0
        result = check(ConvCase(), (forward, faulty_pair(fault)[1]))
        assert result.diagnosis
        without = 1 + max(gradient.evaluations for gradient in result.gradients.values()) + 4
        assert calls == without + further, fault


def test_what_is_too_large_to_be_differentiated_in_full_is_explained_by_the_reference() -> None:
    (found,) = check(ConvCase(N=5, H=6, W=7, F=4), faulty_pair("dx_doubled"), method="projected").diagnosis
    assert found.text.startswith("dx is 2 times the derivative.")


def test_a_case_in_which_a_fault_makes_zeros_has_its_cause() -> None:
    """A mask inverted, where all of x is above 0; and what is zero everywhere."""
    for wrong, code in (
        (lambda dout, x: dout * (x < 0), "mask-inverted"),
        (lambda dout, x: dout * (dout > 0), "mask-of-dout"),
        (lambda dout, _: 0 * dout, "zero"),
    ):
        found = set()
        for case in LAYERS["relu"].standard():
            result = check(case, (lambda x: (np.maximum(x, 0), x), wrong))
            found |= {cause.code for cause in result.diagnosis}
        assert found == {code}, found


def test_a_fault_of_forward_that_reaches_dx_is_named_once() -> None:
    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        s = np.sqrt(x.var(0)) + bn_param["eps"]
        z = (x - x.mean(0)) / s
        bn_param["running_mean"], bn_param["running_var"] = 0.1 * x.mean(0), 0.1 * x.var(0)
        return gamma * z + beta, (z, gamma, s)

    def backward(dout: Any, cache: Any) -> Any:
        z, gamma, s = cache
        g = dout * gamma
        return (g - g.mean(0) - z * (g * z).mean(0)) / s, (dout * z).sum(0), dout.sum(0)

    causes = [one for one in check("batchnorm", (forward, backward)).diagnosis if one.code == "eps-outside-root"]
    assert [cause.text.partition(" eps")[0] for cause in causes] == ["In out and dx"]
