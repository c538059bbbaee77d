"""Memory of this process."""

from __future__ import annotations

import os
import resource
from pathlib import Path


def own_peak() -> float:
    """In GB. `getrusage` would count what the parent had when this process was started."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def resident() -> int:
    """Bytes that it has in memory now; Linux tells them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
