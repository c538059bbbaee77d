"""What several seeds say: spreads, and paired differences with their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; `low` and `high` are None where one number alone says nothing of its spread."""

    mean: float
    low: float | None
    high: float | None
    count: int
    """Of seeds, or of runs."""

    @property
    def sure(self) -> bool:
        """Whether 0 is outside of it."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def interval(differences: Sequence[float]) -> Interval:
    """Mean and 95 % t-interval of paired differences (mean +- t(0.975, n - 1) s / sqrt(n))."""
    mean, count = statistics.mean(differences), len(differences)
    if count < 2:
        return Interval(mean, None, None, count)
    half = quantile(count) * statistics.stdev(differences) / count**0.5
    return Interval(mean, mean - half, mean + half, count)


def quantile(count: int) -> float:
    """Of Student's t for a two-sided 95 % interval from so many values."""
    return float(student.ppf(0.975, count - 1))
