"""AP by the size of objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torchvision.ops import box_area, box_iou

from clipgap.metrics.coco import AREAS, SIZES
from clipgap.metrics.voc import VocAP

BANDS = {name: (math.sqrt(AREAS[name][0]), math.sqrt(AREAS[name][1])) for name in SIZES}
"""Sides of objects: the roots of COCO's areas."""


@dataclass(frozen=True)
class Sized:
    """What is in an image and what was found in it, both in its own pixels."""

    found: Mapping[str, Tensor]
    target: Mapping[str, Any]
    scale: float
    """From its own pixels to those of the image as the detector takes it."""

    def sides(self, boxes: Tensor) -> Tensor:
        """The roots of the areas of boxes (N, 4), in pixels of the image as the detector takes it."""
        sides: Tensor = box_area(boxes).sqrt() * self.scale
        return sides

    def hits(self, boxes: Tensor, labels: Tensor) -> Tensor:
        """Which of the detections (N,) lie on one of these boxes, of their class, by an IoU above 0.5."""
        same = self.found["labels"][:, None] == labels
        hits: Tensor = ((box_iou(self.found["boxes"], boxes) > 0.5) & same).any(1)
        return hits


def by_size(images: Sequence[Sized], classes: Sequence[str]) -> dict[str, float | None]:
    """AP50 (VOC2007) of the objects of every band.

    Objects of other bands neither reward nor punish, nor does a detection of another band that finds none of this one,
    as in COCO's evaluation.
    """

    def only(low: float, high: float) -> Callable[[Sized], tuple[Tensor, Tensor]]:
        def chosen(image: Sized) -> tuple[Tensor, Tensor]:
            boxes, labels = image.target["boxes"], image.target["labels"]
            true, found = image.sides(boxes), image.sides(image.found["boxes"])
            counts = (true >= low) & (true < high)
            return counts, (found >= low) & (found < high) | image.hits(boxes[counts], labels[counts])

        return chosen

    return {name: ap_of(images, classes, only(low, high)) for name, (low, high) in BANDS.items()}


def ap_of(
    images: Sequence[Sized], classes: Sequence[str], chosen: Callable[[Sized], tuple[Tensor, Tensor]]
) -> float | None:
    """AP50 where only chosen objects and chosen detections count, both bool (N,)."""
    metric = VocAP(classes)
    for image in images:
        counts, keeps = chosen(image)
        target: dict[str, Any] = {**image.target, "difficult": image.target["difficult"] | ~counts}
        metric.update([{key: value[keeps] for key, value in image.found.items()}], [target])
    return metric.compute().headline
