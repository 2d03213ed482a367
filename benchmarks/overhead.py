"""What a check costs: its time in forwards, and over that spent in the forward and backward under test.

    python benchmarks/overhead.py

At geometries whose forward takes a millisecond or so, so that the cost of a call itself is out of the picture. Drawing
the arrays is in it, and the reference: two calls of its forward for the output and its scale, two of both passes
for the gradients and theirs. So the ratio is larger for code that is as fast as the reference, of which few calls are
made. Compared over versions, the seconds tell whether a check has become cheaper.
"""

from __future__ import annotations

import importlib.util
import statistics
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
    """Wraps a function, and takes the time of each of its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, list[float]()
        self.__name__ = function.__name__

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        started = time.perf_counter()
        try:
            return self.function(*args)
        finally:
            self.seconds.append(time.perf_counter() - started)


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
    """Return the seconds of the fastest check, those of one forward in it, its calls of forward, and the ratio."""
    found = []
    for _ in range(CHECKS):
        forward, backward = (Stopwatch(function) for function in pair)
        started = time.perf_counter()
        assert check(case, (forward, backward)).passed
        whole = time.perf_counter() - started
        ratio = whole / sum(forward.seconds + backward.seconds)
        found.append((whole, statistics.median(forward.seconds), len(forward.seconds), ratio))
    return min(found)


def main() -> None:
    print(f"{'geometry':<44} {'pair':<9} {'forward':>9} {'calls':>6} {'check':>9} {'forwards':>9} {'ratio':>6}")
    for case in CASES:
        for name, pair in {**LAYER.builtin, "textbook": textbook()}.items():
            whole, single, calls, ratio = measure(case, pair)
            row = f"{case.label():<44} {name:<9} {single * 1e3:6.1f} ms {calls:6} {whole:7.2f} s {whole / single:9.0f}"
            print(f"{row} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
