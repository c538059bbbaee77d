"""Values of a COCO file, as the many tools that write such files put them down."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from clipgap.data.records import Box
from clipgap.errors import one_line

Id = int | str
WHOLE = re.compile(r"-?(0|[1-9]\d{0,30})(\.0+)?")
"""Text that is a whole number; `007` is a name."""


def id_of(entry: object, key: str) -> Id | None:
    """An id: 1, 1.0, "1" and "1.0" are the same one, other text stays text; None where there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, bool) or value == "":
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    return value if isinstance(value, int | str) else None


def size_of(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height in pixels, from whole numbers, decimals or text; None where one is not given.

    Raises:
        ValueError: one is given and is no size.
    """
    sides = []
    for key in ("width", "height"):
        value = entry.get(key)
        if value is None:
            return None
        number = _number(value)
        if number is None or number < 1 or not number.is_integer():
            raise ValueError(f"its {key} is {one_line(repr(value))}: write the image's, in pixels")
        sides.append(int(number))
    return sides[0], sides[1]


def bbox_of(entry: Mapping[str, Any]) -> Box:
    """x, y, width, height as they stand in the file; of an annotation with an outline alone, what encloses it.

    Raises:
        ValueError: there is none, or it is no box.
    """
    value = entry.get("bbox")
    if not value and isinstance(entry.get("segmentation"), list) and entry["segmentation"]:
        return _enclosing(entry["segmentation"])
    numbers = [_number(number) for number in value] if isinstance(value, list) else []
    if len(numbers) != 4 or any(number is None for number in numbers):
        raise ValueError(f"expected `bbox` of four numbers, x, y, width, height, got {one_line(repr(value))}")
    x, y, w, h = (float(number) for number in numbers if number is not None)
    for side, name in ((w, "width"), (h, "height")):
        if side < 0:
            raise ValueError(f"the {name} of its `bbox` is negative ({side:g}): correct or remove it")
    return x, y, w, h


def _enclosing(polygons: list[Any]) -> Box:
    flat = [_number(number) for polygon in polygons for number in (polygon if isinstance(polygon, list) else [None])]
    if any(number is None for number in flat) or len(flat) < 6 or len(flat) % 2:
        raise ValueError("has no `bbox`, and its `segmentation` is no list of polygons: write `bbox`")
    numbers = [float(number) for number in flat if number is not None]
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _number(value: object) -> float | None:
    """A finite number, also where it is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
