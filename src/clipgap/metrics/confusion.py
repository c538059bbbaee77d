"""What is taken for what."""

from __future__ import annotations

import numpy as np

from clipgap.metrics.outcomes import Outcomes
from clipgap.metrics.voc import Array, box_iou


def confusion(outcomes: Outcomes, score: float) -> Array:
    """int (C + 1, C + 1): true classes in rows, detected ones in columns; 0 is nothing: missed, or nothing there.

    Detections of at least `score` take, best score first, the free true box of their image that they overlap most, of
    whatever class, where that is by more than the IoU. Difficult boxes and crowds, and what is on them, are left out.
    """
    size = len(outcomes.classes) + 1
    matrix, free = np.zeros((size, size), dtype=int), np.ones(len(outcomes.true_labels), dtype=bool)
    first = np.searchsorted(outcomes.true_images, np.arange(outcomes.true_images.max(initial=0) + 2))
    for place in np.flatnonzero(outcomes.scores >= score):
        image, label = outcomes.images[place], outcomes.labels[place]
        here = np.arange(first[image], first[image + 1]) if image + 1 < len(first) else np.zeros(0, dtype=int)
        here = here[free[here]]
        overlaps = box_iou(np.repeat(outcomes.boxes[place][:, None], len(here), 1), outcomes.true_boxes[here].T)
        if overlaps.max(initial=0) <= outcomes.iou:
            matrix[0, label] += 1
            continue
        taken = here[int(np.argmax(overlaps))]
        if not outcomes.ignored[taken]:
            free[taken] = False
            matrix[outcomes.true_labels[taken], label] += 1
    for label in outcomes.true_labels[free & ~outcomes.ignored]:
        matrix[label, 0] += 1
    return matrix
