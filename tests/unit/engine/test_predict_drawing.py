"""Drawn pictures can be read: labels beside their objects, no box twice, truth by another stroke, nothing too small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipgap.engine.predict.drawing import LONGEST, Mark, TrueBoxes, colour_of, draw, enlargement, marks_of
from clipgap.engine.predict.labels import Array, place_labels

CLASSES = ["car", "person"]
LABEL = (80, 16)


def common(one: Array, other: Array) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(np.clip(sides, 0, None).prod())


def place(*boxes: tuple[float, float, float, float], size: tuple[int, int] = (400, 300)) -> list[Array]:
    found = place_labels(np.array(boxes, dtype=np.float64), [LABEL] * len(boxes), *size)
    return [one for one in found if one is not None]


def detection(*bbox: float, score: float = 0.9, category: int = 1) -> dict[str, Any]:
    return {"category_id": category, "bbox": list(bbox), "score": score}


@pytest.mark.parametrize(
    ("box", "corner"),
    [
        ((100, 100, 200, 200), (100, 84)),  # above
        ((100, 5, 200, 200), (100, 200)),  # below, where there is no room above
        ((100, 0, 200, 300), (200, 0)),  # beside
        ((0, 0, 400, 300), (0, 0)),  # inside, where nothing else is left
        ((350, 100, 390, 200), (310, 84)),  # never out of the picture
    ],
)
def test_a_label_is_beside_its_object(box: tuple[float, float, float, float], corner: tuple[int, int]) -> None:
    (found,) = place(box)
    x1, y1, x2, y2 = found
    assert 0 <= x1 < x2 <= 400
    assert 0 <= y1 < y2 <= 300
    if box == (0, 0, 400, 300):
        assert common(found, np.array(box)) == LABEL[0] * LABEL[1]
    else:
        assert (x1, y1) == corner
        assert common(found, np.array(box)) == 0


def test_labels_lie_neither_on_each_other_nor_on_objects() -> None:
    rows = [(x, y, x + 40, y + 40) for y in (60.0, 160.0) for x in (20.0, 65.0, 110.0, 155.0, 250.0)]
    found = place(*rows)
    for number, one in enumerate(found):
        assert all(common(one, other) == 0 for other in found[:number])
        assert all(common(one, np.array(box)) == 0 for box in rows)


def test_in_a_crowd_labels_still_leave_each_other_alone() -> None:
    draws = np.random.default_rng(0)
    corners = draws.uniform((0, 100), (1100, 600), (40, 2))
    found = place(*((*c, *(c + draws.uniform(20, 120, 2))) for c in corners), size=(1280, 720))
    assert sum(common(one, other) > 0 for k, one in enumerate(found) for other in found[:k]) <= 1


def test_of_boxes_of_one_class_in_each_other_the_best_is_drawn() -> None:
    found = [
        detection(12, 12, 20, 20, score=0.5),  # a part of the best one
        detection(10, 10, 80, 80, score=0.9),
        detection(5, 5, 95, 95, score=0.6),  # around it
        detection(15, 15, 20, 20, score=0.7, category=2),  # of another class
        detection(60, 60, 80, 80, score=0.8),  # beside
        detection(200, 10, 20, 20, score=0.2),  # of too low a score
    ]
    assert [mark.text for mark in marks_of(found, CLASSES, 0.3)] == ["car 0.90", "car 0.80", "person 0.70"]


def test_a_true_box_is_dashed_and_labelled_only_where_it_was_missed() -> None:
    truth = TrueBoxes(np.array([[10.0, 10, 50, 50], [60, 10, 90, 40], [10.0, 10, 50, 50]]), ["car", "car", "person"])
    marks = marks_of([detection(11, 11, 40, 40)], CLASSES, 0.3, truth)
    assert [(mark.text, mark.dashed) for mark in marks] == [
        ("car 0.90", False),
        ("", True),
        ("true: car", True),
        ("true: person", True),
    ]


def test_dashes_have_gaps_and_detections_do_not() -> None:
    grey = Image.new("RGB", (600, 500), (128, 128, 128))
    box = (100.0, 100.0, 500.0, 400.0)
    solid, dashed = (
        np.asarray(draw(grey, [Mark(box, "", (255, 255, 255), dashed=kind)]))[:, :, 0] for kind in (False, True)
    )
    along = slice(110, 490)
    assert (solid[99:102, along] == 255).any(axis=0).all()
    share = (dashed[99:102, along] == 255).any(axis=0).mean()
    assert 0.3 < share < 0.7
    assert (dashed[99:102, along] == 128).any()


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((64, 64), (640, 640)), ((320, 192), (640, 384)), ((640, 480), (640, 480)), ((1, 1), (640, 640))],
)
def test_small_pictures_are_enlarged(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    picture = Image.new("RGB", size)
    scene = draw(picture, [Mark((0, 0, size[0] / 2, size[1]), "car 0.90", colour_of(0))])
    assert scene.size == drawn
    assert picture.getextrema() == ((0, 0),) * 3  # the original is left alone
    assert np.asarray(scene)[:, : drawn[0] // 2 + 2].max() > 200


def test_pictures_that_jpeg_cannot_hold_are_made_smaller() -> None:
    assert enlargement((100_000, 10)) == LONGEST / 100_000


def test_every_class_has_a_colour() -> None:
    assert len({colour_of(number) for number in range(12)}) == 12
    assert colour_of(12) == colour_of(0)
