"""COCO AP against pycocotools, which knows nothing of our code, on random sets with everything that is awkward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from clipgap.metrics import CocoAP

CLASSES = ["car", "bus", "person", "unicorn"]  # nothing is a unicorn
FIGURES = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
FIGURES += ["ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"]
Images = list[dict[str, np.ndarray[Any, Any]]]


def random_set(seed: int) -> tuple[Images, Images]:
    """Detections and targets of a few images; whole pixels and few scores, so that overlaps and scores tie."""
    draw = np.random.default_rng(seed)
    predictions: Images = []
    targets: Images = []
    for _ in range(draw.integers(1, 5)):
        count = int(draw.choice([0, 1, 5, 12]))
        corners, sides = draw.integers(0, 150, (count, 2)), draw.choice([8, 20, 32, 40, 96, 100, 140], (count, 2))
        boxes = np.hstack([corners, corners + sides]).astype(np.float32)
        boxes = np.concatenate([boxes, boxes[: count // 4]])  # the same box twice
        labels = draw.integers(1, 4, len(boxes))
        crowd, difficult = draw.random(len(boxes)) < 0.2, draw.random(len(boxes)) < 0.2
        targets.append({"boxes": boxes, "labels": labels, "iscrowd": crowd, "difficult": difficult})
        near = boxes.repeat(int(draw.choice([1, 2, 15])), axis=0)
        near = near + draw.integers(-6, 7, near.shape) * draw.integers(0, 2, (len(near), 1))
        far = np.hstack([near[:, :2] + 20, near[:, :2] + 50])[: draw.integers(0, len(near) + 1)]
        found = np.concatenate([near, far]).astype(np.float32)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        found = found[draw.permutation(len(found))] if draw.random() < 0.8 else found[:0]
        scores = draw.integers(1, 8, len(found)) / 8 if draw.random() < 0.5 else draw.random(len(found))
        of = labels.repeat(-(-len(found) // max(len(labels), 1)))[: len(found)] if draw.random() < 0.5 else None
        kinds = draw.integers(1, 5, len(found)) if of is None else of
        predictions.append({"boxes": found, "scores": scores, "labels": kinds})
    return predictions, targets


def crowded_set() -> tuple[Images, Images]:
    """One image of one class with 150 detections, of which the right ones are among the best 100 and beyond."""
    draw = np.random.default_rng(0)
    boxes = np.array([[40.0 * i, 0, 40 * i + 30, 30] for i in range(12)])
    found = np.concatenate([boxes.repeat(12, axis=0), boxes[:6]]) + draw.integers(-3, 4, (150, 4))
    flags = np.zeros(12, dtype=bool)
    target = {"boxes": boxes, "labels": np.ones(12, dtype=int), "iscrowd": flags, "difficult": flags}
    return [{"boxes": found, "scores": np.linspace(0.9, 0.1, 150), "labels": np.ones(150, dtype=int)}], [target]


def pycocotools_says(predictions: Images, targets: Images) -> tuple[list[float], list[float]]:
    """Its twelve figures, and AP of every class; -1 where there is nothing to find."""
    images = [{"id": i} for i in range(len(targets))]
    categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES, start=1)]

    def index(rows: Iterator[dict[str, Any]]) -> COCO:
        coco = COCO()
        annotations = [{"id": number, "iscrowd": 0} | row for number, row in enumerate(rows, start=1)]
        coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
        coco.createIndex()
        return coco

    def rows(of: Images, extra: str) -> Iterator[dict[str, Any]]:
        for i, image in enumerate(of):
            crowd = image["iscrowd"] | image["difficult"] if extra == "iscrowd" else None
            values = image["scores"] if crowd is None else crowd.astype(int)
            for (x, y, right, bottom), label, value in zip(image["boxes"], image["labels"], values, strict=True):
                width, height = float(right) - float(x), float(bottom) - float(y)
                box = [float(x), float(y), width, height]
                yield {"image_id": i, "category_id": int(label), "bbox": box, "area": width * height, extra: value}

    judge = COCOeval(index(rows(targets, "iscrowd")), index(rows(predictions, "score")), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    per_class = [judge.eval["precision"][:, :, k, 0, 2] for k in range(len(CLASSES))]
    return list(judge.stats), [float(one[one > -1].mean()) if (one > -1).any() else -1.0 for one in per_class]


def expected(value: float) -> Any:
    return None if value == -1 else pytest.approx(100 * value, abs=1e-6)


@pytest.mark.parametrize(
    "seeds", [range(first, first + 50) for first in range(0, 200, 50)], ids=lambda s: f"{s[0]}-{s[-1]}"
)
def test_every_figure_is_pycocotools(seeds: range) -> None:
    for seed in seeds:
        predictions, targets = random_set(seed)
        figures, per_class = pycocotools_says(predictions, targets)
        metric = CocoAP(CLASSES)
        metric.update(predictions, targets)
        result = metric.compute()
        assert list(result.figures) == FIGURES
        assert result.figures == dict(zip(FIGURES, map(expected, figures), strict=True)), seed
        assert result.per_class == dict(zip(CLASSES, map(expected, per_class), strict=True)), seed


def test_beyond_100_detections_too() -> None:
    predictions, targets = crowded_set()
    figures, _ = pycocotools_says(predictions, targets)
    metric = CocoAP(CLASSES)
    metric.update(predictions, targets)
    assert list(metric.compute().figures.values()) == [expected(value) for value in figures]


def test_the_random_sets_are_awkward() -> None:
    """Else the tests above would show nothing."""
    sets = [random_set(seed) for seed in range(200)]
    found = [image for predictions, _ in sets for image in predictions]
    true = [image for _, targets in sets for image in targets]
    assert any(len(image["boxes"]) == 0 for image in found)
    assert any(len(image["boxes"]) == 0 for image in true)
    assert any((np.bincount(image["labels"]) > 100).any() for image in found)
    assert any(image["iscrowd"].any() for image in true)
    assert any((image["difficult"] & ~image["iscrowd"]).any() for image in true)
    assert any(len(np.unique(image["scores"])) < len(image["scores"]) for image in found)
    assert all(not (image["labels"] == 4).any() for image in true)
