"""COCO's AP and AR, from faster-coco-eval with pycocotools' own thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_coco_eval import COCO, COCOeval_faster

from clipgap.metrics.inputs import require_finite
from clipgap.metrics.result import Result

Array = npt.NDArray[Any]
IOUS, RECALLS = np.linspace(0.5, 0.95, 10), np.linspace(0, 1, 101)
DETECTIONS = (1, 10, 100)
AREAS = {"all": (0, 1e5**2), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}
"""Square pixels of a box, as `boxes` has it: no mask is known here."""
SIZES = ("small", "medium", "large")


class CocoAP:
    """AP and AR over IoU 0.50 to 0.95, AP50 and AP75, by size and number of detections, as pycocotools gives them.

    At most the 100 best detections of an image and class count. Sizes are areas of boxes. COCO knows crowds but no
    difficult boxes: these count as crowds, so that they neither reward nor punish. COCO's rule for crowds holds for
    both: overlap is the part of the detection inside, and any number of detections may share it. Classes without a box
    to find have no AP and are left out of the means. 2,000 images of 100 detections take 2 s.

    Args:
        classes: names; label k is `classes[k - 1]`.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self._found: list[tuple[Array, Array, Array]] = []
        self._true: list[tuple[Array, Array, Array]] = []

    def update(self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]) -> None:
        """Add images: the same predictions and targets as `VocAP.update` takes.

        Raises:
            ValueError: a box or a score is not finite.
        """
        for found, target in zip(predictions, targets, strict=True):
            require_finite(len(self._true), found, target)
            crowd = (np.asarray(target["difficult"]) | np.asarray(target["iscrowd"])).astype(np.int64)
            self._found.append((np.asarray(found["boxes"]), np.asarray(found["labels"]), np.asarray(found["scores"])))
            self._true.append((np.asarray(target["boxes"]), np.asarray(target["labels"]), crowd))

    def compute(self) -> Result:
        """All of COCO's figures in 0-100, `ap` first; None where there is no box to find."""
        boxes = sum(int((crowd == 0).sum()) for _, _, crowd in self._true)
        precision, recall = self._curves()
        figures = {
            "ap": _mean(precision[..., 0, -1]),
            "ap50": _mean(precision[0, ..., 0, -1]),
            "ap75": _mean(precision[5, ..., 0, -1]),
            **{f"ap_{size}": _mean(precision[..., i, -1]) for i, size in enumerate(SIZES, start=1)},
            **{f"ar_{count}": _mean(recall[..., 0, i]) for i, count in enumerate(DETECTIONS)},
            **{f"ar_{size}": _mean(recall[..., i, -1]) for i, size in enumerate(SIZES, start=1)},
        }
        per_class = {name: _mean(precision[:, :, k, 0, -1]) for k, name in enumerate(self.classes)}
        return Result(figures, per_class, len(self._true), boxes)

    def _curves(self) -> tuple[Array, Array]:
        """Precision (10 IoUs, 101 recalls, classes, areas, detections), recall without the second; -1: no box."""
        if not self._true:
            shape = (len(IOUS), len(RECALLS), len(self.classes), len(AREAS), len(DETECTIONS))
            return np.full(shape, -1.0), np.full((shape[0], *shape[2:]), -1.0)
        names = ("score", "iscrowd")
        found, true = (self._index(rows, name) for rows, name in zip((self._found, self._true), names, strict=True))
        judge = COCOeval_faster(true, found, "bbox", print_function=lambda *_: None)
        judge.params.iouThrs, judge.params.recThrs = IOUS, RECALLS
        judge.params.areaRng, judge.params.areaRngLbl = [list(area) for area in AREAS.values()], list(AREAS)
        judge.params.maxDets = list(DETECTIONS)
        judge.evaluate()
        judge.accumulate()
        return np.asarray(judge.eval["precision"]), np.asarray(judge.eval["recall"])

    def _index(self, images: list[tuple[Array, Array, Array]], name: str) -> COCO:
        """Boxes as COCO has them, numbered from 1: to its code, a match with number 0 is none."""
        annotations: list[dict[str, Any]] = []
        for image, (boxes, labels, values) in enumerate(images, start=1):
            corners = boxes.reshape(-1, 4).astype(np.float64)
            sides = corners[:, 2:] - corners[:, :2]
            columns = (np.hstack([corners[:, :2], sides]), sides.prod(1), labels, values)
            for box, area, label, value in zip(*(column.tolist() for column in columns), strict=True):
                one = {"id": len(annotations) + 1, "image_id": image, "category_id": label, "bbox": box, "area": area}
                annotations.append(one | {"iscrowd": 0, name: value})
        index = COCO()
        index.dataset = {
            "images": [{"id": i} for i in range(1, len(images) + 1)],
            "categories": [{"id": k, "name": name} for k, name in enumerate(self.classes, start=1)],
            "annotations": annotations,
        }
        index.createIndex()
        return index


def _mean(values: Array) -> float | None:
    known = values[values > -1]
    return 100 * float(known.mean()) if known.size else None
