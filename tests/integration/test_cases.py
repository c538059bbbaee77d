"""Small data sets that once failed, where they lie beside the checkout: the right boxes, or one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clipgap.config import DataConfig, load_data_config
from clipgap.data import check, load_domains, read_image
from clipgap.data.check_report import CheckReport
from clipgap.metrics import CocoAP

CASES = Path(__file__).parents[2].parent / "shared/cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases beside this checkout")

RIGHT = {
    "coco_backslash": {"boxes": 1},
    "coco_float_ids": {"boxes": 1},
    "coco_float_size_exif": {"boxes": 1, "warning": "used unturned"},
    "coco_ignore": {"boxes": 2, "difficult": 1},
    "coco_json_named_subfolder": {"boxes": 1},
    "coco_text_category": {"boxes": 1},
    "cvat_yolo11": {"boxes": 1},
    "roboflow_coco": {"boxes": 2},
    "scored_class_typo": {"boxes": 1, "warning": "truk (did you mean 'truck'? `rename` maps it)"},
    "voc_difficult_word": {"boxes": 2, "difficult": 2},
    "voc_lowercase_folders": {"boxes": 1},
    "voc_two_roots": {"boxes": 2},
    "voc_zero_based": {"boxes": 2, "warning": "set voc_boxes: zero_based"},
    "yolo_duplicate_lines": {"boxes": 1, "warning": "the same class and corners again: left out"},
    "yolo_orphan_label": {"boxes": 1, "warning": "did you mean café.jpg?"},
    "yolo_polygon": {"boxes": 1, "warning": "read as the boxes that enclose them"},
}
REFUSED = {
    "coco_normalized_bbox": "all 1 boxes are within 0 to 1: COCO's are in pixels",
    "voc_size_mismatch": "the image is 100 x 80, but its annotation file says 200 x 198",
}
OTHERS = {"coco_ap_thresholds", "png_12bit", "voc_boxes_per_domain"}


def config(case: str) -> DataConfig:
    return load_data_config(CASES / case / "c.yaml")


def lines(report: CheckReport, severity: str) -> list[str]:
    return [str(fault) for fault in report.faults(severity)]


@pytest.mark.parametrize("case", RIGHT)
def test_the_right_boxes(case: str) -> None:
    report = check(config(case))
    assert lines(report, "error") == []
    right = RIGHT[case]
    assert sum(sum(split.boxes.values()) for split in report.splits) == right["boxes"]
    assert sum(split.difficult for split in report.splits) == right.get("difficult", 0)
    assert any(str(right.get("warning", "")) in line for line in lines(report, "warning"))


@pytest.mark.parametrize("case", REFUSED)
def test_one_clear_line(case: str) -> None:
    (line,) = lines(check(config(case)), "error")
    assert REFUSED[case] in line


def test_a_size_that_is_not_the_images_can_be_allowed() -> None:
    report = check(config("voc_size_mismatch").model_copy(update={"size_mismatch": "image"}))
    assert lines(report, "error") == []
    assert any("states another size than the image has" in line for line in lines(report, "warning"))


def test_zero_based_corners_stand_as_they_are() -> None:
    report = check(config("voc_zero_based").model_copy(update={"voc_boxes": "zero_based"}))
    assert not [line for line in lines(report, "warning") if "clipped" in line or "begins at pixel 0" in line]


def test_an_outline_is_its_enclosing_box() -> None:
    scored = load_domains(config("yolo_polygon")).source.scored
    assert scored is not None
    assert scored.target(0)["boxes"].tolist() == [pytest.approx([10, 8, 40, 24], abs=0.01)]


def test_a_deep_image_is_scaled_by_its_bits() -> None:
    assert np.asarray(read_image(CASES / "png_12bit/a.png")).max() == 255


@pytest.mark.parametrize(("height", "right"), [(55, 20), (60, 30), (80, 70), (85, 80)])
def test_coco_ap_at_its_thresholds(height: int, right: int) -> None:
    metric, no = CocoAP(["a"]), torch.zeros(1, dtype=torch.bool)
    found = {"boxes": torch.tensor([[0.0, 0, 100, height]]), "scores": torch.tensor([0.9])}
    true = {"boxes": torch.tensor([[0.0, 0, 100, 100]]), "difficult": no, "iscrowd": no}
    label = {"labels": torch.ones(1, dtype=torch.int64)}
    metric.update([found | label], [true | label])
    assert metric.compute().headline == pytest.approx(right)


def test_every_case_is_tried() -> None:
    assert {path.name for path in CASES.iterdir() if path.is_dir()} <= {*RIGHT, *REFUSED, *OTHERS}
