"""Each convention: found without a name, right layers pass what they can express, and a wrong gradient fails."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import NotExpressibleError
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.pool.maxpool import MaxpoolCase
from gradcheck_cli.results.result import Verdict
from tests.implementation.conventions.sources import CORE, PAIRS, SOURCES, WRONG, WRONG_AHEAD
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from tests.conftest import Program

CONV = LAYERS["conv"]


def understood(path: Path, text: str) -> Implementation:
    path.write_text(text, encoding="utf-8")
    return find(str(path), CONV)


def cases(*numbers: int, dtype: str = "float64") -> list[Case]:
    standard = list(CONV.standard())
    return [replace(standard[number], dtype=dtype, seed=number) for number in numbers]


def expressible(implementation: Implementation) -> int:
    """Count the standard geometries that forward can be asked for."""
    count = 0
    for case in CONV.standard():
        problem = CONV.problem(case)
        with contextlib.suppress(NotExpressibleError):
            implementation.forward(problem.inputs, problem.parameters)
            count += 1
    return count


@pytest.mark.parametrize("name", one_in(3, SOURCES))
def test_each_is_found_and_what_is_right_passes(tmp_path: Path, name: str) -> None:
    source, path = SOURCES[name], tmp_path / "right.py"
    implementation = understood(path, CORE + source.text)
    assert implementation.name == implementation.spec == f"{path}:{source.names}"
    assert source.understood in implementation.convention
    again = find(implementation.name, CONV)
    assert (again.name, again.convention) == (implementation.name, implementation.convention)
    assert expressible(implementation) == source.ran
    tried = [*cases(0, 1, 6), *cases(0, dtype="float32")]
    results = [check_case(case, implementation, Settings()) for case in tried]
    said = [f"{result.case.label()}: {result.verdict}: {result.reason}" for result in results]
    assert {result.verdict for result in results} <= {Verdict.PASS, Verdict.SKIP}, said
    assert results[0].passed or results[1].passed, said
    assert results[3].verdict is results[0].verdict, said


@pytest.mark.parametrize("name", one_in(6, SOURCES))
def test_a_wrong_forward_is_understood_as_the_right_one(tmp_path: Path, name: str) -> None:
    right = understood(tmp_path / "right.py", CORE + SOURCES[name].text)
    wrong = understood(tmp_path / "wrong.py", CORE.replace(*WRONG_AHEAD) + SOURCES[name].text)
    assert wrong.convention == right.convention
    assert any(check_case(case, wrong, Settings()).verdict is Verdict.FAIL for case in cases(1, 0))


@pytest.mark.parametrize("name", one_in(3, SOURCES))
def test_what_is_wrong_fails(tmp_path: Path, name: str) -> None:
    implementation = understood(tmp_path / "layers.py", (CORE + SOURCES[name].text).replace(*WRONG))
    results = [check_case(case, implementation, Settings()) for case in cases(0, 1)]
    found = [result for result in results if result.verdict is not Verdict.SKIP]
    assert found
    for result in found:
        verdicts = {key: gradient.verdict.value for key, gradient in result.gradients.items()}
        assert verdicts == {"dx": "pass", "dw": "fail", "db": "pass"}


#: What a class makes of a second backward pass of the same cache, of another forward pass in between, of a seed.
ACCUMULATES = "square kernels, accumulated"


def test_nothing_accumulates(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text(CORE + SOURCES[ACCUMULATES].text, encoding="utf-8")
    implementation = find(str(path), CONV)
    first, second = (CONV.problem(replace(CONV.probe_cases[0], seed=seed)) for seed in (0, 1))
    names = tuple(first.inputs)
    _, cache = implementation.forward(first.inputs, first.parameters)
    before = implementation.backward(first.cotangent, cache, names)
    _, other = implementation.forward(second.inputs, second.parameters)
    implementation.backward(second.cotangent, other, names)
    after = implementation.backward(first.cotangent, cache, names)
    for name in names:
        np.testing.assert_array_equal(np.asarray(before[name]), np.asarray(after[name]))


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        (
            "channels last, no cache, padding in words",
            {"pad": 2},
            '"same" and "valid" can only say pad 0 and, at stride 1, pad (kernel - 1) / 2',
        ),
        ("square kernels, accumulated", {"HH": 2}, "filter_size is one whole number, and cannot say a pair of two"),
        ("square kernels, accumulated", {"stride": (2, 1)}, "stride is one whole number, and cannot say a pair of two"),
        (
            "the input once more, a learning rate",
            {"WW": 2},
            "Conv takes no pair of numbers as kernel: Conv raised TypeError: 'tuple' object",
        ),
        ("boxes", {"stride": 2}, "it has no argument for stride, here 2"),
        ("given its parameters", {"dilation": 2}, "it has no argument for dilation, here 2"),
        ("no stride and no pad", {"pad": (1, 0)}, "it has no argument for pad, here 1x0"),
        ("always same", {"pad": 0}, "it always pads by (kernel - 1) / 2"),
        (
            "always same",
            {"HH": 5, "WW": 5, "pad": 2},
            "Conv3(input_depth, depth) makes w of shape (2, 3, 3, 3), not (2, 3, 5, 5)",
        ),
    ],
)
def test_what_cannot_be_expressed_is_skipped_with_the_reason(
    tmp_path: Path, name: str, flags: dict[str, Any], said: str
) -> None:
    path = tmp_path / "layers.py"
    path.write_text(CORE + SOURCES[name].text, encoding="utf-8")
    result = check(ConvCase(**flags), str(path))
    assert result.verdict is Verdict.SKIP
    assert (result.reason or "").startswith(said)


POOL = """\
import numpy as np


class MaxPool:
    def __init__(self, kernel_size, stride):
        self.kernel, self.stride = kernel_size, stride

    def forward(self, x):
        height, width = KERNEL
        out = np.zeros((*x.shape[:2], *(1 + (size - k) // self.stride for size, k in zip(x.shape[2:], (WHICH)))))
        windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))
        out[...] = windows[:, :, :: self.stride, :: self.stride].max(axis=(4, 5))
        return out

    def backward(self, dout): ...
"""


@pytest.mark.parametrize(
    ("kernel", "which", "verdict", "said"),
    [
        (
            "+self.kernel, +self.kernel",
            "height, width",
            Verdict.SKIP,
            "MaxPool takes no pair of numbers as kernel_size",
        ),
        ("np.broadcast_to(self.kernel, 2)", "width, height", Verdict.ERROR, "forward raised ValueError: could not"),
    ],
    ids=["a number", "a pair, and a mistake"],
)
def test_a_pair_that_is_kept_may_be_wanted_as_a_number_by_forward(
    tmp_path: Path, kernel: str, which: str, verdict: Verdict, said: str
) -> None:
    path = tmp_path / "layers.py"
    path.write_text(POOL.replace("KERNEL", kernel).replace("WHICH", which), encoding="utf-8")
    result = check(MaxpoolCase(pool_height=3), str(path))
    assert (result.verdict, (result.reason or "")[: len(said)]) == (verdict, said)


def test_a_case_that_cannot_be_expressed_is_no_case_to_run(convcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text(CORE + PAIRS["no stride and no pad"].text, encoding="utf-8")
    run = convcheck("layers.py", "--pad", "1")
    assert run.returncode == 2
    assert "it has no argument for pad, here 1" in run.stdout
    assert "No case to run" in run.stderr


def test_a_parameter_of_another_shape_than_it_was_asked_for_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    text = SOURCES["sizes, gradients returned"].text.replace("(kernel_size, 2))", "(kernel_size, 2)[::-1])")
    path.write_text(CORE + text, encoding="utf-8")
    result = check(ConvCase(HH=2), str(path))
    assert result.verdict is Verdict.ERROR
    assert (result.reason or "").endswith("makes w of shape (2, 3, 3, 2), not (2, 3, 2, 3)")


def test_a_gradient_of_another_shape_is_not_reshaped(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    text = SOURCES["lists, called"].text.replace("self.grads[1][...] = db[:, None]", "self.grads[1] = db[None]")
    path.write_text(CORE + text, encoding="utf-8")
    result = check(ConvCase(), str(path))
    assert result.gradients["db"].reason == "db has shape (1, 2) instead of (2,)"


def test_a_gradient_that_is_nowhere_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text(CORE + SOURCES["always same"].text.replace("gradient_biases", "something"), encoding="utf-8")
    result = check(ConvCase(), str(path))
    assert result.gradients["db"].shape is None
    assert "db is missing" in (result.reason or "")


def test_what_it_was_taken_for_is_in_the_header(convcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text(CORE + SOURCES["given its parameters"].text, encoding="utf-8")
    said = "understood as class Convolution(W, b, stride, pad).forward, .backward"
    assert convcheck("layers.py", "--N", "1").stdout.splitlines()[1] == said
    assert "understood" not in convcheck("fast", "--N", "1").stdout + convcheck("layers.py", "--N", "1", "-q").stdout
