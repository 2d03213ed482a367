"""What the checker adds to the evaluations that it makes: a check's time over that of its forward calls alone.

    python benchmarks/overhead.py

At geometries whose forward takes a millisecond or more, so that the cost of a call itself is out of the picture. A
ratio of 1 would be a checker that costs nothing; drawing the arrays and the reference are in it, as for any user.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from gradcheck_cli import ConvCase, check
from gradcheck_cli.layers.conv import LAYER, problem

if TYPE_CHECKING:
    from collections.abc import Callable

#: The first three are differentiated colour by colour, the last in dx and dw along directions.
CASES = (
    ConvCase(N=16, C=3, H=32, W=32, F=32),
    ConvCase(N=8, C=3, H=64, W=64, F=16),
    ConvCase(N=8, C=16, H=32, W=32, F=32),
    ConvCase(N=1, C=64, H=56, W=56, F=64),
)

CHECKS = 3  #: enough for a median; the slowest takes ten seconds or so
CALLS = 10  #: of forward, before and after each check: what else the machine does changes from second to second


def measure(case: ConvCase, pair: str) -> tuple[float, float, int]:
    """Return the median seconds of one forward and of one check, and how many forwards that makes."""
    forward, backward = LAYER.builtin[pair]
    inputs = tuple(problem(case).inputs.values())
    calls = 0

    def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return forward(*args)

    def evaluate() -> object:
        return forward(*inputs, case.conv_param)

    def checked() -> object:
        return check(case, implementation=(counted, backward))

    singles, checks = [seconds(evaluate)], [seconds(checked)]  # these warm up, and do not count
    for _ in range(CHECKS):
        singles += [seconds(evaluate) for _ in range(CALLS)]
        checks.append(seconds(checked))
        singles += [seconds(evaluate) for _ in range(CALLS)]
    return statistics.median(singles[1:]), statistics.median(checks[1:]), calls // len(checks)


def seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def main() -> None:
    print(f"{'geometry':<44} {'pair':<6} {'forward':>9} {'calls':>6} {'check':>9} {'ratio':>6}")
    for case in CASES:
        for pair in LAYER.builtin:
            single, whole, calls = measure(case, pair)
            ratio = whole / (calls * single)
            print(
                f"{case.label():<44} {pair:<6} {single * 1e3:6.1f} ms {calls:6} {whole:7.2f} s {ratio:6.2f}", flush=True
            )


if __name__ == "__main__":
    main()
