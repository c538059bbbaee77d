"""COCO's AP, from torchmetrics and faster-coco-eval; only the words are ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from clipgap.metrics.inputs import require_finite
from clipgap.metrics.result import Result


class CocoAP:
    """AP over IoU 0.50 to 0.95, AP50 and AP75, at most 100 detections an image.

    COCO knows crowds but no difficult boxes: these count as crowds, so that they neither reward nor punish. COCO's rule
    for crowds holds for both: overlap is the part of the detection inside, and any number of detections may share it.
    Classes without a box to find have no AP and are left out of the means. 2,000 images of 100 detections take 8 s.

    Args:
        classes: names; label k is `classes[k - 1]`.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self._metric = MeanAveragePrecision(backend="faster_coco_eval", class_metrics=True)
        self._metric.warn_on_many_detections = False
        self._images = self._boxes = 0

    def update(self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]) -> None:
        """Add images: the same predictions and targets as `VocAP.update` takes, as tensors.

        Raises:
            ValueError: a box or a score is not finite.
        """
        for found, target in zip(predictions, targets, strict=True):
            require_finite(self._images, found, target)
            ignored = target["difficult"] | target["iscrowd"]
            self._images += 1
            self._boxes += int((~ignored).sum())
            self._metric.update(
                [{key: found[key] for key in ("boxes", "scores", "labels")}],
                [{"boxes": target["boxes"], "labels": target["labels"], "iscrowd": ignored.long()}],
            )

    def compute(self) -> Result:
        """AP in 0-100; None for a class without a box to find."""
        if not self._images:  # torchmetrics warns, then guesses
            return Result(dict.fromkeys(FIGURES), dict.fromkeys(self.classes), 0, 0)
        computed = self._metric.compute()
        figures = {name: _percent(computed[key]) for name, key in FIGURES.items()}
        labels, values = computed["classes"].reshape(-1).tolist(), computed["map_per_class"].reshape(-1)
        by_label = {label: _percent(value) for label, value in zip(labels, values, strict=True)}
        per_class = {name: by_label.get(k) for k, name in enumerate(self.classes, start=1)}
        return Result(figures, per_class, self._images, self._boxes)


FIGURES = {"ap": "map", "ap50": "map_50", "ap75": "map_75"}


def _percent(value: Tensor) -> float | None:
    return None if float(value) < 0 else 100 * float(value)
