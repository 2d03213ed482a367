"""Losses with a guarded logarithm pass with a remark, and those that need a guard have a named cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program


def probabilities(x: Any, guard: float = 0.0) -> Any:
    exps = np.exp(x - x.max(axis=1, keepdims=True))
    return exps / (exps.sum(axis=1, keepdims=True) + guard)


def loss_of(x: Any, y: Any, log: Callable[[Any], Any], guard: float = 0.0) -> tuple[Any, Any]:
    """Write a softmax loss of one's own, whose logarithm is given."""
    p, rows = probabilities(x, guard), np.arange(len(y))
    d = p.copy()
    d[rows, y] -= 1
    return -log(p)[rows, y].mean(), d / len(y)


def slope(x: Any, y: Any, log: Callable[[Any], Any], share: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Differentiate the guard too: `share` is p times the slope of the guarded logarithm."""
    value, d = loss_of(x, y, log)
    return value, d * share(probabilities(x)[np.arange(len(y)), y])[:, None]


GUARDED: dict[str, tuple[float, Any]] = {
    "added": (1e-10, partial(loss_of, log=lambda p: np.log(p + 1e-10))),
    "added, tiny": (1e-15, partial(loss_of, log=lambda p: np.log(p + 1e-15))),
    "added, large": (1e-7, partial(loss_of, log=lambda p: np.log(p + 1e-7))),
    "maximum": (1e-9, partial(loss_of, log=lambda p: np.log(np.maximum(p, 1e-9)))),
    "clipped": (1e-8, partial(loss_of, log=lambda p: np.log(np.clip(p, 1e-8, 1 - 1e-8)))),
    "added to the sum too": (1e-9, partial(loss_of, log=lambda p: np.log(p + 1e-9), guard=1e-9)),
    "differentiated": (
        1e-8,
        partial(slope, log=lambda p: np.log(p + 1e-8), share=lambda p: p / (p + 1e-8)),
    ),
    "differentiated maximum": (
        1e-9,
        partial(slope, log=lambda p: np.log(np.maximum(p, 1e-9)), share=lambda p: (p > 1e-9) * 1.0),
    ),
}


@pytest.mark.parametrize("name", one_in(2, GUARDED))
def test_a_guarded_loss_passes_with_a_remark(name: str) -> None:
    guard, loss = GUARDED[name]
    remarks = set()
    for seed, case in enumerate(LAYERS["softmax"].standard()):
        result = check(replace(case, seed=seed, dtype=("float32", "float64")[seed % 2]), loss)
        assert result.passed, result.summary()
        assert result.reason is None
        remarks |= {(remark.code, remark.text.split(" by ")[-1].split(" ")[0]) for remark in result.diagnosis}
    assert {code for code, _ in remarks} <= {"guarded-logarithm", "guarded-sum"}
    assert any(said.strip(".,") == f"{guard:g}" for _, said in remarks)


def over_time(x: Any, y: Any, mask: Any, loss: Any) -> tuple[Any, Any]:
    """Write a temporal softmax loss: that of the steps that count, as a sum over them, divided by N."""
    value, d = loss(x[mask], y[mask])
    dx = np.zeros_like(x)
    dx[mask] = d * mask.sum() / len(x)
    return value * mask.sum() / len(x), dx


@pytest.mark.parametrize("name", one_in(3, ["added", "clipped", "differentiated"]))
def test_a_guarded_loss_over_time_passes_with_a_remark(name: str) -> None:
    loss = partial(over_time, loss=GUARDED[name][1])
    codes = set()
    for case in LAYERS["temporal-softmax"].standard():
        result = check(replace(case, seed=1), loss)
        assert result.passed, result.summary()
        codes |= {remark.code for remark in result.diagnosis}
    assert codes == {"guarded-logarithm"}


def _changed(change: Callable[[Any], Any]) -> Any:
    def loss(x: Any, y: Any) -> tuple[Any, Any]:
        value, dx = GUARDED["added"][1](x, y)
        return value, change(dx)

    return loss


WRONG: dict[str, tuple[Any, str]] = {
    "twice": (_changed(lambda dx: 2 * dx), "dx is 2 times the derivative"),
    "sign": (_changed(lambda dx: -dx), "wrong sign"),
    "not averaged": (_changed(lambda dx: len(dx) * dx), "times the derivative"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_beside_a_guard_fails_and_is_named(name: str) -> None:
    loss, said = WRONG[name]
    for case in list(LAYERS["softmax"].standard())[:2]:
        result = check(case, loss)
        assert result.gradients["dx"].verdict is Verdict.FAIL
        assert said in result.diagnosis[0].text
        assert result.forward is not None
        assert result.forward.verdict is Verdict.PASS


@pytest.mark.parametrize(
    "log",
    [lambda p: np.log(p + 1e-2), lambda p: np.log(p + 3.7e-6), lambda p: np.log(p) + 1e-9],
    ids=["large", "odd", "added to the loss"],
)
def test_what_is_no_small_guard_is_another_loss(log: Any) -> None:
    for case in list(LAYERS["softmax"].standard())[:3]:
        result = check(case, partial(loss_of, log=log))
        assert result.verdict is Verdict.FAIL


def test_one_element_slightly_off_beside_a_guard_is_found() -> None:
    def loss(x: Any, y: Any) -> tuple[Any, Any]:
        value, dx = GUARDED["added"][1](x, y)
        dx[1, 2] *= 1 + 1e-6
        return value, dx

    result = check(next(iter(LAYERS["softmax"].standard())), loss)
    wrong = result.gradients["dx"].wrong
    assert wrong is not None
    assert (wrong.count, wrong.where) == (1, "at [1, 2]")


def _unlowered(x: Any, y: Any) -> tuple[Any, Any]:
    exps, rows = np.exp(x), np.arange(len(y))
    p = exps / exps.sum(axis=1, keepdims=True)
    d = p.copy()
    d[rows, y] -= 1
    return -np.log(p[rows, y]).mean(), d / len(y)


def _unlowered_logarithms(x: Any, y: Any) -> tuple[Any, Any]:
    """Divide by an infinite sum: the probabilities are 0, and the gradient is finite."""
    logarithms, rows = x - np.log(np.exp(x).sum(axis=1, keepdims=True)), np.arange(len(y))
    d = np.exp(logarithms)
    d[rows, y] -= 1
    return -logarithms[rows, y].mean(), d / len(y)


def _logarithm_and_wrong_sign(x: Any, y: Any) -> tuple[Any, Any]:
    loss, dx = loss_of(x, y, log=np.log)
    return loss, -dx


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("loss", "code"), [(_unlowered_logarithms, "exp-overflow"), (_logarithm_and_wrong_sign, "log-underflow")]
)
def test_an_infinite_loss_is_told_from_the_probabilities_in_its_gradient(loss: Any, code: str) -> None:
    result = check("softmax", loss, scale=1000.0)
    assert code in [cause.code for cause in result.diagnosis]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("layer", one_in(2, ["softmax", "temporal-softmax"]))
@pytest.mark.parametrize(
    ("loss", "code"),
    [(partial(loss_of, log=np.log), "log-underflow"), (_unlowered, "exp-overflow")],
    ids=["log", "exp"],
)
def test_what_overflows_at_large_scores_is_named_in_all_losses(layer: str, loss: Any, code: str) -> None:
    function = loss if layer == "softmax" else partial(over_time, loss=loss)
    seen = {}
    for case in LAYERS[layer].standard():
        result = check(replace(case, seed=2), function)
        seen[case] = [cause.code for cause in result.diagnosis]
        assert result.passed is not bool(seen[case]), result.summary()
    large = [case for case in seen if case.geometry["scale"] == 1000 or case.geometry.get("shift")]
    assert [case for case in seen if seen[case] == [code]] == [
        case for case in large if code == "exp-overflow" or not case.geometry.get("shift")
    ]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_masked_counts_if_it_is_multiplied_by_zero() -> None:
    """0 * -inf is NaN: the mask does not help, and the cause is the same."""

    def loss(x: Any, y: Any, mask: Any) -> tuple[Any, Any]:
        N, T, V = x.shape
        p, rows = probabilities(x.reshape(-1, V)), np.arange(N * T)
        d = p.copy()
        d[rows, y.reshape(-1)] -= 1
        return (
            -(mask.reshape(-1) * np.log(p[rows, y.reshape(-1)])).sum() / N,
            (d * mask.reshape(-1, 1) / N).reshape(x.shape),
        )

    case: Any = LAYERS["temporal-softmax"].case
    for seed in range(3):
        result = check(case(scale=1000.0, seed=seed), loss)
        assert [cause.code for cause in result.diagnosis] == ["log-underflow"]


def test_the_remark_is_on_the_screen_once(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\n\ndef softmax_loss(x, y):\n"
        "    p = np.exp(x - x.max(1, keepdims=True))\n    p /= p.sum(1, keepdims=True)\n    n = np.arange(len(x))\n"
        "    loss = -np.log(p[n, y] + 1e-11).mean()\n    p[n, y] -= 1\n    return loss, p / len(x)\n",
        encoding="utf-8",
    )
    for args in (["softmax", "mine.py", "--N", "4,5"], ["mine.py"], ["softmax", "mine.py", "--N", "4"]):
        run = gradcheck(*args)
        assert run.returncode == 0, run.stdout + run.stderr
        assert (
            " ".join(run.stdout.split()).count("Forward guards its logarithm by 1e-11, which the gradient leaves") == 1
        )
