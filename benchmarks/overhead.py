"""What the checker adds to the evaluations that it makes: a check's time over that spent in forward and backward.

    python benchmarks/overhead.py

At geometries whose forward takes a millisecond or so, so that the cost of a call itself is out of the picture. A ratio
of 1 would be a checker that costs nothing; drawing the arrays is in it, and the reference: two calls of its forward for
the output and its scale, two of both passes for the gradients and theirs.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradcheck_cli import ConvCase, check
from gradcheck_cli.layers.conv.conv import LAYER

CASES = (
    ConvCase(N=16, C=3, H=32, W=32, F=32),
    ConvCase(N=8, C=3, H=64, W=64, F=16),
    ConvCase(N=8, C=16, H=32, W=32, F=32),
    ConvCase(N=1, C=64, H=56, W=56, F=64),
)

CHECKS = 5  #: the best counts: what else the machine does only takes away


class Stopwatch:
    """Wraps a function, and counts its calls and the time spent in them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.calls, self.seconds = function, 0, 0.0
        self.__name__ = function.__name__

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        started = time.perf_counter()
        try:
            return self.function(*args)
        finally:
            self.seconds += time.perf_counter() - started
            self.calls += 1


def textbook() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The layer of examples/own_layer.py, a loop over output positions: what most people's looks like."""
    path = Path(__file__).parents[1] / "examples" / "own_layer.py"
    spec = importlib.util.spec_from_file_location("own_layer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.conv_forward, module.conv_backward


def measure(case: ConvCase, pair: tuple[Callable[..., Any], ...]) -> tuple[float, float, int, float]:
    """Return the seconds of one forward, those of a check, its forwards, and the ratio of the best check."""
    found = []
    for _ in range(CHECKS):
        forward, backward = (Stopwatch(function) for function in pair)
        started = time.perf_counter()
        assert check(case, (forward, backward)).passed
        whole = time.perf_counter() - started
        ratio = whole / (forward.seconds + backward.seconds)
        found.append((ratio, forward.seconds / forward.calls, whole, forward.calls))
    ratio, single, whole, calls = min(found)
    return single, whole, calls, ratio


def main() -> None:
    print(f"{'geometry':<44} {'pair':<9} {'forward':>9} {'calls':>6} {'check':>9} {'ratio':>6}")
    for case in CASES:
        for name, pair in {**LAYER.builtin, "textbook": textbook()}.items():
            single, whole, calls, ratio = measure(case, pair)
            print(
                f"{case.label():<44} {name:<9} {single * 1e3:6.1f} ms {calls:6} {whole:7.2f} s {ratio:6.2f}", flush=True
            )


if __name__ == "__main__":
    main()
