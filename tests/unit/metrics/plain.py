"""VOC AP and COCO AP once more, straight from their definitions, in plain loops that share nothing with the library.

An image is a pair of lists: detections (box, score, class) and true boxes (box, class, ignored, ...). Boxes are whole
numbers, so that areas are exact. Figures are in 0-100; None where there is nothing to find.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

Box = tuple[int, int, int, int]
CLASSES = 3
"""Classes that are drawn; those that are scored are one more, which is in no image."""
STEP = (0.95 - 0.5) / 9
IOUS = [0.5 + i * STEP for i in range(9)] + [0.95]
RECALLS = [i * (1 / 100) for i in range(100)] + [1.0]
"""As COCO's own code has them in binary: 35 * 0.01 is a hair above 7 / 20, which is a part of its definition by now."""
AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}


@dataclass(frozen=True)
class Found:
    box: Box
    score: float
    label: int


@dataclass(frozen=True)
class Truth:
    box: Box
    label: int
    difficult: bool
    crowd: bool

    @property
    def ignored(self) -> bool:
        return self.difficult or self.crowd


Image = tuple[list[Found], list[Truth]]


def draw_case(seed: int) -> list[Image]:
    """Images of few places, sizes and scores: ties, boxes on each other, empty images, classes that are missing."""
    draw = random.Random(seed)
    absent = draw.choice((0, 0, 1, 2, 3))
    images: list[Image] = []
    for _ in range(draw.randint(1, 4)):
        true = [
            Truth(_box(draw), draw.randint(1, CLASSES), draw.random() < 0.2, draw.random() < 0.15)
            for _ in range(draw.choice((0, 1, 3, 6)))
        ]
        true = [one for one in true if one.label != absent]
        true += draw.sample(true, min(len(true), draw.choice((0, 0, 1))))  # the same box twice
        found = [Found(_box(draw), _score(draw), draw.randint(1, CLASSES + 1)) for _ in range(draw.choice((0, 2, 5)))]
        found += [
            Found(_near(one.box, draw), _score(draw), one.label) for one in true for _ in range(draw.randint(0, 2))
        ]
        found += draw.sample(found, min(len(found), draw.choice((0, 0, 2))))
        draw.shuffle(found)
        images.append(([] if draw.random() < 0.1 else found, true))
    return images


def _box(draw: random.Random) -> Box:
    x, y = draw.choice((0, 10, 40)), draw.choice((0, 20))
    w, h = (draw.choice((10, 20, 32, 40, 96, 120)) for _ in range(2))
    return x, y, x + w, y + h


def _near(box: Box, draw: random.Random) -> Box:
    x1, y1, x2, y2 = (side + draw.choice((0, 0, 0, 1, -2, 5)) for side in box)
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _score(draw: random.Random) -> float:
    return draw.randint(1, 8) / 8 if draw.random() < 0.6 else draw.random()


def voc(images: list[Image], label: int, iou: float, style: str) -> float | None:
    """VOC's AP of a class: every detection in the order of scores finds the box of its image that it overlaps most."""
    positives = sum(one.label == label and not one.ignored for _, true in images for one in true)
    if not positives:
        return None
    everything = [
        (n, found) for n, (detections, _) in enumerate(images) for found in detections if found.label == label
    ]
    everything.sort(key=lambda pair: -pair[1].score)  # stable: of equal scores the one added first
    taken: set[tuple[int, int]] = set()
    right, curve = 0, []
    for n, found in everything:
        overlaps = [(overlap(found.box, one.box), -i) for i, one in enumerate(images[n][1]) if one.label == label]
        best, which = max(overlaps, default=(0.0, 0))
        hit = best > iou
        if hit and images[n][1][-which].ignored:
            continue
        if hit and (n, which) not in taken:
            taken.add((n, which))
            right += 1
        curve.append((right, right / (len(curve) + 1)))
    if style == "voc2007":
        points = [max((p for r, p in curve if 10 * r >= k * positives), default=0.0) for k in range(11)]
        return 100 * sum(points) / 11
    heights = [max((p for r, p in curve if r >= k), default=0.0) for k in range(1, positives + 1)]
    return 100 * sum(heights) / positives


def overlap(one: Box, other: Box, crowd: bool = False) -> float:
    """IoU; of a crowd the part of the first box that is inside."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    whole = area(one) if crowd else area(one) + area(other) - shared
    return shared / whole


def area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def coco(images: list[Image]) -> tuple[dict[str, float | None], list[float | None]]:
    """COCO's twelve figures, and the first one for every class."""
    labels = range(1, CLASSES + 2)
    everything = [(iou, label) for iou in IOUS for label in labels]
    whole = {(iou, label): _curve(images, label, iou, "all", 100) for iou, label in everything}
    figures = {
        "ap": _mean([_ap(curve) for curve in whole.values()]),
        "ap50": _mean([_ap(whole[IOUS[0], label]) for label in labels]),
        "ap75": _mean([_ap(whole[IOUS[5], label]) for label in labels]),
    }
    sizes = {size: [_curve(images, label, iou, size, 100) for iou, label in everything] for size in list(AREAS)[1:]}
    figures |= {f"ap_{size}": _mean(list(map(_ap, curves))) for size, curves in sizes.items()}
    for most in (1, 10, 100):
        curves = [_curve(images, label, iou, "all", most) for iou, label in everything]
        figures[f"ar_{most}"] = _mean(list(map(_recall, curves)))
    figures |= {f"ar_{size}": _mean(list(map(_recall, curves))) for size, curves in sizes.items()}
    return figures, [_mean([_ap(whole[iou, label]) for iou in IOUS]) for label in labels]


Curve = tuple[int, list[bool]] | None
"""How many boxes there are to find, and of every detection that counts whether it is right, best score first."""


def _curve(images: list[Image], label: int, iou: float, size: str, most: int) -> Curve:
    low, high = AREAS[size]
    positives, outcomes = 0, []
    for detections, boxes in images:
        true = [one for one in boxes if one.label == label]
        ignored = [one.ignored or not low <= area(one.box) <= high for one in true]
        positives += ignored.count(False)
        found = sorted((one for one in detections if one.label == label), key=lambda one: -one.score)[:100]
        outcomes += _matched(found, true, ignored, iou, low, high)[:most]
    outcomes.sort(key=lambda pair: -pair[0])
    return (positives, [right for _, right in outcomes if right is not None]) if positives else None


def _matched(
    found: list[Found], true: list[Truth], ignored: list[bool], iou: float, low: float, high: float
) -> list[tuple[float, Any]]:
    """Score and outcome of an image's detections: right, wrong, or None, which does not count."""
    free = set(range(len(true)))
    outcomes: list[tuple[float, Any]] = []
    for one in found:
        overlaps = {i: overlap(one.box, true[i].box, true[i].ignored) for i in free}
        near = [i for i in free if overlaps[i] >= iou]
        # A box to find goes before one to ignore, then the larger overlap, then the later one.
        which = max(near, key=lambda i: (not ignored[i], overlaps[i], i), default=None)
        if which is None:
            outcomes.append((one.score, False if low <= area(one.box) <= high else None))
            continue
        outcomes.append((one.score, None if ignored[which] else True))
        if not true[which].ignored:
            free.remove(which)  # a crowd has room for many
    return outcomes


def _ap(curve: Curve) -> float | None:
    if curve is None:
        return None
    positives, rights = curve
    points = [(sum(rights[:n]) / positives, sum(rights[:n]) / n) for n in range(1, len(rights) + 1)]
    return sum(max((p for r, p in points if r >= recall), default=0.0) for recall in RECALLS) / len(RECALLS)


def _recall(curve: Curve) -> float | None:
    return sum(curve[1]) / curve[0] if curve else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return 100 * sum(known) / len(known) if known else None
