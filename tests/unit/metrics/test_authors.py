"""The authors' scoring against a second implementation: METHOD's words, in loops, on VOC's own integer corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipgap.metrics import VocAP

SHIFTS = {"standard": (-1, -1, 0, 0), "trained": (-1, -1, -1, -1)}
"""From VOC's corners, counted from 1, to continuous ones; and to those that the authors train on."""


def drawn_sets(seed: int, noise: float, ground: str) -> list[tuple[Any, Any, Any]]:
    """Images of VOC's integer corners (M, 4) of sides about 28 px, and detections (N, 4) near them with scores (N,)."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(60):
        first = rng.integers(1, 500, (int(rng.integers(0, 8)), 2))
        corners = np.hstack([first, first + np.exp(rng.normal(np.log(28), 0.5, first.shape)).astype(int)])
        found = (
            corners
            + np.array(SHIFTS[ground])
            + noise * (corners[:, 2:] - corners[:, :2])[:, [0, 1, 0, 1]] * (rng.normal(size=corners.shape))
        )
        found = np.vstack([found, found[: len(found) // 2] + 0.4])
        images.append((corners, found.astype(np.float32), rng.random(len(found)).astype(np.float32)))
    return images


def in_loops(images: list[tuple[Any, Any, Any]], points: list[float], moved: float | None = None) -> float:
    """AP as METHOD words the authors' evaluator: 1 added to the predicted xmin and ymin, inclusive IoU, as they round.

    With `moved`, its other wording: standard boxes, continuous, against detections moved by so much in x and y.
    """
    rows = []
    for number, (_, boxes, scores) in enumerate(images):
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True):
            shown = (x1 + 1, y1 + 1, x2, y2) if moved is None else (x1 + moved, y1 + moved, x2 + moved, y2 + moved)
            rows.append((float(f"{score:.3f}"), number, [float(f"{value:.1f}") for value in shown]))
    rows.sort(key=lambda row: -row[0])
    taken: set[tuple[int, int]] = set()
    right: list[bool] = []
    for _, number, box in rows:
        best, which = 0.0, -1
        for index, corners in enumerate(images[number][0].tolist()):
            true, more = (corners, 1) if moved is None else ([corners[0] - 1, corners[1] - 1, *corners[2:]], 0)
            width = min(box[2], true[2]) - max(box[0], true[0]) + more
            height = min(box[3], true[3]) - max(box[1], true[1]) + more
            shared = max(width, 0) * max(height, 0)
            areas = [(one[2] - one[0] + more) * (one[3] - one[1] + more) for one in (box, true)]
            if shared / (sum(areas) - shared) > best:
                best, which = shared / (sum(areas) - shared), index
        right.append(best > 0.5 and (number, which) not in taken)
        if best > 0.5:
            taken.add((number, which))
    found = np.cumsum(right)
    recall, precision = found / sum(len(corners) for corners, _, _ in images), found / np.arange(1, len(found) + 1)
    return 100 * float(np.mean([precision[recall >= point].max(initial=0) for point in points]))


def by_metric(images: list[tuple[Any, Any, Any]], ground: str = "standard", **rule: Any) -> float:
    metric = VocAP(["car"], **rule)
    for corners, boxes, scores in images:
        ones = np.ones(len(scores), dtype=int)
        no = np.zeros(len(corners), dtype=bool)
        target = {"boxes": corners + np.array(SHIFTS[ground]), "labels": np.ones(len(corners), dtype=int)}
        target |= {"difficult": no, "iscrowd": no}
        metric.update([{"boxes": boxes, "scores": scores, "labels": ones}], [target])
    value = metric.compute().headline
    assert value is not None
    return value


@pytest.mark.parametrize("seed", range(8))
def test_the_authors_scoring_is_their_evaluator(seed: int) -> None:
    images = drawn_sets(seed, 0.15, "trained")
    points = [0.1 * k for k in range(11)]
    assert by_metric(images, scoring="authors") == pytest.approx(in_loops(images, points), abs=1e-9)


def test_recall_points_and_score_rounding_are_theirs() -> None:
    box = np.array([[11, 11, 30, 30]])
    hit, none = (box + np.array(SHIFTS["standard"])).astype(np.float32), np.zeros((0, 4), np.float32)
    three_of_ten = [(box, hit, np.ones(1)) if i < 3 else (box, none, np.ones(0)) for i in range(10)]
    assert by_metric(three_of_ten) == pytest.approx(100 * 4 / 11)
    assert by_metric(three_of_ten, scoring="authors") == pytest.approx(100 * 3 / 11)
    # 0.5001 and 0.5002 are both 0.500: the one that was added first, which is wrong, goes before the other.
    close = [(box, np.vstack([hit + 100, hit]), np.array([0.5001, 0.5002]))]
    assert by_metric(close) == pytest.approx(100)
    assert by_metric(close, scoring="authors") == pytest.approx(50)


def test_iou_is_of_corners_rounded_to_a_tenth() -> None:
    box = np.array([[1, 1, 10, 10]])
    half = np.array([[0, 0, 10, 5.04]])  # IoU 0.504; written as 5.0, it is 0.5 and no match
    assert by_metric([(box, half, np.ones(1))]) == pytest.approx(100)
    assert by_metric([(box, half, np.ones(1))], scoring="authors") == pytest.approx(0)


def test_detections_of_the_shifted_training_boxes_lose_on_standard_ones() -> None:
    sets = [drawn_sets(seed, 0.1, "trained") for seed in range(20)]
    theirs = np.mean([by_metric(images, scoring="authors") for images in sets])
    moved = np.mean([in_loops(images, [k / 10 for k in range(11)], moved=1) for images in sets])
    flattering = np.mean([by_metric(images, "trained", scoring="authors") for images in sets])
    assert (theirs, moved, flattering) == pytest.approx((81.4, 81.6, 83.8), abs=0.05)
    # Moving the detections by a pixel is the mirror image: other boxes match, as many of them.
    assert theirs == pytest.approx(moved, abs=1.0)
    assert flattering > max(theirs, moved) + 1
