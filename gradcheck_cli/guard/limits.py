"""What a guarded process may take."""

from __future__ import annotations

import os

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
