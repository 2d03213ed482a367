"""What the command costs as a process, against a bare import of the packages that it is built on.

    python benchmarks/startup.py

Needs an installed `convcheck` beside this Python. The runs alternate, and ratios are taken pair by pair.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

BARE = [sys.executable, "-c", "import numpy, click, rich.console, rich.table"]
CONVCHECK = str(Path(sys.executable).parent / "convcheck")
COMMANDS = {
    "convcheck --N 2 --C 3 --stride 2": [CONVCHECK, "--N", "2", "--C", "3", "--stride", "2"],
    "convcheck --help": [CONVCHECK, "--help"],
}
ROUNDS = 25


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    print(f"{'command':<34} {'median':>9} {'imports':>9} {'ratio':>6}")
    for name, command in COMMANDS.items():
        pairs = [(seconds(command), seconds(BARE)) for _ in range(ROUNDS + 2)][2:]
        ours, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(mine / other for mine, other in pairs)
        print(f"{name:<34} {ours * 1e3:6.0f} ms {bare * 1e3:6.0f} ms {ratio:6.2f}")


if __name__ == "__main__":
    main()
