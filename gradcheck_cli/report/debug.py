"""The arrays of the first case that did not pass, as NumPy's .npz, for those who want to look for themselves."""

from __future__ import annotations

import io
from typing import Any, TextIO, cast

import numpy as np

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary


class DebugReport:
    """Keeps the first case that did not pass, or better a smallest one, and writes its arrays."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._stream = stream
        self._found: CaseResult | None = None

    def add(self, result: CaseResult) -> None:
        """Add one result."""
        better = self._found is None or (result.smallest is not None and self._found.smallest is None)
        if better and result.arrays and result.verdict not in (Verdict.PASS, Verdict.SKIP):
            self._found = result

    def finish(self, summary: Summary) -> str:  # noqa: ARG002
        """Write the arrays, and say how to read them."""
        path = self._stream.name
        if self._found is None:
            return f"{path} was not written: no case with arrays to look at failed."
        whole = io.BytesIO()  # a zip file that a full disk cuts short complains when it is thrown away
        np.savez(whole, **cast("dict[str, Any]", named_arrays(self._found)))
        self._stream.buffer.write(whole.getbuffer())
        case = f"{self._found.implementation}, {self._found.case.label()} {self._found.case.dtype}"
        return f"arrays of {case}:\n{snippet(self._found, path)}"


def named_arrays(result: CaseResult) -> dict[str, Array]:
    """Return the arrays of a case that were kept, by name.

    Inputs, `dout` and `out` under their names; of a gradient `dx` what was returned, `dx_numeric` what it should have
    been, and `dx_error_bound` how far that may be from the truth.
    """
    named = dict(result.arrays)
    for name, gradient in result.gradients.items():
        if gradient.arrays is not None:
            named[f"{name}_numeric"] = gradient.arrays.numeric
            named[f"{name}_error_bound"] = gradient.arrays.error_bound
    return named


def snippet(result: CaseResult, path: str) -> str:
    """Return three lines of Python that read a file of a case's arrays."""
    wrong = [name for name, found in result.gradients.items() if found.verdict is Verdict.FAIL and found.arrays]
    last = f'print(case["{wrong[0]}"] - case["{wrong[0]}_numeric"])' if wrong else "print(case.files)"
    return f"import numpy as np\ncase = np.load({path!r})\n{last}"
