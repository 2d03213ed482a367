"""What a guarded process may take."""

from __future__ import annotations

import contextlib
import math
import os
import sys

from gradcheck_cli.data.frozen import frozen

GIGABYTE = 2**30

#: Seconds that can be asked for: less than a thousandth stops nearly every call, and a process cannot be waited for
#: much longer than this (`poll` counts milliseconds in 32 bits, up to 24 days).
SHORTEST, LONGEST = 1e-3, 1e6

#: GiB that can be asked for. A process with NumPy holds 0.12 GiB of data, most of it for linear algebra; below 0.1
#: parts of NumPy cannot be loaded. The most is a thousand times the memory of a large machine.
LEAST_MEMORY, MOST_MEMORY = 0.25, 1e6


@frozen
class Limits:
    """Time for one call of user code, and memory for all of them."""

    seconds: float = 60.0
    memory: int | None = None  #: bytes of data that the process may hold; None for half of the machine's

    @property
    def bytes(self) -> int | None:
        """The limit of memory in bytes; None where the machine does not say how much it has."""
        if self.memory is not None:
            return self.memory
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        except (AttributeError, OSError, ValueError):
            return None


#: For a process in which the checker itself works.
NO_LIMITS = Limits(seconds=math.inf, memory=sys.maxsize)


def limit_memory(limit: int | None) -> None:
    """Limit what this process can write to, for good. What is shared with others is not counted by the system."""
    import resource  # not on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if limit is not None and (hard == resource.RLIM_INFINITY or limit < hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def held_memory(pid: int) -> int:
    """Return the bytes that a process holds, with those that it shares; 0 where the system does not tell."""
    try:
        from pathlib import Path  # 2 ms, and not for what is built in

        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        found = (status.partition(f"{kind}:")[2].split(None, 1)[0] for kind in ("RssAnon", "RssShmem"))
        return 1024 * sum(map(int, found))
    except (OSError, ValueError, IndexError):
        return 0
