"""Pictures with detections, and what is true, drawn so that a person can read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clipgap.engine.predict.labels import Array, nested, place_labels

Colour = tuple[int, int, int]
SMALL, ENLARGED = 400, 640
"""A picture whose long side has fewer pixels than the first is enlarged until it has the second at least."""
LONGEST = 65000
"""Pixels of a side; JPEG has no more than 65,535."""
SAME = 0.5
"""IoU from which a detection says all that a true box's label would."""
BRIGHT = 140
"""Brightness of a colour, of 255, from which black writing is the legible one."""
TRUTH_COLOUR: Colour = (255, 255, 255)
PALETTE: tuple[Colour, ...] = (
    (230, 25, 75),
    (60, 180, 75),
    (67, 99, 216),
    (245, 130, 49),
    (145, 30, 180),
    (66, 212, 244),
    (240, 50, 230),
    (191, 239, 69),
    (250, 190, 212),
    (0, 128, 128),
    (154, 99, 36),
    (255, 225, 25),
)
"""Neighbours are easy to tell apart."""


@dataclass(frozen=True)
class Mark:
    """A box to draw: x1, y1, x2, y2 in the picture's pixels, its label (may be empty) and how it is drawn."""

    box: tuple[float, float, float, float]
    text: str
    colour: Colour
    dashed: bool = False
    """As what is true is: not only in another colour."""


@dataclass(frozen=True)
class TrueBoxes:
    """What is known to be in a picture: boxes (N, 4) x1, y1, x2, y2 in its pixels, and their class names."""

    boxes: Array
    names: list[str]


def marks_of(
    detections: Sequence[dict[str, Any]], classes: Sequence[str], least_score: float, truth: TrueBoxes | None = None
) -> list[Mark]:
    """What is drawn of detections (COCO results): of at least a score, and one of those that lie in each other.

    Of boxes of one class that lie in each other the one of the best score is drawn. A true box is labelled only where
    no detection of its class that is drawn covers it.
    """
    best = sorted((one for one in detections if one["score"] >= least_score), key=lambda one: -float(one["score"]))
    xywh = np.array([one["bbox"] for one in best], dtype=np.float64).reshape(-1, 4)
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    hidden = nested(boxes, [one["category_id"] for one in best])
    marks, shown = [], []
    for box, one in zip(boxes[~hidden], (one for one, gone in zip(best, hidden, strict=True) if not gone), strict=True):
        name = classes[one["category_id"] - 1]
        marks.append(Mark(_corners(box), f"{name} {one['score']:.2f}", colour_of(one["category_id"] - 1)))
        shown.append(name)
    for box, name in zip(truth.boxes, truth.names, strict=True) if truth else ():
        found = boxes[~hidden][[other == name for other in shown]]
        text = "" if (_ious(box, found) >= SAME).any() else f"true: {name}"
        marks.append(Mark(_corners(box), text, TRUTH_COLOUR, dashed=True))
    return marks


def draw(picture: Image.Image, marks: Sequence[Mark]) -> Image.Image:
    """A copy of a picture with marks, enlarged where it is small."""
    factor = enlargement(picture.size)
    scene = picture.copy()
    if factor != 1:
        size = (max(round(picture.width * factor), 1), max(round(picture.height * factor), 1))
        scene = picture.resize(size, Image.Resampling.BICUBIC)
    short = min(max(scene.size) / 1.6, min(scene.size) * 2)  # of a picture of usual shape
    font = _font(min(max(round(short / 42), 12), 40))
    line = max(2, round(short / 320))
    pen = ImageDraw.Draw(scene)
    boxes = np.array([mark.box for mark in marks], dtype=np.float64).reshape(-1, 4) * factor
    boxes = np.clip(boxes, line, np.array([*scene.size, *scene.size]) - line - 1)  # its lines are to be seen
    for mark, box in sorted(zip(marks, boxes, strict=True), key=lambda pair: pair[0].dashed):
        _outline(pen, box, mark, line)
    sizes = [_label_size(mark.text, font) for mark in marks]
    outer = boxes + np.array([-line, -line, line, line]) / 2
    places = place_labels(outer, sizes, *scene.size)
    for mark, box, place in zip(marks, outer, places, strict=True):
        if place is not None:
            _label(pen, place, box, mark, font)
    return scene


def enlargement(size: tuple[int, int]) -> float:
    """By how much a picture (width, height) is enlarged, so that labels can be read beside what they name."""
    if max(size) < SMALL:
        return math.ceil(ENLARGED / max(size))
    return min(1.0, LONGEST / max(size))


def colour_of(number: int) -> Colour:
    """The colour of a class, by its number from 0."""
    return PALETTE[number % len(PALETTE)]


def _outline(pen: ImageDraw.ImageDraw, box: Array, mark: Mark, line: int) -> None:
    x1, y1, x2, y2 = (float(value) for value in box)
    if not mark.dashed:
        half = line / 2
        pen.rectangle((x1 - half - 1, y1 - half - 1, max(x2 + half, x1) + 1, max(y2 + half, y1) + 1), None, "black", 1)
        pen.rectangle((x1 - half, y1 - half, max(x2 + half, x1), max(y2 + half, y1)), None, mark.colour, line)
        return
    for start, end in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        for dash in _dashes(start, end, 4 * line):
            pen.line(dash, "black", line + 2)
            pen.line(dash, mark.colour, line)


def _dashes(start: tuple[float, float], end: tuple[float, float], dash: int) -> Iterator[tuple[float, ...]]:
    """The pieces (x1, y1, x2, y2) of a dashed line, each as long as the gap behind it."""
    length = max(math.dist(start, end), 1e-6)
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    for first in np.arange(0, length, 2 * dash):
        last = min(first + dash, length)
        yield tuple(corner + way * at for at in (first, last) for corner, way in zip(start, along, strict=True))


def _label(pen: ImageDraw.ImageDraw, place: Array, box: Array, mark: Mark, font: Any) -> None:
    x1, y1, x2, y2 = (float(value) for value in place)
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    nearest = (min(max(middle[0], box[0]), box[2]), min(max(middle[1], box[1]), box[3]))
    on_label = (min(max(nearest[0], x1), x2), min(max(nearest[1], y1), y2))
    if math.dist(nearest, on_label) > 2:  # it stands off: a line leads to what it names
        pen.line([*on_label, *nearest], mark.colour, 2)
    pen.rectangle((x1, y1, x2 - 1, y2 - 1), mark.colour, "black" if mark.dashed else None)
    red, green, blue = mark.colour
    writing = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > BRIGHT else "white"
    pen.text((middle[0], middle[1]), mark.text, writing, font, anchor="mm")


def _label_size(text: str, font: Any) -> tuple[int, int] | None:
    if not text:
        return None
    ascent, descent = font.getmetrics()
    return math.ceil(font.getlength(text)) + 6, ascent + descent + 2


@lru_cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _corners(box: Array) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2


def _ious(box: Array, others: Array) -> Array:
    """IoU of one box (4,) with others (N, 4)."""
    low, high = np.maximum(others[:, :2], box[:2]), np.minimum(others[:, 2:], box[2:])
    common = np.clip(high - low, 0, None).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    ious: Array = common / np.maximum(areas - common, 1e-9)
    return ious
