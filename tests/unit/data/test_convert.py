from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipgap.config import DataConfig
from clipgap.data import DetectionDataset, Format, convert, load_split
from clipgap.errors import ClipgapError, DataError
from tests.datasets import coco_tree, data_config, draw, make_coco, make_voc, make_yolo

FORMATS: list[Format] = ["voc", "coco", "yolo"]
CAR = ("car", (1, 1, 40, 20))


def read(config: DataConfig, split: str = "train") -> DetectionDataset:
    return load_split(config, config.source, split)


def contents(dataset: DetectionDataset) -> dict[str, list[tuple[str, tuple[float, ...], bool, bool]]]:
    """What is in a split, by image name, to a thousandth of a pixel."""
    return {
        record.path.name: [
            (a.name, tuple(round(value, 3) + 0.0 for value in a.box), a.difficult, a.crowd) for a in record.annotations
        ]
        for record in dataset.records
    }


def converted(config: DataConfig, to: Format, out: Path, split: str = "train") -> DataConfig:
    convert(config, config.source, split, to, out)
    return data_config(out, to)


@pytest.fixture
def voc(tmp_path: Path) -> DataConfig:
    objects = {"my car": [CAR, ("person", (3, 4, 3, 5))], "empty": [], "v1.2": [("car", (2.25, 3.5, 10, 11.125))]}
    root = make_voc(tmp_path / "voc", objects)
    xml = root / "Annotations/my car.xml"
    xml.write_text(xml.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>", 1))
    return data_config(root, "voc")


@pytest.mark.parametrize("to", ["voc", "coco"])
def test_round_trips_of_voc_change_nothing(tmp_path: Path, voc: DataConfig, to: Format) -> None:
    there = converted(voc, to, tmp_path / "there")
    back = converted(there, "voc", tmp_path / "back")
    before = contents(read(voc))
    assert before["my car.png"] == [("car", (0, 0, 40, 20), True, False), ("person", (2, 3, 3, 5), False, False)]
    assert contents(read(there)) == before
    assert contents(read(back)) == before
    xml = (tmp_path / "back/Annotations/my car.xml").read_text()
    assert "<xmin>1</xmin>" in xml
    assert "<xmax>40</xmax>" in xml
    again = converted(back, "voc", tmp_path / "again")
    assert (tmp_path / "again/Annotations/my car.xml").read_text() == xml
    assert contents(read(again)) == before


side = st.integers(0, 1_000).map(lambda n: n / 1_000)  # of 40 x 20 pixels: no box is thinner than 0.02


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1), side, side, side, side), max_size=4))
def test_round_trips_of_yolo_through_voc_and_coco(rows: list[tuple[int, float, float, float, float]]) -> None:
    boxes = {(c, min(x, u), min(y, v), max(x, u), max(y, v)) for c, x, y, u, v in rows if x != u and y != v}
    lines = [f"{c} {(x + u) / 2} {(y + v) / 2} {u - x} {v - y}\n" for c, x, y, u, v in boxes]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = data_config(make_yolo(root / "yolo", {"a": "".join(lines)}), "yolo")
        before = contents(read(config))
        assert len(before["a.png"]) == len(boxes)
        step = config
        for number, to in enumerate(("voc", "coco", "yolo", "yolo")):
            step = converted(step, to, root / str(number))
            after = contents(read(step))
            for new, old in zip(after["a.png"], before["a.png"], strict=True):
                assert new[0] == old[0]
                assert new[1] == pytest.approx(old[1], abs=2e-3)


def test_crowds(tmp_path: Path) -> None:
    boxes = [
        {"category_id": 90, "bbox": [0, 0, 40, 20], "iscrowd": 1},
        {"category_id": 3, "bbox": [1.5, 2, 3, 4], "difficult": 1},
    ]
    config = data_config(make_coco(tmp_path / "coco", coco_tree(boxes)), "coco")
    before = contents(read(config))
    assert contents(read(converted(config, "coco", tmp_path / "again"))) == before
    notes = {to: "\n".join(convert(config, config.source, "train", to, tmp_path / "to" / to)) for to in FORMATS}
    assert contents(read(data_config(tmp_path / "to/voc", "voc")))["a.png"] == [
        ("person", (0, 0, 40, 20), True, False),
        ("car", (1.5, 2, 4.5, 6), True, False),
    ]
    assert contents(read(data_config(tmp_path / "to/yolo", "yolo")))["a.png"] == [
        ("car", (1.5, 2, 4.5, 6), False, False)
    ]
    assert "1 crowd regions are difficult boxes now" in notes["voc"]
    assert "1 crowd regions are left out" in notes["yolo"]
    assert "1 difficult boxes are ordinary ones now" in notes["yolo"]
    assert "`difficult: 1` and `ignore: 1`" in notes["coco"]


@pytest.mark.parametrize("to", FORMATS)
def test_images_are_copied_byte_for_byte_and_the_source_stays(tmp_path: Path, voc: DataConfig, to: Format) -> None:
    root = tmp_path / "voc"
    draw(root / "JPEGImages/empty.png", (40, 20), orientation=3)
    before = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    dataset = read(converted(voc, to, tmp_path / "out"))
    assert {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()} == before
    assert len(dataset) == 3
    for record in dataset.records:
        assert record.path.read_bytes() == before[root / "JPEGImages" / record.path.name]


@pytest.mark.parametrize("to", FORMATS)
def test_images_that_exif_would_turn_off_their_boxes_are_written_upright(tmp_path: Path, to: Format) -> None:
    root = make_voc(tmp_path / "voc", {"a": [("car", (1, 1, 20, 10))]})
    (root / "JPEGImages/a.png").unlink()
    draw(root / "JPEGImages/a.jpg", (40, 20), orientation=6)
    config = data_config(root, "voc")
    notes = convert(config, config.source, "train", to, tmp_path / "out")
    assert [note for note in notes if "written anew" in note] == notes
    sample = read(data_config(tmp_path / "out", to))[0]
    x1, y1, x2, y2 = sample.target["boxes"][0].tolist()
    assert (x1, y1, x2, y2) == pytest.approx((0, 0, 20, 10))
    assert sample.image.size == (40, 20)
    red, _, blue = sample.image.getpixel((10, 5))  # type: ignore[misc]
    assert red > 240
    assert blue < 15


def test_names_that_two_images_share(tmp_path: Path) -> None:
    tree = coco_tree([{"category_id": 3, "bbox": [0, 0, 4, 4]}])
    names = ["x/a.png", "y/a.png", "y/A.jpg", "a_2.png"]
    tree["images"] = [{"id": 7 + n, "file_name": f, "width": 40, "height": 20} for n, f in enumerate(names)]
    config = data_config(make_coco(tmp_path / "coco", tree), "coco")
    notes = convert(config, config.source, "train", "voc", tmp_path / "voc")
    assert list(contents(read(data_config(tmp_path / "voc", "voc")))) == ["a.png", "a_2.png", "A_3.jpg", "a_2_2.png"]
    assert notes == ["3 images have a new name: another image of the split has theirs"]


def test_what_is_written_is_what_clipgap_sees(tmp_path: Path) -> None:
    root = make_voc(tmp_path / "voc", {"a": [("auto", (-5, 1, 10, 10)), ("tree", (1, 1, 2, 2))], "b": []})
    config = data_config(root, "voc", rename={"auto": "car"}).model_copy(
        update={"keep_empty": False, "voc_boxes": "authors"}
    )
    notes = convert(config, config.source, "train", "coco", tmp_path / "coco")
    assert notes == [
        "left out, for they are not of the data file's classes: tree (1)",
        "1 warnings (boxes clipped or left out): `clipgap data check` tells them",
    ]
    tree = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())
    assert [c["name"] for c in tree["categories"]] == ["car", "person"]
    assert [a["bbox"] for a in tree["annotations"]] == [[0, 0, 10, 10]]
    assert len(tree["images"]) == 2


def test_the_split_keeps_its_name_without_a_suffix(tmp_path: Path, voc: DataConfig) -> None:
    (tmp_path / "voc/my.txt").write_text("empty\nmy car\n")
    for to in FORMATS:
        out = tmp_path / "out" / to
        convert(voc, voc.source, "my.txt", to, out)
        assert len(read(data_config(out, to), "my")) == 2


def test_folders_that_will_not_do(tmp_path: Path, voc: DataConfig) -> None:
    root = tmp_path / "voc"
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("")
    for out, message in (
        (full, "is there already"),
        (full / "mine.txt", "is there already"),
        (root / "new", "is inside the data set"),
        (tmp_path / "x" / ".." / "voc" / "new", "is inside the data set"),
        (full / "mine.txt" / "new", "is not a folder"),
    ):
        with pytest.raises(ClipgapError, match=message):
            convert(voc, voc.source, "train", "coco", out)
    assert not (root / "new").exists()
    (tmp_path / "new").mkdir()
    assert convert(voc, voc.source, "train", "voc", tmp_path / "new") == []


def test_a_split_with_errors_is_not_converted(tmp_path: Path, voc: DataConfig) -> None:
    (tmp_path / "voc/ImageSets/Main/train.txt").write_text("none\n")
    with pytest.raises(DataError, match="line 1"):
        convert(voc, voc.source, "train", "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_full_leaves_nothing_behind(
    tmp_path: Path, voc: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "out").mkdir()
    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(DataError, match=r"out: the disk is full.*; make room"):
            convert(voc, voc.source, "train", "voc", tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before
    convert(voc, voc.source, "train", "voc", tmp_path / "out")  # the same command again


def test_images_from_outside_are_copied_with_a_word(tmp_path: Path) -> None:
    outside = draw(tmp_path / "outside.png")
    tree = coco_tree([{"category_id": 3, "bbox": [1, 2, 3, 4], "ignore": 1}])
    root = make_coco(tmp_path / "set", tree)
    (root / "images/a.png").unlink()
    tree["images"][0]["file_name"] = str(outside)
    (root / "annotations/instances_train.json").write_text(json.dumps(tree))
    config = data_config(root, "coco")
    with pytest.raises(DataError, match="is outside of the data set's folder"):
        convert(config, config.source, "train", "voc", tmp_path / "out")
    notes = convert(
        config.model_copy(update={"outside_root": "allow"}), config.source, "train", "voc", tmp_path / "out"
    )
    assert "1 images are copied from outside of the data set's folder (outside_root: allow)" in notes
    assert "<difficult>1</difficult>" in (tmp_path / "out/Annotations/outside.xml").read_text()


@pytest.mark.parametrize("key", ["difficult", "ignore"])
def test_coco_is_written_with_both_words_for_difficult(tmp_path: Path, key: str) -> None:
    root = make_coco(tmp_path / "set", coco_tree([{"category_id": 3, "bbox": [1, 2, 3, 4], key: 1}]))
    config = data_config(root, "coco")
    convert(config, config.source, "train", "coco", tmp_path / "out")
    (box,) = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())["annotations"]
    assert (box["difficult"], box["ignore"], box["iscrowd"]) == (1, 1, 0)
