"""What we hand to user code has no name of ours in the errors that it raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

USES = ("x * F.zero", "x + F.zero // 2", "x + (F.zero & 1)", "x + abs(F.zero)", "x + np.asarray(F.zero)", "F.zero % 2")


@pytest.mark.parametrize("use", USES)
def test_what_is_missing_says_so_however_it_is_used(use: str, tmp_path: Path, gradcheck: Program) -> None:
    text = f"import numpy as np\nimport absent_module as F\ndef relu_forward(x):\n    return {use}, x\n"
    (tmp_path / "mine.py").write_text(f"{text}def relu_backward(dout, cache):\n    return dout\n", encoding="utf-8")
    run = gradcheck("relu", "mine.py", "--shape", "3")
    assert run.returncode == 1
    assert "mine.py needs absent_module, which is not installed" in run.stdout
    assert "_Thing" not in run.stdout + run.stderr


def test_the_dictionary_of_parameters_is_called_dict(tmp_path: Path, gradcheck: Program) -> None:
    text = "def batchnorm_forward(x, gamma, beta, bn_param):\n    return x * bn_param.eps, None\n"
    text += "def batchnorm_backward(dout, cache):\n    return dout, None, None\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    run = gradcheck("batchnorm", "mine.py", "--N", "3")
    assert run.returncode == 1
    assert "AttributeError: 'dict' object has no attribute 'eps'" in run.stdout
    assert "Written" not in run.stdout + run.stderr
