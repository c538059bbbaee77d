"""Ties, the limit of 100 detections, silence, and what both metrics refuse or leave out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from clipgap.metrics import CocoAP, VocAP
from clipgap.metrics.voc import area_under_envelope

BOX, FAR = [10.0, 10.0, 30.0, 30.0], [100.0, 100.0, 120.0, 120.0]
METRICS = pytest.mark.parametrize("kind", [VocAP, CocoAP])


def found(*detections: tuple[list[float], float]) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor([box for box, _ in detections]).reshape(-1, 4),
        "scores": torch.tensor([score for _, score in detections]),
        "labels": torch.ones(len(detections), dtype=torch.int64),
    }


def truth(*boxes: list[float], difficult: bool = False) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "difficult": torch.full((len(boxes),), difficult),
        "iscrowd": torch.zeros(len(boxes), dtype=torch.bool),
    }


def voc2012(*images: tuple[Any, Any]) -> float | None:
    metric = VocAP(["car"], style="voc2012")
    metric.update(*zip(*images, strict=True))
    return metric.compute().headline


def test_of_equal_scores_in_one_image_the_first_goes_first() -> None:
    # right, wrong: recall 1 at precision 1; the other way round: at precision 1/2
    assert voc2012((found((BOX, 0.5), (FAR, 0.5)), truth(BOX))) == pytest.approx(100)
    assert voc2012((found((FAR, 0.5), (BOX, 0.5)), truth(BOX))) == pytest.approx(50)


def test_of_equal_scores_in_two_images_the_one_added_first_goes_first() -> None:
    right, wrong = (found((BOX, 0.5)), truth(BOX)), (found((BOX, 0.5)), truth())
    assert voc2012(right, wrong) == pytest.approx(100)
    assert voc2012(wrong, right) == pytest.approx(50)


def test_of_boxes_overlapped_alike_the_first_is_meant() -> None:
    # The same box twice: both detections mean the first, so the second is wrong: recall 1/2 at precision 1.
    assert voc2012((found((BOX, 0.9), (BOX, 0.8)), truth(BOX, BOX))) == pytest.approx(50)


def test_when_every_detection_is_ignored_the_ap_is_0() -> None:
    assert voc2012((found((BOX, 0.9)), truth(BOX, difficult=True)), (found(), truth(BOX))) == 0


def test_the_envelope_lifts_precision_to_the_best_that_follows() -> None:
    # precision 1/2, 2/3, 3/4 at recall 1/3, 2/3, 1 -> 3/4 throughout
    recall, precision = torch.tensor([1, 2, 3]) / 3, torch.tensor([1 / 2, 2 / 3, 3 / 4])
    assert area_under_envelope(recall.numpy(), precision.numpy()) == pytest.approx(0.75)


@pytest.mark.parametrize(("wrong", "ap"), [(99, 1.0), (100, 0.0)])
def test_coco_looks_at_the_best_100_detections_of_an_image(wrong: int, ap: float) -> None:
    # The right detection comes last: precision 1/100 where it is the 100th, unseen where it is the 101st.
    metric = CocoAP(["car"])
    misses = [(FAR, 0.9 - 0.001 * i) for i in range(wrong)]
    metric.update([found(*misses, (BOX, 0.1))], [truth(BOX)])
    assert metric.compute().headline == pytest.approx(ap)


def test_coco_is_the_mean_over_ten_ious() -> None:
    # IoU 0.62 is a match at 0.50, 0.55 and 0.60: 3 of 10
    metric = CocoAP(["car"])
    metric.update([found(([0.0, 0.0, 100.0, 62.0], 0.9))], [truth([0.0, 0.0, 100.0, 100.0])])
    figures = metric.compute().figures
    assert (figures["ap"], figures["ap50"], figures["ap75"]) == (pytest.approx(30), pytest.approx(100), 0)


def test_coco_does_not_count_what_lies_on_a_difficult_box_as_wrong() -> None:
    # Best first: on the difficult box, on it again, right. Were they wrong, precision would be 1/3.
    target = truth(FAR, BOX)
    target["difficult"] = torch.tensor([True, False])
    metric = CocoAP(["car"])
    metric.update([found((FAR, 0.9), (FAR, 0.85), (BOX, 0.8))], [target])
    result = metric.compute()
    assert (result.headline, result.boxes) == (pytest.approx(100), 1)


def test_coco_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    metric = CocoAP(["car"])
    metric.update([found((BOX, 0.9))], [truth(BOX)])
    metric.compute()
    assert capfd.readouterr() == ("", "")


@METRICS
@pytest.mark.parametrize("target", [None, truth(), truth(BOX, difficult=True)], ids=["no image", "no box", "difficult"])
def test_nothing_to_find_is_no_figure(kind: type[VocAP] | type[CocoAP], target: dict[str, torch.Tensor] | None) -> None:
    metric = kind(["car", "bus"])
    if target is not None:
        metric.update([found((BOX, 0.9))], [target])
    result = metric.compute()
    assert set(result.figures.values()) == {None}
    assert result.per_class == {"car": None, "bus": None}
    assert (result.images, result.boxes) == (int(target is not None), 0)


@METRICS
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_named_and_not_added(kind: type[VocAP] | type[CocoAP], value: float) -> None:
    good, broken = (found((BOX, 0.9)), truth(BOX)), [0.0, 0.0, value, 1.0]
    faults = {
        rf"image 1: score 1 is not finite: {value}": (
            found((BOX, 0.9), (BOX, value)),
            truth(),
        ),
        rf"image 1: predicted box 0 is not finite: \[0.0, 0.0, {value}, 1.0\]": (
            found((broken, 0.9)),
            truth(),
        ),
        rf"image 1: true box 1 is not finite: \[0.0, 0.0, {value}, 1.0\]": (found(), truth(BOX, broken)),
    }
    metric = kind(["car"])
    metric.update([good[0]], [good[1]])
    for message, (prediction, target) in faults.items():
        with pytest.raises(ValueError, match=message):
            metric.update([prediction], [target])
    assert (metric.compute().images, metric.compute().headline) == (1, pytest.approx(100))


@METRICS
def test_predictions_and_targets_go_in_pairs(kind: type[VocAP] | type[CocoAP]) -> None:
    with pytest.raises(ValueError, match="zip"):
        kind(["car"]).update([found()], [])
