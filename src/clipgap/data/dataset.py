"""The one data set class: images with their boxes, whatever format they were read from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from clipgap.data.images import Note, read_image_as_declared, say_once
from clipgap.data.prepare import Preparer
from clipgap.data.records import ImageRecord, without_repeats
from clipgap.errors import DataError


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
    more than half a pixel), left out where no area remains (an error; a warning for a box that has none in the file)
    or where the same box of the same class is there already (a warning). Images are read when they are asked for.

    Args:
        records: what a reader gave.
        classes: names of the classes; others are left out and counted.
        rename: from the set's own names to those of `classes`.
        keep_empty: keep images without boxes.
        match_case: whether class names must agree in capitals too.
    """

    def __init__(
        self,
        records: Iterable[ImageRecord],
        classes: Sequence[str],
        rename: Mapping[str, str] | None = None,
        keep_empty: bool = True,
        match_case: bool = True,
    ) -> None:
        self.classes = tuple(classes)
        """The names that labels 1, 2, ... stand for."""
        prepare = Preparer(self.classes, rename or {}, match_case)
        prepared = [prepare(record) for record in records]
        self.faults = prepare.faults
        """What was wrong with boxes."""
        self.left_out = prepare.left_out
        """Boxes of other classes, by the set's own names."""
        self.empty = sum(not record.annotations for record in prepared)
        """Images without boxes, kept or not."""
        self.records: tuple[ImageRecord, ...] = tuple(r for r in prepared if keep_empty or r.annotations)
        """The images, with boxes as the targets hold them."""
        self._labels = {name: label for label, name in enumerate(self.classes, start=1)}
        self._told: set[str] = set()

    @classmethod
    def joined(cls, datasets: Sequence[DetectionDataset]) -> DetectionDataset:
        """Several as one, in their order. An image that is in two of them is an error of the later one.

        Its image ids are theirs with the data set's number before them, which keeps them unique: `2/000001`.
        """
        if len(datasets) == 1:
            return datasets[0]
        joined = cls([], datasets[0].classes)
        listed: list[tuple[str, ImageRecord]] = []
        for number, one in enumerate(datasets, start=1):
            listed += [(f"part {number}", replace(r, image_id=f"{number}/{r.image_id}")) for r in one.records]
            joined.faults += one.faults
            joined.left_out += one.left_out
            joined.empty += one.empty
        records, repeats = without_repeats(listed)
        joined.records = tuple(records)
        joined.faults += repeats
        return joined

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """Read an image.

        Raises:
            DataError: the image cannot be read, or its size is not the one its annotation file states.
        """
        record = self.records[index]
        image, notes = read_record(record)
        say_once(record.path, notes, self._told)
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

    def digest(self, *, boxes: bool) -> str:
        """A hash of the images, by id, size and length of their files, and of their boxes if asked for; reads none."""
        whole = hashlib.sha256()
        for record in self.records:
            parts = (record.image_id, record.width, record.height, record.path.stat().st_size)
            whole.update(repr((*parts, record.annotations) if boxes else parts).encode())
        return whole.hexdigest()[:16]

    def boxes_per_class(self) -> dict[str, int]:
        """How many boxes every class has, crowds and difficult ones included; in the order of `classes`."""
        counts = Counter(annotation.name for record in self.records for annotation in record.annotations)
        return {name: counts[name] for name in self.classes}


def read_record(record: ImageRecord) -> tuple[Image.Image, tuple[Note, ...]]:
    """The image of a record, and what there is to say of it.

    Raises:
        DataError: the image cannot be read, or its size is not the one the record states.
    """
    image, notes = read_image_as_declared(record.path, (record.width, record.height))
    if image.size != (record.width, record.height):
        raise DataError(
            f"{record.path}: the image is {image.width} x {image.height}, but its annotation file says "
            f"{record.width} x {record.height}: correct the size and the boxes, put the right image there, or set "
            "size_mismatch: image to go by the image"
        )
    return image, notes
