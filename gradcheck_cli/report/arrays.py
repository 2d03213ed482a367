"""The arrays of a case, as NumPy's .npz: for those who want to look for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult


def arrays_of(result: CaseResult) -> dict[str, Array]:
    """Name the arrays of a case that were kept.

    Inputs, `dout` and `out` under their names; of a gradient `dx` what was returned, `dx_numeric` what it should have
    been, and `dx_error_bound` how far that may be from the truth.
    """
    named = dict(result.arrays)
    for name, gradient in result.gradients.items():
        if gradient.arrays is not None:
            named[f"{name}_numeric"] = gradient.arrays.numeric
            named[f"{name}_error_bound"] = gradient.arrays.error_bound
    return named


def write_arrays(result: CaseResult, stream: BinaryIO) -> None:
    """Write the arrays of a case as an .npz."""
    np.savez(stream, **cast("dict[str, Any]", arrays_of(result)))


def snippet(result: CaseResult, path: str) -> str:
    """Say in three lines of Python how a file of its arrays is read."""
    wrong = [name for name, found in result.gradients.items() if found.verdict is Verdict.FAIL and found.arrays]
    last = f'print(case["{wrong[0]}"] - case["{wrong[0]}_numeric"])' if wrong else "print(case.files)"
    return f"import numpy as np\ncase = np.load({path!r})\n{last}"
