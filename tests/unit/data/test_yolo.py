from __future__ import annotations

from pathlib import Path

import pytest

from clipgap.data import ImageRecord, read_yolo
from clipgap.data.yolo import label_file
from clipgap.errors import DataError
from tests.datasets import draw, make_yolo


def only(root: Path, split: str = "train") -> ImageRecord:
    records, faults = read_yolo(root, split)
    assert faults == []
    assert len(records) == 1
    return records[0]


def test_a_record_holds_what_the_file_says(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 0.5 0.5 1 1\n1 0.25 0.5 0.5 0.2\n"})
    record = only(root)
    assert (record.image_id, record.width, record.height) == ("images/train/a.png", 40, 20)
    assert record.source == root / "labels/train/a.txt"
    assert [(a.name, a.where) for a in record.annotations] == [("car", "line 1"), ("person", "line 2")]
    assert record.annotations[0].box == (0, 0, 40, 20)
    assert record.annotations[1].box == pytest.approx((0, 8, 20, 12))


def test_boxes_are_relative_to_the_displayed_image(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 0.5 0.5 1 1\n"})
    draw(root / "images/train/a.png", (40, 20), orientation=6)
    record = only(root)
    assert (record.width, record.height) == (20, 40)
    assert record.annotations[0].box == (0, 0, 20, 40)


@pytest.mark.parametrize(
    "text", ["\ufeff0 .5 .5 1 1\r\n\r\n", "0\t0.5  0.5 1 1", "0.0 0.5 0.5 1.0 1.0\n", " 0 5e-1 .5 1 1 "]
)
def test_label_files_of_all_kinds(tmp_path: Path, text: str) -> None:
    root = make_yolo(tmp_path, {"a": ""})
    (root / "labels/train/a.txt").write_bytes(text.encode())
    assert only(root).annotations[0].box == (0, 0, 40, 20)


@pytest.mark.parametrize("names", [["car"], {0: "car"}, {"0": "car", 7: "x"}])
def test_names_as_list_or_mapping(tmp_path: Path, names: object) -> None:
    assert only(make_yolo(tmp_path, {"a": "0 .5 .5 1 1"}, names)).annotations[0].name == "car"


def test_an_image_without_a_label_file_has_no_boxes(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1", "b": ""})
    draw(root / "images/train/c.JPG")
    records, faults = read_yolo(root, "train")
    assert faults == []
    assert [len(record.annotations) for record in records] == [1, 0, 0]


def test_no_label_file_at_all_is_an_error(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": ""})
    (root / "labels/train/a.txt").unlink()
    _, faults = read_yolo(root, "train")
    assert [fault.severity for fault in faults] == ["error"]
    assert str(root / "labels/train/a.txt") in faults[0].message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 1", "expected five numbers"),
        ("0 0.5 0.5 1 1 0.9", "expected five numbers"),
        ("0", "expected five numbers"),
        ("car 0.5 0.5 1 1", "expected five numbers"),
        ("0 nan 0.5 1 1", "expected five numbers"),
        ("inf 0.5 0.5 1 1", "expected five numbers"),
        ("0 .1 .1 .2 .1 .2 .2", "polygon"),
        ("2 0.5 0.5 1 1", "class 2 is not one of the 2 in `names`"),
        ("-1 0.5 0.5 1 1", "class -1"),
        ("0.5 0.5 0.5 1 1", "class 0.5"),
        ("0 20 10 40 20", "relative to the image"),
    ],
)
def test_faults_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    root = make_yolo(tmp_path, {"a": f"0 .5 .5 1 1\n\n{line}\n1 .5 .5 1 1\n"})
    records, faults = read_yolo(root, "train")
    assert [a.where for a in records[0].annotations] == ["line 1", "line 4"]
    assert [(fault.file, fault.where) for fault in faults] == [(root / "labels/train/a.txt", "line 3")]
    assert message in faults[0].message
    assert faults[0].severity == "error"


def test_broken_files_are_faults(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1", "b": "", "c": ""})
    (root / "labels/train/b.txt").write_bytes(b"\xff\xff")
    (root / "images/train/c.png").write_bytes(b"")
    records, faults = read_yolo(root, "train")
    assert [record.image_id for record in records] == ["images/train/a.png", "images/train/b.png"]
    assert [fault.file.name for fault in faults] == ["b.txt", "c.png"]


@pytest.mark.parametrize(
    "description",
    [
        "train: images/train",
        "path: .\ntrain: ./images/train",
        "path: images\ntrain: train",
        "path: /nowhere/else\ntrain: images/train",
        "train: ../images/train",  # as Roboflow writes it
        "train: [images/train]",
        "train: list.txt",
        "train: [list.txt]",
    ],
)
def test_splits_of_all_kinds(tmp_path: Path, description: str) -> None:
    root = make_yolo(tmp_path / "set", {"my car": "0 .5 .5 1 1"})
    (root / "list.txt").write_text("./images/train/my car.png\r\n")
    (root / "data.yaml").write_text(f"{description}\nnames: [car]")
    assert only(root).image_id == "images/train/my car.png"


def test_the_only_yaml_file_will_do(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1"})
    (root / "data.yaml").rename(root / "coco8.yml")
    assert only(root).image_id == "images/train/a.png"


def test_list_files_with_absolute_and_relative_lines(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1", "b": "", "c": ""})
    lines = [str(root / "images/train/a.png"), "images/train/b.png", "train/c.png", "images/train/none.png"]
    (root / "images/my.txt").write_text("\n".join(lines))
    records, faults = read_yolo(root, "images/my.txt")
    assert [record.path.name for record in records] == ["a.png", "b.png", "c.png"]
    assert [str(fault) for fault in faults] == [f"{root / 'images/train/none.png'}: no such image"]


def test_repeated_images_are_errors(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1"})
    (root / "my.txt").write_text("images/train/a.png\n./images/train/../train/a.png\n")
    records, faults = read_yolo(root, "my.txt")
    assert len(records) == 1
    assert faults[0].where == "line 2 of my.txt"
    assert faults[0].severity == "error"


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1"})
    (root / "images/train/._a.png").write_bytes(b"left behind")
    assert only(root).path.name == "a.png"


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("", "expected `names"),
        ("- a", "expected `names"),
        ("train: [", "not valid YAML"),
        ("train: images/train", "`names` must list the classes"),
        ("names: []\ntrain: images/train", "`names` must list the classes"),
        ("names: {x: car}\ntrain: images/train", "class indices"),
        ("names: [car]\nval: images/train", "no split 'train' .*val"),
        ("names: [car]\ntrain: {a: b}", "no split 'train'"),
        ("names: [car]\ntrain: nowhere", "no folder or list of images 'nowhere' in "),
    ],
)
def test_a_description_that_will_not_do(tmp_path: Path, description: str, message: str) -> None:
    root = make_yolo(tmp_path, {"a": ""})
    (root / "data.yaml").write_text(description)
    with pytest.raises(DataError, match=message) as caught:
        read_yolo(root, "train")
    assert "\n" not in str(caught.value)


def test_a_set_without_description(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.yaml: does not exist"):
        read_yolo(tmp_path, "train")


def test_the_last_folder_named_images_becomes_labels() -> None:
    assert label_file(Path("/images/set/images/x/a.b.jpg")) == Path("/images/set/labels/x/a.b.txt")
    assert label_file(Path("photos/a.jpg")) == Path("photos/a.txt")
