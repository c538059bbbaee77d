"""Memory of this process: its peak, and what it has now."""

from __future__ import annotations

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def own_peak() -> float:
    """In GB. `getrusage` would count what the parent had when this process was started."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return _kilobytes("VmHWM") / 2**20


def own_memory() -> int:
    """Bytes that are in memory now (RSS); needs Linux."""
    return 1024 * _kilobytes("VmRSS")


def _kilobytes(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1])
