"""Where the order of detections decides: cases by hand, and random ones in which boxes do overlap."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipgap.metrics import VocAP

Box = tuple[int, int, int, int]
BOX, FAR = (10, 10, 30, 30), (100, 100, 120, 120)
STYLES: tuple[Literal["voc2007", "voc2012"], ...] = ("voc2007", "voc2012")


def found(*detections: tuple[Box, float]) -> dict[str, Any]:
    return {
        "boxes": np.array([box for box, _ in detections], dtype=float).reshape(-1, 4),
        "scores": np.array([score for _, score in detections], dtype=float),
        "labels": np.ones(len(detections), dtype=int),
    }


def truth(*boxes: tuple[Box, bool]) -> dict[str, Any]:
    """(box, difficult) ..."""
    return {
        "boxes": np.array([box for box, _ in boxes], dtype=float).reshape(-1, 4),
        "labels": np.ones(len(boxes), dtype=int),
        "difficult": np.array([difficult for _, difficult in boxes], dtype=bool),
        "iscrowd": np.zeros(len(boxes), dtype=bool),
    }


def test_the_best_score_goes_first_wherever_it_stands_in_the_image() -> None:
    # By score: right, wrong -> recall 1 at precision 1. As listed it would be 1/2.
    metric = VocAP(["car"], style="voc2012")
    metric.update([found((FAR, 0.1), (BOX, 0.9))], [truth((BOX, False))])
    assert metric.compute().headline == pytest.approx(100)


def test_the_best_score_goes_first_wherever_its_image_stands() -> None:
    # By score: right (0.9), wrong (0.1) -> recall 1 at precision 1. As added it would be 1/2.
    metric = VocAP(["car"], style="voc2012")
    metric.update([found((FAR, 0.1)), found((BOX, 0.9))], [truth(), truth((BOX, False))])
    assert metric.compute().headline == pytest.approx(100)


def test_the_better_of_two_detections_of_a_box_is_the_right_one() -> None:
    # By score: right 0.9, wrong 0.5 (elsewhere), wrong 0.1 (second) -> 1. Were 0.1 the right one: wrong, wrong, right.
    metric = VocAP(["car"], style="voc2012")
    metric.update([found((BOX, 0.1), (FAR, 0.5), (BOX, 0.9))], [truth((BOX, False))])
    assert metric.compute().headline == pytest.approx(100)


@pytest.mark.parametrize("hit", range(1, 11))
def test_a_recall_of_k_in_ten_reaches_the_point_at_k_tenths(hit: int) -> None:
    # 10 images of a box, `hit` of them found, nothing wrong: precision 1 at the points 0, .1, ... hit / 10.
    metric = VocAP(["car"])
    metric.update([found((BOX, 0.9)) if i < hit else found() for i in range(10)], [truth((BOX, False))] * 10)
    assert metric.compute().headline == pytest.approx(100 * (hit + 1) / 11)


def test_after_reset_nothing_is_left() -> None:
    metric = VocAP(["car"], style="voc2012")
    metric.update([found((FAR, 0.95))], [truth((BOX, False))])
    metric.reset()
    metric.update([found((BOX, 0.9))], [truth((BOX, False))])
    result = metric.compute()
    assert (result.headline, result.images, result.boxes) == (pytest.approx(100), 1, 1)


# Few places and sizes, so that boxes share places and IoUs fall on both sides of 0.5, and on it.
near: st.SearchStrategy[Box] = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h),
    st.sampled_from([0, 1, 30]),
    st.sampled_from([0, 2]),
    st.sampled_from([5, 8, 10]),
    st.sampled_from([8, 10]),
)
image = st.tuples(
    st.lists(near, max_size=6), st.lists(st.tuples(near, st.sampled_from([False, False, True])), max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(image, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_plain_loops_agree_where_boxes_overlap(drawn: list[Any], random: Any) -> None:
    # Scores differ, in no order, so that the order of updates cannot matter.
    count = sum(len(boxes) for boxes, _ in drawn)
    scores = [(i + 1) / (count + 1) for i in range(count)]
    random.shuffle(scores)
    images = [([(box, scores.pop()) for box in boxes], true) for boxes, true in drawn]
    for style in STYLES:
        expected = devkit(images, style)
        for order in (images, images[::-1]):
            metric = VocAP(["car"], style=style)
            for detections, true in order:
                metric.update([found(*detections)], [truth(*true)])
            assert metric.compute().headline == (None if expected is None else pytest.approx(expected))


def devkit(images: list[Any], style: str) -> float | None:
    """AP in 0-100: sort all detections of all images, then give each away in turn."""
    positives = sum(not difficult for _, true in images for _, difficult in true)
    if positives == 0:
        return None
    everything = sorted(((score, n, box) for n, (boxes, _) in enumerate(images) for box, score in boxes), reverse=True)
    taken: set[tuple[int, int]] = set()
    right = wrong = 0
    curve: list[tuple[int, float]] = []
    for _, n, box in everything:
        best, which = (0, 1), -1  # an overlap as shared / union, in whole numbers
        for i, (other, _) in enumerate(images[n][1]):
            width = min(box[2], other[2]) - max(box[0], other[0])
            height = min(box[3], other[3]) - max(box[1], other[1])
            shared = max(width, 0) * max(height, 0)
            union = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)) - shared
            if shared * best[1] > best[0] * union:
                best, which = (shared, union), i
        if 2 * best[0] <= best[1]:
            wrong += 1
        elif images[n][1][which][1]:
            continue
        elif (n, which) in taken:
            wrong += 1
        else:
            taken.add((n, which))
            right += 1
        curve.append((right, right / (right + wrong)))
    if style == "voc2007":
        points = [max((p for r, p in curve if 10 * r >= k * positives), default=0.0) for k in range(11)]
        return 100 * sum(points) / 11
    area, last = 0.0, 0
    for i, (reached, _) in enumerate(curve):
        area += (reached - last) / positives * max(p for _, p in curve[i:])
        last = reached
    return 100 * area
