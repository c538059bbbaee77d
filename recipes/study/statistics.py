"""What the results of a study say: spreads, paired differences, gaps closed, and what goes with what."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from clipgap.metrics.paired import Interval, quantile

RESAMPLES = 2000
FEWEST = 3
"""Runs of a seed whose ranks are worth comparing."""


@dataclass(frozen=True)
class Share:
    """How much of a gap a gain is, over the seeds that have both."""

    gain: float
    """Mean, AP50."""
    gap: float
    """Mean, AP50."""
    of_gap: Interval
    """gain / gap."""


def score(result: dict[str, Any], domain: str | None) -> float:
    """AP50 of one run on a domain, in [0, 100]; None: the mean of its targets."""
    return float(result["domains"][domain]["ap50"] if domain else result["mean_targets"])


def side_by_side(results: list[dict[str, Any]], *names: str) -> list[tuple[dict[str, Any], ...]]:
    """The results of rows, in the order of the names, of every seed that all of them have."""
    by_key = {(result["row"], result["seed"]): result for result in results}
    seeds = sorted({result["seed"] for result in results})
    return [tuple(by_key[name, s] for name in names) for s in seeds if all((name, s) in by_key for name in names)]


def ratio(gains: Sequence[float], gaps: Sequence[float]) -> Interval:
    """Mean gain over mean gap of the same seeds, and its 95 % interval by Fieller's theorem (1954).

    The interval holds every share r for which the t-interval of gain - r gap holds 0. It has no ends where that is so
    for shares without bound: where the gap itself may be 0.
    """
    gain, gap, count = statistics.mean(gains), statistics.mean(gaps), len(gains)
    alone = Interval(gain / gap if gap else math.nan, None, None, count)
    if count < 2:
        return alone
    covariance = np.cov(gains, gaps) * quantile(count) ** 2 / count
    # (gain - r gap)^2 <= covariance of (1, -r): a r^2 - 2 b r + c <= 0
    a, b, c = (m - v for m, v in zip((gap**2, gain * gap, gain**2), covariance.ravel()[[3, 1, 0]], strict=True))
    if a <= 0:
        return alone
    half = math.sqrt(max(b * b - a * c, 0.0))
    return Interval(alone.mean, float((b - half) / a), float((b + half) / a), count)


def gap_closed(results: list[dict[str, Any]], name: str, start: str, upper: str) -> Share | None:
    """What a row gains over where it starts, of the whole gap, on the mean of the targets; None: no seed has all."""
    scores = [[score(one, None) for one in rows] for rows in side_by_side(results, name, start, upper)]
    if not scores:
        return None
    gains, gaps = ([row[column] - row[1] for row in scores] for column in (0, 2))
    return Share(statistics.mean(gains), statistics.mean(gaps), ratio(gains, gaps))


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
