"""A template occurs in the statements that its text describes, and in no others."""

from __future__ import annotations

import ast
from pathlib import Path

from gradcheck_cli.checks.diagnosis.place.flow import Definition, Flow
from gradcheck_cli.checks.diagnosis.place.source import Source
from gradcheck_cli.checks.diagnosis.place.templates import has

#: By template, statements in which it occurs, and those in which it does not.
OCCURRENCES = {
    "_ / _": (["a = b / c", "a = f(b / 2)", "return d, b / c"], ["a = b // c", "a = b[i / 2]", "a /= c"]),
    "_ /= _": (["a /= 2", "a[i] /= n"], ["a = a / 2", "a *= 2"]),
    "_ / (_ - 1)": (["a = b / (n - 1)", "a = b * (c / (len(x) - 1))"], ["a = b / (n - 2)", "a = b / (n + 1)"]),
    "a * a": (["y = m * m", "y = (p + q) * (p + q)", "y = x[0] * x[0] + 1"], ["y = m * n", "y = x[0] * x[1]"]),
    "NUMBER * _": (["a = 2 * b", "a = 0.5 * b + c"], ["a = 1 * b", "a = b * 2", "a = n * b"]),
    "SMALL": (["a = b + 1e-5"], ["a = b + 1", "a = b + 0.5", "a = b - 0"]),
    "-1 * _": (["a = -1 * b"], ["a = 1 * b", "a = -2 * b", "a = -1.0 * b"]),
    "_ ** 0.5": (["a = (v + e) ** 0.5"], ["a = v ** 2", "a = v ** 0.25"]),
    "[1:-1]": (["a = b[1:-1]", "a = b[:, :, 1:-1, 1:-1]", "a[1:-1] = b"], ["a = b[1:]", "a = b[1:-2]", "a = b[1]"]),
    "[a:-a]": (["a = b[:, p:-p]"], ["a = b[p:-q]", "a = b[p:p + H]", "a = b[:-p]"]),
    "[::-1]": (["a = b[::-1]"], ["a = b[::2]", "a = b[:-1]"]),
    "_.T": (["a = b.T @ c", "a = (b + c).T"], ["a = b.shape", "a = T"]),
    "sum(...)": (["a = b.sum()", "a = np.sum(b, axis=0)", "for i in range(sum(b)): pass"], ["a = b.mean()", "a = sum"]),
    "range(_ - 1)": (["for i in range(n - 1): pass"], ["for i in range(n - 1, -1, -1): pass"]),
    "ndindex(..., _ - 1)": (["for i, j in np.ndindex(h, w - 1): pass"], ["for i, j in np.ndindex(h, w): pass"]),
    "_(..., ddof=_)": (["v = x.var(axis=0, ddof=1)"], ["v = x.var(axis=0)"]),
    "_.reshape(_, _)": (["a = b.reshape(n, -1)"], ["a = b.reshape(n, m, k)", "a = b.reshape((n, m))"]),
}  # fmt: skip


def definitions(text: str) -> list[Definition]:
    tree = ast.parse(f"def f():\n    {text}")
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    flow = Flow(Source(file="f.py", cell=None, text=text, tree=tree), function)
    statement, loops = flow.statements[0]
    found = [one for several in flow.definitions.values() for one in several]
    return found or [Definition(flow, "", statement, loops=loops)]


def test_a_template_occurs_where_it_should_and_nowhere_else() -> None:
    for template, (inside, outside) in OCCURRENCES.items():
        for text in inside:
            assert any(map(has(template), definitions(text))), (template, text)
        for text in outside:
            assert not any(map(has(template), definitions(text))), (template, text)


def test_a_pattern_may_exclude_templates() -> None:
    divides = has("_ / _", without=("_ / sum(...)",))
    assert any(map(divides, definitions("a = b / n")))
    assert not any(map(divides, definitions("a = b / b.sum(axis=1)")))
    assert not any(map(divides, definitions("a = b * n")))


def test_all_templates_of_the_program_can_be_read() -> None:
    """A template is read when it is first looked for: a mistake in one would show in few runs."""
    file = Path(__file__).parents[3] / "gradcheck_cli" / "checks" / "diagnosis" / "place" / "patterns.py"
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "has":
            for one in call.args:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    assert not any(map(has(one.value), definitions("return"))), one.value
