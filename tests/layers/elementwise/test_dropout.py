"""Dropout: whatever numbers a layer draws, each element is dropped or divided by p, and the right share of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers.elementwise.dropout import LAYER, DropoutCase, dropout_backward, dropout_forward
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.numeric.arrays import Array

#: The standard cases.
CASES: Any = tuple(LAYER.standard())


def dropping(uniform: Callable[[Any, tuple[int, ...]], Any]) -> Any:
    """Make a forward pass that draws its numbers in another way than the reference."""

    def forward(x: Any, dropout_param: Any) -> Any:
        if dropout_param["mode"] == "test":
            return x, None
        mask = (uniform(dropout_param["seed"], x.shape) < dropout_param["p"]) / x.dtype.type(dropout_param["p"])
        return x * mask, mask

    return forward


def _one_by_one(seed: int, shape: tuple[int, ...]) -> Array:
    source = random.Random(seed)
    return np.array([source.random() for _ in range(int(np.prod(shape)))]).reshape(shape)


def _global(seed: int, shape: tuple[int, ...]) -> Array:
    np.random.seed(seed)  # noqa: NPY002  # as course code does
    return np.random.rand(*shape)  # noqa: NPY002


DRAWS: dict[str, Callable[[Any, tuple[int, ...]], Any]] = {
    "global": _global,
    "generator": lambda seed, shape: np.random.default_rng(seed).random(shape),
    "one by one": _one_by_one,
    "seeded by the caller": lambda _, shape: np.random.rand(*shape),  # noqa: NPY002
    "from above": lambda seed, shape: 1 - np.random.default_rng(seed).random(shape),
}


@pytest.mark.parametrize("dtype", one_in(3, ["float16", "float32", "float64", "longdouble"]))
@pytest.mark.parametrize("draws", DRAWS)
def test_any_draws_will_do(draws: str, dtype: str) -> None:
    for seed, case in enumerate(CASES):
        result = check(replace(case, seed=seed, dtype=dtype), (dropping(DRAWS[draws]), dropout_backward))
        assert result.passed, result.summary()


def test_the_reference_keeps_what_the_course_code_keeps() -> None:
    case = DropoutCase(shape=(3, 4, 5), p=0.3, seed=7)
    posed = LAYER.problem(case)
    kept = _global(7, (3, 4, 5)) < 0.3
    assert 0 < kept.sum() < kept.size
    assert ((posed.expected != 0) == kept & (posed.inputs["x"] != 0)).all()
    np.testing.assert_allclose(posed.expected[kept] * 0.3, posed.inputs["x"][kept], rtol=1e-15)


def test_a_seed_that_is_ignored_breaks_a_duty() -> None:
    def uniform(_: int, shape: tuple[int, ...]) -> Array:
        return np.random.default_rng().random(shape)

    for case in (case for case in CASES if case.mode == "train" and case.p < 1):
        result = check(case, (dropping(uniform), dropout_backward))
        assert result.verdict is Verdict.FAIL
        assert result.duties["deterministic"].verdict is Verdict.FAIL
        reason = result.duties["deterministic"].reason or ""
        assert reason.startswith("forward is noisy: two calls differ by")
        assert reason.endswith('; draw with the "seed" among its parameters')
        assert result.forward is not None
        assert result.forward.verdict is Verdict.PASS
        assert result.gradients["dx"].verdict is not Verdict.PASS
        assert result.diagnosis == ()


def test_how_many_are_kept_must_be_likely() -> None:
    """Of 200 elements, p and 1 - p are told apart; half of 30 kept says nothing against p = 0.6."""

    def keeping(share: float) -> Any:
        def forward(x: Any, dropout_param: Any) -> Any:
            mask = (np.arange(x.size).reshape(x.shape) < share * x.size) / dropout_param["p"]
            return x * mask, mask

        return forward, dropout_backward

    for p, share, right in [(0.75, 0.75, True), (0.75, 0.6, True), (0.75, 0.25, False), (0.75, 1.0, False),
                            (0.25, 0.0, False), (0.25, 0.75, False)]:  # fmt: skip
        result = check(DropoutCase(shape=(10, 20), p=p), keeping(share))
        assert result.passed is right, (p, share)
        assert result.forward is not None
        assert right or (result.forward.reason or "").startswith("out is wrong in")
    assert check(DropoutCase(shape=(30,), p=0.6), keeping(0.5)).passed
    assert not check(DropoutCase(shape=(30,), p=1.0), keeping(0.9)).passed


def _keeping(kept: list[int]) -> Any:
    def forward(x: Any, dropout_param: Any) -> Any:
        mask = np.array(kept, x.dtype) / x.dtype.type(dropout_param["p"])
        return x * mask, mask

    return forward


@pytest.mark.parametrize(
    ("kept", "said"), [([1, 1, 1, 1, 1], "nothing was dropped"), ([0, 0, 0, 0, 0], "everything was dropped")]
)
def test_a_case_in_which_the_mask_has_no_part_is_no_pass(kept: list[int], said: str) -> None:
    for backward in (dropout_backward, lambda dout, mask: dout * mask.max()):  # the mask left out passes no more
        result = check(DropoutCase(shape=(5,), p=0.5), (_keeping(kept), backward))
        assert result.verdict is Verdict.INCONCLUSIVE
        assert (result.reason or "").startswith(said)
        assert result.duties["not_vacuous"].reason == result.reason
        assert result.gradients["dx"].verdict is Verdict.PASS


def test_a_case_in_which_the_mask_has_a_part_is_a_pass_or_a_failure() -> None:
    mixed = _keeping([1, 0, 1, 1, 0])
    assert check(DropoutCase(shape=(5,), p=0.5), (mixed, dropout_backward)).passed
    assert check(DropoutCase(shape=(5,), p=0.5), (mixed, lambda dout, _: 2 * dout)).verdict is Verdict.FAIL
    for case in (DropoutCase(shape=(5,), p=1.0), DropoutCase(shape=(5,), mode="test")):
        assert check(case).passed  # nothing is dropped on purpose


def test_random_cases_keep_something_and_drop_something() -> None:
    assert not LAYER.has_nonzero_gradient(DropoutCase(shape=(5,), p=0.5))
    assert not LAYER.has_nonzero_gradient(DropoutCase(shape=(30,), p=0.9))
    assert LAYER.has_nonzero_gradient(DropoutCase(shape=(200,), p=0.9))
    assert LAYER.has_nonzero_gradient(DropoutCase(shape=(1,), p=1.0))


@pytest.mark.parametrize(("p", "factor"), [(0.75, 3.0), (0.25, 2.0)])
@pytest.mark.parametrize("share", [0.25, 0.75], ids=["quarter", "most"])
def test_what_is_dropped_does_not_count_as_wrong(share: float, p: float, factor: float) -> None:
    """Where values are wrong, those that are dropped are right; and so they are where too many or too few are."""

    def forward(x: Any, _: Any) -> Any:
        mask = (np.random.default_rng(3).random(x.shape) < share) * (1 / p * factor)
        return x * mask, mask

    case = DropoutCase(shape=(10, 20), p=p)
    result = check(case, (forward, dropout_backward))
    assert result.forward is not None
    assert result.forward.wrong is not None
    assert result.forward.verdict is Verdict.FAIL
    kept = np.random.default_rng(3).random((10, 20)) < share
    assert result.forward.wrong.count == (kept & (LAYER.problem(case).inputs["x"] != 0)).sum()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (lambda x: x[:1], "out has shape (1, 20) instead of (10, 20)"),
        (lambda x: np.full_like(x, np.nan), "out is NaN in 200 of 200 elements"),
        (lambda x: x.astype(int), "out has dtype int64"),
        (lambda _: None, "out is missing"),
    ],
)
def test_outputs_that_are_none(out: Any, said: str) -> None:
    result = check(DropoutCase(shape=(10, 20)), (lambda x, _: (out(x), None), dropout_backward))
    assert result.forward is not None
    assert (result.forward.reason or "").startswith(said)


COURSE = """\
import numpy as np


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = KEPT
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout
"""


@pytest.mark.parametrize(
    ("kept", "dropping"),
    [("(np.random.rand(*x.shape) < p) / p", False), ("(np.random.rand(*x.shape) >= p) / (1 - p)", True)],
)
def test_p_is_what_the_course_took_it_for(kept: str, dropping: bool, tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text(COURSE.replace("KEPT", kept), encoding="utf-8")
    implementation = find(str(path), LAYER)
    assert implementation.convention.endswith("p as the probability of dropping") is dropping
    for case in CASES:
        result = check(replace(case, seed=5), implementation)
        assert result.passed, result.summary()


def test_a_wrong_layer_is_not_read_into_a_right_one(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    for kept in ("np.random.rand(*x.shape) < p", "(np.random.rand(*x.shape) < p) / (1 - p)"):
        path.write_text(COURSE.replace("KEPT", kept), encoding="utf-8")
        implementation = find(str(path), LAYER)
        assert "dropping" not in implementation.convention
        assert check(CASES[0], implementation).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "run",
    [
        lambda: dropout_forward(np.ones(5), {"mode": "train", "p": 0.5, "seed": 1}),
        lambda: check(DropoutCase(), (dropping(DRAWS["seeded by the caller"]), dropout_backward)),
        lambda: check(DropoutCase(), (lambda *_: 1 / 0, dropout_backward)),
    ],
    ids=["the reference", "a check", "a forward that raises"],
)
def test_nothing_global_is_touched(run: Callable[[], object]) -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    run()
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert str(before) == str(after)


def test_seeds_beyond_numpys() -> None:
    assert check(DropoutCase(shape=(10, 20), seed=2**40 + 1)).passed


#: Arrays large enough to tell p from 1 - p by what is kept; at 1/2 the two are one.
CASES = (DropoutCase(shape=(12, 15), p=0.8), DropoutCase(shape=(7, 4, 9), p=0.3), DropoutCase(shape=(9, 16), p=0.5))

#: keep(draw, p), the scale of forward, and backward's factor from the mask and p.
Parts = tuple["Callable[[Any, float], Any]", "Callable[[float], float]", "Callable[[Any, float], Any]"]


def _kept(draw: Any, p: float) -> Any:
    return draw < p


def _dropped(draw: Any, p: float) -> Any:
    return draw > p


def _inverse(p: float) -> float:
    return 1 / p


def pair(
    keep: Callable[[Any, float], Any], scale: Callable[[float], float], factor: Callable[[Any, float], Any]
) -> Any:
    def forward(x: Any, param: Any) -> Any:
        if param["mode"] == "test":
            return x, None
        mask = keep(np.random.default_rng(param["seed"] + 7).random(x.shape), param["p"])
        return x * mask * x.dtype.type(scale(param["p"])), (mask, param["p"])

    def backward(dout: Any, cache: Any) -> Any:
        return dout if cache is None else dout * np.asarray(factor(*cache), dout.dtype)

    return forward, backward


def _again(mask: Any, p: float) -> Any:
    return (np.random.default_rng(99).random(mask.shape) < p) / p


FAULTS: dict[str, tuple[Parts, str | None]] = {
    "right": ((_kept, _inverse, lambda m, p: m / p), None),
    "right with the upper draws": ((lambda draw, p: draw >= 1 - p, _inverse, lambda m, p: m / p), None),
    "inverted": ((_kept, _inverse, lambda m, p: ~m / p), "mask-inverted"),
    "inverted without 1/p": ((_kept, _inverse, lambda m, p: 1 - 1.0 * m), "mask-inverted"),
    "without 1/p in backward": ((_kept, _inverse, lambda m, p: m), "dropout-scale"),
    "times p in backward": ((_kept, _inverse, lambda m, p: m * p), "dropout-scale"),
    "1/p twice in backward": ((_kept, _inverse, lambda m, p: m / p / p), "dropout-scale"),
    "without 1/p": ((_kept, lambda p: 1.0, lambda m, p: m), "dropout-scale"),
    "times p": ((_kept, lambda p: p, lambda m, p: m * p), "dropout-scale"),
    "without 1/p in forward": ((_kept, lambda p: 1.0, lambda m, p: m / p), "dropout-scale"),
    "no mask": ((_kept, _inverse, lambda m, p: np.full(m.shape, 1 / p)), "mask-ignored"),
    "drawn again": ((_kept, _inverse, _again), "mask-redrawn"),
    "by 1 - p": ((_kept, lambda p: 1 / (1 - p), lambda m, p: m / (1 - p)), "dropout-scale"),
    "dropped": ((_dropped, _inverse, lambda m, p: m / p), "drop-probability"),
    "dropped without 1/p": ((_dropped, lambda p: 1.0, lambda m, p: m), "drop-probability"),
}

#: What else may be said: the gradient is right for dropout, and not for a forward that is none; at p = 1/2, where to
#: keep and to drop are one, only the scale is wrong.
ALSO = {"without 1/p in forward": {"reference-gradient", "factor"}, "dropped without 1/p": {"dropout-scale"}}


@pytest.mark.parametrize("dtype", one_in(2, ["float32", "float64"]))
@pytest.mark.parametrize("fault", FAULTS)
def test_slips_of_dropout_are_named(fault: str, dtype: str) -> None:
    functions, code = FAULTS[fault]
    named = 0
    for seed, case in enumerate(CASES):
        result = check(replace(case, dtype=dtype, seed=seed), pair(*functions))
        codes = {found.code for found in result.diagnosis}
        assert codes <= {code} | ALSO.get(fault, set()), (case.label(), result.diagnosis)
        assert result.passed or code is not None, result.summary()
        assert bool(codes) is not result.passed, result.summary()
        named += code in codes
    assert code is None or named >= 2


def test_the_scale_of_test_mode_is_named() -> None:
    def forward(x: Any, param: Any) -> Any:
        return (x * param["p"] if param["mode"] == "test" else x), None

    result = check(DropoutCase(shape=(3, 4), p=0.6, mode="test"), (forward, lambda dout, _: 0.6 * dout))
    assert [found.code for found in result.diagnosis] == ["dropout-scale"]
    assert "In test mode out is x times p." in result.diagnosis[0].text
