"""Code in another process: its results are those that it has in this one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.engine.task import Task
from gradcheck_cli.engine.user_code import UserCode
from gradcheck_cli.guard.limits import Limits
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.dense.affine import AffineCase
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

#: What may differ: times and prints; and arrays, which do not compare.
_OTHERWISE = ("seconds", "output", "arrays")


def delegating(name: str, *, wrong: bool) -> str:
    """Write a file that calls the reference of a layer, with a last gradient that is half as large again if wrong."""
    passes = next(iter(LAYERS[name].builtin.values()))
    parts = ["import numpy as np\nfrom gradcheck_cli.layers import LAYERS\n"]
    for number, function in enumerate(passes):
        call = f"next(iter(LAYERS[{name!r}].builtin.values()))[{number}](*given)"
        parts.append(f"\n\ndef {function.__name__}(*given):\n    found = {call}\n")
        if wrong and number == len(passes) - 1:
            parts.append("    if isinstance(found, np.ndarray):\n        return 1.5 * found\n")
            parts.append("    *others, last = found\n    return (*others, 1.5 * last)\n")
        else:
            parts.append("    return found\n")
    return "".join(parts)


@pytest.mark.parametrize("name", one_in(7, [name for name in LAYERS if LAYERS[name].reference]))
def test_results_are_those_in_process(name: str, tmp_path: Path) -> None:
    number, layer = list(LAYERS).index(name), LAYERS[name]
    path = tmp_path / f"{name.replace('-', '_')}.py"
    path.write_text(delegating(name, wrong=number % 2 == 0))
    checker, task = Checker(), Task(spec=str(path), layer=name, settings=Settings(), limits=Limits())
    case = [*layer.standard()][-2 if number % 3 else 0]
    expected = sanitize(check_case(case, find(str(path), layer), Settings()))
    (found,) = checker.check(task, [case])
    checker.close()
    for field in fields(expected):
        if field.name not in _OTHERWISE:
            assert getattr(found, field.name) == getattr(expected, field.name), (case, field.name)


def test_arrays_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "lstm.py"
    path.write_text(delegating("lstm-step", wrong=True))
    settings, case = Settings(keep_arrays=True), LAYERS["lstm-step"].probe_cases[0]
    checker, task = Checker(), Task(spec=str(path), layer="lstm-step", settings=settings, limits=Limits())
    expected = check_case(case, find(str(path), LAYERS["lstm-step"]), settings)
    (found,) = checker.check(task, [case])
    checker.close()
    assert found.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_code_is_called_as_often_as_in_process_and_with_the_same_arrays(tmp_path: Path) -> None:
    path, calls = tmp_path / "affine.py", tmp_path / "calls"
    counting = f"""
def noted(function):
    def call(*given):
        with open({str(calls)!r}, "a") as file:
            file.write(f"{{function.__name__}} {{given[0].sum()!r}} {{given[0].strides}}\\n")
        return function(*given)
    return call
affine_forward, affine_backward = noted(affine_forward), noted(affine_backward)
"""
    path.write_text(delegating("affine", wrong=False) + counting)
    layer = LAYERS["affine"]
    case, found = next(iter(layer.standard())), []
    checker, task = Checker(), Task(spec=str(path), layer="affine", settings=Settings(), limits=Limits())
    here = find(str(path), layer)
    checker.check(task, [case])  # the first case finds out how code is called
    for check in (lambda: check_case(case, here, Settings()), lambda: checker.check(task, [case])):
        calls.unlink()
        check()
        found.append(calls.read_text().splitlines())
    checker.close()
    in_process, guarded = found
    assert len(in_process) > 20
    assert guarded == in_process


def test_a_small_case_that_passes_takes_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck_cli.engine.inside_calls._SOON", 60.0)  # the machine may be busy
    sent: list[object] = []
    send = UserCode.send

    def noted(code: UserCode, function: Any, *arguments: object) -> None:
        sent.append(function)
        send(code, function, *arguments)

    monkeypatch.setattr(UserCode, "send", noted)
    for name, wrong, most in (("conv", False, 1), ("affine", False, 1), ("tanh", False, 2), ("affine", True, 0)):
        path = tmp_path / f"{name}.py"
        path.write_text(delegating(name, wrong=wrong))
        checker, case = Checker(), next(iter(LAYERS[name].standard()))
        for dtype in ("float64", "float32"):
            task = Task(spec=str(path), layer=name, settings=Settings(), limits=Limits())
            checker.check(task, [replace(case, dtype=dtype)])  # the first case finds out how code is called
            sent.clear()
            (result,) = checker.check(task, [replace(case, dtype=dtype, seed=1)])
            assert result.passed is not wrong
            assert len(sent) > 1 if wrong else len(sent) <= most, (name, dtype, sent)
        checker.close()


def test_a_crash_and_a_hang_are_those_of_the_call_in_which_they_happen(tmp_path: Path) -> None:
    path = tmp_path / "affine.py"
    case = AffineCase(N=7, D=2, M=3)
    dying = """
import os, time
count = 0
def counted(function):
    def call(*given):
        global count
        count += len(given[0]) == 7
        if count == {number}:
            {death}
        return function(*given)
    return call
affine_forward, affine_backward = counted(affine_forward), counted(affine_backward)
"""
    for number, words in {
        1: "exit code 3",
        9: "exit code 3 when it was called again, with the cache of another forward",
        14: "exit code 3 when it was called with other inputs",
        19: "with arrays transposed views with negative strides; --skip-duty memory_layouts leaves these out",
        15: "stopped after 0.3 s when it was called after forward had been called with other inputs; --timeout",
    }.items():
        death = "time.sleep(1000)" if number == 15 else "os._exit(3)"
        path.write_text(delegating("affine", wrong=False) + dying.format(number=number, death=death))
        task = Task(spec=str(path), layer="affine", settings=Settings(), limits=Limits(seconds=0.3))
        checker = Checker()
        (result,) = checker.check(task, [case])
        checker.close()
        assert words in (result.reason or "")
        assert ("when it was called" in (result.reason or "")) == (8 <= number <= 19)


def test_what_a_later_call_writes_into_was_returned_before_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "affine.py"
    adding = """
import numpy as np
from gradcheck_cli.layers import LAYERS
forward, backward = next(iter(LAYERS["affine"].builtin.values()))
{kept}
def affine_forward(x, w, b):
    out, cache = forward(x, w, b)
    return out, (cache, np.zeros_like(w))
def affine_backward(dout, cache):
    dx, dw, db = backward(dout, cache[0])
    into = {into}
    into += dw
    return dx, into, db
"""
    for kept, into, words in (
        ("", "cache[1]", "dw is added up when backward is called again with the same cache"),
        ("total = {}", "total.setdefault(dw.shape, np.zeros_like(dw))", "dw is added up when backward is called again"),
    ):
        path.write_text(adding.format(kept=kept, into=into))
        task = Task(spec=str(path), layer="affine", settings=Settings(), limits=Limits())
        checker = Checker()
        (result,) = checker.check(task, [AffineCase(N=7, D=2, M=3)])
        checker.close()
        assert words in (result.duties["deterministic"].reason or "")
