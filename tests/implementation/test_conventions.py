"""Each convention: found without a name, right layers pass what they can express, and a wrong gradient fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.pool.maxpool import MaxpoolCase
from gradcheck_cli.results.result import CaseResult, Verdict
from tests.implementation.sources import CORE, PAIRS, SOURCES, STANDARD, WRONG, WRONG_AHEAD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program
    from tests.implementation.sources import Source

CONV = LAYERS["conv"]


def results(path: Path, text: str, dtype: str, seed: int, cases: int = STANDARD) -> list[CaseResult]:
    path.write_text(text, encoding="utf-8")
    implementation = find(str(path), CONV)
    tried = (replace(case, dtype=dtype, seed=seed) for case in list(CONV.standard())[:cases])
    return [check_case(case, implementation, Settings()) for case in tried]


def source_ids() -> list[str]:
    return list(SOURCES)


@pytest.mark.parametrize("source", SOURCES.values(), ids=source_ids())
def test_it_is_found_and_understood(tmp_path: Path, source: Source) -> None:
    path = tmp_path / "layers.py"
    path.write_text(CORE + source.text, encoding="utf-8")
    implementation = find(str(path), CONV)
    assert implementation.name == implementation.spec == f"{path}:{source.names}"
    assert source.understood in implementation.convention
    again = find(implementation.name, CONV)
    assert (again.name, again.convention) == (implementation.name, implementation.convention)


@pytest.mark.parametrize("source", SOURCES.values(), ids=source_ids())
def test_a_wrong_forward_is_understood_as_the_right_one(tmp_path: Path, source: Source) -> None:
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(CORE + source.text, encoding="utf-8")
    wrong.write_text(CORE.replace(*WRONG_AHEAD) + source.text, encoding="utf-8")
    implementation = find(str(wrong), CONV)
    assert implementation.convention == find(str(right), CONV).convention
    verdicts = [check_case(case, implementation, Settings()).verdict for case in list(CONV.standard())[:2]]
    assert Verdict.FAIL in verdicts


@pytest.mark.parametrize("source", SOURCES.values(), ids=source_ids())
def test_what_is_right_passes(tmp_path: Path, source: Source) -> None:
    found = results(tmp_path / "layers.py", CORE + source.text, "float64", 0)
    said = [f"{result.case.label()}: {result.verdict}: {result.reason}" for result in found]
    assert {result.verdict for result in found} <= {Verdict.PASS, Verdict.SKIP}, said
    assert sum(result.passed for result in found) == source.ran, said
    assert all(result.reason for result in found if not result.passed)
    in_float32 = results(tmp_path / "layers.py", CORE + source.text, "float32", 3, 3)
    assert [result.verdict for result in in_float32] == [result.verdict for result in found[:3]]


@pytest.mark.parametrize("source", SOURCES.values(), ids=source_ids())
def test_what_is_wrong_fails(tmp_path: Path, source: Source) -> None:
    text = (CORE + source.text).replace(*WRONG)
    path = tmp_path / "layers.py"
    tried = (*results(path, text, "float64", 1, 2), *results(path, text, "float32", 0, 1))
    found = [result for result in tried if result.verdict != "skip"]
    assert found
    for result in found:
        assert {name: gradient.verdict.value for name, gradient in result.gradients.items()} == {
            "dx": "pass",
            "dw": "fail",
            "db": "pass",
        }


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
        ("always same", {"pad": 0}, 'it always pads as "same" does: at stride 1, by (kernel - 1) / 2'),
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


def test_a_gradient_of_another_shape_is_not_bent(tmp_path: Path) -> None:
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
    assert convcheck("layers.py").stdout.splitlines()[1] == f"  {said}"
    assert convcheck("layers.py", "--N", "1").stdout.splitlines()[1] == said
    assert "understood" not in convcheck("fast", "--N", "1").stdout + convcheck("layers.py", "-q").stdout
