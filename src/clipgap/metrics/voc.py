"""VOC average precision, as the devkit computes it (METHOD, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clipgap.config import Scoring
from clipgap.metrics.authors import AUTHORS_POINTS, authors_rounding
from clipgap.metrics.inputs import require_finite
from clipgap.metrics.result import Result

Array = npt.NDArray[Any]
TRUE, FALSE, IGNORED = 1, 0, -1
Style = Literal["voc2007", "voc2012"]
POINTS = np.arange(11) / 10
"""VOC2007's recall points: a recall of 3 in 10 reaches 0.3."""


class VocAP:
    """AP of every class at one IoU: VOC2007's 11-point interpolation, or the area under VOC2012's envelope.

    A detection, best score first, is compared with the box of its class and image that it overlaps most. Above the IoU
    (strictly) the first one to find a box is right and every later one wrong; one that finds a `difficult` or crowd box
    is neither. Boxes are continuous and IoU plain: on VOC's boxes moved by (-1, -1, 0, 0) the same as the devkit's + 1.
    Of boxes overlapped alike the first counts, of detections scored alike the one added first. A class without a box to
    find has no AP and is left out of the mean.

    Args:
        classes: names; label k is `classes[k - 1]`.
        iou: IoU that a match must exceed.
        style: which interpolation.
        scoring: `authors` for detections and recall points as the authors' evaluator has them (`authors_rounding`).
    """

    def __init__(
        self, classes: Sequence[str], iou: float = 0.5, style: Style = "voc2007", scoring: Scoring = "exact"
    ) -> None:
        self.classes, self.iou, self.style, self.scoring = list(classes), iou, style, scoring
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self._found: list[tuple[Array, Array, Array]] = []
        self._true: list[tuple[Array, Array, Array]] = []

    def update(self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]) -> None:
        """Add images.

        Args:
            predictions: for every image `boxes` (N, 4) xyxy in pixels, `scores` (N,), `labels` (N,) from 1; on the CPU.
            targets: for every image `boxes` (M, 4), `labels` (M,), and as booleans `difficult` (M,), `iscrowd` (M,).

        Raises:
            ValueError: a box or a score is not finite.
        """
        for found, target in zip(predictions, targets, strict=True):
            require_finite(len(self._true), found, target)
            ignored = np.asarray(target["difficult"]) | np.asarray(target["iscrowd"])
            boxes, scores = np.asarray(found["boxes"]), np.asarray(found["scores"])
            if self.scoring == "authors":
                boxes, scores = authors_rounding(boxes, scores)
            self._found.append((boxes, np.asarray(found["labels"]), scores))
            self._true.append((np.asarray(target["boxes"]), np.asarray(target["labels"]), ignored))

    def compute(self) -> Result:
        """AP in 0-100 for every class, None for a class without a box to find, and their mean."""
        images, boxes, (labels, scores) = joined(self._found, 2)
        true_images, true_boxes, (true_labels, ignored) = joined(self._true, 2)
        ignored = ignored.astype(bool)
        per_class: dict[str, float | None] = {}
        for k, name in enumerate(self.classes, start=1):
            mine, own = np.flatnonzero(labels == k), true_labels == k
            mine = mine[np.argsort(-scores[mine], kind="stable")]
            paired = best_overlap(images[mine], boxes[mine], true_images[own], true_boxes[own])
            outcomes = judge(*paired, ignored[own], self.iou)
            per_class[name] = class_ap(outcomes, int((own & ~ignored).sum()), self.style, self.scoring)
        known = [ap for ap in per_class.values() if ap is not None]
        mean = float(np.mean(known)) if known else None
        positives = int((~ignored & (true_labels > 0) & (true_labels <= len(self.classes))).sum())
        return Result({f"ap{round(self.iou * 100)}": mean}, per_class, len(self._true), positives)


def class_ap(outcomes: Array, positives: int, style: Style, scoring: Scoring = "exact") -> float | None:
    """AP in 0-100 of one class; None without a box to find.

    Args:
        outcomes: of its detections (N,), best score first.
        positives: boxes that should be found.
        style: which interpolation.
        scoring: whose recall points.
    """
    if not positives:
        return None
    outcomes = outcomes[outcomes != IGNORED]
    right = np.cumsum(outcomes == TRUE)
    recall = right / positives
    precision = right / np.arange(1, len(right) + 1)
    if style == "voc2012":
        return 100 * area_under_envelope(recall, precision)
    return 100 * eleven_points(recall, precision, AUTHORS_POINTS if scoring == "authors" else POINTS)


def best_overlap(images: Array, boxes: Array, true_images: Array, true_boxes: Array) -> tuple[Array, Array]:
    """The box of its own image that each detection overlaps most, all images at once.

    Args:
        images: the image of every detection (N,).
        boxes: the detections (N, 4).
        true_images: the image of every true box (M,), ascending.
        true_boxes: (M, 4).

    Returns:
        IoU (N,), 0 where the image has no box, and which box (N,), counted from 0; the first of equals.
    """
    overlaps, which = np.zeros(len(boxes)), np.zeros(len(boxes), dtype=np.int64)
    per_image = np.bincount(true_images, minlength=images.max(initial=0) + 1)
    counts = per_image[images]
    first = (np.cumsum(per_image) - per_image)[images]
    some = np.flatnonzero(counts)
    if not len(some):
        return overlaps, which
    starts = np.cumsum(counts[some]) - counts[some]
    positions = np.arange(counts.sum())
    candidates = positions + np.repeat(first[some] - starts, counts[some])
    columns, true_columns = boxes[some].T.astype(np.float64), true_boxes.T.astype(np.float64)
    ious = box_iou(columns.repeat(counts[some], axis=1), true_columns[:, candidates])
    overlaps[some] = np.maximum.reduceat(ious, starts)
    is_best = ious == np.repeat(overlaps[some], counts[some])
    which[some] = candidates[np.minimum.reduceat(np.where(is_best, positions, len(positions)), starts)]
    return overlaps, which


def judge(overlaps: Array, which: Array, ignored: Array, iou: float) -> Array:
    """What becomes of detections (N,), best score first: TRUE, FALSE or IGNORED."""
    outcomes = np.full(len(overlaps), FALSE)
    hits = np.flatnonzero(overlaps > iou)
    _, firsts = np.unique(which[hits], return_index=True)
    outcomes[hits[firsts]] = TRUE
    outcomes[hits[ignored[which[hits]]]] = IGNORED
    return outcomes


def box_iou(one: Array, other: Array) -> Array:
    """IoU (N,) of continuous boxes in columns (4, N) and (4, N), xyxy, one by one."""
    (left, top, right, bottom), (left_2, top_2, right_2, bottom_2) = one, other
    width = np.minimum(right, right_2) - np.maximum(left, left_2)
    height = np.minimum(bottom, bottom_2) - np.maximum(top, top_2)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = (right - left) * (bottom - top) + (right_2 - left_2) * (bottom_2 - top_2) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def joined(images: Sequence[Sequence[Array]], more: int) -> tuple[Array, Array, list[Array]]:
    """The image of every row, and the rows of all images: boxes (N, 4), and so many `more` columns (N,) beside them."""
    index = np.repeat(np.arange(len(images)), [len(image[1]) for image in images])
    if not images:
        return index, np.zeros((0, 4)), [np.zeros(0)] * more
    boxes, *others = (np.concatenate(column) for column in zip(*images, strict=True))
    return index, boxes, others


def eleven_points(recall: Array, precision: Array, points: Array) -> float:
    """VOC2007: the mean over `points` of recall of the best precision at that recall or more; both (N,), in [0, 1]."""
    return float(np.mean([precision[recall >= point].max(initial=0.0) for point in points]))


def area_under_envelope(recall: Array, precision: Array) -> float:
    """VOC2012: the area under the precision made monotone from the right; both (N,), in [0, 1]."""
    recall = np.concatenate([[0.0], recall])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope))
