"""The lines of YOLO label files: boxes, outlines (segments, oriented boxes), boxes with key points.

`class cx cy w h` is a box; `class x1 y1 x2 y2 x3 y3 ...` with at least three points is an outline, which becomes the
box that encloses it; a box with `kpt_shape`'s numbers after it is a pose, of which the box is taken. The class is an
index into `names`, all else is relative to the image as it is displayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipgap.data.files import read_lines, reason
from clipgap.data.records import Annotation, Box, Fault
from clipgap.errors import DataError

FAR_OUT = 2.0
"""A relative number above this can only be meant in pixels."""
SHOWN = 60
"""Letters of a line that a fault tells."""


@dataclass(frozen=True, slots=True)
class LineRules:
    """What a data set says of its lines."""

    names: Mapping[int, str]
    keypoints: int | None = None
    """How many numbers follow a box: `kpt_shape`'s product; None where the data set has no key points."""
    outlines: bool = True
    """Whether outlines become boxes; they are errors where not."""


class LineError(ValueError):
    """What is wrong with a line: in words that are the same for all of its kind, and what this one has of its own."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Labels:
    """What a label file holds."""

    annotations: tuple[Annotation, ...] = ()
    faults: tuple[Fault, ...] = ()
    outlines: tuple[str, ...] = ()
    """The places of the outlines that became boxes."""


def read_label_file(file: Path, rules: LineRules, size: tuple[int, int]) -> Labels:
    """Read the boxes of an image of this size (width, height); every line that is wrong is a fault."""
    try:
        lines = read_lines(file)
    except DataError as error:
        return Labels(faults=(Fault(file, "", reason(error, file), "error"),))
    annotations: list[Annotation] = []
    faults: list[Fault] = []
    outlines: list[str] = []
    for number, line in lines:
        where = f"line {number}"
        try:
            name, box, outline = parse_line(line, rules, size)
        except LineError as error:
            faults.append(Fault(file, where, str(error), "error", error.detail))
            continue
        annotations.append(Annotation(name, box, difficult=False, crowd=False, where=where))
        if outline:
            outlines.append(where)
    return Labels(tuple(annotations), tuple(faults), tuple(outlines))


def parse_line(line: str, rules: LineRules, size: tuple[int, int]) -> tuple[str, Box, bool]:
    """The class's name, the box in pixels, and whether it encloses an outline.

    Raises:
        LineError: it is none of the kinds of line that the data set may have.
    """
    try:
        index, *numbers = map(float, line.split())
    except ValueError:
        raise LineError("expected five numbers, `class cx cy w h`, with spaces between", _shown(line)) from None
    count = len(numbers)
    outline = count != 4 and _is_outline(numbers, rules, line)
    if not math.isfinite(sum(numbers, index)):
        raise LineError("expected five finite numbers, `class cx cy w h`", _shown(line))
    name = rules.names.get(index)  # type: ignore[call-overload]  # 2.0 is the key 2
    if name is None:
        raise _unknown(index, rules.names)
    numbers = numbers if outline else numbers[:4]
    if max(numbers) > FAR_OUT:
        raise LineError("expected numbers relative to the image, 0 to 1: divide them by its size", _shown(line))
    x1, y1, x2, y2 = _enclosing(numbers) if outline else _corners(numbers)
    width, height = size
    return name, (x1 * width, y1 * height, x2 * width, y2 * height), outline


def _corners(numbers: Sequence[float]) -> Box:
    cx, cy, w, h = numbers
    if w < 0 or h < 0:
        detail = f"width {w:g}, height {h:g}"
        raise LineError("the width or height of its box is negative: correct or remove it", detail)
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def _enclosing(numbers: Sequence[float]) -> Box:
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _unknown(index: float, names: Mapping[int, str]) -> LineError:
    if not index.is_integer():
        return LineError("its class is no whole number: write the index of a name", f"class {index:g}")
    message = f"its class is not one of the {len(names)} in `names` of the data set: correct it, or add the name"
    return LineError(message, f"class {index:.0f}" if abs(index) < 1e9 else f"class {index:g}")


def _is_outline(numbers: Sequence[float], rules: LineRules, line: str) -> bool:
    """Whether a line that is no plain box is an outline; not: a box with key points.

    Raises:
        LineError: it is neither.
    """
    count = len(numbers)
    if count < 4:
        raise LineError("expected five numbers, `class cx cy w h`", _shown(line))
    if rules.keypoints is not None:
        if count == 4 + rules.keypoints:
            return False
        message = f"expected 5 numbers, or with the key points of `kpt_shape` {5 + rules.keypoints}"
        raise LineError(message, f"{count + 1} numbers")
    if count == 5:
        message = (
            "a sixth number: looks like a prediction with its confidence, or a track, not like a true box: "
            "take the number away if it is one"
        )
        raise LineError(message, _shown(line))
    if count % 2:
        message = (
            "neither a box (5 numbers) nor an outline (its class and pairs, 7, 9, 11, ...): key points need "
            "`kpt_shape` in the data set's .yaml, a confidence at the end must go"
        )
        raise LineError(message, f"{count + 1} numbers")
    if _looks_like_pose(numbers):
        message = "looks like a box with key points (x, y, visible): write `kpt_shape: [points, 3]` in the .yaml"
        raise LineError(message, f"{count + 1} numbers")
    if not rules.outlines:
        message = "an outline (segment), not a box: write `class cx cy w h`, or set yolo_segments: box"
        raise LineError(message, f"{count + 1} numbers")
    return True


def _looks_like_pose(numbers: Sequence[float]) -> bool:
    """Whether all fits a box and points in it, each with a mark 0, 1 or 2: an outline does so by no likely chance."""
    marks = numbers[6::3]
    if (len(numbers) - 4) % 3 or not all(mark in (0, 1, 2) for mark in marks):
        return False
    cx, cy, w, h = numbers[:4]
    points = [(x, y) for x, y, mark in zip(numbers[4::3], numbers[5::3], marks, strict=True) if mark or x or y]
    within = all(abs(x - cx) <= w / 2 and abs(y - cy) <= h / 2 for x, y in points)
    return 2 in marks or (within and min(w, h) > 0)


def _shown(line: str) -> str:
    return repr(line if len(line) <= SHOWN else f"{line[:SHOWN]}...")
