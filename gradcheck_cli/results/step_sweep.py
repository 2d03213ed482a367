"""What plain differences with one step after the other have shown, as frozen data."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.sweep import Sweep
    from gradcheck_cli.results.result import Verdict


@frozen
class StepSweep:
    """What plain central differences of one implementation's forward reach in one case, step by step."""

    implementation: str
    case: Case
    verdict: Verdict  #: a pass if there is a sweep of any gradient
    reason: str | None  #: None only on a pass
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)  #: by the gradient's name
    numeric_dtype: str | None = None  #: that of the derivatives by which the differences are told; None without any
    traceback: str | None = None  #: of an error: the implementation's own frames
    bug: str | None = None  #: of a bug in the checker that was met: its traceback
    seconds: float = 0.0
    output: str = field(default="", compare=False)  #: what the implementation printed, as far as it was captured
