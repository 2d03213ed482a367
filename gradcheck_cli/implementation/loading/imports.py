"""The files that the imports of a file mean, and so those of an implementation, as its text tells."""

from __future__ import annotations

import ast
import hashlib
import itertools
import sysconfig
from pathlib import Path

from gradcheck_cli.implementation.loading.notebook import parsed, python_source
from gradcheck_cli.implementation.loading.paths import files_of, is_file, is_folder, read_source, split_spec

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
#: How the names of compiled modules end.
_COMPILED = {".so", ".pyd", ".pyc", ".dll", ".dylib"}


def sources(spec: str, adapter: str | None = None, most: int | None = None) -> dict[Path, bytes]:
    """Read the file, folder or package that an implementation names, what that imports from around it, and so on.

    What is built in or installed has no such files.

    Args:
        spec: what a user has typed.
        adapter: `FILE.py:function`, which is needed too.
        most: if there are more files than this, one more is read and the rest left out.
    """
    found: dict[Path, bytes] = {}
    homes = [home for place in (spec, adapter) if place for home in files_of(split_spec(place)[0])]
    waiting = [named for home in homes for named in _named(home)]
    seen: set[Path] = set()
    while waiting and (most is None or len(found) <= most):
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        if is_folder(place):
            waiting += sorted(place.rglob("*.py"))
        elif is_file(place):
            try:
                found[place] = read_source(place)
            except OSError:  # reported where it is loaded
                continue
            waiting += _imported(place, found[place])
    return found


def digest(files: dict[Path, bytes]) -> str:
    """Tell source code from what it was before it was edited."""
    whole = hashlib.sha256()
    for _, text in sorted(files.items()):
        whole.update(hashlib.sha256(text).digest())
    return whole.hexdigest()[:16]


def _named(home: str) -> list[Path]:
    """Find the file or folder that a name stands for: none where it is built in, installed, or not there."""
    path = Path(home)
    if is_file(path) or is_folder(path):
        return [path.resolve()]
    is_dotted = all(part.isidentifier() for part in home.split("."))
    return _module(home, [Path()]) if is_dotted else []


def _imported(file: Path, text: bytes) -> list[Path]:
    """List the files, and the folders of packages, that a file imports from around it."""
    tree = parsed(text)
    if tree is None:
        return []
    names, package = imported_names(tree), relative_top(file, tree)
    around = _around(file, names)
    return [*([package] if package else []), *(path for name in names for path in _module(name, around))]


def is_around(file: Path, name: str) -> bool:
    """Tell whether a module that a file imports, or its package, is around it."""
    return bool(_module(name, _around(file, {name})))


def imports_binary(file: Path, name: str) -> bool:
    """Tell whether around a file that imports a module there is one of this name that is compiled."""
    folders = _around(file, {name})
    return any(found.suffix in _COMPILED for folder in folders for found in folder.glob(f"{name}.*"))


def _around(file: Path, names: set[str]) -> list[Path]:
    return [*search_folders(file, names), *([root] if (root := package_root(file)) else [])]


def _module(name: str, folders: list[Path]) -> list[Path]:
    """Return a module, or the folder of its package, as the first of the folders has it; [] if none does."""
    found = filter(None, (module_in(folder, name) for folder in folders))
    return [path.resolve() for path in itertools.islice(found, 1)]


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


def words_imported(file: Path) -> set[str]:
    """Name whatever a file imports, modules without the packages that they are in; {} if that cannot be told."""
    try:
        nodes = list(ast.walk(parse_file(file)))
    except (SyntaxError, OSError):
        return set()
    modules = [alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.rpartition(".")[2] for name in modules}


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
