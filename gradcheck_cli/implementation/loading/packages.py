"""Which folders a file's imports can mean, as its text tells, without running it."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

from gradcheck_cli.implementation.loading.notebook import python_source
from gradcheck_cli.implementation.loading.paths import is_file, is_folder

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def parse_file(file: Path) -> ast.Module:
    """Parse a file.

    Raises:
        SyntaxError: it is no Python, or nested too deeply for Python to read.
        OSError: it cannot be read.
    """
    try:
        return ast.parse(python_source(file), filename=str(file))
    except RecursionError as error:
        raise SyntaxError("it is nested too deeply", (str(file), 1, None, None)) from error
    except MemoryError as error:  # which the parser raises for too many brackets as well
        why = "it is nested too deeply, or --memory is too little for it"
        raise SyntaxError(why, (str(file), 1, None, None)) from error
    except ValueError as error:  # a null character, before Python 3.12
        raise SyntaxError(str(error), (str(file), 1, None, None)) from error


def relative_top(file: Path, tree: ast.Module) -> Path | None:
    """Return the topmost folder that a file's relative imports can mean; None for a file that has none."""
    levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    if not levels:
        return file.parent if file.name == "__init__.py" else None
    top = file.parents[min(max(levels), len(file.parents)) - 1]
    packages = _packages_around(file)
    while top.parent in packages:
        top = top.parent
    return top


def package_root(file: Path) -> Path | None:
    """Return the folder that the package of a file is in, from which its modules import each other; None for none."""
    packages, root = _packages_around(file), file.parent
    while root in packages:
        root = root.parent
    return root if root != file.parent else None


def _packages_around(file: Path) -> list[Path]:
    return [folder for folder in file.parents if (folder / "__init__.py").is_file()]


def imported_names(tree: ast.Module) -> set[str]:
    """Name the modules and packages that a file imports by absolute names, each up to its first dot."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def search_folders(file: Path, names: set[str]) -> list[Path]:
    """List the folders to import from: the file's own, and those of the packages around it that it names."""
    return [file.parent, *(folder.parent for folder in file.parents if folder.name in names)]


def name_within(file: Path, folder: Path) -> str | None:
    """Return the dotted name under which a file is imported from a folder around it; None if it has none."""
    parts = file.relative_to(folder).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def module_in(folder: Path, name: str) -> Path | None:
    """Return the file of a module, or the folder of its package, in a folder; None if it is not there."""
    top = name.partition(".")[0]
    file, package = folder / f"{top}.py", folder / top
    if is_file(file):
        return file
    return package if is_folder(package) and any(package.glob("*.py")) else None


def in_library(filename: str) -> bool:
    """Tell whether a file belongs to Python or to an installed package."""
    return filename.startswith(_INSTALLED) or filename.startswith("<frozen")
