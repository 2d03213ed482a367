"""The benchmark's command line: `python -m benchmarks.peers`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.peers import child
from benchmarks.peers.cases import CASES, COMPARED
from benchmarks.peers.parent import Outcome, spawn
from benchmarks.peers.table import NOTES, sentences, table
from benchmarks.peers.tools import TOOLS

DTYPES = ("float16", "float32", "float64")

#: Longer than anybody waits for a gradient check.
TIMEOUT = 120.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--case", type=int, choices=range(1, len(CASES) + 1), help="one case, by its number")
    parser.add_argument("--tool", choices=TOOLS, help="one tool")
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="of all arrays")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for each tool and case")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def outcomes(case_number: int, tools: list[str], dtype: str, timeout: float) -> list[Outcome]:
    found = []
    for tool in tools:
        if sys.stderr.isatty():
            print(f"case {case_number}: {tool} ...\033[K", end="\r", file=sys.stderr, flush=True)
        found.append(spawn(tool, case_number, dtype, timeout))
    if sys.stderr.isatty():
        print("\033[K", end="", file=sys.stderr, flush=True)
    return found


def main() -> None:
    args = arguments()
    if args.child:
        child.run(args.tool, args.case, args.dtype, args.timeout)
        return
    tools = [args.tool] if args.tool else list(TOOLS)
    closing = ""
    for number in [args.case] if args.case else range(1, len(CASES) + 1):
        label = f"{CASES[number - 1].label()}, {args.dtype}"
        found = outcomes(number, tools, args.dtype, args.timeout)
        print(f"{number}. {label}\n{table(found)}\n", flush=True)
        if number == COMPARED and not args.tool:
            closing = sentences(found, label)
    print(f"{NOTES}\n\n{closing}" if closing else NOTES)


if __name__ == "__main__":
    main()
