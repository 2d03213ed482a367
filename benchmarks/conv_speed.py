"""Forward and backward of the built-in `fast` convolution against PyTorch's on the CPU, side by side in one run.

    pip install -e '.[peers]'
    python benchmarks/conv_speed.py

Prints the median time of each and their ratio, float64.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from gradcheck_cli import ConvCase
from gradcheck_cli.layers.conv.conv import LAYER

CASES = [
    ConvCase(N=8, C=16, H=32, W=32, F=32),
    ConvCase(N=1, C=64, H=56, W=56, F=64),
    ConvCase(N=8, C=3, H=224, W=224, F=64, HH=7, WW=7, stride=2, pad=3),
]
ROUNDS = 31


def ours(case: ConvCase) -> Callable[[], object]:
    forward, backward = LAYER.builtin["fast"]
    posed = LAYER.problem(case)

    def step() -> object:
        _, cache = forward(*posed.inputs.values(), case.settings)
        return backward(posed.cotangent, cache)

    return step


def theirs(case: ConvCase) -> Callable[[], object]:
    posed = LAYER.problem(case)
    leaves = [torch.tensor(value, requires_grad=True) for value in posed.inputs.values()]
    cotangent = torch.tensor(posed.cotangent)
    geometry = case.geometry

    def step() -> object:
        x, w, b = leaves
        out = torch.nn.functional.conv2d(x, w, b, stride=geometry["stride"], padding=geometry["pad"])
        return torch.autograd.grad(out, leaves, cotangent)

    return step


def seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def main() -> None:
    print(f"{'geometry':<44} {'fast':>9} {'PyTorch':>9} {'ratio':>6}")
    for case in CASES:
        contestants = ours(case), theirs(case)
        for step in contestants:
            step()
        # A block of each at a time: right after the other, a library's threads still spin on the cores.
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(3):
            for step, taken in zip(contestants, times, strict=True):
                time.sleep(0.3)
                step()
                taken += [seconds(step) for _ in range(ROUNDS // 3)]
        mine, other = (statistics.median(taken) for taken in times)
        print(f"{case.label():<44} {mine * 1e3:6.1f} ms {other * 1e3:6.1f} ms {mine / other:6.2f}")


if __name__ == "__main__":
    main()
