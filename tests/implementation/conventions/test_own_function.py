"""A function and its gradient: how names and places of their arguments are read, and how they are found in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli import FunctionCase, Verdict, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError, NotExpressibleError
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.function import problem

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.implementation.implementation import Implementation
    from tests.conftest import Program

LAYER = LAYERS["function"]
CASE = FunctionCase(shape={"x": (2, 3), "w": (2, 3)})


def f(x: Any, w: Any) -> Any:
    return x * w


def with_cache(x: Any, w: Any) -> Any:
    return x * w, (x, w)


@pytest.mark.parametrize(
    ("function", "gradient", "understood"),
    [
        (f, lambda dout, x, w: 0, "f(x, w) and <lambda>(dout, x, w)"),
        (f, lambda x, w, g: 0, "f(x, w) and <lambda>(x, w, g)"),
        (f, lambda W, upstream, X: 0, "f(x, w) and <lambda>(W, upstream, X)"),
        (f, lambda x, w: 0, "f(x, w) and <lambda>(x, w), without a cotangent"),
        (f, lambda a, b: 0, "f(x, w) and <lambda>(a, b), without a cotangent"),
        (f, lambda a, b, c: 0, "f(x, w) and <lambda>(a, b, c)"),
        (with_cache, lambda dout, cache: 0, "with_cache(x, w), which returns (out, cache), and <lambda>(dout, cache)"),
        (
            with_cache,
            lambda cache: 0,
            "with_cache(x, w), which returns (out, cache), and <lambda>(cache), without a cotangent",
        ),
        (with_cache, lambda g, kept: 0, "with_cache(x, w), which returns (out, cache), and <lambda>(g, kept)"),
        (f, lambda dout, x, w, scale=1.0: 0, "f(x, w) and <lambda>(dout, x, w, scale)"),
    ],
)
def test_the_header_says_how_they_are_understood(function: Any, gradient: Any, understood: str) -> None:
    assert from_functions((function, gradient), LAYER).convention == understood


def test_one_function_says_so() -> None:
    assert from_functions((f,), LAYER).convention == "f(x, w), which returns (number, gradients)"


@pytest.mark.parametrize(
    ("arguments", "cached", "wanted"),
    [
        ("dout, x, w", False, ["dout", "x", "w"]),
        ("w, x, dout", False, ["w", "x", "dout"]),
        ("g, a, b", False, ["dout", "x", "w"]),
        ("x, g, *, w", False, ["x", "dout", "w"]),
        ("dout, out, w", False, ["dout", "out", "w"]),
        ("dout, cache", True, ["dout", "cache"]),
        ("cache, dout", True, ["cache", "dout"]),
        ("dout, x, cache", True, ["dout", "x", "cache"]),
        ("g, saved_for_later", True, ["dout", "cache"]),
        ("x, w", False, ["x", "w"]),
        ("a, b", False, ["x", "w"]),
        ("dout, x, w, eps=1", False, ["dout", "x", "w", 1]),
    ],
)
def test_arguments_get_what_their_names_say(arguments: str, cached: bool, wanted: list[Any]) -> None:
    got: list[Any] = []
    names = [word.partition("=")[0].strip() for word in arguments.split(",") if word.strip() != "*"]
    posed = problem(CASE)
    seen = {"got": got, "owed": tuple(posed.inputs.values())}
    gradient = eval(f"lambda {arguments}: got.extend([{', '.join(names)}]) or owed", seen)
    implementation = from_functions((with_cache if cached else f, gradient), LAYER)
    out, cache = implementation.forward(posed.inputs, None)
    known: dict[str, Any] = {**posed.inputs, "out": out, "dout": 2 * posed.inputs["x"]}
    implementation.backward(known["dout"], cache, ("x", "w"))
    for value, name in zip(got, wanted, strict=True):
        if name == "cache":
            assert [array.tobytes() for array in value] == [posed.inputs[key].tobytes() for key in ("x", "w")]
        else:
            assert value is name or value.tobytes() == known[name].tobytes()


def test_of_two_unknown_the_second_is_a_cache_if_there_is_one() -> None:
    one = FunctionCase(shape={"x": (3,)})
    assert check(one, (lambda x: x**3, lambda a, b: 3 * a * b**2)).passed
    assert check(one, (lambda x: (x**3, 3 * x**2), lambda a, b: a * b)).passed
    assert check(CASE, (f, lambda a, b: (b, a))).passed
    assert check(CASE, (with_cache, lambda a, b: (a * b[1], a * b[0]))).passed


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ((lambda *x: x,), "does not name what it takes"),
        ((lambda: 0,), "does not name what it takes"),
        ((f, lambda *x: x), "does not name what it takes"),
        ((f, lambda dout, x, w, a, b: 0), "takes `b`, of which the meaning is not known"),
    ],
)
def test_what_cannot_be_told_is_a_misfit(functions: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        check(CASE, functions)


def test_inputs_that_are_not_its_own_are_refused() -> None:
    implementation = from_functions((lambda x, p=2: x * p, lambda dout, x, p: dout * p), LAYER)
    assert implementation.refusal(["x"]) is None
    assert implementation.refusal(["x", "p"]) is None
    asked = "<lambda>(x, p) takes x, of which no shape is given; add --shape x=2,3; for labels --labels x=6:10"
    assert (implementation.refusal(["p"]) or "").startswith(asked)
    assert "takes no q" in (implementation.refusal(["x", "q"]) or "")
    with pytest.raises(NotExpressibleError, match="takes no w"):
        implementation.forward(problem(CASE).inputs, None)
    assert (
        check(FunctionCase(shape={"x": (2,)}), (lambda x, y: x, lambda dout, x, y: (dout, 0))).verdict is Verdict.SKIP
    )


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda x: x.sum(), "not (number, gradients); of two functions name both, FILE.py:f,gradient"),
        (lambda x: (x**2, x), "takes no cotangent, and dx has shape"),
        (lambda x: (x.sum(), 1, 2), "returned 2 values, where dx must be returned"),
    ],
)
def test_one_function_that_returns_something_else_is_told(returned: Any, said: str) -> None:
    case = FunctionCase(shape={"x": (3,)})
    spoiled = returned if said != "takes no cotangent, and dx has shape" else lambda x: (x**2, x[:2])
    result = check(case, spoiled)
    assert result.verdict is (Verdict.ERROR if spoiled is returned else Verdict.SKIP)
    assert said in (result.reason or "")


def found(folder: Path, text: str, names: str = "") -> Implementation:
    path = folder / "functions.py"
    path.write_text(text, encoding="utf-8")
    return find(f"{path}{names}", LAYER)


@pytest.mark.parametrize("name", ["f_grad", "grad_f", "f_backward", "backward_f", "df", "f_prime", "f_vjp"])
def test_pairs_are_found_by_name(name: str, tmp_path: Path) -> None:
    text = f"def f(x): return x * x\ndef {name}(dout, x): return 2 * x * dout\ndef helper(a): return a\n"
    assert found(tmp_path, text).name.endswith(f"functions.py:f,{name}")
    assert found(tmp_path, text, ":f").name.endswith(f"functions.py:f,{name}")
    assert found(tmp_path, text, ":helper").convention == "helper(a), which returns (number, gradients)"
    assert found(tmp_path, text, f":helper,{name}").name.endswith(f":helper,{name}")


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        (
            "x = 1\n",
            "",
            "has no function with its gradient, such as f(x, w) and f_grad(dout, x, w); it has no functions",
        ),
        ("def f(x): ...\ndef g(x): ...\n", "", "has several pairs or classes that fit; name one"),
        ("def f(*x): ...\n", "", "`f` does not name what it takes"),
        ("class F: ...\n", ":F", "class F has neither forward nor backward"),
        ("def f(x): ...\ndef g(x): ...\ndef h(x): ...\n", ":f,g,h", "name a function and its gradient"),
    ],
)
def test_what_is_not_there_is_said(text: str, names: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ImplementationNotFoundError) as caught:
        found(tmp_path, text, names)
    assert said in str(caught.value)


def test_an_adapter_makes_a_function_and_its_gradient(tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text(
        "def adapt(m):\n    return m.cube, lambda g, x: 3 * g * x**2\n", encoding="utf-8"
    )
    (tmp_path / "odd.py").write_text("def cube(x):\n    return x**3\n", encoding="utf-8")
    adapted = find(str(tmp_path / "odd.py"), LAYER, f"{tmp_path / 'adapter.py'}:adapt")
    assert adapted.convention.startswith("adapted by")
    assert check(FunctionCase(shape={"x": (3,)}), adapted).passed


def test_a_function_that_makes_both_passes_is_no_pass_with_its_backward(tmp_path: Path, gradcheck: Program) -> None:
    maker = (
        "def passes(scale):\n"
        "    def forward(x):\n        return scale * x, x\n\n"
        "    def backward(dout, cache):\n        return scale * dout\n\n"
        "    return forward, backward\n"
    )
    (tmp_path / "maker.py").write_text(maker, encoding="utf-8")
    run = gradcheck("maker.py")
    assert run.returncode == 2
    assert "it has passes" in run.stderr
