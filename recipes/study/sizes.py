"""AP by the size of objects, and on objects as large as the source's: what is the weather's, what is the camera's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou

from clipgap.config import ImageConfig
from clipgap.data import DetectionDataset, Target, resize_size
from clipgap.metrics import VocAP
from clipgap.metrics.coco import AREAS, SIZES

BANDS = {name: (math.sqrt(AREAS[name][0]), math.sqrt(AREAS[name][1])) for name in SIZES}
"""Sides of objects: the roots of COCO's areas."""
EDGES = torch.tensor([32.0, 64.0, 128.0])
"""Sides between which the shares of two splits are made equal."""
DRAWS = 20
Found = dict[str, Tensor]


@dataclass(frozen=True)
class Image:
    """What is in an image and what was found in it, both in its own pixels."""

    found: Found
    target: Target
    scale: float
    """From its own pixels to those of the image as the detector takes it."""

    def sides(self, boxes: Tensor) -> Tensor:
        """The roots of the areas of boxes (N, 4), in pixels of the image as the detector takes it."""
        return box_area(boxes).sqrt() * self.scale

    def hits(self, boxes: Tensor, labels: Tensor) -> Tensor:
        """Which of the detections (N,) lie on one of these boxes, of their class, by an IoU above 0.5."""
        same = self.found["labels"][:, None] == labels
        return ((box_iou(self.found["boxes"], boxes) > 0.5) & same).any(1)


def images_of(found: Sequence[Found], dataset: DetectionDataset, config: ImageConfig) -> list[Image]:
    """What was found in every image of a split, in order, beside what is there."""
    images = []
    for index, (one, record) in enumerate(zip(found, dataset.records, strict=True)):
        height, _ = resize_size(record.height, record.width, config.short_side, config.long_side)
        images.append(Image(one, dataset.target(index), height / record.height))
    return images


def by_size(images: Sequence[Image], classes: Sequence[str]) -> dict[str, float | None]:
    """AP50 (VOC2007) of the objects of every band.

    Objects of other bands neither reward nor punish, nor does a detection of another band that finds none of this one,
    as in COCO's evaluation.
    """

    def only(low: float, high: float) -> Callable[[Image], tuple[Tensor, Tensor]]:
        def chosen(image: Image) -> tuple[Tensor, Tensor]:
            boxes, labels = image.target["boxes"], image.target["labels"]
            true, found = image.sides(boxes), image.sides(image.found["boxes"])
            counts = (true >= low) & (true < high)
            return counts, (found >= low) & (found < high) | image.hits(boxes[counts], labels[counts])

        return chosen

    return {name: _ap(images, classes, only(low, high)) for name, (low, high) in BANDS.items()}


def as_large_as(images: Sequence[Image], like: Sequence[Image], classes: Sequence[str], seed: int = 0) -> float | None:
    """AP50 (VOC2007) on objects drawn so that each range of sizes has the share that it has in another split.

    Of every range as many objects count as its share allows, drawn at random; the others neither reward nor punish.
    Detections that are on no object are thinned at the same rate, so that precision means the same as without.

    Returns:
        The mean of `DRAWS` draws; None where a range that the other split has is empty here.
    """
    mine, others = _counts(images), _counts(like)
    rates = torch.where(others > 0, others / mine, 0.0)
    rates = rates / rates.max()
    if not bool(rates.isfinite().all()):
        return None
    generator = torch.Generator().manual_seed(seed)

    def chosen(image: Image) -> tuple[Tensor, Tensor]:
        boxes, labels = image.target["boxes"], image.target["labels"]
        counts, keeps = (_draw(image.sides(one), rates, generator) for one in (boxes, image.found["boxes"]))
        return counts, keeps | image.hits(boxes, labels)

    drawn = [_ap(images, classes, chosen) for _ in range(DRAWS)]
    return statistics.mean(one for one in drawn if one is not None)


def _counts(images: Iterable[Image]) -> Tensor:
    """Objects of every range, float (4,)."""
    sides = torch.cat([image.sides(image.target["boxes"]) for image in images])
    return torch.bucketize(sides, EDGES, right=True).bincount(minlength=len(EDGES) + 1).float()


def _draw(sides: Tensor, rates: Tensor, generator: torch.Generator) -> Tensor:
    """Which of so large things (N,) are taken, each range at its own rate."""
    return torch.rand(len(sides), generator=generator) < rates[torch.bucketize(sides, EDGES, right=True)]


def _ap(
    images: Sequence[Image], classes: Sequence[str], chosen: Callable[[Image], tuple[Tensor, Tensor]]
) -> float | None:
    """AP50 where only chosen objects and chosen detections count, both bool (N,)."""
    metric = VocAP(classes)
    for image in images:
        counts, keeps = chosen(image)
        target: dict[str, Any] = {**image.target, "difficult": image.target["difficult"] | ~counts}
        metric.update([{key: value[keeps] for key, value in image.found.items()}], [target])
    return metric.compute().headline
