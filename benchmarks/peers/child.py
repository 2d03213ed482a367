"""One tool on one case, measured in this process; what is known goes to stdout as a line of JSON, stage by stage."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks.peers.cases import CASES, TINY, Layer
from benchmarks.peers.tools import FAIL, TOOLS
from gradcheck_cli.data.frozen import replace

if TYPE_CHECKING:
    from benchmarks.peers.tools import Tool

#: What a laptop has to spare. Limited is what a process may write to (Linux, private mappings), not its address space:
#: torch and jax map libraries and reserve arenas of which they touch a part, the more the more cores there are.
MEMORY = 8 * 2**30

REPEATS = 5  #: of a quick check, after one to warm up (jax compiles); the median of five stands two disturbances
QUICK = 2.0  #: seconds; a slower check is run once, and what warms up disappears in it

#: Elements, one for each seed, that a fault is planted in. Five take up to 25 checks, which is what slow tools have
#: time for, or nearly.
SEEDS = 5

#: A fault that every check should catch, and by which those that see a direction only are told apart.
COMMON = 3

#: Powers of ten that are tried: 1 + 1e-15 is the last that float64 tells from 1.
SMALLEST = 15

#: Share of the time left that the faults may take: a check that fails can take longer than one that passes.
SPARE = 0.8


@dataclass(kw_only=True)
class Figures:
    """What was measured; None where there was no time."""

    coverage: str
    verdict: str  #: on the right backward
    seconds: float
    memory: int  #: bytes at the peak, above those after one forward and one backward pass
    forward_calls: int
    backward_calls: int
    seeds: int = 0  #: that there was time for
    common: int | None = None  #: seeds whose fault of 1e-3 was caught
    smallest: int | None = None  #: k, where 1e-k is the smallest fault caught for all seeds; 0 if not even 1e-1 is


def run(tool_name: str, case_number: int, dtype: str, seconds: float) -> None:
    """Measure a tool in a dtype, within so many seconds. Called in a fresh process."""
    deadline = time.perf_counter() + seconds
    limit_memory()
    try:
        tiny = Layer(replace(TINY, dtype=dtype))
        TOOLS[tool_name](tiny).check(tiny.backward)  # loads what is loaded at first use: torch takes seconds for that
        layer = Layer(replace(CASES[case_number - 1], dtype=dtype))
        tool = TOOLS[tool_name](layer)
        figures = measure(tool, layer)
        _say(**asdict(figures))
        if figures.verdict != FAIL:  # who rejects what is right catches everything
            search(tool, layer, figures, deadline)
    except ModuleNotFoundError as error:
        _say(failure="not installed" if (error.name or "").split(".")[0] in {"torch", "jax", "scipy"} else str(error))
    except Exception as error:  # noqa: BLE001  # a tool that fails is a line of the table
        _say(failure="out of memory" if out_of_memory(error) else f"{type(error).__name__}: {error}"[:60])


def measure(tool: Tool, layer: Layer) -> Figures:
    """Check the right backward, and look at the clock, the memory and the counters."""
    before = peak_memory()
    times: list[float] = []
    verdict = ""
    while len(times) <= REPEATS and (not times or times[0] < QUICK):
        layer.forward_calls = layer.backward_calls = 0
        started = time.perf_counter()
        verdict = tool.check(layer.backward)
        times.append(time.perf_counter() - started)
    return Figures(
        coverage=tool.coverage,
        verdict=verdict,
        seconds=statistics.median(times[1:] or times),
        memory=peak_memory() - before,
        forward_calls=layer.forward_calls,
        backward_calls=layer.backward_calls,
    )


def search(tool: Tool, layer: Layer, figures: Figures, deadline: float) -> None:
    """Plant faults, as many as there is time for, and find the smallest that is caught whatever the element."""
    started = time.perf_counter()
    tool.judge(layer.backward)
    now = time.perf_counter()
    # For each seed the common fault, and four of a bisection of fifteen powers.
    figures.seeds = min(SEEDS, int(SPARE * (deadline - now) / (5 * (now - started))))
    if not figures.seeds:
        return

    def caught(power: int, seed: int) -> bool:
        return tool.judge(layer.faulty(seed, 10.0**-power)) == FAIL

    figures.common = sum(caught(COMMON, seed) for seed in range(figures.seeds))
    _say(**asdict(figures))
    low, high = (COMMON, SMALLEST + 1) if figures.common == figures.seeds else (0, COMMON)
    while high - low > 1:  # 1e-low is caught for all seeds, 1e-high is not
        middle = (low + high) // 2
        low, high = (middle, high) if all(caught(middle, seed) for seed in range(figures.seeds)) else (low, middle)
    figures.smallest = low
    _say(**asdict(figures))


def limit_memory() -> None:
    """Have allocations refused beyond `MEMORY`."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))


def peak_memory() -> int:
    """Return the most that this process has ever held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, the others kibibytes


def out_of_memory(error: Exception) -> bool:
    """Tell whether an exception is a refused allocation: NumPy's, torch's or jax's."""
    said = str(error)
    return isinstance(error, MemoryError) or any(
        words in said for words in ("can't allocate memory", "RESOURCE_EXHAUSTED", "bad_alloc")
    )


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)
