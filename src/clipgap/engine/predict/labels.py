"""Where the labels of boxes go: beside the box, on no object and on no other label, as far as there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
OVER_LABEL, OVER_OBJECT, INSIDE, AWAY = 20.0, 3.0, 1.0, 0.15
"""What it costs to lie on a label, on an object, in one's own box, and a label's height away from it."""
ROWS = 4
"""Label heights by which a label may stand off its box."""


def place_labels(boxes: Array, sizes: Sequence[tuple[int, int] | None], width: int, height: int) -> list[Array | None]:
    """The best place of every label, those of the first boxes chosen first.

    Above its box is best, then below, then beside it, then a little away, and inside only where nothing else is free.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        sizes: (width, height) of every box's label in pixels; None: it has none.
        width: of the picture, in pixels.
        height: of the picture, in pixels.

    Returns:
        For every label its x1, y1, x2, y2, inside the picture where it fits into it.
    """
    placed = np.empty((0, 4))
    places: list[Array | None] = []
    for number, (box, size) in enumerate(zip(boxes, sizes, strict=True)):
        if size is None:
            places.append(None)
            continue
        candidates, costs = _candidates(box, size, width, height)
        area = float(size[0] * size[1])
        others = np.delete(boxes, number, axis=0)
        costs = costs + OVER_LABEL * (_common(candidates, placed) / area).sum(1)
        # A label that is all over a small object hides it as much as one that is all inside a large one.
        least = np.minimum(area, np.maximum(_areas(others), 1.0))
        costs += OVER_OBJECT * (_common(candidates, others) / least).sum(1)
        costs += INSIDE * OVER_OBJECT * _common(candidates, box[None])[:, 0] / area
        best = candidates[int(np.argmin(costs))]
        placed = np.concatenate([placed, best[None]])
        places.append(best)
    return places


def _candidates(box: Array, size: tuple[int, int], width: int, height: int) -> tuple[Array, Array]:
    """Places (C, 4) of a label around and in its box, in the picture, and what is against each (C,)."""
    (x1, y1, x2, y2), (w, h) = box, size
    corners: list[tuple[float, float, float]] = []
    for row in range(ROWS):
        cost = AWAY * row
        for x in (x1, x2 - w, (x1 + x2 - w) / 2):
            corners += [(x, y1 - h * (row + 1), cost), (x, y2 + h * row, cost + 0.02)]
        for y in (y1, y2 - h, (y1 + y2 - h) / 2):
            corners += [(x2 + h * row, y, cost + 0.05), (x1 - w - h * row, y, cost + 0.05)]
    corners += [(x, y, 0.5) for y in (y1, y2 - h) for x in (x1, x2 - w)]
    found = np.array([(x, y, x + w, y + h) for x, y, _ in corners])
    move_x = np.clip(found[:, 0], 0, max(width - w, 0)) - found[:, 0]
    move_y = np.clip(found[:, 1], 0, max(height - h, 0)) - found[:, 1]
    moved = found + np.stack([move_x, move_y, move_x, move_y], axis=1)
    order = np.arange(len(found)) * 1e-4  # of equals the first
    return moved, np.array([cost for *_, cost in corners]) + order + AWAY * (np.abs(move_x) + np.abs(move_y)) / h


def _common(one: Array, other: Array) -> Array:
    """The area that boxes (A, 4) and (B, 4) have in common: (A, B)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common: Array = np.clip(high - low, 0, None).prod(-1)
    return common


def _areas(boxes: Array) -> Array:
    areas: Array = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1)
    return areas


def nested(boxes: Array, classes: Sequence[object], share: float = 0.85) -> npt.NDArray[np.bool_]:
    """Which boxes lie in, or around, one of the same class that stands before them: (N,).

    One lies in the other if `share` of the smaller one's area does.
    """
    areas = np.maximum(_areas(boxes), 1e-6)
    inside = _common(boxes, boxes) >= share * np.minimum(areas[:, None], areas[None])
    hidden = np.zeros(len(boxes), dtype=np.bool_)
    for later in range(len(boxes)):
        before = [k for k in range(later) if not hidden[k] and classes[k] == classes[later]]
        hidden[later] = inside[later, before].any()
    return hidden
