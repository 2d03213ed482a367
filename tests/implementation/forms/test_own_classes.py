"""Classes of no known layer, or written otherwise: what they keep and where gradients lie is found by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import check, check_function
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.shapes import find_shapes
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.conftest import report_of
from tests.implementation.forms.own_classes import FORMS, NAMED
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gradcheck_cli.results.result import CaseResult
    from tests.conftest import Program


def _checked(path: Path, text: str) -> tuple[CaseResult, str]:
    """Find shapes for the last class of a file, and check it in the first."""
    path.write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
    name = text.rpartition("\nclass ")[2].removeprefix("class ").partition(":")[0]
    cases = find_shapes((getattr(Loader().load_file(str(path)).module, name),))
    found = find(f"{path}:{name}", LAYERS["function"], case=cases[0])
    return check_case(cases[0], found, Settings()), found.convention


@pytest.mark.parametrize("form", one_in(7, FORMS))
def test_a_class_is_understood_by_trying_it(form: str, tmp_path: Path) -> None:
    text, (old, new), checked = FORMS[form]
    assert old in text
    right, convention = _checked(tmp_path / "right.py", text)
    assert right.verdict is Verdict.PASS, right.reason
    assert set(right.gradients) == {f"d{name}" for name in checked.split()}
    assert "shapes found by trying" in convention
    wrong, _ = _checked(tmp_path / "wrong.py", text.replace(old, new))
    assert wrong.verdict is Verdict.FAIL, wrong.reason


def test_among_arrays_of_a_shape_the_gradient_is_known_by_its_slopes(tmp_path: Path) -> None:
    text = (
        "class Scaled:\n    def __init__(self, n, m):\n        self.w = np.random.randn(n, m)\n\n"
        "    def forward(self, x):\n        self.x = x\n        return np.tanh(x @ self.w)\n\n"
        "    def backward(self, d):\n        d = d * (1 - np.tanh(self.x @ self.w)**2)\n"
        "        self.first = 3 * self.x.T @ d\n        self.second = self.x.T @ d\n        return d @ self.w.T\n"
    )
    right, _ = _checked(tmp_path / "right.py", text)
    assert (right.verdict, set(right.gradients)) == (Verdict.PASS, {"dx", "dw"}), right.reason


@pytest.mark.long
def test_a_class_called_after_a_layer_may_be_a_function_of_its_own(
    gradcheck: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for which in (0, 1):
        texts = [text.replace(old, new) if which else text for text, (old, new) in NAMED.values()]
        (tmp_path / "layers.py").write_text("import numpy as np\n\n\n" + "\n\n".join(texts), encoding="utf-8")
        results = report_of(gradcheck("layers.py", "--json", "-"))["results"]
        for name in NAMED:
            verdicts = {one["verdict"] for one in results if one["implementation"].endswith(f":{name}")}
            assert verdicts == {"pass"} if which == 0 else "fail" in verdicts, name


def test_what_cannot_be_made_is_skipped_with_a_command_that_works(
    gradcheck: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(
        "import numpy as np\n\n\nclass Base:\n    def forward(self, x):\n        raise NotImplementedError\n\n"
        "    def backward(self, dout):\n        pass\n\n\n"
        "class Made(Base):\n    def __init__(self, config):\n        self.w = np.random.randn(config.n, 3)\n\n"
        "    def forward(self, x):\n        self.x = x\n        return x @ self.w\n\n"
        "    def backward(self, dout):\n        self.dw = self.x.T @ dout\n        return dout @ self.w.T\n\n\n"
        "class InTwoDirections:  # no pass is the gradient of the other\n    def __init__(self, n, h):\n"
        "        self.w, self.v = np.random.randn(h + n, h), np.random.randn(h + n, h)\n\n"
        "    def forward(self, h_prev, x):\n        return np.tanh(np.concatenate((h_prev, x), 1) @ self.w)\n\n"
        "    def backward(self, h_next, x):\n        return np.tanh(np.concatenate((h_next, x), 1) @ self.v)\n",
        encoding="utf-8",
    )
    (tmp_path / "glue.py").write_text(
        "class Config:\n    n = 4\n\n\ndef make(cls):\n    return cls(Config())\n", encoding="utf-8"
    )
    done = gradcheck("layers.py")
    assert done.returncode == 2
    assert "Base" not in done.stdout
    assert "--adapter FILE.py:make, which returns an instance" in " ".join(done.stdout.split())
    done = gradcheck("function", "layers.py:Made", "--adapter", "glue.py:make", "--shape", "x=2x4")
    assert (done.returncode, "dw" in done.stdout) == (0, True)


class _Linear:
    def __init__(self, n: int, m: int) -> None:
        self.W, self.b = np.ones((n, m)), np.zeros(m)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return np.asarray(x @ self.W + self.b)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return np.asarray(dout @ self.W.T)


class _Wrong(_Linear):
    def backward(self, dout: np.ndarray) -> np.ndarray:
        found = super().backward(dout)
        self.dW = self.dW / 2
        return found


def test_instances_and_their_methods_are_understood_in_python() -> None:
    for cls, verdict in ((_Linear, Verdict.PASS), (_Wrong, Verdict.FAIL)):
        layer = cls(3, 4)
        forms: tuple[Any, ...] = (layer, (layer.forward, layer.backward))
        for given in forms:
            assert check("affine", implementation=given, N=2, D=3, M=4).verdict is verdict
            assert check("affine", implementation=given, N=2, D=5, M=4).verdict is Verdict.SKIP
        result = check_function(layer.forward, layer.backward, np.arange(6.0).reshape(2, 3))
        assert (result.verdict, set(result.gradients)) == (verdict, {"dx", "dW", "db"})
        assert (layer.W == 1).all()


_PARTLY = """\
import numpy as np

class Scaled:
    def __init__(self, n):
        self.gamma, self.mix = np.ones(n), np.random.randn(n, n)
    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.mix) * self.gamma
    def backward(self, grad):
        t = np.tanh(self.x @ self.mix)
        {first}
        d = grad * self.gamma * (1 - t * t)
        self.dmix = self.x.T @ d
        return d @ self.mix.T
"""


@in_parts(2)
def test_a_parameter_without_a_gradient_is_reported(
    gradcheck: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for first, is_said in (("pass", True), ("self.dgamma = (grad * t).sum(0)", False))[part : part + 1]:
        (tmp_path / "scaled.py").write_text(_PARTLY.format(first=first), encoding="utf-8")
        run = gradcheck("scaled.py")
        assert run.returncode == 0
        assert ("no gradient of gamma was found; it is not checked" in run.stderr) is is_said


def test_what_a_class_keeps_is_used_whole() -> None:
    """Channels that are not read and taps beyond the input would run, and are not meant."""

    class Smear:
        def __init__(self, taps_shape: Any, count: Any) -> None:
            self.taps = np.random.rand(count, *taps_shape)  # noqa: NPY002  # as people write it

        def _windows(self) -> Iterator[Any]:
            for c, k in np.ndindex(self.x.shape[1], min(self.taps.shape[2], self.x.shape[2])):
                yield c, k, slice(k, None), slice(None, self.x.shape[2] - k)

        def forward(self, x: Any) -> Any:
            self.x, out = x, np.zeros((len(x), len(self.taps), x.shape[2]))
            for c, k, read, write in self._windows():
                out[:, :, write] += self.x[:, None, c, read] * self.taps[:, c, k, None]
            return out

        def backward(self, dout: Any) -> Any:
            dx, self.dtaps = np.zeros_like(self.x), np.zeros_like(self.taps)
            for c, k, read, write in self._windows():
                dx[:, c, read] += (dout[:, :, write] * self.taps[:, c, k, None]).sum(1)
                self.dtaps[:, c, k] = (dout[:, :, write] * self.x[:, None, c, read]).sum((0, 2))
            return dx

    cases = find_shapes((Smear,))
    assert len(cases) > 1
    for case in cases:
        (_, channels, steps), (own, taps) = case.shape["x"], case.value["taps_shape"]  # type: ignore[misc]
        assert own == channels
        assert taps <= steps
