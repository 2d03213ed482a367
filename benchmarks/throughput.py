"""How many small cases a second are checked, by each core; and what share of that time is their forward passes.

    python benchmarks/throughput.py

The built-in fast layer at the default geometry, in float64, whole: drawing, reference, derivatives, duties, result. A
ratio of 1 would be a checker that does nothing but call forward as often as it must.
"""

from __future__ import annotations

import time

from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.engine.call import InProcess
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.engine import Engine
from gradcheck_cli.engine.pool import Pool
from gradcheck_cli.engine.task import Task
from gradcheck_cli.guard.limits import Limits
from gradcheck_cli.layers.conv.conv import LAYER, ConvCase

CASES = [ConvCase(seed=seed) for seed in range(600)]
TASK = Task(spec="fast", layer="conv", settings=Settings(), limits=Limits())
ROUNDS = 3  #: the best counts: what else the machine does only takes away


def rate(engine: Engine) -> tuple[float, int]:
    """Return cases a second, the start of processes left out, and the forwards that a case takes."""
    best, forwards = 0.0, 0
    for result in engine.results([(TASK, CASES[:20])]):
        forwards = sum(gradient.evaluations for gradient in result.gradients.values())
    for _ in range(ROUNDS):
        started = time.perf_counter()
        assert all(result.passed for result in engine.results([(TASK, CASES)]))
        best = max(best, len(CASES) / (time.perf_counter() - started))
    engine.executor.close()
    return best, forwards


def forward() -> float:
    """Return the seconds of one bare forward."""
    inputs, param = tuple(LAYER.problem(CASES[0]).inputs.values()), CASES[0].settings
    best = 1.0
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(200):
            LAYER.builtin["fast"][0](*inputs, param)
        best = min(best, (time.perf_counter() - started) / 200)
    return best


def main() -> None:
    single = forward()
    print(
        f"{'jobs':>4} {'cases/s':>8} {'per core':>9} {'forwards':>9} {'ratio':>6}   one forward: {single * 1e6:.1f} us"
    )
    for jobs in (1, 2):
        engine = Engine(executor=InProcess(Checker()) if jobs == 1 else Pool(jobs), ahead=0 if jobs == 1 else 500)
        cases, forwards = rate(engine)
        print(f"{jobs:4} {cases:8.0f} {cases / jobs:9.0f} {forwards:9} {jobs / cases / (forwards * single):6.2f}")


if __name__ == "__main__":
    main()
