"""`function` with arguments that have no gradient: labels, and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli import FunctionCase, Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.conftest import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

FILE = """\
import numpy as np


def nll(scores, target):
    p = np.exp(scores - scores.max())
    p /= p.sum()
    g = p.copy()
    g[target] -= 1
    return -np.log(p[target]), g


def batch(scores, y):
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    g = p.copy()
    g[range(len(y)), y] -= 1
    return -np.log(p[range(len(y)), y]).mean(), g / len(y)


def embed(table, words):
    return table[words]


def embed_backward(dout, table, words):
    dtable = np.zeros_like(table)
    np.add.at(dtable, words, dout)
    return dtable, None


def power(x, n):
    return x**n


def power_grad(dout, x, n):
    return n * x ** (n - 1) * dout


def leaky(x, alpha=0.1):
    return np.where(x > 0, x, alpha * x)


def leaky_grad(dout, x, alpha=0.1):
    return dout * np.where(x > 0, 1, alpha)
"""

#: What is typed, and for each what makes it wrong.
RIGHT = {
    "nll --shape scores=5 --value target=2": ("g[target] -= 1", "g[target] -= 2"),
    "nll --shape scores=5 --labels target=scalar:5": ("g = p.copy()", "g = 2 * p"),
    "batch --shape scores=6x10 --labels y=6:10": ("g / len(y)", "g"),
    "embed,embed_backward --shape table=7x3 --labels words=2x4:7": (
        "np.add.at(dtable, words, dout)",
        "dtable[words] += dout",
    ),
    "power,power_grad --shape x=2x3 --value n=3": ("return n * x", "return x"),
    "leaky,leaky_grad --shape x=2x3 --value alpha=0.5": ("np.where(x > 0, 1, alpha)", "np.where(x > 0, 1, 0.1)"),
}


@pytest.mark.long
def test_what_has_no_gradient_is_passed_as_it_is(tmp_path: Path, gradcheck: Program) -> None:
    for command, (old, new) in RIGHT.items():
        names, *flags = command.split()
        (tmp_path / "right.py").write_text(FILE, encoding="utf-8")
        (tmp_path / "wrong.py").write_text(FILE.replace(old, new), encoding="utf-8")
        assert old in FILE
        run = gradcheck("function", f"right.py:{names}", f"wrong.py:{names}", *flags, "--json", "-")
        right, wrong = report_of(run)["results"]
        assert (right["verdict"], wrong["verdict"]) == ("pass", "fail"), command
        assert set(right["gradients"]) == {f"d{flags[1].partition('=')[0]}"}
        assert all(flag in right["command"] for flag in flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--shape scores=5", "--labels target=6:10, for a number --value target=2"),
        ("--shape scores=5 --value target=two", "'target=two': give a number such as 2 or 0.5, True or False"),
        ("--shape scores=5 --labels target=5", "'target=5': give a shape and a number of classes such as 6:10"),
        ("--shape scores=5 --labels target=5:0", "must be of at least 1 class"),
        ("--shape scores=5 --value target=2 --labels target=5:9", "target is given by --value and --labels"),
        ("--shape scores=5 --value target=2 --value k=2", "nll(scores, target) takes no k"),
    ],
)
def test_mistakes_are_answered(flags: str, said: str, tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "right.py").write_text(FILE, encoding="utf-8")
    run = gradcheck("function", "right.py:nll", *flags.split())
    assert run.returncode == 2
    assert said in run.stderr
    assert len(run.stderr.splitlines()) <= 2


def test_labels_are_in_range_and_depend_on_the_seed_alone() -> None:
    def labels(seed: int, **more: Any) -> list[int]:
        case = FunctionCase(shape={"x": (2,)}, labels={"y": ((30,), 4), **more}, seed=seed)
        return list(LAYERS["function"].problem(case).inputs["y"])

    assert set(labels(0)) == {0, 1, 2, 3}
    assert labels(0) == labels(0, a=((5,), 2)) != labels(1)


def test_values_may_be_lists() -> None:
    def f(x: Any, n: Any) -> Any:
        return (x**n).sum(), n * x ** (n - 1)

    for n in (1, 2.5, 3):
        assert check(FunctionCase(shape={"x": (3,)}, range={"x": (0.5, 2)}, value={"n": n}), f).verdict is Verdict.PASS
