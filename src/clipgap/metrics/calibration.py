"""Whether scores mean what they say (Kueppers et al. 2020, arXiv 2004.13546, of the score alone)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipgap.metrics.outcomes import Outcomes

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Detections with scores in one range, in [0, 1]."""

    score: float
    """Their mean."""
    precision: float
    """How many of them are right."""
    count: int


@dataclass(frozen=True)
class Calibration:
    """Precision by score."""

    bins: list[Bin]
    """Those that are not empty."""
    error: float | None
    """D-ECE in [0, 1]: the mean difference of score and precision, each range by its detections; None without any."""


def calibration(outcomes: Outcomes, bins: int = BINS) -> Calibration:
    """Of all detections that count, in ranges of equal width."""
    scores, right, _ = outcomes.of_class(None)
    if not len(scores):
        return Calibration([], None)
    places = np.minimum((scores * bins).astype(int), bins - 1)
    found = []
    for place in range(bins):
        mine = places == place
        if mine.any():
            found.append(Bin(float(scores[mine].mean()), float(right[mine].mean()), int(mine.sum())))
    error = sum(one.count * abs(one.score - one.precision) for one in found) / len(scores)
    return Calibration(found, error)
