"""Imports between the modules of the package, wherever they stand: no module and no package needs itself."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "gradcheck_cli"

Imports = dict[str, set[str]]


def module_imports() -> Imports:
    """Return the modules of the package that each of them imports: at its top, in functions, and for annotations."""
    files = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / PACKAGE).rglob("*.py")}
    modules = {".".join(name.parts).removesuffix(".__init__"): path for name, path in files.items()}
    found: Imports = {}
    for module, path in modules.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == PACKAGE:
                names = (f"{node.module}.{one.name}" for one in node.names)
                found[module] |= {name if name in modules else node.module for name in names}
    return found


def package_imports(modules: Imports) -> Imports:
    """Return the packages directly below the top one that each of them imports."""

    def package(module: str) -> str:
        return ".".join(module.split(".")[:2])

    found: Imports = {package(module): set() for module in modules}
    for module, imported in modules.items():
        found[package(module)] |= {package(one) for one in imported} - {package(module)}
    return found


def cycle_in(imports: Imports) -> list[str]:
    """Return the members of a cycle, the first of them again at the end; [] if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_there_is_no_cycle() -> None:
    modules = module_imports()
    assert len(modules) > 100
    for imports in (modules, package_imports(modules)):
        assert cycle_in(imports) == []
        some, others = next((name, imported) for name, imported in imports.items() if imported)
        assert some in cycle_in(imports | {other: imports[other] | {some} for other in others})
