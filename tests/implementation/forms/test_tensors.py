"""Code that computes with PyTorch tensors: classes of static passes, and functions.

The samples are checked with PyTorch where it is installed, and everywhere with a few lines in its place.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check, check_function
from tests.conftest import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: The layer of each sample, its code, and what makes it wrong.
SAMPLES = {
    "Clipped": (
        "relu",
        (
            "class Clipped(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, input):\n"
            "        ctx.save_for_backward(input)\n        return input.clamp(min=0)\n\n    @staticmethod\n"
            "    def backward(ctx, grad_output):\n        (input,) = ctx.saved_tensors\n"
            "        grad = grad_output.clone()\n        grad[input < 0] = 0\n        return grad\n"
        ),
        ("input < 0", "input > 0"),
    ),
    "Linear": (
        "affine",
        (
            "class Linear(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x, w, b):\n"
            "        ctx.save_for_backward(x, w)\n        return x.mm(w) + b\n\n    @staticmethod\n"
            "    def backward(ctx, grad):\n        x, w = ctx.saved_tensors\n        dx = dw = db = None\n"
            "        if ctx.needs_input_grad[0]:\n            dx = grad.mm(w.t())\n"
            "        if ctx.needs_input_grad[1]:\n            dw = x.t().mm(grad)\n"
            "        if ctx.needs_input_grad[2]:\n            db = grad.sum(0)\n        return dx, dw, db\n"
        ),
        ("grad.sum(0)", "grad.sum(0) * 2"),
    ),
    "Exp": (
        "function",
        (
            "class Exp(torch.autograd.Function):\n    @staticmethod\n    def forward(x):\n        return x.exp()\n\n"
            "    @staticmethod\n    def setup_context(ctx, inputs, output):\n        ctx.save_for_backward(output)\n\n"
            "    @staticmethod\n    def backward(ctx, grad):\n        return grad * ctx.saved_tensors[0]\n"
        ),
        ("grad * ctx", "grad + ctx"),
    ),
    "Scaled": (
        "function",
        (
            "class Scaled(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x, factor):\n"
            "        ctx.factor = factor\n        return x * factor\n\n    @staticmethod\n"
            "    def backward(ctx, grad):\n        return grad * ctx.factor, None\n"
        ),
        ("grad * ctx.factor", "grad"),
    ),
    "softsign_forward,softsign_backward": (
        "function",
        (
            "def softsign_forward(x):\n    return x / (1 + torch.abs(x)), x\n\n\n"
            "def softsign_backward(dout, x):\n    return dout / (1 + torch.abs(x)) ** 2\n"
        ),
        ("** 2", "** 1"),
    ),
}


class Tensor:
    """As much of a tensor as the samples use."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getattr__(self, name: str) -> Any:
        methods = {
            "numpy": lambda: self.array,
            "clamp": self._clamp,
            "clone": lambda: Tensor(self.array.copy()),
            "mm": lambda other: Tensor(self.array @ other.array),
            "t": lambda: Tensor(self.array.T),
            "sum": lambda axis: Tensor(self.array.sum(axis)),
            "exp": lambda: Tensor(np.exp(self.array)),
            **dict.fromkeys(("detach", "cpu"), lambda: self),
        }
        return methods[name]

    def _clamp(self, **limits: float) -> Tensor:
        return Tensor(np.maximum(self.array, limits["min"]))

    def __setitem__(self, key: Tensor, value: float) -> None:
        self.array[key.array] = value


def _operator(name: str) -> Any:
    def operate(self: Tensor, other: Any) -> Tensor:
        if isinstance(other, np.ndarray):
            raise TypeError("a tensor meets an array")
        return Tensor(np.asarray(getattr(self.array, name)(other.array if isinstance(other, Tensor) else other)))

    return operate


for _name in ("__add__", "__radd__", "__mul__", "__truediv__", "__pow__", "__lt__", "__gt__"):
    setattr(Tensor, _name, _operator(_name))


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made: Any = ModuleType("torch")
    made.Tensor, made.from_numpy = Tensor, Tensor
    made.abs = lambda x: Tensor(abs(x.array))
    made.autograd = ModuleType("torch.autograd")
    made.autograd.Function = type("Function", (), {"__module__": "torch.autograd"})
    monkeypatch.setitem(sys.modules, "torch", made)
    return made  # type: ignore[no-any-return]


def test_tensors_are_given_to_code_that_uses_them(torch: ModuleType) -> None:
    for names, (layer, text, (old, new)) in SAMPLES.items():
        assert old in text
        for code, verdict in ((text, Verdict.PASS), (text.replace(old, new), Verdict.FAIL)):
            space: dict[str, Any] = {"torch": torch}
            exec(code, space)
            objects = tuple(space[name] for name in names.split(","))
            x = (np.array([0.5, -2.0]), 3) if names == "Scaled" else (np.array([0.5, -2.0]),)
            if layer == "function":
                result = check_function(objects[0], objects[1] if len(objects) > 1 else None, *x)
            else:
                result = check(layer, objects[0], dtype="float64")
            assert result.verdict is verdict, (names, result.summary())
            assert "PyTorch tensors" in (result.understood or "")


def test_there_are_none_of_longdouble(torch: ModuleType) -> None:
    space: dict[str, Any] = {"torch": torch}
    exec(SAMPLES["Clipped"][1], space)
    result = check("relu", space["Clipped"], dtype="longdouble")
    assert (result.verdict, result.reason) == (Verdict.SKIP, "PyTorch has no tensors of longdouble")


def test_a_file_of_arrays_that_imports_torch_is_given_arrays(torch: ModuleType) -> None:
    space: dict[str, Any] = {"torch": torch, "np": np}
    exec("def relu(x): return np.maximum(x, 0), x\ndef back(dout, x): return dout * np.sign(np.maximum(x, 0))", space)
    result = check("relu", (space["relu"], space["back"]))
    assert result.passed
    assert "tensors" not in (result.understood or "")


@pytest.mark.long
def test_static_passes_of_arrays_need_no_known_layer(tmp_path: Path, gradcheck: Program) -> None:
    text = "\n\n".join(text for name, (_, text, _) in SAMPLES.items() if name in ("Exp", "Scaled"))
    text = "import numpy as np\n\n\n" + text.replace("(torch.autograd.Function)", "").replace("x.exp()", "np.exp(x)")
    (tmp_path / "right.py").write_text(text, encoding="utf-8")
    for name in ("Exp", "Scaled"):
        text = text.replace(*SAMPLES[name][2])
    (tmp_path / "wrong.py").write_text(text, encoding="utf-8")
    for file, verdict in (("right.py", "pass"), ("wrong.py", "fail")):
        results = report_of(gradcheck(file, "--json", "-"))["results"]
        assert {(one["implementation"], one["verdict"]) for one in results} == {
            (f"{file}:Exp", verdict),
            (f"{file}:Scaled", verdict),
        }
        assert gradcheck(*results[0]["command"].split()[1:]).returncode == (verdict == "fail")


@pytest.mark.torch
def test_files_of_pytorch_are_checked(tmp_path: Path, gradcheck: Program) -> None:
    pytest.importorskip("torch")
    text = "import torch\n\n\n" + "\n\n".join(text for _, text, _ in SAMPLES.values())
    (tmp_path / "right.py").write_text(text, encoding="utf-8")
    for _, _, slip in SAMPLES.values():
        text = text.replace(*slip)
    (tmp_path / "wrong.py").write_text(text, encoding="utf-8")
    right, wrong = (report_of(gradcheck(file, "--json", "-"))["results"] for file in ("right.py", "wrong.py"))
    assert {one["verdict"] for one in right} <= {"pass", "skip"}
    failed = {one["implementation"].partition(":")[2] for one in wrong if one["verdict"] == "fail"}
    assert failed == {one["implementation"].partition(":")[2] for one in right} == set(SAMPLES)
