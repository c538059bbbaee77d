"""mPC and rPC by hand, and the table in all its forms."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from rich.console import Console

from clipgap.metrics import Result, RobustnessTable


def result(headline: float | None) -> Result:
    return Result({"ap50": headline}, {"car": headline, "bus": None}, 3, 7)


def table(clean: float | None, **scores: list[float | None]) -> RobustnessTable:
    by_severity = {name: dict(zip((1, 3), map(result, some), strict=True)) for name, some in scores.items()}
    return RobustnessTable("voc2007", 0.5, "day", "val", 0, result(clean), by_severity, "CLIP x", ["a note"])


def test_mpc_is_the_mean_of_means_and_rpc_is_relative_to_clean() -> None:
    found = table(50.0, snow=[40.0, 20.0], fog=[30.0, 10.0])
    assert found.mean("snow") == 30
    assert found.mpc == 25
    assert found.rpc == 50


def test_where_nothing_can_be_found_nothing_is_claimed() -> None:
    empty = table(None, snow=[None, None])
    assert (empty.mean("snow"), empty.mpc, empty.rpc) == (None, None, None)
    assert table(0.0, snow=[0.0, 0.0]).rpc is None


def test_json_csv_and_terminal_say_the_same(tmp_path: Path) -> None:
    found = table(50.0, snow=[40.0, 20.0], fog=[30.0, None])
    plain = found.to_json()
    assert (plain["source"], plain["split"], plain["images"], plain["boxes"]) == ("day", "val", 3, 7)
    assert (plain["mpc"], plain["rpc"]) == (30, 60)
    assert plain["clean"] == {"ap50": 50.0, "per_class": {"car": 50.0, "bus": None}}
    assert plain["corruptions"]["snow"]["mean"] == 30
    assert plain["corruptions"]["snow"]["severities"]["3"]["ap50"] == 20
    found.write_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["corruption", "severity", "ap50", "car", "bus"]
    assert rows[1:3] == [["clean", "0", "50.0", "50.0", ""], ["snow", "1", "40.0", "40.0", ""]]
    assert rows[-1] == ["fog", "3", "", "", ""]
    console = Console(width=80, record=True, file=(tmp_path / "shown").open("w"))
    console.print(found.render())
    text = console.export_text()
    console.file.close()
    assert "voc2007, IoU 0.5; day/val, 3 images, 7 boxes" in text
    assert text.split("snow")[1].split()[:3] == ["40.0", "20.0", "30.0"]
    assert "clean ap50 50.0   mPC 30.0   rPC 60.0 %" in text
    assert "CLIP x\na note" in text


def test_coco_has_no_iou_and_the_authors_scoring_is_named() -> None:
    scores = {"snow": {1: result(1.0)}}
    plain = RobustnessTable("coco", 0.5, "day", "val", 0, result(1.0), scores, "x").to_json()
    assert "iou" not in plain
    assert "scoring" not in plain
    authors = RobustnessTable("voc2007", 0.5, "day", "val", 0, result(1.0), scores, "x", scoring="authors")
    assert authors.to_json()["scoring"] == "authors"
    assert authors.to_json()["rpc"] == pytest.approx(100)
