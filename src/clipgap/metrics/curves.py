"""Precision and recall over the score, and the score to cut at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipgap.metrics.outcomes import Outcomes
from clipgap.metrics.voc import Array


@dataclass(frozen=True)
class Working:
    """What a detector does above one score, in [0, 1]."""

    score: float
    precision: float | None
    """Right detections of all; None where nothing is detected."""
    recall: float
    """Right detections of all true boxes."""

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        precision = self.precision or 0.0
        both = precision + self.recall
        return 2 * precision * self.recall / both if both else 0.0


def precision_recall(outcomes: Outcomes, label: int | None = None) -> tuple[Array, Array, Array]:
    """Recall, precision and score (K,) after every detection, best score first; equal scores make one point.

    Args:
        outcomes: of a split.
        label: the class, from 1; None: all classes as one.
    """
    scores, right, positives = outcomes.of_class(label)
    if not positives or not len(scores):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = np.cumsum(right)[ends]
    return hits / positives, hits / (ends + 1), scores[ends]


def best_f1(outcomes: Outcomes, label: int | None = None) -> Working | None:
    """The score with the best F1; None where nothing is right at any."""
    recall, precision, scores = precision_recall(outcomes, label)
    if not recall.any():
        return None
    both = precision + recall
    place = int(np.argmax(np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)))
    return Working(float(scores[place]), float(precision[place]), float(recall[place]))


def least_score(outcomes: Outcomes, precision: float, label: int | None = None) -> Working | None:
    """The least score above which so much of what is detected is right; None where there is none."""
    recall, found, scores = precision_recall(outcomes, label)
    places = np.flatnonzero((found >= precision) & (recall > 0))
    if not len(places):
        return None
    return Working(float(scores[places[-1]]), float(found[places[-1]]), float(recall[places[-1]]))


def working_at(outcomes: Outcomes, score: float, label: int | None = None) -> Working | None:
    """What is detected with at least this score; None without a box to find."""
    scores, right, positives = outcomes.of_class(label)
    if not positives:
        return None
    above = scores >= score
    hits = int(right[above].sum())
    return Working(score, hits / int(above.sum()) if above.any() else None, hits / positives)
