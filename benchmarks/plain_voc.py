"""VOC AP as the devkit reads: class by class, one detection after the other. The yardstick for `clipgap.metrics`."""

from __future__ import annotations

from typing import Any

import numpy as np

Image = dict[str, Any]


def plain_ap50(predictions: list[Image], targets: list[Image], classes: int) -> float:
    """The mean over classes of the 11-point AP at IoU 0.5, in 0-100."""
    return float(np.mean([_class_ap(predictions, targets, k) for k in range(1, classes + 1)]))


def _class_ap(predictions: list[Image], targets: list[Image], label: int) -> float:
    boxes_of = {i: target["boxes"][target["labels"] == label] for i, target in enumerate(targets)}
    taken = {i: [False] * len(boxes) for i, boxes in boxes_of.items()}
    positives = sum(len(boxes) for boxes in boxes_of.values())
    found = []
    for i, image in enumerate(predictions):
        mine = image["labels"] == label
        found += [(float(s), i, box) for s, box in zip(image["scores"][mine], image["boxes"][mine], strict=True)]
    found.sort(key=lambda one: -one[0])
    right = np.zeros(len(found))
    for n, (_, i, box) in enumerate(found):
        others = boxes_of[i].astype(np.float64)
        if not len(others):
            continue
        sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
        overlaps = shared / (np.prod(box[2:].astype(np.float64) - box[:2]) + areas - shared)
        best = int(np.argmax(overlaps))
        if overlaps[best] > 0.5 and not taken[i][best]:
            right[n] = taken[i][best] = True
    recall = np.cumsum(right) / positives
    precision = np.cumsum(right) / np.arange(1, len(found) + 1)
    return 100 * float(np.mean([max(precision[recall >= k / 10], default=0.0) for k in range(11)]))
