"""Checks hand-written backward passes against numerical derivatives: what a library user imports."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for typing's, whose import takes a program longer than all else here
if TYPE_CHECKING:
    from gradcheck_cli.checks.check import check as check
    from gradcheck_cli.checks.check import check_function as check_function
    from gradcheck_cli.engine.version import __version__ as __version__
    from gradcheck_cli.layers.conv.conv import ConvCase as ConvCase
    from gradcheck_cli.layers.function import FunctionCase as FunctionCase
    from gradcheck_cli.results.result import CaseResult as CaseResult
    from gradcheck_cli.results.result import Verdict as Verdict

__all__ = ["CaseResult", "ConvCase", "FunctionCase", "Verdict", "__version__", "check", "check_function"]

_HOME = {
    "__version__": "engine.version",
    "check": "checks.check",
    "check_function": "checks.check",
    "ConvCase": "layers.conv.conv",
    "FunctionCase": "layers.function",
    "CaseResult": "results.result",
    "Verdict": "results.result",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the command line passes here on its way to an instant `--help`."""
    from importlib import import_module  # not for the programs

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
