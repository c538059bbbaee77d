"""VocAP and CocoAP against plain loops straight from the definitions, on random cases of all that is awkward."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np
import pytest

from clipgap.metrics import CocoAP, DomainScore, ScoreTable, VocAP
from tests.unit.metrics.plain import CLASSES, Found, Image, Truth, coco, draw_case, voc

NAMES = ["car", "bus", "person", "unicorn"]
STYLES: tuple[Literal["voc2007", "voc2012"], ...] = ("voc2007", "voc2012")
VOC_CASES = range(1000)
COCO_CASES = range(100)
MORE_COCO_CASES = range(100, 1000)
CLOSE = 1e-9


def added(metric: Any, images: list[Image]) -> Any:
    """A metric that has seen the images."""
    for found, true in images:
        detections = {
            "boxes": np.array([one.box for one in found], np.float32).reshape(-1, 4),
            "scores": np.array([one.score for one in found]),
            "labels": np.array([one.label for one in found], np.int64),
        }
        target = {
            "boxes": np.array([one.box for one in true], np.float32).reshape(-1, 4),
            "labels": np.array([one.label for one in true], np.int64),
            "difficult": np.array([one.difficult for one in true], bool),
            "iscrowd": np.array([one.crowd for one in true], bool),
        }
        metric.update([detections], [target])
    return metric


def close(expected: float | None) -> Any:
    return None if expected is None else pytest.approx(expected, abs=CLOSE, rel=0)


@pytest.mark.parametrize("style", STYLES)
def test_voc_ap_is_what_plain_loops_say(style: Literal["voc2007", "voc2012"]) -> None:
    for seed in VOC_CASES:
        images = draw_case(seed)
        iou = (0.5, 0.75, 0.3)[seed % 3]
        result = added(VocAP(NAMES, iou, style), images).compute()
        expected = [voc(images, label, iou, style) for label in range(1, len(NAMES) + 1)]
        known = [ap for ap in expected if ap is not None]
        assert list(result.per_class.values()) == [close(ap) for ap in expected], seed
        assert result.headline == close(sum(known) / len(known) if known else None), seed
        assert result.boxes == sum(not one.ignored for _, true in images for one in true)


def check_coco(seeds: range) -> None:
    for seed in seeds:
        images = draw_case(seed)
        result = added(CocoAP(NAMES), images).compute()
        figures, per_class = coco(images)
        assert result.figures == {name: close(figure) for name, figure in figures.items()}, seed
        assert list(result.per_class.values()) == [close(ap) for ap in per_class], seed


def test_coco_ap_is_what_plain_loops_say() -> None:
    check_coco(COCO_CASES)


@pytest.mark.slow
def test_coco_ap_is_what_plain_loops_say_of_many_more() -> None:
    check_coco(MORE_COCO_CASES)


def test_the_cases_are_awkward() -> None:
    """Else the tests above would show little: each of these is in one case in twenty at least."""
    met: Counter[str] = Counter()
    for seed in COCO_CASES:
        images = draw_case(seed)
        found, true = [one for image in images for one in image[0]], [one for image in images for one in image[1]]
        met["ties"] += len({one.score for one in found}) < len(found)
        met["a detection twice"] += len(set(found)) < len(found)
        met["a box twice"] += len({one.box for one in true}) < len(true)
        met["no detection"] += not all(image[0] for image in images)
        met["no box"] += not all(image[1] for image in images)
        met["a class without boxes"] += len({one.label for one in true if not one.ignored}) < CLASSES
        met["difficult"] += any(one.difficult and not one.crowd for one in true)
        met["crowd"] += any(one.crowd for one in true)
    assert len(met) == 8
    assert min(met.values()) >= 5, met


@pytest.mark.parametrize(("kind", "name"), [(VocAP, "voc2007"), (CocoAP, "coco")])
def test_the_mean_over_targets_without_boxes_without_a_class_and_without_detections(kind: Any, name: Any) -> None:
    box, other = Truth((10, 10, 50, 50), 1, False, False), Truth((60, 10, 90, 50), 2, False, False)
    found, true = [Found(box.box, 0.9, 1), Found(other.box, 0.8, 2), Found(other.box, 0.7, 3)], [box, other]
    whole = [(found, true)]
    cases: dict[str, list[Image]] = {
        "no box": [(found, [])],
        "one class": [([], [box])],  # and nothing found: 0, not the mean of 0 and of the class that is missing
        "no detection": [([], true)],
        "all": whole,
    }
    results = {case: added(kind(NAMES), images).compute() for case, images in cases.items()}
    assert results["no box"].headline is None
    assert results["one class"].headline == results["no detection"].headline == 0
    assert results["one class"].per_class == {"car": 0, **dict.fromkeys(NAMES[1:])}
    domains = [DomainScore("day", "source", results["all"], name)]
    domains += [DomainScore(case, "target", result, name) for case, result in results.items()]
    assert results["all"].headline == pytest.approx(100)
    assert ScoreTable(name, 0.5, domains, "a detector").to_json()["mean_targets"] == pytest.approx(100 / 3)
