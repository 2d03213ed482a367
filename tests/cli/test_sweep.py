"""`gradcheck sweep`, as a shell sees it."""

from __future__ import annotations

import os
import re
import shlex
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_output import on_a_terminal
from tests.conftest import SMALL
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

RAISES = ("    N, C, H, W = x.shape\n", "    N, C, H, W = x.size\n")
CURVED = ("    return out, (x, w, b, conv_param)", "    return np.tanh(out / 8), (x, w, b, conv_param)")

#: What an ill-chosen invocation is told: the flag, and what to do.
REFUSED = [
    (["-q", "-v"], "-q and -v contradict each other"),
    (["--HH", "9"], "Impossible geometry: the kernel's height of 9 does not fit"),
    (["--plot", "out.pdf"], "--plot: 'out.pdf': give a name that ends in .png or .svg"),
    (["--plot", "png"], "--plot: 'png': give a name that ends in .png or .svg"),
    (["--plot", "nowhere/out.png"], "--plot: 'nowhere/out.png' cannot be written: No such file"),
    (["--plot", "out.png", "--N", "1,2"], "--plot shows one case, and there are 2: give one"),
    (["--plot", "out.png", "--dtype", "float32,float64"], "there are 2"),
    *(
        [[flag, "1"], f"No such option '{flag}'"]
        for flag in ("--step", "--tol", "--show", "--fuzz", "--json", "--resume")
    ),
]


@pytest.mark.parametrize(("flags", "said"), REFUSED)
def test_what_cannot_be_is_2_before_anything_runs(
    gradcheck: Program, layer_file: LayerFile, tmp_path: Path, flags: list[str], said: str
) -> None:
    layer = layer_file(("    N, C, H, W = x.shape\n", "    open('ran', 'w').close()\n    N, C, H, W = x.shape\n"))
    run = gradcheck("sweep", "conv", layer, *flags)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["layers.py"]


def test_several_implementations_make_several_sweeps(gradcheck: Program) -> None:
    assert "there are 2" in gradcheck("sweep", "conv", "fast", "naive", "--plot", "out.png").stderr
    run = gradcheck("sweep", "conv", "fast", "naive", *SMALL, "--dtype", "float32,float64", "-q")
    assert run.returncode == 0
    assert [line.split(":")[0] for line in run.stdout.splitlines()] == [
        f"{name} 1x1x3x3 * 1x1x3x3 stride 1 pad 1 {dtype}"
        for name in ("fast", "naive")
        for dtype in ("float32", "float64")
    ]


def test_without_geometry_it_is_the_default_one_and_not_a_set(gradcheck: Program) -> None:
    run = gradcheck("sweep", "conv")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[:2] == ["fast", "4x3x5x5 * 2x3x3x3 stride 1 pad 1, float64, seed 0"]
    assert run.stdout.count("largest error") == 1
    assert gradcheck("sweep", "conv", "--list-cases").stdout == "4x3x5x5 * 2x3x3x3 stride 1 pad 1 float64\n"


@pytest.mark.parametrize(("dtype", "least", "most"), [("float64", 1e-12, 1e-9), ("float32", 1e-3, 1)])
def test_the_last_line_quotes_the_run(gradcheck: Program, dtype: str, least: float, most: float) -> None:
    lines = gradcheck("sweep", "conv", "--dtype", dtype).stdout.splitlines()
    said = re.fullmatch(r"h = 1e-5: dx off by (\S+) of its scale; checker's h = 64: < (\S+)", lines[-1])
    assert said is not None
    assert least < float(said[1]) < most
    assert float(said[2]) < 1e-14
    row = next(line for line in lines if line.startswith("1e-5 "))
    assert said[1] in row
    assert "roundoff" in row
    own = next(line for line in lines if line.startswith("64 *"))
    assert ("roundoff" in own) == (dtype == "float32")


@pytest.mark.long
def test_a_curved_layer_shows_both_sides(gradcheck: Program, layer_file: LayerFile) -> None:
    run = gradcheck("sweep", "conv", layer_file(CURVED))
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    assert re.search(r"^1e-2 +\S+ +\+2\.0 +truncation", run.stdout, re.MULTILINE)
    assert re.search(r"^1e-8 +\S+ +-[01]\.\d +roundoff", run.stdout, re.MULTILINE)
    assert any(line.startswith("dx: the checker extrapolates") for line in lines)
    assert "*" not in "".join(line for line in lines if line.startswith("64"))


def test_an_implementation_that_raises_is_1_and_leaves_the_picture_alone(
    gradcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    (tmp_path / "out.png").write_bytes(b"as it was")
    run = gradcheck("sweep", "conv", layer_file(RAISES), "--plot", "out.png")
    assert run.returncode == 1
    assert "conv_forward raised TypeError" in run.stdout
    assert "N, C, H, W = x.size" in run.stdout
    assert "gradcheck_cli" not in run.stdout + run.stderr
    assert (tmp_path / "out.png").read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers.py", "out.png"]


def test_no_case_to_run_is_2(gradcheck: Program) -> None:
    run = gradcheck("sweep", "conv", "--HH", "8,9")
    assert run.returncode == 2
    assert "No case to run" in run.stderr
    assert gradcheck("sweep", "conv", "--HH", "3,9").returncode == 0


def test_prints_of_the_implementation_go_to_stderr(gradcheck: Program, layer_file: LayerFile) -> None:
    talks = layer_file(("    N, C, H, W = x.shape\n", "    print('here')\n    N, C, H, W = x.shape\n"))
    run = gradcheck("sweep", "conv", talks, *SMALL, "-v")
    assert "here" not in run.stdout
    assert "here" in run.stderr


@pytest.mark.parametrize(("name", "first"), one_in(2, [("out.png", b"\x89PNG"), ("OUT.SVG", b"<?xml")]))
def test_a_picture_is_written_whole_beside_the_table(
    gradcheck: Program, tmp_path: Path, name: str, first: bytes
) -> None:
    (tmp_path / name).write_bytes(b"as it was")
    run = gradcheck("sweep", "conv", *SMALL, "--plot", name)
    assert run.returncode == 0, run.stderr
    assert "checker" in run.stdout
    picture = (tmp_path / name).read_bytes()
    assert picture.startswith(first)
    if name.endswith(".png"):  # a size for slides
        assert struct.unpack(">II", picture[16:24]) == (1440, 896)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def without(package: str, folder: Path) -> dict[str, str]:
    """Return the environment of a program that cannot import a package; what has imported it here is forgotten."""
    users = ("gradcheck_cli.engine.cluster", "gradcheck_cli.report.plot")
    text = f"import sys\nsys.modules['{package}'] = None\nfor name in {users}:\n    sys.modules.pop(name, None)\n"
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_without_matplotlib_the_command_that_installs_it_is_shown_and_all_else_works(
    gradcheck: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = without("matplotlib", tmp_path_factory.mktemp("site"))
    run = gradcheck("sweep", "conv", *SMALL, "--plot", "out.png", env=env)
    assert (run.returncode, run.stdout) == (2, "")
    assert f"which is not installed: {shlex.quote(sys.executable)} -m pip install matplotlib" in run.stderr
    assert gradcheck("sweep", "conv", *SMALL, env=env).returncode == 0
    assert gradcheck("conv", *SMALL, env=env).returncode == 0


@pytest.mark.parametrize("columns", [80, 140])
def test_on_a_terminal_it_is_as_wide_as_that(tmp_path: Path, columns: int) -> None:
    code, shown = on_a_terminal(
        tmp_path, columns, "sweep", "conv", "--dtype", "float32", "--color", "never", program="gradcheck"
    )
    assert code == 0
    lines = shown.splitlines()
    assert max(map(len, lines)) <= columns
    assert ("slope" in lines[3]) == (columns == 140)
    assert lines[3].count("due to") == 3


def test_the_layer_must_be_named(gradcheck: Program) -> None:
    for name, hint in (
        ("layers.py", "Name the layer first: gradcheck sweep LAYER 'layers.py'"),
        ("cnov", "Is it conv"),
    ):
        run = gradcheck("sweep", name)
        assert (run.returncode, run.stdout) == (2, "")
        assert hint in run.stderr
