"""What the results of a study say: spreads, and differences that are paired by seed."""

from __future__ import annotations

import statistics
from typing import Any

from scipy.stats import t as student


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


def interval(differences: list[float]) -> str:
    """Mean and 95 % t-interval of paired differences."""
    mean, count = statistics.mean(differences), len(differences)
    half = float(student.ppf(0.975, count - 1)) * statistics.stdev(differences) / count**0.5
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"
