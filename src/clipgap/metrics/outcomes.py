"""What became of every detection of a split: the grain that curves, errors and calibration are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from clipgap.metrics.voc import FALSE, IGNORED, TRUE, Array, best_overlap, joined, judge


@dataclass(frozen=True)
class Outcomes:
    """Detections (N) of a split, best score first, and true boxes (M), by VOC's rule at one IoU (`VocAP`)."""

    classes: list[str]
    iou: float
    images: Array
    """int (N,): the image, counted from 0."""
    boxes: Array
    """(N, 4) xyxy in pixels."""
    labels: Array
    """int (N,): from 1."""
    scores: Array
    """(N,) in [0, 1]."""
    verdicts: Array
    """int (N,): TRUE, FALSE, or IGNORED, on a difficult box or a crowd."""
    matched: Array
    """int (N,): the true box that a TRUE detection has found, -1 of others."""
    true_images: Array
    true_boxes: Array
    true_labels: Array
    ignored: Array
    """bool (M,): difficult ones and crowds."""

    @classmethod
    def of(
        cls,
        found: Iterable[Mapping[str, Any]],
        targets: Iterable[Mapping[str, Any]],
        classes: Sequence[str],
        iou: float,
    ) -> Outcomes:
        """Judge the detections of every image beside its target, both as `VocAP.update` takes them."""
        rows = [[np.asarray(one[key]) for key in ("boxes", "labels", "scores")] for one in found]
        true = [[np.asarray(one[key]) for key in ("boxes", "labels", "difficult", "iscrowd")] for one in targets]
        images, boxes, (labels, scores) = joined(rows, 2)
        true_images, true_boxes, (true_labels, difficult, crowd) = joined(true, 3)
        order = np.argsort(-scores, kind="stable")
        images, boxes, labels, scores = images[order], boxes[order], labels[order].astype(int), scores[order]
        ignored = difficult.astype(bool) | crowd.astype(bool)
        verdicts, matched = np.full(len(scores), FALSE), np.full(len(scores), -1)
        for label in range(1, len(classes) + 1):
            mine, own = np.flatnonzero(labels == label), np.flatnonzero(true_labels == label)
            overlaps, which = best_overlap(images[mine], boxes[mine], true_images[own], true_boxes[own])
            verdicts[mine] = judge(overlaps, which, ignored[own], iou)
            hits = verdicts[mine] == TRUE
            matched[mine[hits]] = own[which[hits]]
        return cls(
            list(classes), iou, images, boxes, labels, scores, verdicts, matched,
            true_images, true_boxes, true_labels.astype(int), ignored,
        )  # fmt: skip

    @cached_property
    def positives(self) -> Array:
        """int (C,): boxes of every class that should be found."""
        return np.bincount(self.true_labels[~self.ignored], minlength=len(self.classes) + 1)[1 : len(self.classes) + 1]

    def of_class(self, label: int | None) -> tuple[Array, Array, int]:
        """Scores and rightness (bool) of the detections of a class that count, and its boxes; None: of all classes."""
        counts = self.verdicts != IGNORED
        if label is not None:
            counts &= self.labels == label
        boxes = int(self.positives.sum() if label is None else self.positives[label - 1])
        return self.scores[counts], self.verdicts[counts] == TRUE, boxes
