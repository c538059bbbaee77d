from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipgap.data import Annotation, DetectionDataset, ImageRecord
from clipgap.errors import DataError
from tests.datasets import draw


def record(path: Path, *annotations: Annotation, size: tuple[int, int] = (40, 20)) -> ImageRecord:
    return ImageRecord(path.stem, path, *size, annotations, path.with_suffix(".txt"))


def box(name: str, *corners: float, difficult: bool = False, crowd: bool = False) -> Annotation:
    x1, y1, x2, y2 = corners or (0, 0, 10, 10)
    return Annotation(name, (x1, y1, x2, y2), difficult, crowd, "line 1")


def test_a_sample(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png")
    annotations = (box("person", 1, 2, 3, 4.5, difficult=True), box("auto"), box("car", crowd=True))
    dataset = DetectionDataset([record(path, *annotations)], ["car", "person"], {"auto": "car"})
    assert len(dataset) == 1
    assert dataset.classes == ("car", "person")
    sample = dataset[0]
    assert sample.image.size == (40, 20)
    assert sample.image.mode == "RGB"
    target = sample.target
    assert target["boxes"].dtype == torch.float32
    assert target["boxes"].tolist() == [[1, 2, 3, 4.5], [0, 0, 10, 10], [0, 0, 10, 10]]
    assert target["labels"].dtype == torch.int64
    assert target["labels"].tolist() == [2, 1, 1]
    assert target["difficult"].tolist() == [True, False, False]
    assert target["iscrowd"].tolist() == [False, False, True]
    assert target["image_id"] == "a"
    assert dataset.boxes_per_class() == {"car": 2, "person": 1}
    assert dataset.faults == []


def test_targets_of_images_without_boxes_have_the_right_shapes(tmp_path: Path) -> None:
    target = DetectionDataset([record(tmp_path / "none.png")], ["car"]).target(0)
    assert target["boxes"].shape == (0, 4)
    assert [target[key].shape for key in ("labels", "difficult", "iscrowd")] == [(0,)] * 3
    assert [target[key].dtype for key in ("labels", "difficult")] == [torch.int64, torch.bool]


def test_other_classes_are_left_out_and_counted_by_their_own_names(tmp_path: Path) -> None:
    records = [record(tmp_path / "a.png", box("Car"), box("car"), box("tree"), box("tree"))]
    dataset = DetectionDataset(records, ["car"], {"tree": "plant"})
    assert dataset.left_out == {"Car": 1, "tree": 2}
    assert dataset.boxes_per_class() == {"car": 1}


def test_rename_does_not_chain(tmp_path: Path) -> None:
    records = [record(tmp_path / "a.png", box("a"), box("b"))]
    dataset = DetectionDataset(records, ["a", "b"], {"a": "b", "b": "a"})
    assert [a.name for a in dataset.records[0].annotations] == ["b", "a"]


@pytest.mark.parametrize("keep_empty", [True, False])
def test_images_left_without_boxes(tmp_path: Path, keep_empty: bool) -> None:
    records = [record(tmp_path / "a.png", box("car")), record(tmp_path / "b.png", box("tree"))]
    dataset = DetectionDataset(records, ["car"], keep_empty=keep_empty)
    assert [r.image_id for r in dataset.records] == (["a", "b"] if keep_empty else ["a"])
    assert dataset.empty == 1


@pytest.mark.parametrize(
    ("corners", "kept", "severity", "message"),
    [
        ((-1, 0, 10, 10), (0, 0, 10, 10), "warning", "reaches out; clipped"),
        ((30, 10, 50, 30), (30, 10, 40, 20), "warning", "reaches out; clipped"),
        ((10, 5, 5, 10), None, "error", "ends before it begins"),
        ((5, 10, 10, 5), None, "error", "ends before it begins"),
        ((5, 5, 5, 10), None, "warning", "no area; left out"),
        ((40, 0, 50, 10), None, "error", "is outside"),
        ((0, -9, 10, -1), None, "error", "is outside"),
    ],
)
def test_boxes_are_clipped_or_dropped(
    tmp_path: Path, corners: tuple[float, ...], kept: tuple[float, ...] | None, severity: str, message: str
) -> None:
    dataset = DetectionDataset([record(tmp_path / "a.png", box("car", *corners))], ["car"])
    assert [a.box for a in dataset.records[0].annotations] == ([kept] if kept else [])
    assert [(fault.severity, fault.where, fault.file.name) for fault in dataset.faults] == [
        (severity, "line 1", "a.txt")
    ]
    assert message in dataset.faults[0].message


def test_boxes_rounded_out_of_the_image_are_clipped_without_a_word(tmp_path: Path) -> None:
    dataset = DetectionDataset([record(tmp_path / "a.png", box("car", -0.4, 0, 40.3, 20))], ["car"])
    assert dataset.records[0].annotations[0].box == (0, 0, 40, 20)
    assert dataset.faults == []


def test_boxes_of_other_classes_are_not_judged(tmp_path: Path) -> None:
    assert DetectionDataset([record(tmp_path / "a.png", box("tree", 9, 9, 1, 1))], ["car"]).faults == []


coordinate = st.floats(-100, 100, allow_nan=False)


@given(st.tuples(coordinate, coordinate, coordinate, coordinate))
def test_what_is_kept_is_inside_and_has_an_area_and_what_is_not_is_told(corners: tuple[float, ...]) -> None:
    dataset = DetectionDataset([record(Path("a.png"), box("car", *corners))], ["car"])
    kept = [a.box for a in dataset.records[0].annotations]
    for x1, y1, x2, y2 in kept:
        assert 0 <= x1 < x2 <= 40
        assert 0 <= y1 < y2 <= 20
    assert kept or dataset.faults


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    dataset = DetectionDataset([record(draw(tmp_path / "a.png"), size=(80, 40))], ["car"])
    with pytest.raises(DataError, match=r"a\.png: the image is 40 x 20, but .* 80 x 40"):
        dataset[0]


def test_a_missing_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    dataset = DetectionDataset([record(tmp_path / "a.png")], ["car"])
    with pytest.raises(DataError, match=r"a\.png: no such image"):
        dataset[0]


def test_images_kept_unturned_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = [record(draw(tmp_path / f"{name}.png", orientation=6)) for name in "ab"]
    dataset = DetectionDataset(records, ["car"])
    with caplog.at_level(logging.WARNING):
        assert [dataset[i].image.size for i in (0, 1)] == [(40, 20), (40, 20)]
    assert len(caplog.records) == 1
    assert "a.png" in caplog.text


def test_iteration_ends(tmp_path: Path) -> None:
    dataset = DetectionDataset([record(draw(tmp_path / "a.png"))], ["car"])
    with pytest.raises(IndexError):
        dataset[1]


def test_a_box_thinner_than_float32_can_tell_is_left_out_with_a_warning(tmp_path: Path) -> None:
    annotation = Annotation("car", (15.000001, 2.0, 15.000002, 9.0), False, False, "object 1")
    record = ImageRecord("a", tmp_path / "a.png", 40, 20, (annotation,), tmp_path / "a.xml")
    dataset = DetectionDataset([record], ["car"])
    assert not dataset.records[0].annotations
    assert [fault.severity for fault in dataset.faults] == ["warning"]
