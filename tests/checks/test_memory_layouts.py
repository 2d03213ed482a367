"""Layers that read memory as if arrays were in C order pass with a remark; others pass in every layout without."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.data.memory_layout import MemoryLayout, copy_as_is
from gradcheck_cli.guard.protocol import decode_request, encode_request
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult
    from tests.conftest import Program

SMALL = ConvCase(N=2, C=2, H=4, W=3, F=3)


def by_shape(array: Array) -> Array:
    """Read an array as strides computed from its shape do: other elements unless it is in C order."""
    strides = [array.itemsize * int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim)]
    signed = [-size if real < 0 else size for size, real in zip(strides, array.strides, strict=True)]
    return np.lib.stride_tricks.as_strided(array, array.shape, signed).copy()


def in_memory_order(array: Array) -> Array:
    return array.ravel(order="K").reshape(array.shape)


def reading(read: Callable[[Array], Array], name: str) -> Any:
    """A convolution that reads one of its arrays in a way of its own."""

    def forward(x: Array, w: Array, b: Array, conv_param: Any) -> Any:
        given = {"x": x, "w": w}
        given |= {name: read(given[name])} if name in given else {}
        return conv_forward_naive(given["x"], given["w"], b, conv_param)

    def backward(dout: Array, cache: Any) -> Any:
        return conv_backward_naive(read(dout) if name == "dout" else dout, cache)

    return forward, backward


def codes(result: CaseResult) -> list[str]:
    return [diagnosis.code for diagnosis in result.diagnosis]


def test_a_layer_that_assumes_c_order_of_any_array_passes_with_a_remark() -> None:
    for name, read, dtype in itertools.product(("x", "w", "dout"), (by_shape, in_memory_order), ("float16", "float64")):
        result = check(replace(SMALL, dtype=dtype), reading(read, name))
        duty = result.duties["memory_layouts"]
        assert duty.verdict is Verdict.INCONCLUSIVE, (name, read)
        assert str(duty.reason).startswith("out" if name != "dout" else "dx")
        assert "came out different when inputs and cotangent were" in str(duty.reason)
        assert codes(result) == ["c-order-assumed"]
        assert result.passed
        assert result.reason is None
    assert not codes(check(SMALL, reading(by_shape, "x"), skipped_duties=("memory_layouts",)))


def test_of_a_wrong_layer_the_layout_is_not_mentioned() -> None:
    forward, backward = reading(by_shape, "x")
    result = check(SMALL, (forward, lambda dout, cache: (2 * backward(dout, cache)[0], *backward(dout, cache)[1:])))
    assert result.verdict is Verdict.FAIL
    assert codes(result) == ["factor"]


def test_memory_beyond_an_array_that_runs_backward_belongs_to_it() -> None:
    plain = np.arange(6.0).reshape(2, 3)
    laid_out = MemoryLayout((0, 1), (True, True)).copy(plain)
    assert list(np.lib.stride_tricks.as_strided(laid_out, (6,), (8,))) == [0, 0, 0, 0, 0, 0]  # of these 0 is the first


def test_a_layer_that_takes_only_contiguous_arrays_or_makes_them_so_passes() -> None:
    def refusing(array: Array) -> Array:
        if not array.flags.c_contiguous:
            raise ValueError("C order only")
        return array

    for read in (refusing, np.ascontiguousarray):
        for name in ("x", "dout"):
            assert check(SMALL, reading(read, name)).passed


def test_copies_have_the_layout_of_the_array_also_in_another_process() -> None:
    plain = np.arange(24.0).reshape(2, 3, 4)
    for order in itertools.permutations(range(3)):
        for backward in itertools.product((False, True), repeat=3):
            laid_out = MemoryLayout(order, backward).copy(plain)
            text, (buffer,) = encode_request([laid_out])
            for copy in (laid_out, copy_as_is(laid_out), decode_request(text, buffer)[0]):
                assert np.array_equal(copy, plain)
                assert copy.strides == laid_out.strides
                assert MemoryLayout.of(copy) == (order, backward)


def test_the_program_finds_it_in_a_file(gradcheck: Program, tmp_path: Any) -> None:
    (tmp_path / "scale.py").write_text(
        "import numpy as np\n\n\ndef relu_forward(x):\n    return np.maximum(0, x), x.ravel('K').reshape(x.shape)\n\n\n"
        "def relu_backward(dout, cache):\n    return dout * (cache > 0)\n",
        encoding="utf-8",
    )
    run = gradcheck("relu", "scale.py", "-q")
    assert run.returncode == 0
    assert "pass 7/7 scale.py:relu_forward,relu_backward: C order is assumed" in run.stdout


def test_of_a_crash_it_is_said_with_which_arrays_it_came(gradcheck: Program, tmp_path: Any) -> None:
    (tmp_path / "fragile.py").write_text(
        "import os\n\n\ndef relu_forward(x):\n    if not x.flags.c_contiguous:\n        os.abort()\n"
        "    return x * (x > 0), x\n\n\ndef relu_backward(dout, x):\n    return dout * (x > 0)\n",
        encoding="utf-8",
    )
    run = gradcheck("relu", "fragile.py", "--shape", "2x3", "-q", "--dtype", "float32,float64", "--show", "failed")
    assert run.returncode == 1
    assert "died of an abort when it was called with arrays in Fortran order" in run.stdout
    assert "--skip-duty memory_layouts leaves these out" in run.stdout
    assert gradcheck("relu", "fragile.py", "--shape", "2x3", "--skip-duty", "memory_layouts").returncode == 0
