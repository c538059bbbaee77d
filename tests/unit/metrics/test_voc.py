"""VOC AP against arithmetic done by hand, the devkit's traps, and a second implementation in plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipgap.metrics import VocAP
from clipgap.metrics.voc import box_iou

BOX = (10.0, 10.0, 30.0, 30.0)
FAR = (100.0, 100.0, 120.0, 120.0)


def found(*detections: tuple[tuple[float, ...], float, int]) -> dict[str, Any]:
    """(box, score, label) ..."""
    return {
        "boxes": np.array([box for box, _, _ in detections]).reshape(-1, 4),
        "scores": np.array([score for _, score, _ in detections]),
        "labels": np.array([label for _, _, label in detections], dtype=int),
    }


def truth(*boxes: tuple[tuple[float, ...], int], difficult: tuple[int, ...] = (), crowd: tuple[int, ...] = ()) -> Any:
    """(box, label) ..., and which of them are difficult or crowds."""
    return {
        "boxes": np.array([box for box, _ in boxes]).reshape(-1, 4),
        "labels": np.array([label for _, label in boxes], dtype=int),
        "difficult": np.array([i in difficult for i in range(len(boxes))], dtype=bool),
        "iscrowd": np.array([i in crowd for i in range(len(boxes))], dtype=bool),
    }


def ap(images: list[tuple[Any, Any]], style: Any = "voc2007", classes: tuple[str, ...] = ("car",)) -> float | None:
    metric = VocAP(classes, 0.5, style)
    for detections, target in images:
        metric.update([detections], [target])
    return metric.compute().per_class["car"]


def test_both_interpolations_by_hand() -> None:
    # 4 boxes in 4 images; in order of score: right, wrong, right, wrong -> recall 1/4, 1/4, 1/2, 1/2
    # and precision 1, 1/2, 2/3, 1/2.
    images = [
        (found((BOX, 0.9, 1)), truth((BOX, 1))),
        (found((FAR, 0.8, 1)), truth((BOX, 1))),
        (found((BOX, 0.7, 1)), truth((BOX, 1))),
        (found((FAR, 0.6, 1)), truth((BOX, 1))),
    ]
    # 11 points: best precision at recall >= 0, .1, .2 is 1; at .3, .4, .5 it is 2/3; beyond 0.
    assert ap(images) == pytest.approx(100 * (3 * 1 + 3 * 2 / 3) / 11)
    # Area: 1/4 at precision 1, 1/4 at precision 2/3.
    assert ap(images, "voc2012") == pytest.approx(100 * (0.25 * 1 + 0.25 * 2 / 3))


def test_a_recall_of_three_in_ten_reaches_the_point_at_0_3() -> None:
    images = [(found((BOX, 0.9, 1)) if i < 3 else found(), truth((BOX, 1))) for i in range(10)]
    assert ap(images) == pytest.approx(100 * 4 / 11)  # 0, .1, .2 and .3


def test_the_second_detection_of_a_box_is_wrong() -> None:
    shifted = (11.0, 10.0, 31.0, 30.0)
    images = [(found((shifted, 0.9, 1), (BOX, 0.8, 1)), truth((BOX, 1), (FAR, 1)))]
    # right, wrong: recall 1/2, precision 1 then 1/2; nothing beyond.
    assert ap(images, "voc2012") == pytest.approx(50)
    images = [(found((shifted, 0.9, 1), (BOX, 0.8, 1), (FAR, 0.7, 1)), truth((BOX, 1), (FAR, 1)))]
    assert ap(images, "voc2012") == pytest.approx(100 * (0.5 * 1 + 0.5 * 2 / 3))


@pytest.mark.parametrize("kind", ["difficult", "crowd"])
def test_a_difficult_or_crowd_box_neither_rewards_nor_punishes(kind: str) -> None:
    target = truth((FAR, 1), (BOX, 1), **{kind: (0,)})
    assert ap([(found((FAR, 0.9, 1), (FAR, 0.85, 1), (BOX, 0.8, 1)), target)], "voc2012") == pytest.approx(100)
    assert ap([(found((BOX, 0.8, 1)), target)], "voc2012") == pytest.approx(100)


def test_a_detection_belongs_to_the_box_it_overlaps_most_even_if_difficult() -> None:
    near = (10.0, 10.0, 30.0, 28.0)  # IoU 0.9 with BOX
    target = truth((BOX, 1), (near, 1), difficult=(1,))
    assert ap([(found((near, 0.9, 1)), target)], "voc2012") == 0  # the devkit ignores it: the other box stays unfound


def test_an_iou_of_exactly_the_threshold_is_no_match() -> None:
    half = (10.0, 10.0, 30.0, 20.0)
    assert box_iou(np.array([half]).T, np.array([BOX]).T)[0] == 0.5
    assert ap([(found((half, 0.9, 1)), truth((BOX, 1)))]) == 0
    more = (10.0, 10.0, 30.0, 20.1)
    assert ap([(found((more, 0.9, 1)), truth((BOX, 1)))]) == pytest.approx(100)


def test_classes_without_boxes_are_left_out_of_the_mean_and_undetected_ones_count_as_0() -> None:
    metric = VocAP(["car", "bus", "tram"])
    metric.update([found((BOX, 0.9, 1), (FAR, 0.9, 3))], [truth((BOX, 1), (FAR, 2))])
    result = metric.compute()
    assert result.per_class == {"car": pytest.approx(100), "bus": 0, "tram": None}
    assert result.figures == {"ap50": pytest.approx(50)}
    assert (result.images, result.boxes) == (1, 2)
    metric.reset()
    assert metric.compute().headline is None


def test_difficult_boxes_are_not_counted() -> None:
    metric = VocAP(["car"])
    metric.update([found()], [truth((BOX, 1), (FAR, 1), difficult=(0,))])
    assert metric.compute().boxes == 1


def test_detections_in_an_image_without_boxes_punish() -> None:
    images = [(found((BOX, 0.9, 1)), truth()), (found((BOX, 0.8, 1)), truth((BOX, 1)))]
    assert ap(images, "voc2012") == pytest.approx(50)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="image 0: score 0 is not finite"):
        ap([(found((BOX, value, 1)), truth((BOX, 1)))])
    with pytest.raises(ValueError, match="not finite"):
        ap([(found(((value, 0, 1, 1), 0.5, 1)), truth((BOX, 1)))])


corner = st.integers(1, 60)
voc_box = st.tuples(corner, corner, corner, corner).map(
    lambda b: (min(b[::2]), min(b[1::2]), max(b[::2]), max(b[1::2]))
)


@given(voc_box, voc_box)
def test_plain_iou_of_moved_boxes_is_the_devkits_plus_one(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    shared = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (one, other)]
    moved = [np.array([[b[0] - 1.0, b[1] - 1, b[2], b[3]]]).T for b in (one, other)]
    assert box_iou(*moved)[0] == pytest.approx(shared / (sum(areas) - shared))


detection = st.tuples(voc_box, st.integers(1, 1000), st.integers(1, 2))
true_box = st.tuples(voc_box, st.integers(1, 2), st.booleans())
image = st.tuples(st.lists(detection, max_size=6, unique_by=lambda d: d[1]), st.lists(true_box, max_size=4))


@settings(max_examples=60, deadline=None)
@given(st.lists(image, min_size=1, max_size=4), st.sampled_from(["voc2007", "voc2012"]))
def test_a_second_implementation_agrees(images: list[Any], style: str) -> None:
    # Scores are unique over all images, so that the order of updates cannot matter.
    images = [
        ([(box, score + 0.1 * n, label) for box, score, label in detections], boxes)
        for n, (detections, boxes) in enumerate(images)
    ]
    prepared = []
    for detections, boxes in images:
        difficult = tuple(i for i, box in enumerate(boxes) if box[2])
        prepared.append((found(*detections), truth(*((b, k) for b, k, _ in boxes), difficult=difficult)))
    for order in (prepared, prepared[::-1]):
        expected = brute_force(images, style)
        assert ap(order, style, ("car", "bus")) == (None if expected is None else pytest.approx(expected))


def brute_force(images: list[Any], style: str) -> float | None:
    """Class 1, as the devkit reads: sort everything, then walk."""
    positives = sum(1 for _, boxes in images for _, k, difficult in boxes if k == 1 and not difficult)
    if not positives:
        return None
    everything = sorted(
        ((score, n, box) for n, (detections, _) in enumerate(images) for box, score, k in detections if k == 1),
        key=lambda d: -d[0],
    )
    taken: set[tuple[int, int]] = set()
    right = wrong = 0
    points = []
    for _, n, box in everything:
        best, which = 0.0, None
        for i, (other, k, _) in enumerate(images[n][1]):
            overlap = plain_iou(box, other) if k == 1 else -1
            if overlap > best:
                best, which = overlap, i
        if best > 0.5 and which is not None:
            if images[n][1][which][2]:
                continue
            if (n, which) in taken:
                wrong += 1
            else:
                taken.add((n, which))
                right += 1
        else:
            wrong += 1
        points.append((right / positives, right / (right + wrong)))
    if style == "voc2007":
        return 100 * sum(max([p for r, p in points if r >= k / 10], default=0.0) for k in range(11)) / 11
    area = last = 0.0
    for i, (recall, _) in enumerate(points):
        area += (recall - last) * max(p for _, p in points[i:])
        last = recall
    return 100 * area


def plain_iou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0
