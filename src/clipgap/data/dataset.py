"""The one data set class: images with their boxes, whatever format they were read from."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from clipgap.data.images import read_image_as_declared
from clipgap.data.records import Annotation, Box, Fault, ImageRecord, Severity
from clipgap.errors import DataError

SLACK = 0.5
"""Pixels by which a box may reach out of its image before it is worth a word: labels are rounded."""

LEAST = 0.01
"""Pixels that a side must measure: less can vanish in float32, or when the image is made smaller."""

_log = logging.getLogger(__name__)


class Target(TypedDict):
    """What is known about an image; N boxes."""

    boxes: Tensor
    """float32 (N, 4): x1, y1, x2, y2 in pixels, inside the image, of some area."""
    labels: Tensor
    """int64 (N,): from 1, in the order of the classes; 0 is the background."""
    difficult: Tensor
    """bool (N,): trained on; in scoring neither rewards nor punishes."""
    iscrowd: Tensor
    """bool (N,): a region of many objects, not trained on; in scoring neither rewards nor punishes."""
    image_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An image (RGB, 8 bit) and its target."""

    image: Image.Image
    target: Target


class DetectionDataset(Dataset[Sample]):
    """Images of one split, with the boxes of the classes that are looked for.

    Boxes are put right when the data set is made: renamed, clipped to the image (a warning where that moves a side by
    more than half a pixel), and left out where no area remains (an error; a warning for a box that has none in the
    file). Images are read when they are asked for.

    Args:
        records: what a reader gave.
        classes: names of the classes; others are left out and counted.
        rename: from the set's own names to those of `classes`.
        keep_empty: keep images without boxes.
    """

    def __init__(
        self,
        records: Iterable[ImageRecord],
        classes: Sequence[str],
        rename: Mapping[str, str] | None = None,
        keep_empty: bool = True,
    ) -> None:
        self.classes = tuple(classes)
        """The names that labels 1, 2, ... stand for."""
        self.left_out: Counter[str] = Counter()
        """Boxes of other classes, by the set's own names."""
        self.faults: list[Fault] = []
        """What was wrong with boxes."""
        self._rename = dict(rename or {})
        self._labels = {name: label for label, name in enumerate(self.classes, start=1)}
        self._told_of_kept = False
        prepared = [self._prepare(record) for record in records]
        self.empty = sum(not record.annotations for record in prepared)
        """Images without boxes, kept or not."""
        self.records: tuple[ImageRecord, ...] = tuple(r for r in prepared if keep_empty or r.annotations)
        """The images, with boxes as the targets hold them."""

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """Read an image.

        Raises:
            DataError: the image cannot be read, or its size is not the one its annotation file states.
        """
        record = self.records[index]
        image, kept_stored = read_record(record)
        if kept_stored and not self._told_of_kept:
            self._told_of_kept = True
            _log.warning("%s: %s (and perhaps others; said once)", record.path, KEPT_STORED)
        return Sample(image, self.target(index))

    def target(self, index: int) -> Target:
        """The target alone: reads no image."""
        record = self.records[index]
        annotations = record.annotations
        return Target(
            boxes=torch.tensor([a.box for a in annotations], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor([self._labels[a.name] for a in annotations], dtype=torch.int64),
            difficult=torch.tensor([a.difficult for a in annotations], dtype=torch.bool),
            iscrowd=torch.tensor([a.crowd for a in annotations], dtype=torch.bool),
            image_id=record.image_id,
        )

    def boxes_per_class(self) -> dict[str, int]:
        """How many boxes every class has, crowds and difficult ones included; in the order of `classes`."""
        counts = Counter(annotation.name for record in self.records for annotation in record.annotations)
        return {name: counts[name] for name in self.classes}

    def _prepare(self, record: ImageRecord) -> ImageRecord:
        kept: list[Annotation] = []
        for annotation in record.annotations:
            name = self._rename.get(annotation.name, annotation.name)
            if name not in self._labels:
                self.left_out[annotation.name] += 1
                continue
            box = self._clip(annotation, record)
            if box:
                kept.append(replace(annotation, name=name, box=box))
        return replace(record, annotations=tuple(kept))

    def _clip(self, annotation: Annotation, record: ImageRecord) -> Box | None:
        """The part of a box that is inside the image; none if nothing is."""
        width, height = record.width, record.height
        x1, y1, x2, y2 = annotation.box
        box = (min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height))
        inside = min(box[2] - box[0], box[3] - box[1]) >= LEAST
        moved = max(abs(new - old) for new, old in zip(box, annotation.box, strict=True))
        if not inside or moved > SLACK:
            severity, message = _judge(annotation.box, inside)
            shown = f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}), counted from 0, in a {width} x {height} image"
            self.faults.append(Fault(record.source, annotation.where, f"{shown}: {message}", severity))
        return box if inside else None


KEPT_STORED = "its EXIF says to turn it, but the size in the annotation file fits it unturned only: used unturned"


def read_record(record: ImageRecord) -> tuple[Image.Image, bool]:
    """The image of a record, and whether it was kept as stored against its EXIF.

    Raises:
        DataError: the image cannot be read, or its size is not the one the record states.
    """
    image, kept_stored = read_image_as_declared(record.path, (record.width, record.height))
    if image.size != (record.width, record.height):
        raise DataError(
            f"{record.path}: the image is {image.width} x {image.height}, but its annotation file says "
            f"{record.width} x {record.height}: correct the size and the boxes, or put the right image there"
        )
    return image, kept_stored


def _judge(box: Box, inside: bool) -> tuple[Severity, str]:
    """How bad a box is of which a part is outside the image, or all (not `inside`), and what to do about it."""
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        return "error", "it ends before it begins; swap its corners or remove it"
    if min(x2 - x1, y2 - y1) < LEAST:
        return "warning", "it has no area; left out"
    if not inside:
        return "error", "it is outside; correct or remove it"
    return "warning", "it reaches out; clipped"
