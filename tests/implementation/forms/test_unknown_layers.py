"""Files whose functions are of no known layer: shapes are found by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.implementation.finding.shapes import find_shapes
from tests.conftest import report_of
from tests.sampling import in_parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: Functions with their gradients, what makes the gradient wrong, and shapes that must be told apart: letters.
PAIRS = {
    "mixing": (
        (
            "def mixing(Q, K, V):\n    S = Q @ K.transpose(0, 2, 1) / np.sqrt(Q.shape[-1])\n    A = np.exp(S)\n"
            "    A /= A.sum(-1, keepdims=True)\n    return A @ V, (Q, K, V, A)\n\n\n"
            "def mixing_backward(dout, cache):\n    Q, K, V, A = cache\n    dA = dout @ V.transpose(0, 2, 1)\n"
            "    dS = A * (dA - (dA * A).sum(-1, keepdims=True)) / np.sqrt(Q.shape[-1])\n"
            "    return dS @ K, dS.transpose(0, 2, 1) @ Q, A.transpose(0, 2, 1) @ dout\n"
        ),
        ("(dA * A).sum(-1, keepdims=True)", "0"),
        "Q=btd K=bsd V=bsm",
    ),
    "bilin": (
        (
            "def bilin(x, W, y):\n    return np.einsum('ni,ij,nj->n', x, W, y)\n\n\n"
            "def bilin_grad(dout, x, W, y):\n    d = dout[:, None]\n"
            "    return d * (y @ W.T), np.einsum('n,ni,nj->ij', dout, x, y), d * (x @ W)\n"
        ),
        ("d * (x @ W)", "x @ W"),
        "x=ni W=ij y=nj",
    ),
    "logsum": (
        "def logsum(x):\n    return np.log(x).sum()\n\n\ndef logsum_grad(dout, x):\n    return dout / x\n",
        ("dout / x", "dout / x**2"),
        "x=ij",
    ),
    "score": (
        (
            "def score(table, words):\n    return table[words] ** 2\n\n\n"
            "def score_backward(dout, table, words):\n    d = np.zeros_like(table)\n"
            "    np.add.at(d, words, 2 * dout * table[words])\n    return d\n"
        ),
        ("np.add.at(d, words, 2 * dout * table[words])", "d[words] = 2 * dout * table[words]"),
        "table=vd",
    ),
    "gated": (
        (
            "def gated(x, h, Wx, Wh, b):\n    H = h.shape[1]\n    a = x @ Wx + h @ Wh + b\n"
            "    z = 1 / (1 + np.exp(-a[:, :H]))\n    n = np.tanh(a[:, H:])\n"
            "    return (1 - z) * n + z * h, (x, h, Wx, Wh, z, n)\n\n\n"
            "def gated_backward(dout, cache):\n    x, h, Wx, Wh, z, n = cache\n"
            "    da = np.hstack([dout * (h - n) * z * (1 - z), dout * (1 - z) * (1 - n * n)])\n"
            "    return da @ Wx.T, dout * z + da @ Wh.T, x.T @ da, h.T @ da, da.sum(0)\n"
        ),
        ("dout * z + da @ Wh.T", "da @ Wh.T"),
        "x=nd h=nk",
    ),
    "scaled": (
        (
            "def scaled(x, scale):\n    return x.repeat(scale, 2)\n\n\n"
            "def scaled_backward(dout, x, scale):\n    return dout.reshape(*x.shape, scale).sum(3)\n"
        ),
        (".sum(3)", ".mean(3)"),
        "x=abc",
    ),
    "affine_relu": (
        (
            "def affine_relu_forward(x, w, b):\n    a = x @ w + b\n    return np.maximum(a, 0), (x, w, a)\n\n\n"
            "def affine_relu_backward(dout, cache):\n    x, w, a = cache\n    d = dout * (a > 0)\n"
            "    return d @ w.T, x.T @ d, d.sum(0)\n"
        ),
        ("x.T @ d", "x.T @ dout"),
        "x=nd w=dm b=m",
    ),
}


def _objects(name: str) -> tuple[Any, ...]:
    space: dict[str, Any] = {}
    exec(f"import numpy as np\n{PAIRS[name][0]}", space)
    return tuple(value for key, value in space.items() if key.startswith(name))


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_are_found_that_tell_axes_apart(name: str) -> None:
    first, *others = find_shapes(_objects(name))
    letters: dict[str, int] = {}
    for word in PAIRS[name][2].split():
        argument, axes = word.split("=")
        assert len(first.shape[argument]) == len(axes)
        for letter, length in zip(axes, first.shape[argument], strict=True):
            assert letters.setdefault(letter, length) == length
    assert len(set(letters.values())) == len(letters)
    assert others or first.labels


def test_what_fits_no_gradient_has_no_shapes() -> None:
    def forward(A: Any, B: Any, observed: Any) -> Any:
        return A[observed] @ B

    def backward(A: Any, observed: Any) -> Any:
        return A[observed][:, None] * np.ones(97)

    def move_forward(x: Any) -> Any:
        return x + 1

    def move_backward(x: Any) -> Any:
        return x - 1

    assert find_shapes((forward, backward)) == ()
    assert find_shapes((move_forward, move_backward)) == ()


@in_parts(2)
def test_a_file_is_checked_whatever_its_layers_are(part: int, tmp_path: Path, gradcheck: Program) -> None:
    common = ["mixing", "affine_relu"]
    names = ["mixing", *(name for name in PAIRS if name not in common)] if part else common
    pairs = [PAIRS[name] for name in names]
    right = "import numpy as np\n\n\n" + "\n\n".join(text for text, _, _ in pairs)
    assert all(old in text for text, (old, _), _ in pairs)
    wrong = "import numpy as np\n\n\n" + "\n\n".join(text.replace(*slip) for text, slip, _ in pairs)
    helpers = "\n\ndef im2col(x, k):\n    return x\n\n\ndef cost(x):\n    return (x**2).sum()\n"
    (tmp_path / "right.py").write_text(right + helpers, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    run = gradcheck("right.py", "--json", "-")
    assert run.returncode == 0, run.stdout + run.stderr
    results = report_of(run)["results"]
    assert {result["layer"] for result in results} == {"function", "attention"}  # called attention, and in this form
    assert {result["implementation"].partition(":")[2].partition(",")[0] for result in results} == {
        name if name != "affine_relu" else "affine_relu_forward" for name in names
    }
    assert len(results) >= 3 * len(names)
    failed = {
        r["implementation"]
        for r in report_of(gradcheck("wrong.py", "--json", "-"))["results"]
        if r["verdict"] == "fail"
    }
    assert len(failed) == len(names)


def test_the_header_shows_the_command_that_fixes_the_shapes(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "mine.py").write_text(f"import numpy as np\n\n\n{PAIRS['bilin'][0]}", encoding="utf-8")
    said = " ".join(gradcheck("mine.py", "-v").stdout.split())
    command = "gradcheck function mine.py:bilin,bilin_grad --shape x=4x5 --shape W=5x6 --shape y=4x6"
    assert f"shapes found by trying, which `{command}` fixes" in said
    assert gradcheck(*command.split()[1:]).returncode == 0


def test_what_cannot_be_run_is_a_row_with_the_next_command(tmp_path: Path, gradcheck: Program) -> None:
    text = "def warp(x, tables):\n    return x * tables.at(0).gain\n\n\n"
    text += "def warp_backward(dout, x, tables):\n    return dout\n"
    (tmp_path / "mine.py").write_text(f"import numpy as np\n\n\n{PAIRS['bilin'][0]}\n\n{text}", encoding="utf-8")
    run = gradcheck("mine.py")
    assert run.returncode == 0
    assert "gradcheckfunctionmine.py:warp,warp_backward--shapex=2x3--shapetables=2x3,or--example" in "".join(
        run.stdout.split()
    )


@pytest.mark.long  # `table.FORMS` has slopes
def test_slopes_of_known_layers_take_the_input_or_the_output(tmp_path: Path, gradcheck: Program) -> None:
    text = (
        "import numpy as np\n\n\ndef sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n\n\n"
        "def sigmoid_derivative(x):\n    return sigmoid(x) * (1 - sigmoid(x))\n\n\n"
        "def tanh(x):\n    return np.tanh(x)\n\n\ndef tanh_prime(a):\n    return 1 - a**2\n\n\n"
        "def relu(z):\n    return np.maximum(0, z)\n\n\ndef relu_grad(z):\n    return (z > 0) * 1.0\n"
    )
    (tmp_path / "right.py").write_text(text, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(text.replace("(1 - sigmoid(x))", "sigmoid(x)").replace("1 - a**2", "1 - a"))
    assert gradcheck("right.py").returncode == 0
    failed = {r["layer"] for r in report_of(gradcheck("wrong.py", "--json", "-"))["results"] if r["verdict"] == "fail"}
    assert failed == {"sigmoid", "tanh"}


_SLOPES = (
    "import numpy as np\n\n\ndef f(x):\n    return np.sum(x**2 * np.sin(x))\n\n\n"
    "def grad_f(x):\n    return 2 * x * np.sin(x) + x**2 * np.cos(x)\n\n\n"
    "def bump(x):\n    return np.exp(-(x**2))\n\n\ndef d_bump(x):\n    return -2 * x * np.exp(-(x**2))\n\n\n"
    "def quadratic(x, A):\n    return 0.5 * x @ A @ x\n\n\n"
    "def quadratic_gradient(x, A):\n    return 0.5 * (A + A.T) @ x, 0.5 * np.outer(x, x)\n"
)


@pytest.mark.long  # `table.FORMS` has slopes
def test_a_gradient_without_a_cotangent_is_one_by_its_name(tmp_path: Path, gradcheck: Program) -> None:
    names = {"f,grad_f", "bump,d_bump", "quadratic,quadratic_gradient"}
    for text, verdict in (
        (_SLOPES, "pass"),
        (_SLOPES.replace("+ x**2", "- x**2").replace("-2 * x", "-x").replace("(A + A.T)", "A"), "fail"),
    ):
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        results = report_of(gradcheck("mine.py", "--json", "-"))["results"]
        assert {result["implementation"].partition(":")[2] for result in results} == names
        assert {result["verdict"] for result in results} == {verdict}


def test_no_shape_is_checked_for_which_an_input_does_not_count() -> None:
    """Along a single element what is normalized is constant, and both derivatives are nothing but roundings."""

    def unit(v: Any, g: Any) -> Any:
        return g * v / np.sqrt((v**2).sum(0)), (v, g)

    def unit_backward(dout: Any, cache: Any) -> Any:
        v, g = cache
        n = np.sqrt((v**2).sum(0))
        dg = (dout * v).sum(0) / n
        return g / n * dout - g * dg / n**2 * v, dg

    def mixed(x: Any, w: Any) -> Any:
        a = np.exp(x @ w @ x.T)
        return a / a.sum(1, keepdims=True)

    def mixed_backward(dout: Any, x: Any, w: Any) -> Any:
        a = mixed(x, w)
        d = a * (dout - (dout * a).sum(1, keepdims=True))
        return d @ x @ w.T + d.T @ x @ w, x.T @ d @ x

    cases = find_shapes((unit, unit_backward))
    assert len(cases) > 1
    assert all(case.shape["v"][0] > 1 for case in cases)
    cases = find_shapes((mixed, mixed_backward))
    assert len(cases) > 1
    assert all(case.shape["x"][0] > 1 for case in cases)


@pytest.mark.long
def test_functions_are_understood_whatever_made_them(tmp_path: Path, gradcheck: Program) -> None:
    text = (
        "import functools\n\nimport numpy as np\n\n\ndef bare(function):\n    def inner(*args, **kwargs):\n"
        "        return function(*args, **kwargs)\n\n    return inner\n\n\n"
        "@bare\ndef scale_forward(x, s):\n    return x * s, (x, s)\n\n\n"
        "@bare\ndef scale_backward(dout, cache):\n    x, s = cache\n    return dout * s, (dout * x).sum(0)\n\n\n"
        "square_forward = lambda x: (x**2, x)\nsquare_backward = lambda dout, x: 2 * x * dout\n\n\n"
        "def power(x, n):\n    return x**n, x\n\n\ndef slope(dout, x, n):\n    return n * x ** (n - 1) * dout\n\n\n"
        "cube_forward = functools.partial(power, n=3)\ncube_backward = functools.partial(slope, n=3)\n"
    )
    names = {f"{name}_forward,{name}_backward" for name in ("scale", "square", "cube")}
    wrong = text.replace("(dout * x)", "dout").replace("2 * x * dout", "x * dout").replace("n * x **", "x **")
    for code, verdict in ((text, "pass"), (wrong, "fail")):
        (tmp_path / "mine.py").write_text(code, encoding="utf-8")
        results = report_of(gradcheck("mine.py", "--json", "-"))["results"]
        found = {one["implementation"].partition(":")[2] for one in results if one["verdict"] == verdict}
        assert found == names, results


@pytest.mark.long
def test_a_pair_with_an_argument_of_unknown_meaning_is_a_row_with_a_command_that_works(
    tmp_path: Path, gradcheck: Program
) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\n\ndef affine_forward(x, w, b, flavour):\n    z = x @ w + b\n"
        "    return {'plain': z, 'double': 2 * z}[flavour], (x, w)\n\n\n"
        "def affine_backward(dout, cache, flavour):\n    x, w = cache\n"
        "    dout = dout * {'plain': 1, 'double': 2}[flavour]\n    return dout @ w.T, x.T @ dout, dout.sum(0)\n\n\n"
        "def make():\n    return np.ones((2, 3)), np.ones((3, 4)), np.ones(4), 'double'\n",
        encoding="utf-8",
    )
    (row,) = report_of(gradcheck("mine.py", "--json", "-"))["results"]
    assert row["verdict"] == "skip"
    assert "takes `flavour`, of which the meaning is not known" in row["reason"]
    command = row["reason"].partition("; gradcheck ")[2].partition(" checks it")[0].replace("FILE.py", "mine.py")
    assert gradcheck(*command.split()).returncode == 0
    text = (tmp_path / "mine.py").read_text().replace("'double': 2}", "'double': 3}")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    assert gradcheck(*command.split()).returncode == 1
