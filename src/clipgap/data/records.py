"""What the readers hand over: images with their boxes, and the faults that were met on the way."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipgap.errors import one_line

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the displayed image; continuous, 0-based: at the right edge, x2 is the width."""


Severity = Literal["error", "warning"]
"""An error forbids the use of a data set; a warning says what was done about it."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One box, under the data set's own class name."""

    name: str
    box: Box
    difficult: bool
    crowd: bool
    where: str
    """Its place in the annotation file: `object 3`, `line 2`, `annotation 118`."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image and its boxes."""

    image_id: str
    """Unique within a split: VOC's stem, COCO's id, YOLO's path relative to the data set."""
    path: Path
    width: int
    """Pixels, as the annotation file states; where it states none, of the image as a person sees it."""
    height: int
    annotations: tuple[Annotation, ...]
    source: Path
    """The annotation file."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a data set: one line that names the place and the fix."""

    file: Path
    where: str
    """The place in the file, empty for the whole file."""
    message: str
    """What is wrong, in words that are the same for all faults of its kind, and the fix."""
    severity: Severity
    detail: str = ""
    """What this one has of its own, for example the box."""

    @property
    def place(self) -> str:
        """The file, the place in it, and the detail."""
        place = one_line(f"{self.file}, {self.where}" if self.where else str(self.file))
        return f"{place}: {one_line(self.detail)}" if self.detail else place

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


Records = tuple[list[ImageRecord], list[Fault]]


def path_key(path: Path) -> str:
    """The same text for the same file, however its path is written; links are not followed."""
    return os.path.normcase(os.path.abspath(path))


def without_repeats(listed: Iterable[tuple[str, ImageRecord]], file: Path | None = None) -> Records:
    """Keep the first record of every image; any other is an error, at the place given with the record.

    Args:
        listed: records, each with the place that lists it.
        file: the file in which these places are; each record's own annotation file where there is none.
    """
    first: dict[str, str] = {}
    records: list[ImageRecord] = []
    faults: list[Fault] = []
    for where, record in listed:
        key = path_key(record.path)
        if key in first:
            message = f"the image {record.path.name} is there already ({first[key]}): remove one"
            faults.append(Fault(file or record.source, where, message, "error"))
        else:
            first[key] = where
            records.append(record)
    return records, faults
