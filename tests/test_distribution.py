"""What is shipped: the wheel, the source distribution, and what they say of themselves."""

from __future__ import annotations

import email
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli import __version__

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hatchling.builders.wheel import WheelBuilder

    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))))


def _tracked(*folders: str) -> set[str]:
    """Return the files of folders, without what Python and tools leave there."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    names = (path.relative_to(ROOT) for path in found)
    return {str(path) for path in names if "__pycache__" not in path.parts and not path.name.startswith(".")}


def test_the_wheel_has_the_package_and_the_manual_pages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    info = f"convcheck-{__version__}.dist-info"
    package = {name for name in names if name.startswith("gradcheck_cli/")}
    assert package == _tracked("gradcheck_cli")
    assert {"gradcheck_cli/py.typed", "gradcheck_cli/report/schema.json"} <= package
    rest = {name.removeprefix(f"convcheck-{__version__}.") for name in names - package}
    manual = {f"data/data/share/man/man1/{program}.1" for program in ("convcheck", "gradcheck")}
    assert rest == manual | {
        f"dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    entries = zipfile.ZipFile(wheel).read(f"{info}/entry_points.txt").decode()
    for line in ("[console_scripts]", "convcheck = gradcheck_cli.cli.main:convcheck", "[pytest11]"):
        assert line in entries


def test_what_it_says_of_itself(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read(f"convcheck-{__version__}.dist-info/METADATA").decode()
    metadata: Message = email.message_from_string(text)
    assert (metadata["Name"], metadata["Version"], metadata["License-Expression"]) == ("convcheck", __version__, "MIT")
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.partition(">=")[0] for line in needed) == ["click", "numpy", "rich"]
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    for url in urls.values():
        assert url.startswith("https://github.com/convcheck/convcheck")
        page = url.partition("/blob/main/")[2]
        assert not page or (ROOT / page).exists()
    trove = set(metadata.get_all("Classifier", []))
    versions = {line.rpartition(" ")[2] for line in trove if line.startswith("Programming Language :: Python :: 3.")}
    assert min(versions, key=lambda version: int(version[2:])) == metadata["Requires-Python"].removeprefix(">=")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{__version__}]" in changes


def test_the_source_distribution_has_all_that_tests_need(tmp_path: Path) -> None:
    from hatchling.builders.sdist import SdistBuilder

    built = Path(next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path))))
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert _tracked("gradcheck_cli", "tests", "docs", "examples", "benchmarks") <= names
    files = {
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "mkdocs.yml",
        "pyproject.toml",
        "PKG-INFO",
    }
    assert files <= names
    assert not [
        name for name in names if name.startswith((".venv", ".git/", "site/", "dist/")) or "__pycache__" in name
    ]
