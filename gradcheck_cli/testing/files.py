"""What `pytest --gradcheck` collects: an item for each pair, loss and class of a file, checked as by `gradcheck`."""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest
from click.core import ParameterSource

from gradcheck_cli.cli.commands import files_command
from gradcheck_cli.cli.files import plan_files
from gradcheck_cli.cli.plan import Plan
from gradcheck_cli.cli.request import Request, make_request
from gradcheck_cli.cli.run import compute_results
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine.call import InProcess
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.engine import Engine
from gradcheck_cli.implementation.finding.folder import may_have_passes
from gradcheck_cli.implementation.loading.paths import SUFFIXES, read_source, split_spec
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.testing.outcome import make_outcome

#: Fields of the request that `--gradcheck-args` may set: which cases there are, and how each is checked.
_SETTABLE = {"fuzz", "dtypes", "seed", "method", "tol", "step", "repeat", "skipped_duties", "timeout", "memory"}

#: What stands for a file that cannot be loaded, or has nothing to check.
_LOADING = "load"

_REQUEST = pytest.StashKey["Request"]()
_CHECKER = pytest.StashKey[Checker]()


def settable_flags(command: click.Command) -> list[click.Parameter]:
    """Return the flags of the command that checks files that `--gradcheck-args` takes."""
    return [param for param in command.params if param.name in _SETTABLE]


def read_flags(config: pytest.Config) -> None:
    """Make the request that all files have in common, from the flags and the configuration.

    Raises:
        pytest.UsageError: a flag or the configuration is wrong.
    """
    command = files_command("gradcheck")
    try:
        context = command.make_context("gradcheck", shlex.split(config.getoption("gradcheck_args")))
        _refuse_others(context)
        values = {name: value for name, value in context.params.items() if name in _SETTABLE}
        config.stash[_REQUEST] = make_request(None, {"implementations": (), **values})
    except click.ClickException as error:
        source = "--gradcheck-args" if config.getoption("gradcheck_args") else "--gradcheck"  # or the file
        raise pytest.UsageError(f"{source}: {error.format_message()}") from error
    except ValueError as error:  # of `shlex`
        raise pytest.UsageError(f"--gradcheck-args: {error}") from error
    config.stash[_CHECKER] = Checker()


def _refuse_others(context: click.Context) -> None:
    """Refuse flags that have no meaning within pytest.

    Raises:
        click.UsageError: one was typed.
    """
    for param in context.command.params:
        typed = context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if typed and param.name == "implementations":
            raise click.UsageError("it takes flags; name files in pytest's own arguments")
        if typed and param.expose_value and param.name not in _SETTABLE:
            known = " ".join(flag.opts[0] for flag in settable_flags(context.command))
            raise click.UsageError(f"{param.opts[0]} has no meaning here; give some of {known}")


def close(config: pytest.Config) -> None:
    """End the process of user code, if there is one."""
    if checker := config.stash.get(_CHECKER, None):
        checker.close()


def is_user_code(path: Path, session: pytest.Session) -> bool:
    """Tell whether a file is checked: no test, and named, or one in which something is called like a layer."""
    tests = [*session.config.getini("python_files"), "conftest.py"]
    if path.suffix not in SUFFIXES or any(
        fnmatch(str(path) if "/" in pattern else path.name, pattern) for pattern in tests
    ):
        return False
    return session.isinitpath(path) or may_have_passes(path)


class UserFile(pytest.File):
    """A file of user code, which is loaded in a process of its own."""

    def collect(self) -> Iterator[Implementation]:
        """Load the file, and make an item for each pair, loss and class."""
        request, checker = self.config.stash[_REQUEST], self.config.stash[_CHECKER]
        request = replace(request, implementations=(os.path.relpath(self.path),), quiet=True)
        try:
            with _usual_warnings():
                plan = plan_files(request, checker)
        except click.UsageError as error:
            yield Implementation.from_parent(self, name=_LOADING, check=partial(_refuse, error.format_message()))
            return
        for known in plan.known:
            yield Implementation.from_parent(self, name=_name(known.implementation), check=lambda known=known: [known])
        for one in plan.assignments:
            compute = partial(_compute, request, Plan(assignments=(one,)), checker)
            yield Implementation.from_parent(self, name=_name(one.task.spec), check=compute)


class Implementation(pytest.Item):
    """One implementation, on all cases of its layer."""

    def __init__(self, *, check: Callable[[], Sequence[CaseResult]], **rest: Any) -> None:
        """Take what computes the results."""
        super().__init__(**rest)
        self._check = check

    def runtest(self) -> None:
        """Check it, and fail with the report: nothing of the checker's own frames is shown."""
        width = self.config.get_terminal_writer().fullwidth
        with _usual_warnings():
            results = self._check()
        outcome = make_outcome(results, program="gradcheck", width=width)
        if outcome.verdict is Verdict.SKIP:
            raise pytest.skip.Exception(outcome.reason, _use_item_location=True)
        if outcome.verdict is not Verdict.PASS:
            pytest.fail(outcome.message, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the place of the last of its functions, with the line from 0, and its name."""
        last = self.name.rpartition(",")[2]
        found = re.search(rf"^[ \t]*(?:def|class)[ \t]+{re.escape(last)}\b", _text(self.path), re.MULTILINE)
        return self.path, found.string.count("\n", 0, found.start()) if found else 0, self.name


def _compute(request: Request, plan: Plan, checker: Checker) -> list[CaseResult]:
    try:
        return [*compute_results(request, plan, Engine(executor=InProcess(checker)), ())]
    except click.UsageError as error:  # it is not there any more
        return _refuse(error.format_message())


def _refuse(why: str) -> NoReturn:
    pytest.fail(why, pytrace=False)


def _text(path: Path) -> str:
    try:
        return read_source(path).decode(errors="replace")
    except OSError:
        return ""


def _name(spec: str) -> str:
    _, names = split_spec(spec)
    return ",".join(names) or _LOADING


def _usual_warnings() -> warnings.catch_warnings[None]:
    """Leave warnings of user code alone: its process inherits filters, and `-W error` is meant for tests."""
    return warnings.catch_warnings(action="ignore")
