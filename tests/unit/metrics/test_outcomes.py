"""What becomes of detections, and what curves, calibration, confusions and kinds of errors make of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from clipgap.metrics import VocAP
from clipgap.metrics.calibration import calibration
from clipgap.metrics.confusion import confusion
from clipgap.metrics.curves import best_f1, least_score, precision_recall, working_at
from clipgap.metrics.error_kinds import KINDS, _kinds, error_kinds
from clipgap.metrics.outcomes import Outcomes
from clipgap.metrics.voc import FALSE, IGNORED, TRUE, class_ap

CLASSES = ["bus", "car"]
BUS, CAR = 1, 2
Boxes = list[tuple[int, tuple[float, float, float, float]]]


def image(true: Boxes, found: list[tuple[int, tuple[float, float, float, float], float]], difficult: int = 0) -> Any:
    off = np.zeros(len(true), dtype=bool)
    hard = off.copy()
    hard[:difficult] = True
    target = {
        "boxes": np.array([box for _, box in true], dtype=np.float32).reshape(-1, 4),
        "labels": np.array([label for label, _ in true], dtype=np.int64),
        "difficult": hard,
        "iscrowd": off,
    }
    detections = {
        "boxes": np.array([box for _, box, _ in found], dtype=np.float32).reshape(-1, 4),
        "labels": np.array([label for label, _, _ in found], dtype=np.int64),
        "scores": np.array([score for *_, score in found], dtype=np.float32),
    }
    return detections, target


def judged(*images: Any, iou: float = 0.5) -> Outcomes:
    return Outcomes.of([found for found, _ in images], [target for _, target in images], CLASSES, iou)


def square(x: float, side: float = 100.0) -> tuple[float, float, float, float]:
    return (x, 0.0, x + side, side)


HERE, BESIDE, FAR = square(0), square(40), square(500)
"""BESIDE overlaps HERE by an IoU of 60 / 140 = 0.43."""


def test_every_detection_is_judged_best_first() -> None:
    found = judged(
        image([(CAR, HERE)], [(CAR, FAR, 0.2), (CAR, HERE, 0.9), (CAR, HERE, 0.8)]),
        image([(BUS, HERE), (CAR, FAR)], [(BUS, HERE, 0.95), (CAR, FAR, 0.5)], difficult=1),
        image([], []),
    )
    assert found.scores.tolist() == pytest.approx([0.95, 0.9, 0.8, 0.5, 0.2])
    assert found.verdicts.tolist() == [IGNORED, TRUE, FALSE, TRUE, FALSE]
    assert found.matched.tolist() == [-1, 0, -1, 2, -1]
    assert found.positives.tolist() == [0, 2]


def random_images(seed: int) -> list[Any]:
    random = np.random.default_rng(seed)

    def boxes(count: int) -> Any:
        corner = random.uniform(0, 60, (count, 2))
        return np.concatenate([corner, corner + random.uniform(5, 60, (count, 2))], 1).round(1)

    images = []
    for _ in range(random.integers(1, 6)):
        true, found = boxes(random.integers(0, 5)), boxes(random.integers(0, 9))
        labels = random.integers(1, 3, len(found))
        scores = random.uniform(0, 1, len(found)).round(1)
        images.append(
            image(
                [(int(random.integers(1, 3)), tuple(box)) for box in true],
                [(int(a), tuple(b), float(c)) for a, b, c in zip(labels, found, scores, strict=True)],
                difficult=int(random.integers(0, 2)),
            )
        )
    return images


@pytest.mark.parametrize("seed", range(40))
def test_they_are_those_of_the_metric(seed: int) -> None:
    images = random_images(seed)
    metric = VocAP(CLASSES, 0.3)
    metric.update([found for found, _ in images], [target for _, target in images])
    expected = metric.compute().per_class
    found = judged(*images, iou=0.3)
    for label, name in enumerate(CLASSES, start=1):
        ap = class_ap(found.verdicts[found.labels == label], int(found.positives[label - 1]), "voc2007")
        assert ap == expected[name]


@pytest.mark.parametrize("seed", range(40))
def test_curves_are_those_of_counting(seed: int) -> None:
    found = judged(*random_images(seed))
    recall, precision, scores = precision_recall(found)
    assert len(set(scores.tolist())) == len(scores)
    for place, score in enumerate(scores):
        works = working_at(found, float(score))
        assert works is not None
        assert (works.recall, works.precision) == (recall[place], precision[place])
    f1 = [works.f1 for score in scores if (works := working_at(found, float(score)))]
    best = best_f1(found)
    assert (best is None) == (max(f1, default=0) == 0)
    if best:
        assert best.f1 == max(f1)
    safe = least_score(found, 0.5)
    enough = [score for score, p, r in zip(scores, precision, recall, strict=True) if p >= 0.5 and r > 0]
    assert (safe.score if safe else None) == (min(enough) if enough else None)


def test_nothing_to_find_and_nothing_found() -> None:
    empty = judged(image([], [(CAR, HERE, 0.9)]))
    assert best_f1(empty) is None
    assert working_at(empty, 0.5) is None
    none = judged(image([(CAR, HERE)], []))
    works = working_at(none, 0.5)
    assert works is not None
    assert (works.precision, works.recall, works.f1) == (None, 0.0, 0.0)
    assert calibration(none).error is None
    assert least_score(none, 0.9) is None
    assert error_kinds(judged(image([], []))) == dict.fromkeys(KINDS)


def test_calibration_is_the_mean_distance_of_score_and_precision() -> None:
    right = [(CAR, HERE, 0.9)]
    found = judged(*(image([(CAR, HERE)], right) for _ in range(3)), image([], [(CAR, HERE, 0.9), (CAR, FAR, 0.25)]))
    told = calibration(found)
    assert [(one.count, pytest.approx(one.score), one.precision) for one in told.bins] == [
        (1, 0.25, 0.0),
        (4, 0.9, 0.75),
    ]
    assert told.error == pytest.approx((4 * 0.15 + 0.25) / 5)
    assert calibration(judged(image([(CAR, HERE)], [(CAR, HERE, 1.0)]))).error == 0


def test_confusions_are_counted_once() -> None:
    found = judged(
        image(
            [(CAR, HERE), (BUS, square(200)), (CAR, FAR)],
            [(BUS, HERE, 0.9), (CAR, HERE, 0.8), (BUS, square(200), 0.7), (CAR, square(900), 0.6), (CAR, FAR, 0.1)],
        )
    )
    assert confusion(found, 0.5).tolist() == [[0, 0, 2], [0, 1, 0], [1, 1, 0]]
    assert confusion(found, 0.05).tolist() == [[0, 0, 2], [0, 1, 0], [0, 1, 1]]


def test_difficult_boxes_are_no_confusion() -> None:
    assert not confusion(judged(image([(CAR, HERE)], [(BUS, HERE, 0.9)], difficult=1)), 0.5).any()


def kind_of(true: Boxes, *found: tuple[int, tuple[float, float, float, float], float]) -> list[str]:
    kinds, _ = _kinds(judged(image(true, list(found))))
    return ["right" if kind < 0 else KINDS[kind] for kind in kinds]


def test_every_kind_of_error() -> None:
    assert kind_of([(CAR, HERE)], (CAR, HERE, 0.9), (CAR, HERE, 0.8)) == ["right", "duplicate"]
    assert kind_of([(CAR, HERE)], (CAR, BESIDE, 0.9)) == ["place"]
    assert kind_of([(CAR, HERE)], (BUS, HERE, 0.9)) == ["class"]
    assert kind_of([(CAR, HERE)], (BUS, BESIDE, 0.9)) == ["both"]
    assert kind_of([(CAR, HERE)], (CAR, FAR, 0.9), (BUS, FAR, 0.8)) == ["background", "background"]
    assert kind_of([(CAR, HERE), (BUS, HERE)], (CAR, BESIDE, 0.9)) == ["place"]


def test_what_putting_right_one_kind_gains() -> None:
    misplaced = error_kinds(judged(image([(CAR, HERE)], [(CAR, BESIDE, 0.9)])))
    assert misplaced == {**dict.fromkeys(KINDS, 0.0), "place": 100.0}
    named = error_kinds(judged(image([(CAR, HERE)], [(BUS, HERE, 0.9)])))
    assert named["class"] == 100.0
    assert named["missed"] == 0.0
    missed = error_kinds(judged(image([(CAR, HERE), (CAR, FAR)], [(CAR, HERE, 0.9)])), "voc2012")
    assert missed == {**dict.fromkeys(KINDS, 0.0), "missed": 50.0}
    twice = error_kinds(judged(image([(CAR, HERE), (CAR, FAR)], [(CAR, HERE, 0.9), (CAR, HERE, 0.8), (CAR, FAR, 0.7)])))
    assert (twice["duplicate"] or 0) > 0
    assert twice["background"] == twice["place"] == 0


@pytest.mark.parametrize("seed", range(40))
def test_no_kind_put_right_ever_costs(seed: int) -> None:
    gains = error_kinds(judged(*random_images(seed)), "voc2012")
    assert all(gain is None or gain >= -1e-9 for gain in gains.values())


def test_order_of_images_does_not_matter() -> None:
    images = random_images(3)
    for order in itertools.islice(itertools.permutations(images), 6):
        assert error_kinds(judged(*order)) == pytest.approx(error_kinds(judged(*images)))
