from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clipgap.data import ImageRecord, read_coco
from clipgap.errors import DataError
from tests.datasets import coco_tree, draw, make_coco

CAR = {"category_id": 3, "bbox": [1, 2, 10, 5.5], "iscrowd": 0}


def only(root: Path, split: str = "train") -> ImageRecord:
    records, faults = read_coco(root, split)
    assert faults == []
    assert len(records) == 1
    return records[0]


def test_a_record_holds_what_the_file_says(tmp_path: Path) -> None:
    crowd = {"category_id": 90, "bbox": [0, 0, 40, 20], "iscrowd": 1}
    difficult = {"category_id": 90, "bbox": [0, 0, 4, 2], "difficult": 1}
    root = make_coco(tmp_path, coco_tree([CAR, crowd, difficult]))
    record = only(root)
    assert (record.image_id, record.width, record.height) == ("7", 40, 20)
    assert record.path == root / "images/a.png"
    assert record.source == root / "annotations/instances_train.json"
    assert [(a.name, a.box, a.crowd, a.difficult, a.where) for a in record.annotations] == [
        ("car", (1, 2, 11, 7.5), False, False, "annotation 100"),
        ("person", (0, 0, 40, 20), True, False, "annotation 101"),
        ("person", (0, 0, 4, 2), False, True, "annotation 102"),
    ]


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("annotations/instances_val.json", "val"),
        ("annotations/val.json", "val"),
        ("instances_val.json", "val"),
        ("val.json", "val"),
        ("instances.json", "instances"),
        ("instances.json", "instances.json"),
        ("labels/my set.json", "labels/my set.json"),
    ],
)
@pytest.mark.parametrize("folder", ["images", "{split}", "images/{split}", "."])
def test_where_files_and_images_are_found(tmp_path: Path, file: str, split: str, folder: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps(coco_tree([CAR])))
    image = draw(tmp_path / folder.format(split=Path(split).stem) / "a.png")
    assert only(tmp_path, split).path == image


def test_the_folder_of_a_file_named_for_its_split(tmp_path: Path) -> None:
    root = make_coco(tmp_path, coco_tree([CAR]), "val")
    (root / "images").rename(root / "val")
    assert only(root, "annotations/instances_val.json").path == root / "val/a.png"


def test_ids_may_be_text_and_sizes_missing(tmp_path: Path) -> None:
    tree = coco_tree([{**CAR, "image_id": "x"}])
    tree["images"] = [{"id": "x", "file_name": "sub folder/a.JPG"}]
    record = only(make_coco(tmp_path, tree))
    assert (record.image_id, record.width, record.height, len(record.annotations)) == ("x", 40, 20, 1)


def test_a_byte_order_mark(tmp_path: Path) -> None:
    root = make_coco(tmp_path, coco_tree([CAR]))
    file = root / "annotations/instances_train.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(only(root).annotations) == 1


def test_images_without_boxes_and_files_without_annotations(tmp_path: Path) -> None:
    tree = coco_tree()
    del tree["annotations"]
    assert only(make_coco(tmp_path, tree)).annotations == ()


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        ({"bbox": None}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [1, 2, 3]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [1, 2, 3, 4, 5]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [1, 2, 3, 4, "5"]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [1, 2, 3, float("nan")]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": {"x": 1}}, "annotation 100", "expected `bbox` of four numbers"),
        ({"category_id": 4}, "annotation 100", "category_id 4 is not one of `categories`"),
        ({"category_id": [3]}, "annotation 100", "is not one of `categories`"),
        ({"image_id": 8}, "annotation 100", "no image with its image_id 8"),
        ({"image_id": None}, "annotation 100", "has no image_id"),
        ({"id": None, "image_id": 8}, "annotation number 1", "no image with its image_id 8"),
    ],
)
def test_faults_name_the_annotation(tmp_path: Path, change: dict[str, Any], where: str, message: str) -> None:
    root = make_coco(tmp_path, coco_tree([{**CAR, **change}, CAR]))
    records, faults = read_coco(root, "train")
    assert [a.where for a in records[0].annotations] == ["annotation 101"]
    assert [(fault.file.name, fault.where, fault.severity) for fault in faults] == [
        ("instances_train.json", where, "error")
    ]
    assert message in faults[0].message


@pytest.mark.parametrize(
    ("image", "where", "message"),
    [
        ({"id": 7, "file_name": "b.png"}, "image 7", "its id is there twice"),
        ({"id": 8, "file_name": "a.png"}, "image 8", "is there already (image 7)"),
        ({"id": 8, "file_name": ""}, "image 8", "has no file_name"),
        ({"id": 8}, "image 8", "has no file_name"),
        ({"file_name": "b.png"}, "image number 2", "has no id"),
        ({"id": 8, "file_name": "none.png"}, "image 8", "no image none.png in "),
        ({"id": 8, "file_name": "broken.png"}, "image 8", "broken.png: not an image"),
        ("a.png", "image number 2", "has no id"),
    ],
)
def test_faults_name_the_image(tmp_path: Path, image: object, where: str, message: str) -> None:
    tree = coco_tree([CAR])
    root = make_coco(tmp_path, tree)
    draw(root / "images/b.png")
    (root / "images/broken.png").write_bytes(b"x")
    tree["images"].append(image)
    (root / "annotations/instances_train.json").write_text(json.dumps(tree))
    records, faults = read_coco(root, "train")
    assert [record.image_id for record in records] == ["7"]
    assert [fault.where for fault in faults] == [where]
    assert message in faults[0].message


def test_a_missing_image_does_not_blame_its_boxes(tmp_path: Path) -> None:
    root = make_coco(tmp_path, coco_tree([CAR]))
    (root / "images/a.png").unlink()
    records, faults = read_coco(root, "train")
    assert records == []
    assert [fault.where for fault in faults] == ["image 7"]


@pytest.mark.parametrize("category", [{"id": 3, "name": "truck"}, {"name": "truck"}, {"id": 5}, "truck"])
def test_broken_categories_are_faults(tmp_path: Path, category: object) -> None:
    tree = coco_tree([CAR])
    tree["categories"].append(category)
    records, faults = read_coco(make_coco(tmp_path, tree), "train")
    assert records[0].annotations[0].name == "car"
    assert [fault.where for fault in faults] == ["category number 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ('{"images": [}', r"line 1: not valid JSON"),
        ("[]", "expected COCO's lists"),
        ('{"images": [], "annotations": []}', "expected COCO's lists"),
        ('{"images": {}, "annotations": [], "categories": []}', "expected COCO's lists"),
        ('{"images": [], "annotations": null, "categories": []}', "expected COCO's lists"),
    ],
)
def test_files_that_are_not_coco(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "val.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_coco(tmp_path, "val")


def test_an_unknown_split_tells_the_files(tmp_path: Path) -> None:
    root = make_coco(tmp_path, coco_tree())
    with pytest.raises(DataError, match=r"no such split.*annotations/instances_train\.json"):
        read_coco(root, "val")


def test_zero_images(tmp_path: Path) -> None:
    assert read_coco(make_coco(tmp_path, {"images": [], "annotations": [], "categories": []}), "train") == ([], [])
