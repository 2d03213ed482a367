"""How often right layers fail, and how small a fault is always found: every built-in layer on its standard set.

    python -m benchmarks.campaign [ROUNDS]

A draw is one case of one implementation in one dtype with one seed; eight rounds are more than 10,000. Then one element
of a gradient is put off by one unit, in every layer whose gradients are exact at small integers: that must always fail.
The table has, by layer and dtype, the smallest error of a single element that is certain to be found at real inputs, as
a share of the root mean square of its gradient: the largest over all draws.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.resolve import resolve
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.numeric.rounding import root_mean_square
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case

DTYPES = ("float16", "float32", "float64")
ROUNDS = 8
SETTINGS = Settings(keep_arrays=True)


def draws(first: int, rounds: int) -> Iterator[tuple[Case, Implementation]]:
    """Yield every case of every built-in layer in every dtype, with other seeds each round."""
    for number in range(first, first + rounds):
        for layer in LAYERS.values():
            for name in layer.builtin if layer.reference else ():
                implementation = resolve(name, layer, next(iter(layer.standard())))
                for place, case in enumerate(layer.standard()):
                    for dtype in DTYPES:
                        yield replace(case, dtype=dtype, seed=1000 * number + place), implementation


def off_by_one(implementation: Implementation, name: str, element: int) -> Implementation:
    """Return an implementation one element of whose gradient is off by one unit."""

    def backward(cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        gradients = dict(implementation.backward(cotangent, cache, names))
        wrong: Any = gradients[name]
        wrong = wrong.copy()
        wrong.reshape(-1)[element % wrong.size] += 1
        return {**gradients, name: wrong}

    return replace(implementation, backward=backward)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    verdicts: dict[str, Counter[Verdict]] = defaultdict(Counter)
    floors: dict[tuple[str, str], float] = defaultdict(float)
    off: dict[str, float] = defaultdict(float)
    planted: dict[str, Counter[str]] = defaultdict(Counter)
    for number, (case, implementation) in enumerate(draws(0, rounds)):
        result = check_case(case, implementation, SETTINGS)
        verdicts[case.dtype][result.verdict] += 1
        if result.verdict is Verdict.FAIL or result.verdict is Verdict.ERROR:
            print(f"false alarm: {result.summary()}", flush=True)
        for remark in result.diagnosis if result.passed else ():
            print(f"remark: {case.layer} {case.label()} {case.dtype} seed {case.seed}: {remark.text}", flush=True)
        for name, gradient in result.gradients.items():
            off[case.dtype] = max(off[case.dtype], (gradient.scaled_error or 0) / gradient.tolerance)
            typical = root_mean_square(gradient.arrays.numeric) if gradient.arrays else 0
            if typical and gradient.floor is not None and result.passed:
                place = case.layer, case.dtype
                floors[place] = max(floors[place], gradient.floor / typical)
            if gradient.exact and number % 7 == 0 and gradient.shape:
                found = check_case(case, off_by_one(implementation, name.removeprefix("d"), number), Settings())
                planted[case.dtype]["found" if found.verdict is Verdict.FAIL else "missed"] += 1
        if number % 500 == 0:
            print(f"{number} draws", file=sys.stderr, flush=True)
    for dtype in DTYPES:
        counts = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts[dtype].items())
        units = f"{planted[dtype]['found']} of {planted[dtype].total()} elements off by one unit found"
        print(f"{dtype}: {counts}; at worst {off[dtype]:.2f} of the tolerance; {units}")
    print(f"\n{'smallest error found':<28}" + "".join(f"{dtype:>10}" for dtype in DTYPES))
    for layer in dict.fromkeys(name for name, _ in floors):
        print(f"{layer:<28}" + "".join(f"{floors[layer, dtype]:10.1e}" for dtype in DTYPES))


if __name__ == "__main__":
    main()
