"""A line an image of what a detector found, written as soon as it is done: from there an evaluation goes on."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipgap.engine.detections import Found
from clipgap.engine.predict.folder import Line, LineFile
from clipgap.group import Group

DIGITS = 12
"""Of a box's width and height after the point: enough to get the right and lower side back as they were."""


class Keeping:
    """What was found in the first images of a split, to be added to.

    Args:
        before: what was found, image by image.
        lines: where more goes; None: nowhere.
    """

    def __init__(self, before: list[Found], lines: LineFile | None = None) -> None:
        self.before, self.lines = before, lines

    def add(self, found: Found) -> None:
        """Write down what was found in the next image."""
        if self.lines:
            detections = to_coco(found)
            self.lines.add({"id": self.lines.next, "detections": detections, "crc": _crc(detections)})


@contextmanager
def keeping_in(file: Path) -> Iterator[Keeping]:
    """What a file of lines holds, new or begun before."""
    lines = LineFile(file, "id", 1, _without_boxes)
    try:
        yield Keeping([from_coco(line["detections"]) for line in lines.whole()], lines)
    finally:
        lines.close()


def _without_boxes(line: Line) -> Line:
    """Nothing of a line, if it is as it was written."""
    if line["crc"] != _crc(line["detections"]):
        raise ValueError("damaged")
    return {}


def _crc(detections: list[dict[str, Any]]) -> int:
    return zlib.crc32(json.dumps(detections).encode())


def nothing_kept() -> AbstractContextManager[Keeping]:
    """Where nothing was found before, and nothing is written down."""
    return nullcontext(Keeping([]))


@contextmanager
def kept_by_main(group: Group, opened: Callable[[], AbstractContextManager[Keeping]]) -> Iterator[Keeping]:
    """For every process of a group what the main one has opened; it alone adds to it."""
    with group.by_main(opened) as mine:
        before = group.exchange(mine.before if mine else [])[0]
        yield mine or Keeping(before)


def to_coco(found: Found) -> list[dict[str, Any]]:
    """COCO results of an image without its id, in numbers from which `from_coco` makes the same float32 again."""
    sides = found["boxes"].numpy().astype(str).astype(float)  # the shortest decimals that are these
    low, size = sides[:, :2], np.round(sides[:, 2:] - sides[:, :2], DIGITS)
    scores = found["scores"].numpy().astype(str).astype(float)
    return [
        {"category_id": label, "bbox": [*corner, *extent], "score": score}
        for label, corner, extent, score in zip(
            found["labels"].tolist(), low.tolist(), size.tolist(), scores.tolist(), strict=True
        )
    ]


def from_coco(found: list[dict[str, Any]]) -> Found:
    """COCO results of one image as the detector gave them."""
    boxes = np.array([one["bbox"] for one in found], dtype=float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return {
        "boxes": torch.from_numpy(boxes.astype(np.float32)),
        "labels": torch.tensor([one["category_id"] for one in found], dtype=torch.int64),
        "scores": torch.tensor([one["score"] for one in found], dtype=torch.float32),
    }
