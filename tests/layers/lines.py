"""A backward pass as a student writes it, line by line; a fault replaces some of the lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import check

if TYPE_CHECKING:
    from types import CodeType

    from gradcheck_cli.layers.framework.case import Case


def sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


@cache
def _compiled(line: str) -> CodeType:
    return compile(line, line, "eval")


def run_lines(lines: Mapping[str, str], **values: Any) -> dict[str, Any]:
    """Evaluate each line with the values before it, and return all values by name."""
    values |= {"np": np, "sigmoid": sigmoid}
    for name, line in lines.items():
        values[name] = eval(_compiled(line), values)
    return values


def assert_named(fault: str, cases: Iterable[Case], functions: Any, code: str | None, also: Iterable[str] = ()) -> None:
    """Assert that each case has no cause but this code, or those that it looks like, and that one has it.

    Without a code, each case passes.
    """
    named = 0
    for case in cases:
        result = check(replace(case, seed=3), functions)
        codes = {cause.code for cause in result.diagnosis}
        assert codes <= {code, *also}, (fault, case.label(), case.dtype, result.diagnosis)
        assert result.passed or code is not None, result.summary()
        named += code in codes
    assert named or code is None, (fault, code)
