"""What a process imports: a short run takes the time of its imports, which grow unless something counts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROGRAMS, clean_environment

GEOMETRY = ("--N", "2", "--C", "3", "--stride", "2")

#: Of our modules, these and all within them belong to user code, processes, failures, sweeps or other reports.
UNUSED = (
    "checks.diagnosis",
    "checks.reference",
    "checks.projection",
    "checks.sweep",
    "checks.zero_probe",
    "cases.fuzz",
    "cli.defaults",
    "cli.files",
    "cli.origin",
    "cli.recorded",
    "cli.show_config",
    "cli.since",
    "engine.errors",
    "engine.cluster",
    "engine.cluster_worker",
    "engine.guarded",
    "engine.inside",
    "engine.leftovers",
    "engine.pool",
    "engine.survey",
    "engine.worker",
    "guard.child",
    "guard.crash",
    "guard.descendants",
    "guard.frames",
    "guard.process",
    "implementation.conventions",
    "implementation.finding",
    "implementation.from_python",
    "implementation.loading",
    "implementation.vocabulary",
    "layers.conv.faults",
    "layers.framework.named",
    "layers.framework.text_parameters",
    "numeric.projected",
    "checks.plain_differences",
    "checks.worst_element",
    "cli.output_folder",
    "cli.step_summary",
    "report.csv",
    "report.debug",
    "report.feedback",
    "report.github",
    "report.html",
    "report.json",
    "report.junit",
    "report.markdown",
    "report.picture",
    "report.sweep",
    "results.signature",
)

#: Modules of the standard library that take a millisecond or more, and that neither click, rich nor NumPy imports.
COSTLY = (
    *("asyncio", "ast", "concurrent.futures", "hashlib", "importlib.abc", "importlib.resources", "json", "logging"),
    *("multiprocessing", "pathlib", "secrets", "shlex", "subprocess", "sysconfig", "tempfile", "tomllib", "traceback"),
    "urllib",
)

#: What help, a schema and a refusal do without beside that.
NO_WORK = ("numpy", "rich", "gradcheck_cli.cli.run", "gradcheck_cli.results.result", "gradcheck_cli.checks.check")


def imported(folder: Path, *args: str, program: str = "convcheck", code: int = 0) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAMS / program, *args],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert run.returncode == code
    lines = (line for line in run.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def imported_by_libraries() -> set[str]:
    program = "import sys, click, numpy, rich.console, rich.table; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def within(modules: set[str], packages: tuple[str, ...]) -> list[str]:
    return sorted(name for name in modules if any(f"{name}.".startswith(f"{package}.") for package in packages))


@pytest.mark.parametrize("args", [GEOMETRY, ("--help",)], ids=["run", "help"])
def test_a_short_run_imports_nothing_that_it_does_not_use(args: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'layers'\n[tool.ruff]\n")  # nothing for this program
    modules = imported(tmp_path, *args)
    assert within(modules, tuple(f"gradcheck_cli.{name}" for name in UNUSED)) == []
    assert within(modules - imported_by_libraries(), COSTLY) == []


@pytest.mark.parametrize(
    ("command", "code", "unused"),
    [
        ("convcheck --H 0", 2, NO_WORK),
        ("gradcheck --help", 0, NO_WORK),
        ("gradcheck conv --help", 0, NO_WORK),
        ("gradcheck schema", 0, ("numpy", "rich")),
    ],
)
def test_what_computes_nothing_imports_nothing_that_only_a_check_needs(
    command: str, code: int, unused: tuple[str, ...], tmp_path: Path
) -> None:
    program, *args = command.split()
    modules = imported(tmp_path, *args, program=program, code=code)
    assert "click" in modules
    assert within(modules, unused) == []


def test_all_modules_of_the_list_are_there() -> None:
    package = Path(__file__).parents[2] / "gradcheck_cli"
    homes = [package / name.replace(".", "/") for name in UNUSED]
    assert [str(home) for home in homes if not (home.is_dir() or home.with_suffix(".py").is_file())] == []
