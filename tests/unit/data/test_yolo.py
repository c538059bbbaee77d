from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipgap.config import Reading
from clipgap.data import ImageRecord, check, read_yolo
from clipgap.errors import DataError
from tests.datasets import data_config, draw, make_yolo


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


def test_broken_files_are_faults(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1", "b": "", "c": ""})
    (root / "labels/train/b.txt").write_bytes(b"\xff\xff")
    (root / "images/train/c.png").write_bytes(b"")
    records, faults = read_yolo(root, "train")
    assert [record.image_id for record in records] == ["images/train/a.png", "images/train/b.png"]
    assert [fault.file.name for fault in faults] == ["b.txt", "c.png"]


def test_list_files_with_absolute_and_relative_lines(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1", "b": "", "c": ""})
    lines = [str(root / "images/train/a.png"), "images/train/b.png", "train/c.png", "images/train/none.png"]
    (root / "images/my.txt").write_text("\n".join(lines))
    records, faults = read_yolo(root, "images/my.txt")
    assert [record.path.name for record in records] == ["a.png", "b.png", "c.png"]
    message = "no such image: add it, correct the line, or remove it"
    assert [str(fault) for fault in faults] == [f"{root / 'images/my.txt'}, line 4: images/train/none.png: {message}"]


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


OUTLINE = "0 .25 .25 .75 .25 .75 .5"


def test_outlines_become_boxes_and_are_counted_once(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": f"{OUTLINE}\n0 .5 .5 1 1\n", "b": OUTLINE})
    records, faults = read_yolo(root, "train")
    assert [[a.box for a in record.annotations] for record in records] == [
        [(10, 5, 30, 10), (0, 0, 40, 20)],
        [(10, 5, 30, 10)],
    ]
    assert [(fault.file, fault.severity) for fault in faults] == [(root / "data.yaml", "warning")]
    assert faults[0].detail == f"2 of them, the first in {root / 'labels/train/a.txt'}, line 1"


def test_outlines_are_refused_where_asked(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": f"{OUTLINE}\n0 .5 .5 1 1\n"})
    records, faults = read_yolo(root, "train", Reading(yolo_segments="error"))
    assert [a.where for a in records[0].annotations] == ["line 2"]
    assert [(fault.where, fault.severity) for fault in faults] == [("line 1", "error")]
    assert "set yolo_segments: box" in faults[0].message


def test_a_domain_says_what_becomes_of_outlines(tmp_path: Path) -> None:
    make_yolo(tmp_path, {"a": OUTLINE})
    config = data_config(tmp_path, "yolo", train="train", yolo_segments="error")
    assert [fault.where for fault in check(config).faults("error")] == ["line 1"]
    assert check(data_config(tmp_path, "yolo", train="train")).ok


def test_poses_give_their_boxes(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1 .1 .1 2 .2 .2 0\n0 .5 .5 1 1\n0 .5 .5 1 1 .1 .1\n"})
    with (root / "data.yaml").open("a") as file:
        file.write("kpt_shape: [2, 3]\n")
    records, faults = read_yolo(root, "train")
    assert [a.box for a in records[0].annotations] == [(0, 0, 40, 20), (0, 0, 40, 20)]
    message = "expected 5 numbers, or with the key points of `kpt_shape` 11"
    assert [str(f) for f in faults] == [f"{root / 'labels/train/a.txt'}, line 3: 7 numbers: {message}"]


def irregular(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    {"pipe": os.mkfifo, "folder": os.mkdir, "empty": Path.touch, "loop": lambda p: os.symlink(p.name, p)}[kind](path)


@pytest.mark.parametrize(
    ("kind", "message"), [("pipe", "is no file but a pipe"), ("folder", "is a folder"), ("loop", "cannot be read")]
)
@pytest.mark.parametrize("name", ["images/train/a.png", "labels/train/a.txt"])
def test_what_is_no_file_is_one_fault(tmp_path: Path, name: str, kind: str, message: str) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1", "b": ""})
    irregular(root / name, kind)
    _, faults = read_yolo(root, "train")
    assert [fault.file for fault in faults] == [root / name]
    assert message in faults[0].message
    assert faults[0].severity == "error"


@pytest.mark.parametrize(("kind", "message"), [("pipe", "is no file but a pipe"), ("empty", "expected `names")])
def test_a_description_that_is_no_file(tmp_path: Path, kind: str, message: str) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1"})
    irregular(root / "data.yaml", kind)
    with pytest.raises(DataError, match=message):
        read_yolo(root, "train")


def test_a_list_that_is_no_file(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1"})
    irregular(root / "my.txt", "pipe")
    with pytest.raises(DataError, match=r"my\.txt: is no file but a pipe"):
        read_yolo(root, "my.txt")
