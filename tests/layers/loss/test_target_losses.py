"""Losses of targets as students write them: what they are divided by is found, and each fault is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS
from tests.layers.lines import assert_named, run_lines
from tests.sampling import in_parts

if TYPE_CHECKING:
    from pathlib import Path

#: By layer, the loss and dx of a mean over samples; `s` sums over all elements, and `label` is one-hot.
RIGHT = {
    "mse": ("s((x - y) ** 2) / N", "2 * (x - y) / N"),
    "bce": ("-s(y * np.log(x) + (1 - y) * np.log(1 - x)) / N", "((1 - y) / (1 - x) - y / x) / N"),
    "cross-entropy": ("-s(label * np.log(x)) / N", "-label / x / N"),
    "kl-divergence": ("s(y * np.log(y / x)) / N", "-y / x / N"),
}

FAULTS: list[tuple[str, str, str, str | None]] = [
    ("mse", "target-missing", "2 * x / N", None),
    ("mse", "target-sign", "2 * (x + y) / N", None),
    ("mse", "residual-squared", "(x - y) ** 2 / N", None),
    ("mse", "factor", "(x - y) / N", None),
    ("mse", "factor", "2 * (x - y)", None),
    ("mse", "factor", "2 * (y - x) / N", None),
    ("mse", "loss-wrong", RIGHT["mse"][1], "s(abs(x - y)) / N"),
    ("mse", "loss-wrong", RIGHT["mse"][1], "s((x - y) ** 2) / (2 * N)"),
    ("mse", "loss-wrong", RIGHT["mse"][1], "np.sqrt(s((x - y) ** 2) / N)"),
    ("bce", "slope-of-logits", "(x - y) / N", None),
    ("bce", "slope-of-logits", "(x - y) / x / N", None),
    ("bce", "label-missing", "-y / x / N", None),
    ("bce", "label-sign", "-(y / x + (1 - y) / (1 - x)) / N", None),
    ("bce", "loss-wrong", RIGHT["bce"][1], "-s(y * np.log(x)) / N"),
    ("cross-entropy", "slope-of-logits", "(x - label) / N", None),
    ("cross-entropy", "label-missing", "-1 / x / N", None),
    ("cross-entropy", "slope-missing", "-label / N", None),
    ("cross-entropy", "factor", "-label / x", None),
    ("cross-entropy", "loss-wrong", RIGHT["cross-entropy"][1], "-s(label * np.log2(x)) / N"),
    ("kl-divergence", "kl-slope", "np.log(y / x) / N", None),
    ("kl-divergence", "kl-slope", "(1 - y / x) / N", None),
    ("kl-divergence", "kl-slope", "(x - y) / N", None),
    ("kl-divergence", "loss-wrong", RIGHT["kl-divergence"][1], "s(x * np.log(x / y)) / N"),
    ("kl-divergence", "loss-wrong", RIGHT["kl-divergence"][1], "-s(y * np.log(x)) / N"),
]


def loss_of(loss: str, dx: str) -> Any:
    def function(x: Any, y: Any, _param: Any) -> Any:
        label = np.eye(x.shape[1], dtype=x.dtype)[y] if y.dtype.kind == "i" else None
        values = run_lines({"loss": loss, "dx": dx}, x=x, y=y, label=label, N=x.dtype.type(len(x)), s=np.sum)
        return values["loss"], values["dx"]

    return function


@in_parts(2)
def test_faults_of_losses_are_named(part: int) -> None:
    for layer, (loss, dx) in list(RIGHT.items())[part::2]:
        cases = [case for case in LAYERS[layer].standard() if case.settings == {**case.settings, "divisor": "N"}]
        cases = [case for case in cases if case.settings.get("input") != "logarithms" and case.geometry["N"] > 1]
        cases = cases[:2]
        assert_named("right", cases, loss_of(loss, dx), None)
        for name, code, wrong_dx, wrong_loss in FAULTS:
            if name == layer:
                also = ["reference-gradient", "factor"] if wrong_loss else []
                assert_named(
                    f"{name} {wrong_loss or wrong_dx}", cases, loss_of(wrong_loss or loss, wrong_dx), code, also
                )


FORMS = {
    "mse": {
        "((a - y) ** 2).mean(), 2 * (a - y) / a.size": "a mean over all elements",
        "((a - y) ** 2).sum() / len(a), 2 * (a - y) / len(a)": "a sum divided by N",
        "((a - y) ** 2).sum() / len(a) / 2, (a - y) / len(a)": "a sum divided by 2 N",
        "((a - y) ** 2).sum(), 2 * (a - y)": "a sum",
        "((a - y) ** 2).sum() / 2, a - y": "half of a sum",
    },
    "kl-divergence": {
        "(y * np.log(y / a)).sum() / len(a), -y / a / len(a)": "a sum divided by N, x as probabilities",
        "(y * (np.log(y) - a)).mean(), -y / a.size": "a mean over all elements, x as logarithms",
    },
    "cross-entropy": {
        "-np.log(a[range(len(a)), y]).sum(), -np.eye(a.shape[1])[y] / a": "a sum",
        "-(y * np.log(a)).sum() / len(a), -y / a / len(a)": "a sum divided by N, y as one-hot rows",
    },
    "bce": {
        "-(y * np.log(a + 1e-9) + (1 - y) * np.log(1 - a + 1e-9)).mean(), (a - y) / a / (1 - a) / a.size": (
            "a mean over all elements"
        ),
    },
}


@pytest.mark.parametrize("layer", FORMS)
def test_divisors_and_forms_are_found_by_trying(layer: str, tmp_path: Path) -> None:
    for form, said in FORMS[layer].items():
        stem = layer.replace("-", "_")
        path = tmp_path / f"{stem}_{len(said)}.py"
        path.write_text(
            f"import numpy as np\ndef {stem}_loss(a, y):\n    return {form}\n".replace("a,", "x,").replace("(a,", "(x,")
        )
        path.write_text(
            f"import numpy as np\ndef {stem}_loss(y_pred, y):\n    a = y_pred\n    return {form}\n", encoding="utf-8"
        )
        implementation = find(str(path), LAYERS[layer])
        assert said in (implementation.convention or ""), (form, implementation.convention)
        results = [check_case(case, implementation, Settings()) for case in LAYERS[layer].standard()]
        assert {result.verdict for result in results} == {Verdict.PASS, Verdict.SKIP}, form
