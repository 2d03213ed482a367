"""The hooks of the pytest plugin: the fixture `gradcheck`, and the option `--gradcheck`.

pytest imports this module whenever it starts, so it imports nothing but pytest; the rest is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gradcheck_cli.testing.fixture import Gradcheck


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("gradcheck", "gradient checks")
    group.addoption(
        "--gradcheck",
        action="store_true",
        help="check the backward passes in files that are no tests: one test for each pair of functions or class",
    )
    group.addoption(
        "--gradcheck-args",
        metavar="FLAGS",
        default="",
        help="flags of `gradcheck FILE.py` for --gradcheck, such as '--dtype float32 --seed 1'",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the flags of --gradcheck, so that a wrong one ends the run at once."""
    if config.getoption("gradcheck"):
        from gradcheck_cli.testing.files import read_flags

        read_flags(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process of user code."""
    if config.getoption("gradcheck"):
        from gradcheck_cli.testing.files import close

        close(config)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collect user code with --gradcheck; pytest does not import it as a test module, not even if it is named."""
    collected = yield
    if parent.config.getoption("gradcheck"):
        from gradcheck_cli.testing.files import UserFile, is_user_code

        if is_user_code(file_path, parent.session):
            others = [one for one in collected if type(one) is not pytest.Module]  # such as doctests
            return [*others, UserFile.from_parent(parent, path=file_path)]
    return collected


@pytest.fixture(scope="session")
def gradcheck(request: pytest.FixtureRequest) -> Gradcheck:
    """Check a backward pass: `gradcheck("conv", (conv_forward, conv_backward), pad=0)` fails with the report."""
    from gradcheck_cli.testing.fixture import Gradcheck

    return Gradcheck(request.config.get_terminal_writer().fullwidth)
