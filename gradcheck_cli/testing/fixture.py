"""The fixture `gradcheck`: an assertion that a backward pass is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.cases.cases import Cases, Listed, Product
from gradcheck_cli.checks.check import Functions, check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.guard.state import preserve_folder
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.implementation.resolve import resolve
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.testing.outcome import make_outcome

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

#: Columns that pytest puts before each line of a failed assertion: `E` and the indentation of the statement.
_MARGIN = 8


class Gradcheck:
    """Checks backward passes within a test."""

    def __init__(self, width: int) -> None:
        """Take the columns of the terminal."""
        self._width = width - _MARGIN

    def __call__(
        self,
        layer: str,
        implementation: str | Functions | Implementation | None = None,
        *,
        dtype: str | Sequence[str] = "float64",
        seed: int = 0,
        method: str = "auto",
        tol: float | None = None,
        step: float | None = None,
        repeat: int = 0,
        skipped_duties: tuple[str, ...] = (),
        **geometry: Any,
    ) -> tuple[CaseResult, ...]:
        """Check an implementation of a layer, and return the results of its cases.

        Args:
            layer: its name, as on the command line: "conv", "lstm", "function".
            implementation: what `gradcheck_cli.check` takes: (forward, backward), a class, or "layers.py".
            dtype: one or several.
            seed: of the inputs and the cotangent.
            method: how derivatives are computed.
            tol: tolerance in roundings.
            step: a fixed step for the differences.
            repeat: how many times both passes are called again.
            skipped_duties: names of duties that are not tried.
            geometry: the layer's numbers. A list stands for several values, whose product is checked; with none the
                layer's standard set is. A pair is a tuple.

        Raises:
            AssertionError: a case failed, or could not be decided. The message is the report.
            pytest.skip.Exception: the implementation cannot be asked for any of the cases.
            ValueError, TypeError: there is no such layer, number or geometry.
        """
        __tracebackhide__ = True
        if layer not in TITLES:
            raise ValueError(f"there is no layer {layer!r}; there are {', '.join(TITLES)}")
        dtypes = (dtype,) if isinstance(dtype, str) else tuple(dtype)
        try:
            cases = _make_cases(LAYERS[layer], geometry, dtypes, seed)
            first = next(iter(cases), None)  # making it, too, finds numbers that are wrong
            settings = Settings(method=method, tol=tol, step=step, repeat=repeat, skipped_duties=skipped_duties)
        except (TypeError, ValueError) as error:
            raise type(error)(*error.args) from None  # a mistake in the call: our frames say nothing of it
        with preserve_folder():
            found = resolve(implementation, LAYERS[layer], first)
            results = tuple(sanitize(check_case(case, found, settings)) for case in cases)
        outcome = make_outcome(results, program=LAYERS[layer].command.split()[0], width=self._width)
        if outcome.verdict is Verdict.SKIP:
            pytest.skip(outcome.reason)
        if outcome.verdict is not Verdict.PASS:
            raise AssertionError(outcome.message)
        return results


def _make_cases(layer: Layer, geometry: dict[str, Any], dtypes: tuple[str, ...], seed: int) -> Cases:
    """Make the cases: the product of what is given, or the standard set.

    Raises:
        ValueError: there is no such geometry.
        TypeError: the layer has no such number.
    """
    if not geometry:
        return Listed(cases=tuple(replace(case, dtype=one, seed=seed) for case in layer.standard() for one in dtypes))
    known = [parameter.name for parameter in layer.case.parameters()]
    if unknown := [name for name in geometry if name not in known]:
        raise TypeError(f"{layer.name} has no {unknown[0]!r}; it has {', '.join(known)}")
    values = {name: value if isinstance(value, list | range) else (value,) for name, value in geometry.items()}
    cases = Product(case=layer.case, values={**values, "dtype": dtypes}, seed=seed)
    if cases.count == 1:
        (case,) = cases
        if reason := case.impossible():
            raise ValueError(f"impossible geometry: {reason}")
    return cases
