"""The pytest plugin: what a test run of a user shows, and what it costs those who do not use it."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

import gradcheck_cli
from tests.conftest import RELU, notebook_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile

pytest_plugins = ["pytester"]

#: These start a program, or need an extra.
_NOT_IMPORTED = {
    "gradcheck_cli.__main__",
    "gradcheck_cli.cli.main",
    "gradcheck_cli.engine.cluster",
    "gradcheck_cli.engine.cluster_worker",
}

CROP = ("dx_padded[:, :, pad : pad + H, pad : pad + W]", "dx_padded[:, :, pad:-pad, pad:-pad]")

ON_LAYERS = """\
from layers import conv_forward, conv_backward


def test_conv(gradcheck):
    results = gradcheck("conv", (conv_forward, conv_backward), pad=[0, 1], stride=2, dtype="float32", seed=3)
    assert [result.case.pad for result in results] == [(0, 0), (1, 1)]
    assert {(result.case.dtype, result.case.seed) for result in results} == {("float32", 3)}


def test_standard_set(gradcheck):
    assert len(gradcheck("conv", (conv_forward, conv_backward))) == 13
"""


@pytest.fixture
def run(pytester: pytest.Pytester, tmp_path: Path) -> Run:
    return Run(pytester, tmp_path)


@pytest.fixture(scope="module", autouse=True)
def everything_imported() -> None:
    """`pytester` forgets what is first imported within a run, and then a class would be there twice."""
    for module in pkgutil.walk_packages(gradcheck_cli.__path__, "gradcheck_cli."):
        if module.name not in _NOT_IMPORTED:
            importlib.import_module(module.name)


class Run:
    """Runs pytest in this process, in the folder of `layer_file`, with warnings as errors."""

    def __init__(self, pytester: pytest.Pytester, folder: Path) -> None:
        self._pytester, self._folder = pytester, folder
        pytester.chdir()

    def __call__(self, *args: str, test: str = "") -> pytest.RunResult:
        plugin = [] if entry_points(group="pytest11", name="gradcheck") else ["-p", "gradcheck_cli.testing.plugin"]
        if test:
            (self._folder / "test_it.py").write_text(test, encoding="utf-8")
        own = [f"--rootdir={self._folder}", "-Werror", "--strict-markers", "--strict-config", "-p", "no:cacheprovider"]
        return self._pytester.runpytest_inprocess(*plugin, *own, *args)


def test_right_functions_pass(run: Run, layer_file: LayerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layer_file().parent)
    run(test=ON_LAYERS).assert_outcomes(passed=2)


def test_wrong_functions_fail_with_the_report_and_without_our_frames(
    run: Run, layer_file: LayerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(layer_file(CROP).parent)
    done = run("-k", "standard", test=ON_LAYERS)
    done.assert_outcomes(failed=1, deselected=1)
    text = done.stdout.str()
    assert (
        "E       AssertionError: dx is empty: `[pad:-pad]` is an empty slice at pad 0 [crop-empty] (in 5 of 13 cases)"
        in text
    )
    assert "convcheck layers.py:conv_forward,conv_backward --N" in text  # the replay
    assert "8 passed, 5 failed" in text
    assert 'assert len(gradcheck("conv", (conv_forward, conv_backward))) == 13' in text  # where in the test
    assert "fixture.py" not in text.replace("gradcheck_cli.testing.fixture.Gradcheck object", "")
    assert "FAILED test_it.py::test_standard_set - AssertionError: dx is empty" in text


MISUSED = """\
import pytest


@pytest.mark.parametrize(("error", "words", "layer", "geometry"), [
    (ValueError, "there is no layer 'convv'; there are conv, conv1d", "convv", {}),
    (TypeError, "conv has no 'padd'; it has N, C", "conv", {"padd": 1}),
    (ValueError, "impossible geometry: ", "conv", {"HH": 9, "pad": 0}),
    (ValueError, "N must be at least 1, not 0", "conv", {"N": 0}),
    (TypeError, "tol must be a number, not 'x'", "conv", {"N": 1, "tol": "x"}),
])
def test_misuse(gradcheck, error, words, layer, geometry):
    with pytest.raises(error, match=words):
        gradcheck(layer, **geometry)


def test_built_in(gradcheck):
    gradcheck("conv", N=1, C=1, stride=(2, 1))


def square_forward(x, w, b, conv_param):
    if conv_param["stride"] != 7:
        raise ValueError("stride 7 only")


def test_raises(gradcheck):
    with pytest.raises(AssertionError, match="(?s)error: square_forward raised ValueError: stride 7 only.*raised in"):
        gradcheck("conv", (square_forward, lambda dout, cache: None), stride=1)


def test_undecided(gradcheck):
    with pytest.raises(AssertionError, match="inconclusive: "):
        gradcheck("function", (lambda x: 0.0 * x, lambda dout, x: 0.0 * dout), shape={"x": (2,)})


def test_skipped(gradcheck):
    gradcheck("conv", H=[3, 4], HH=9, pad=0)


def test_no_tolerance(gradcheck):
    gradcheck("conv", stride=[1, 2], tol=-1)


def test_no_stride(gradcheck):
    gradcheck("conv", stride=0)
"""


def test_misuse_and_other_verdicts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("-rs", test=MISUSED)
    done.assert_outcomes(passed=8, skipped=1, failed=2)
    text = done.stdout.str()
    assert "SKIPPED" in text
    # What is shown of a mistake is the call and the message, and none of our frames.
    for line, said in (
        ('gradcheck("conv", stride=[1, 2], tol=-1)', "ValueError: tol must be positive and finite, not -1"),
        ('gradcheck("conv", stride=0)', "ValueError: stride must be at least 1, not 0"),
    ):
        assert re.search(rf">       {re.escape(line)}\nE       {re.escape(said)}\n", text)
    assert "gradcheck_cli/" not in text


SEVERAL = """

def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return dout * (cache >= 1)


def affine_backward(dout, cache):
    return None


def test_nothing():
    raise RuntimeError("pytest imported this file")
"""


def test_files_become_a_test_for_each_pair(
    run: Run, layer_file: LayerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = layer_file()
    path.write_text(path.read_text(encoding="utf-8") + SEVERAL, encoding="utf-8")
    (tmp_path / "bad.py").write_text("def relu_forward(:", encoding="utf-8")
    (tmp_path / "plain.py").write_text("raise RuntimeError('this file has no pass')", encoding="utf-8")
    done = run("--gradcheck", "-v", "-rsf", "--gradcheck-args=--dtype float32", test="def test_one(): pass\n")
    done.assert_outcomes(passed=2, failed=2, skipped=1)
    text = done.stdout.str()
    assert "layers.py::conv_forward,conv_backward PASSED" in text
    assert "layers.py::relu_forward,relu_backward FAILED" in text
    assert "layers.py::affine_backward SKIPPED" in text
    assert "bad.py::load FAILED" in text
    assert "bad.py has a syntax error" in text
    assert "FAILED layers.py::relu_forward,relu_backward - Failed: dx is" in text
    assert "--dtype float32" in text
    assert re.search(r"SKIPPED \[1\] layers\.py:\d+: there is no other pass that goes with it", text)
    assert "plain.py" not in text
    assert "Traceback" not in text


def test_named_files_are_not_imported_by_pytest(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = "import os\n\nos.environ['LOADED'] = '1'\n"
    (tmp_path / "layers.py").write_text(loaded + RELU, encoding="utf-8")
    (tmp_path / "plain.py").write_text("x = 1", encoding="utf-8")
    (tmp_path / "book.ipynb").write_text(notebook_of(RELU), encoding="utf-8")
    monkeypatch.delenv("LOADED", raising=False)
    done = run("--gradcheck", "layers.py::relu_forward,relu_backward", "plain.py", "book.ipynb")
    done.assert_outcomes(passed=2, failed=1)
    assert "plain.py has no pair such as affine_forward and affine_backward" in done.stdout.str()
    assert "LOADED" not in os.environ


def test_code_that_ends_its_process_fails_its_own_test(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(RELU.replace("return dout", "__import__('os')._exit(3)  #"), encoding="utf-8")
    (tmp_path / "b.py").write_text(RELU, encoding="utf-8")
    done = run("--gradcheck", "-v", "a.py", "b.py")
    done.assert_outcomes(passed=1, failed=1)
    assert "error: the implementation ended the process with exit code 3" in done.stdout.str()
    assert "Failed: error: the implementation e" in done.stdout.str()


def test_wrong_flags_end_the_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for flags, words in {
        "--dtype float3": "'float3' is not one of float16",
        "--json x.json": "--json has no meaning here; give some of --fuzz --dtype",
        "'": "No closing quotation",
        "layers.py": "it takes flags; name files in pytest's own arguments",
    }.items():
        done = run("--gradcheck", f"--gradcheck-args={flags}")
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        assert "--gradcheck-args: " in done.stderr.str()
        assert words in done.stderr.str()
    monkeypatch.setenv("GRADCHECK_SED", "1")
    assert "ERROR: --gradcheck: GRADCHECK_SED: there is no flag 'sed'" in run("--gradcheck").stderr.str()


def test_the_configuration_counts_for_files(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(RELU.replace("> 0", ">= 1"), encoding="utf-8")
    config = '[tool.gradcheck]\ndtype = "float32"\nseed = 5\nquiet = true\njson = "report.json"\n'
    (tmp_path / "pyproject.toml").write_text(config, encoding="utf-8")
    text = run("--gradcheck", "layers.py", "--gradcheck-args=--seed 6").stdout.str()
    assert "--dtype float32 --seed 6" in text
    assert not (tmp_path / "report.json").exists()
    (tmp_path / "pyproject.toml").write_text("[tool.gradcheck]\ndtypes = 3\n", encoding="utf-8")
    done = run("--gradcheck", "layers.py")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "pyproject.toml" in done.stderr.str()


@pytest.mark.long
def test_workers_collect_the_same(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(RELU, encoding="utf-8")
    run("--gradcheck", "-n1", "layers.py").assert_outcomes(passed=1)


def test_a_run_that_does_not_use_it_imports_nothing() -> None:
    program = "import sys, gradcheck_cli.testing.plugin; print(*sys.modules)"
    base = "import sys, pytest; print(*sys.modules)"
    added, without = (
        set(subprocess.run([sys.executable, "-c", p], capture_output=True, text=True, check=True).stdout.split())
        for p in (program, base)
    )
    assert added - without == {"gradcheck_cli", "gradcheck_cli.testing", "gradcheck_cli.testing.plugin"}
