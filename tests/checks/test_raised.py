"""Code that raises in some geometries: what these have in common is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import CaseResult, ConvCase, Verdict, check
from gradcheck_cli.layers.conv.conv import standard
from gradcheck_cli.layers.conv.variants import SEQUENCES, Conv1dCase
from gradcheck_cli.layers.pool.maxpool import MaxpoolCase, max_pool_backward, max_pool_forward
from tests.sampling import one_in

if TYPE_CHECKING:
    Pair = tuple[Callable[..., Any], Callable[..., Any]]


def windows(dx: Any, w: Any, dout: Any, stride: int, columns: int) -> None:
    """Add up what each window gives back, over that many columns of them."""
    for i, j in np.ndindex(dout.shape[2], columns):
        window = np.s_[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
        dx[window] += np.tensordot(dout[:, :, i, j], w, 1)


def convolution(
    crop: Callable[[Any, Any, int], Any] = lambda wide, x, p: wide[:, :, p : p + x.shape[2], p : p + x.shape[3]],
    refuse: Callable[[int, int], bool] = lambda _rest, _stride: False,
    forward_pad: Callable[[int], int] = lambda p: p,
    kernel: int = 3,
) -> Pair:
    """Make a convolution with something wrong.

    Args:
        crop: (gradient of the padded image, x, pad) -> dx.
        refuse: whether it refuses a remainder of a stride.
        forward_pad: by how much forward pads.
        kernel: the axis of w from which W' is computed in backward.
    """

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride, pad = conv_param["stride"], conv_param["pad"]
        spans = [x.shape[k] + 2 * pad - w.shape[k] for k in (2, 3)]
        if any(refuse(span % stride, stride) for span in spans):
            raise ValueError("this does not fit")
        wide = np.pad(x, ((0, 0), (0, 0), *[(forward_pad(pad), forward_pad(pad))] * 2))
        out = np.zeros((len(x), len(w), *(span // stride + 1 for span in spans)))
        for i, j in np.ndindex(*out.shape[2:]):
            seen = wide[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
            out[:, :, i, j] = np.tensordot(seen, w, ((1, 2, 3), (1, 2, 3))) + b
        return out, (x, w, conv_param)

    def backward(dout: Any, cache: Any) -> Any:
        x, w, conv_param = cache
        stride, pad = conv_param["stride"], conv_param["pad"]
        wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        dwide, dw = np.zeros_like(wide), np.zeros_like(w)
        windows(dwide, w, dout, stride, (x.shape[3] + 2 * pad - w.shape[kernel]) // stride + 1)
        for i, j in np.ndindex(*dout.shape[2:]):
            seen = wide[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]]
            dw += np.tensordot(dout[:, :, i, j], seen, ((0,), (0,)))
        return crop(dwide, x, pad), dw, dout.sum((0, 2, 3))

    return forward, backward


def written(cut: Callable[[Any, int], Any]) -> Callable[[Any, Any, int], Any]:
    """Write a crop into an array of the shape of x."""

    def crop(wide: Any, x: Any, pad: int) -> Any:
        dx = np.empty_like(x)
        dx[...] = cut(wide, pad)
        return dx

    return crop


def added(wide: Any, x: Any, pad: int) -> Any:
    dx = np.zeros_like(x)
    dx += wide[:, :, pad:-pad, pad:-pad]
    return dx


def for_each_sample(wide: Any, x: Any, pad: int) -> Any:
    dx = np.zeros_like(x)
    for n in range(len(x)):
        dx[n] = wide[n, :, pad:-pad, pad:-pad]
    return dx


def reshaped(wide: Any, x: Any, pad: int) -> Any:
    return wide[:, :, pad:-pad, pad:-pad].reshape(x.shape)


CROPS: dict[str, tuple[Callable[[Any, Any, int], Any], str]] = {
    "written": (written(lambda d, p: d[:, :, p:-p, p:-p]), "crop-empty"),
    "added": (added, "crop-empty"),
    "for each sample": (for_each_sample, "crop-empty"),
    "reshaped": (reshaped, "crop-empty"),
    "not at all": (written(lambda d, _p: d), "crop-missing"),
    "by one": (written(lambda d, _p: d[:, :, 1:-1, 1:-1]), "crop-fixed"),
    "samples and channels": (written(lambda d, p: d[p:-p, p:-p]), "crop-wrong-axes"),
    "channels and rows": (written(lambda d, p: d[:, p:-p, p:-p]), "crop-wrong-axes"),
}


def raised(results: list[CaseResult]) -> list[CaseResult]:
    return [result for result in results if result.verdict is Verdict.ERROR]


@pytest.mark.parametrize("name", one_in(3, CROPS))
def test_crops_that_raise_are_known_by_their_shapes(name: str) -> None:
    crop, code = CROPS[name]
    found = raised([check(case, convolution(crop)) for case in standard()])
    assert len(found) >= 5
    for result in found:
        assert [diagnosis.code for diagnosis in result.diagnosis] == [code], result.summary()
        assert "rop" in result.diagnosis[0].text.split(". ")[-1]  # the remedy says how to crop
        assert "[:, :, pad:pad + H" in result.diagnosis[0].text or "[pad:pad + H]" in result.diagnosis[0].text


def test_a_crop_of_a_sequence_that_raises() -> None:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride, wide = conv_param["stride"], np.pad(x, ((0, 0), (0, 0), [conv_param["pad"]] * 2))
        seen = np.lib.stride_tricks.sliding_window_view(wide, w.shape[2], axis=2)[:, :, ::stride]
        return np.einsum("nciw,fcw->nfi", seen, w) + b[:, None], (x, w, seen, conv_param)

    def backward(dout: Any, cache: Any) -> Any:
        x, w, seen, conv_param = cache
        stride, pad = conv_param["stride"], conv_param["pad"]
        wide, dx = np.zeros((*x.shape[:2], x.shape[2] + 2 * pad)), np.zeros_like(x)
        for i in range(dout.shape[2]):
            wide[:, :, i * stride : i * stride + w.shape[2]] += np.tensordot(dout[:, :, i], w, 1)
        dx[...] = wide[:, :, pad:-pad]
        return dx, np.einsum("nfi,nciw->fcw", dout, seen), dout.sum((0, 2))

    results = [
        check(case, (forward, backward)) for case in (*SEQUENCES.standard(), Conv1dCase(W=9, WW=4, stride=2, pad=0))
    ]
    assert {result.verdict for result in results} == {Verdict.PASS, Verdict.ERROR}
    for result in raised(results):
        assert [diagnosis.code for diagnosis in result.diagnosis] == ["crop-empty"]


def test_code_that_refuses_strides_that_do_not_divide() -> None:
    results = [check(case, convolution(refuse=lambda rest, _: rest > 0)) for case in standard()]
    assert len(raised(results)) == 5
    for result in raised(results):
        (found,) = result.diagnosis
        assert found.code == "stride-must-divide"
        assert "does not divide" in found.text
    (found,) = check(ConvCase(H=8, W=9, stride=(3, 2), pad=0), _of_pairs()).diagnosis
    assert found.text.startswith(
        "It raises because the stride of 3x2 does not divide H + 2 pad - HH = 5; it does not at H = 9."
    )


def _of_pairs() -> Pair:
    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        from gradcheck_cli.layers.conv.naive import conv_forward_naive

        assert (x.shape[2] - w.shape[2]) % conv_param["stride"][0] == 0
        return conv_forward_naive(x, w, b, conv_param)

    def backward(dout: Any, cache: Any) -> Any:
        from gradcheck_cli.layers.conv.naive import conv_backward_naive

        return conv_backward_naive(dout, cache)

    return forward, backward


def test_pooling_that_refuses_strides_that_do_not_divide() -> None:
    def forward(x: Any, pool_param: Any) -> Any:
        assert (x.shape[3] - pool_param["pool_width"]) % pool_param["stride"] == 0, "windows must tile"
        return max_pool_forward(x, pool_param)

    (found,) = check(MaxpoolCase(H=6, W=7), (forward, max_pool_backward)).diagnosis
    assert found.code == "stride-must-divide"
    assert check(MaxpoolCase(H=7, W=6), (forward, max_pool_backward)).passed


def test_other_causes_of_what_raises_are_known_by_geometries_near_by() -> None:
    case = ConvCase(H=6, W=7, HH=2, WW=4, F=5)
    (found,) = check(case, convolution(kernel=2)).diagnosis
    assert found.code == "size-of-wrong-axis"
    assert "HH and WW differ" in found.text
    (found,) = check(ConvCase(pad=2), convolution(forward_pad=lambda _: 1)).diagnosis
    assert found.code == "pad-fixed-at-1"
    (found,) = check(ConvCase(pad=2), convolution(forward_pad=lambda _: 0)).diagnosis
    assert found.code == "pad-ignored"


def test_a_number_of_samples_is_not_taken_for_that_of_channels() -> None:
    """Both are equal in some cases: what raises there is run with different ones."""
    for size, other, count in (("N", "C", lambda x, _: len(x)), ("C", "N", lambda x, _: x.shape[1])):

        def backward(dout: Any, cache: Any, count: Any = count) -> Any:
            x, w, _ = cache
            db = np.zeros(count(x, w))
            for f in range(len(w)):
                db[f] += dout[:, f].sum()
            return *convolution()[1](dout, cache)[:2], db

        found = {}
        for case in (ConvCase(N=2, C=2, F=3), ConvCase(N=4, C=3, F=5), ConvCase(N=3, C=4, F=5)):
            (cause,) = check(case, (convolution()[0], backward)).diagnosis
            found[cause.code] = cause.text
        assert list(found) == ["size-of-wrong-axis"]
        assert f"F and {size} differ" in found["size-of-wrong-axis"], other
        sizes = {"N": 2, "C": 2, "F": 2, size: 1}
        for cause in check(ConvCase(**sizes), (convolution()[0], backward)).diagnosis:  # type: ignore[arg-type]
            assert cause.code != "single-axis-dropped"


def test_what_raises_whatever_the_geometry_has_no_such_cause() -> None:
    calls = 0

    def forward(*_args: Any) -> Any:
        nonlocal calls
        calls += 1
        raise KeyError("stride_")

    for case in (ConvCase(N=1, H=6, W=7, HH=2, stride=2, pad=0), MaxpoolCase(H=5, W=7, stride=3)):
        calls = 0
        result = check(case, (forward, max_pool_backward))
        assert result.verdict is Verdict.ERROR
        assert result.diagnosis == ()
        assert calls <= 12


def test_right_code_has_no_diagnosis() -> None:
    assert not any(check(case, convolution()).diagnosis for case in standard())
