"""What the results of a study say: spreads, paired differences, gaps closed, and what goes with what."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

RESAMPLES = 2000
FEWEST = 3
"""Runs of a seed whose ranks are worth comparing."""


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


def gains(results: list[dict[str, Any]], name: str, start: str) -> list[float]:
    """What a row has over another on the mean of the targets, a number for every seed that both have."""
    return [score(a, None) - score(b, None) for a, b in pairs(results, name, start)]


def score(result: dict[str, Any], domain: str | None) -> float:
    """AP50 of one run on a domain, in [0, 100]; None: the mean of its targets."""
    return float(result["domains"][domain]["ap50"] if domain else result["mean_targets"])


def pairs(results: list[dict[str, Any]], name: str, other: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The results of two rows, side by side, of the seeds that both have."""
    by_key = {(result["row"], result["seed"]): result for result in results}
    seeds = sorted({result["seed"] for result in results})
    return [(by_key[name, s], by_key[other, s]) for s in seeds if (name, s) in by_key and (other, s) in by_key]


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def interval(differences: Sequence[float]) -> Interval:
    """Mean and 95 % t-interval of paired differences (mean +- t(0.975, n - 1) s / sqrt(n))."""
    mean, count = statistics.mean(differences), len(differences)
    if count < 2:
        return Interval(mean, None, None, count)
    half = float(student.ppf(0.975, count - 1)) * statistics.stdev(differences) / count**0.5
    return Interval(mean, mean - half, mean + half, count)


def gap_closed(results: list[dict[str, Any]], name: str, start: str, upper: str) -> tuple[Interval, Interval] | None:
    """The gain of a row over where it starts and the whole gap, both on the mean of the targets; None: no pairs."""
    gain, gap = gains(results, name, start), gains(results, upper, start)
    return (interval(gain), interval(gap)) if gain and gap else None


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, in [-1, 1]: Pearson's of the ranks, equal values sharing theirs; nan: all equal."""
    a, b = (ranks - ranks.mean() for ranks in (rankdata(first), rankdata(second)))
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale else math.nan


def rank_correlation(results: list[dict[str, Any]], key: str, seed: int = 0) -> Interval | None:
    """How what a user can see of a run orders the rows as the mean of the targets does.

    Spearman's correlation inside every seed, so that a world's difficulty cancels, averaged over seeds. The interval
    is the 2.5 and 97.5 % points of a bootstrap that draws seeds and rows anew (Efron and Tibshirani 1993, chapter 13).

    Args:
        results: the runs of a study; those without the key are left out.
        key: of a number in every result, for example `validation`.
        seed: of the bootstrap.

    Returns:
        None where no seed has three runs whose values differ.
    """
    runs = [one for one in results if one.get(key) is not None]
    rows, seeds = sorted({one["row"] for one in runs}), sorted({one["seed"] for one in runs})
    table = np.full((2, len(seeds), len(rows)), np.nan)
    for one in runs:
        table[:, seeds.index(one["seed"]), rows.index(one["row"])] = one[key], one["mean_targets"]
    mean = _mean_over_seeds(table)
    if mean is None:
        return None
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        some_seeds, some_rows = (random.integers(count, size=count) for count in (len(seeds), len(rows)))
        drawn.append(_mean_over_seeds(table[:, some_seeds][:, :, some_rows]))
    low, high = np.percentile([one for one in drawn if one is not None], (2.5, 97.5))
    return Interval(mean, float(low), float(high), len(runs))


def _mean_over_seeds(table: np.ndarray[Any, Any]) -> float | None:
    """The mean of the seeds' correlations in a table (2, seeds, rows) with nan where there is no run."""
    found = []
    for first, second in zip(table[0], table[1], strict=True):
        there = ~np.isnan(first)
        if there.sum() >= FEWEST and not math.isnan(one := spearman(first[there], second[there])):
            found.append(one)
    return statistics.mean(found) if found else None
