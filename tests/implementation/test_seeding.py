"""Code that draws numbers: the same again in each call, others in backward, and the header says so."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers.elementwise.dropout import DropoutCase
from gradcheck_cli.layers.function import FunctionCase

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

SHAPES = FunctionCase(shape={"x": (4, 5), "w": (5,)})


def _mask(x: Any) -> Any:
    return (np.random.rand(*x.shape) < 0.5) / 0.5  # noqa: NPY002  # as people write it


def _dropped(x: Any, w: Any) -> Any:
    mask = _mask(x)
    return x * w * mask, (x, w, mask)


def _back_dropped(dout: Any, cache: Any) -> Any:
    x, w, mask = cache
    return dout * mask * w, (dout * mask * x).sum(0)


def _noisy(x: Any, w: Any) -> Any:
    z = x + np.random.normal(size=x.shape)  # noqa: NPY002
    return z**2 * w, z, w


def _sampled(x: Any, w: Any) -> Any:
    rows = random.sample(range(len(x)), 2)
    return x[rows] @ w, (x, w, rows)


def _back_sampled(dout: Any, cache: Any) -> Any:
    x, w, rows = cache
    dx = np.zeros_like(x)
    dx[rows] = dout[:, None] * w
    return dx, dout @ x[rows]


def _with_cache(forward: Any) -> Any:
    def cached(x: Any, w: Any) -> Any:
        out, *cache = forward(x, w)
        return out, cache

    return cached


def _back_noisy(dout: Any, cache: Any) -> Any:
    z, w = cache
    return 2 * dout * z * w, (dout * z**2).sum(0)


RIGHT: dict[str, tuple[Any, Any]] = {
    "dropout": (_dropped, _back_dropped),
    "noise": (_with_cache(_noisy), _back_noisy),
    "negative sampling": (_sampled, _back_sampled),
}


def _fresh_mask(dout: Any, cache: Any) -> Any:
    x, w, _ = cache
    return _back_dropped(dout, (x, w, _mask(x)))


def _other_rows(dout: Any, cache: Any) -> Any:
    x, w, _ = cache
    return _back_sampled(dout, (x, w, random.sample(range(len(x)), 2)))


WRONG: dict[str, tuple[Any, Any]] = {
    "a fresh mask": (_dropped, _fresh_mask),
    "other rows": (_sampled, _other_rows),
    "noise left out": (_with_cache(_noisy), lambda dout, cache: (2 * dout * cache[1], _back_noisy(dout, cache)[1])),
}


@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_right_code_that_draws_passes_and_wrong_code_fails(name: str) -> None:
    for seed in (0, 3, 2**40):
        case = FunctionCase(shape=SHAPES.shape, seed=seed)
        result = check(case, (RIGHT | WRONG)[name])
        assert result.verdict is (Verdict.PASS if name in RIGHT else Verdict.FAIL), result.summary()
        assert (result.understood or "").endswith("because the output depends on them")
        assert result.duties["deterministic"].verdict is Verdict.PASS


def test_a_mask_that_dropouts_backward_draws_anew_is_wrong() -> None:
    def forward(x: Any, dropout_param: Any) -> Any:
        mask = (np.random.rand(*x.shape) < dropout_param["p"]) / dropout_param["p"]  # noqa: NPY002
        return x * mask, (mask, dropout_param["p"])

    def kept(dout: Any, cache: Any) -> Any:
        return dout * cache[0]

    def fresh(dout: Any, cache: Any) -> Any:
        return dout * (np.random.rand(*dout.shape) < cache[1]) / cache[1]  # noqa: NPY002

    case = DropoutCase(shape=(10, 20), p=0.75)
    assert check(case, (forward, kept)).passed
    assert check(case, (forward, fresh)).gradients["dx"].verdict is Verdict.FAIL


def test_it_is_not_said_where_it_does_not_matter() -> None:
    def draws_for_nothing(x: Any, w: Any) -> Any:
        np.random.rand(3)  # noqa: NPY002
        return x * w

    for forward in (draws_for_nothing, lambda x, w: x * w):
        result = check(SHAPES, (forward, lambda dout, x, w: (dout * w, (dout * x).sum(0))))
        assert result.passed
        assert "seeded" not in (result.understood or "")


def test_a_generator_without_a_seed_is_noise_still() -> None:
    def forward(x: Any, w: Any) -> Any:
        mask = np.random.default_rng().random(x.shape) < 0.5
        return x * w * mask, (x, w, mask)

    result = check(SHAPES, (forward, _back_dropped))
    assert result.verdict is Verdict.FAIL
    assert "draw from random or np.random, which are seeded" in (result.duties["deterministic"].reason or "")


def test_the_callers_generators_are_left_alone() -> None:
    before = random.getstate(), str(np.random.get_state(legacy=False))  # noqa: NPY002
    for functions in RIGHT.values():
        check(SHAPES, functions)
    assert before == (random.getstate(), str(np.random.get_state(legacy=False)))  # noqa: NPY002


def test_the_header_says_so(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\n\ndef jitter(x):\n    k = np.random.rand(*x.shape)\n    return k * x**2, (k, x)\n\n\n"
        "def jitter_backward(dout, cache):\n    k, x = cache\n    return 2 * dout * k * x\n",
        encoding="utf-8",
    )
    run = gradcheck("function", "mine.py:jitter,jitter_backward", "--shape", "x=4")
    assert run.returncode == 0, run.stdout + run.stderr
    header = " ".join(run.stdout.split("\npass x 4,")[0].split())
    assert header.endswith("random and np.random are seeded before each call, because the output depends on them")
