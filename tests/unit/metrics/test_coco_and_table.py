from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from clipgap.config import EvaluateConfig
from clipgap.metrics import CocoAP, DomainScore, Result, ScoreTable, VocAP, make_metric


def boxes(count: int) -> Tensor:
    """Boxes of 20 x 20 in a row, apart from each other."""
    left = 40.0 * torch.arange(count)
    return torch.stack([left, torch.zeros(count), left + 20, torch.full((count,), 20.0)], dim=1)


def target(count: int, difficult: int = 0, crowd: int = 0) -> dict[str, Any]:
    flags = torch.arange(count)
    return {
        "boxes": boxes(count),
        "labels": torch.ones(count, dtype=torch.int64),
        "difficult": flags < difficult,
        "iscrowd": (flags >= difficult) & (flags < difficult + crowd),
        "image_id": "a",
    }


def found(which: Tensor) -> dict[str, Tensor]:
    count = len(which)
    return {"boxes": which, "scores": torch.linspace(0.9, 0.5, count), "labels": torch.ones(count, dtype=torch.int64)}


def test_coco_perfect_half_and_nothing() -> None:
    metric = CocoAP(["car", "bus"])
    metric.update([found(boxes(2))], [target(2)])
    result = metric.compute()
    best = {name: pytest.approx(100) for name in ("ap", "ap50", "ap75", "ap_small", "ar_10", "ar_100", "ar_small")}
    none = dict.fromkeys(("ap_medium", "ap_large", "ar_medium", "ar_large"))  # boxes of 20 x 20 are small
    assert result.figures == {**best, **none, "ar_1": pytest.approx(50)}
    assert result.headline == result.figures["ap"]
    assert result.per_class == {"car": pytest.approx(100), "bus": None}
    assert (result.images, result.boxes) == (1, 2)
    metric.reset()
    metric.update([found(boxes(1))], [target(2)])
    assert metric.compute().headline == pytest.approx(100 * 51 / 101)  # recall 0 to 0.50 of 101 points
    metric.reset()
    metric.update([found(boxes(0))], [target(0)])
    assert metric.compute().headline is None


def test_coco_box_quality_counts() -> None:
    metric = CocoAP(["car"])
    loose = boxes(1) + torch.tensor([0.0, 0, 5, 0])  # IoU 400 / 500 = 0.8: right at .50 to .80, 7 of 10
    metric.update([found(loose)], [target(1)])
    figures = metric.compute().figures
    assert figures["ap50"] == figures["ap75"] == pytest.approx(100)
    assert figures["ap"] == pytest.approx(70)


@pytest.mark.parametrize("kind", ["difficult", "crowd"])
def test_coco_ignores_crowds_and_difficult_boxes(kind: str) -> None:
    metric = CocoAP(["car"])
    metric.update([found(boxes(2))], [target(2, **{kind: 1})])
    result = metric.compute()
    assert result.headline == pytest.approx(100)
    assert result.boxes == 1


def test_more_than_100_detections_are_no_warning() -> None:
    metric = CocoAP(["car"])
    metric.update([found(boxes(150))], [target(2)])
    assert metric.compute().headline == pytest.approx(100)


def test_the_settings_name_the_metric() -> None:
    assert isinstance(make_metric(EvaluateConfig(metric="coco"), ["car"]), CocoAP)
    metric = make_metric(EvaluateConfig(metric="voc2012", iou=0.7, scoring="authors"), ["car"])
    assert isinstance(metric, VocAP)
    assert (metric.style, metric.iou, metric.scoring) == ("voc2012", 0.7, "authors")
    assert list(metric.compute().figures) == ["ap70"]


def test_json_and_csv_have_all_of_cocos_figures_and_the_terminal_three(tmp_path: Path) -> None:
    metric = CocoAP(["car"])
    metric.update([found(boxes(2))], [target(2)])
    result = metric.compute()
    table = ScoreTable("coco", 0.5, [DomainScore("day", "source", result, "coco")], "CLIP small")
    assert set(result.figures) <= set(table.to_json()["domains"]["day"])
    table.write_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as file:
        assert set(result.figures) <= set(next(csv.reader(file)))
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table.render())
    assert capture.get().split()[:7] == ["coco", "domain", "ap", "ap50", "ap75", "car", "images"]


def make_table() -> ScoreTable:
    def result(ap50: float | None, bus: float | None) -> Result:
        return Result({"ap50": ap50}, {"car": ap50, "bus": bus}, 10, 20)

    domains = [
        DomainScore("day", "source", result(50.0, 40.0), "voc2007"),
        DomainScore("fog", "target", result(30.0, None), "voc2007"),
        DomainScore("night", "target", result(20.0, 10.0), "voc2007"),
        DomainScore("space", "target", result(None, None), "voc2007"),
    ]
    return ScoreTable("voc2007", 0.5, domains, "CLIP small, weights: random (seed 0)", ["weights chosen on [/day]/val"])


def test_json_is_what_the_design_says() -> None:
    tree = make_table().to_json()
    assert (tree["metric"], tree["iou"], tree["source"]) == ("voc2007", 0.5, "day")
    assert tree["domains"]["fog"] == {"ap50": 30.0, "per_class": {"car": 30.0, "bus": None}, "images": 10, "boxes": 20}
    assert tree["mean_targets"] == 25.0  # a target without boxes has no say
    assert tree["detector"] == "CLIP small, weights: random (seed 0)"


def test_csv_has_a_row_a_domain_and_the_mean(tmp_path: Path) -> None:
    make_table().write_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["domain", "role", "ap50", "car", "bus", "images", "boxes"]
    assert rows[2] == ["fog", "target", "30.0", "30.0", "", "10", "20"]
    assert rows[-1] == ["mean of 2 of 3 targets", "", "25.0", "", "", "", ""]


def test_the_table_says_what_the_detector_is_and_fits_80_columns() -> None:
    names = ["daytime_clear", "night_sunny", "dusk_rainy", "night_rainy", "daytime_foggy"]
    classes = ["bus", "bike", "car", "motor", "person", "rider", "truck"]
    result = Result({"ap50": 31.6}, {**dict.fromkeys(classes, 22.2), "rider": None}, 26158, 116785)
    domains = [DomainScore(name, "target" if i else "source", result, "voc2007") for i, name in enumerate(names)]
    console = Console(width=80)
    with console.capture() as capture:
        console.print(ScoreTable("voc2007", 0.5, domains, "CLIP RN101, weights: openai", ["a note"]).render())
    text = capture.get()
    for word in [*names, *classes, "mean", "31.6", "22.2", "26158", "116785", "CLIP RN101, weights: openai", "a note"]:
        assert word in text, word
    assert " - " in text
    assert max(map(len, text.splitlines())) <= 80


def test_brackets_in_names_are_only_brackets() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(make_table().render())
    assert "weights chosen on [/day]/val" in capture.get()
