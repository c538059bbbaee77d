from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clipgap.data import ImageRecord, read_coco
from clipgap.data.places import Place
from clipgap.errors import DataError
from tests.datasets import coco_tree, draw, make_coco

CAR = {"category_id": 3, "bbox": [1, 2, 10, 5.5], "iscrowd": 0}


def only(root: Path, split: str = "train") -> ImageRecord:
    records, faults = read_coco(root, split)
    assert faults == []
    assert len(records) == 1
    return records[0]


def renamed(root: Path, file_name: str) -> Path:
    """The set with another name for its image in the file; the image stays where it is."""
    tree = coco_tree([CAR])
    tree["images"][0]["file_name"] = file_name
    (root / "annotations/instances_train.json").write_text(json.dumps(tree))
    return root


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
        ({"bbox": [1, 2, 3, "four"]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [1, 2, 3, True]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [9, 2, -3, 4]}, "annotation 100", "the width of its `bbox` is negative (-3)"),
        ({"bbox": [9, 9, 3, "-4"]}, "annotation 100", "the height of its `bbox` is negative (-4)"),
        ({"bbox": None, "segmentation": {"counts": "x"}}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": [], "segmentation": [[1, 2, 3]]}, "annotation 100", "no list of polygons"),
        ({"bbox": [1, 2, 3, float("nan")]}, "annotation 100", "expected `bbox` of four numbers"),
        ({"bbox": {"x": 1}}, "annotation 100", "expected `bbox` of four numbers"),
        ({"category_id": 4}, "annotation 100", "category_id 4 is not one of `categories`"),
        ({"category_id": [3]}, "annotation 100", "is not one of `categories`"),
        ({"image_id": 8}, "annotation 100", "image_id 8: there is no image with its image_id"),
        ({"image_id": None}, "annotation 100", "has no image_id"),
        ({"id": None, "image_id": 8}, "annotation number 1", "image_id 8: there is no image with its image_id"),
    ],
)
def test_faults_name_the_annotation(tmp_path: Path, change: dict[str, Any], where: str, message: str) -> None:
    root = make_coco(tmp_path, coco_tree([{**CAR, **change}, CAR]))
    records, faults = read_coco(root, "train")
    assert [a.where for a in records[0].annotations] == ["annotation 101"]
    assert [(fault.file.name, fault.where, fault.severity) for fault in faults] == [
        ("instances_train.json", where, "error")
    ]
    assert message in str(faults[0])


@pytest.mark.parametrize(
    ("image", "where", "message"),
    [
        ({"id": 7, "file_name": "b.png"}, "image 7", "its id is there twice"),
        ({"id": 8, "file_name": "a.png"}, "image 8", "is there already (image 7)"),
        ({"id": 8, "file_name": ""}, "image 8", "has no file_name"),
        ({"id": 8}, "image 8", "has no file_name"),
        ({"id": 7.0, "file_name": "b.png"}, "image 7", "its id is there twice"),
        ({"id": 8, "file_name": "b.png", "width": "wide", "height": 20}, "image 8", "its width is 'wide'"),
        ({"id": 8, "file_name": "b.png", "width": 40, "height": 0}, "image 8", "its height is 0"),
        ({"id": 8, "file_name": "b.png", "width": 40.5, "height": 20}, "image 8", "its width is 40.5"),
        ({"file_name": "b.png"}, "image number 2", "has no id"),
        ({"id": 8, "file_name": "none.png"}, "image 8", "none.png: there is no such image in images, the data set's"),
        ({"id": 8, "file_name": "images"}, "image 8", "images: there is no such image"),
        ({"id": 8, "file_name": "no\0ne\n.png"}, "image 8", "no\\x00ne\\n.png: there is no such image"),
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
    assert message in str(faults[0])


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
        ('{"images": [], "annotations": [], "categories": null}', "expected COCO's lists"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', "holds detections"),
        ("[" * 100_000, "nested too deeply"),
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


@pytest.mark.parametrize(("of_image", "of_box"), [("1", 1), (1, "1"), (1.0, 1), (1, 1.0), ("1.0", 1), ("x1", "x1")])
def test_ids_are_the_same_however_they_are_written(tmp_path: Path, of_image: object, of_box: object) -> None:
    tree = coco_tree([{**CAR, "image_id": of_box, "category_id": "3.0"}])
    tree["images"][0]["id"] = of_image
    assert len(only(make_coco(tmp_path, tree)).annotations) == 1


def test_text_that_begins_with_zero_is_no_number(tmp_path: Path) -> None:
    tree = coco_tree([{**CAR, "image_id": "7"}])
    tree["images"] = [{"id": "007", "file_name": "a.png", "width": 40, "height": 20}]
    _, faults = read_coco(make_coco(tmp_path, tree), "train")
    assert "image_id 7: there is no image" in str(faults[0])


@pytest.mark.parametrize("size", [{"width": 20.0, "height": 40.0}, {"width": "20", "height": "40.0"}])
def test_sizes_as_decimals_and_text_are_checked_like_numbers(tmp_path: Path, size: dict[str, object]) -> None:
    tree = coco_tree([CAR])
    tree["images"][0] |= size
    record = only(make_coco(tmp_path, tree))
    assert (record.width, record.height) == (20, 40), "what the file states: reading the image holds it against that"


@pytest.mark.parametrize("mark", [1, "1", True, "true", "1.0"])
def test_marks_as_numbers_and_text(tmp_path: Path, mark: object) -> None:
    marks = [{"iscrowd": mark}, {"ignore": mark}, {"difficult": mark}]
    record = only(make_coco(tmp_path, coco_tree([CAR | one for one in marks])))
    assert [(a.crowd, a.difficult) for a in record.annotations] == [(True, False), (False, True), (False, True)]


def test_numbers_as_text_and_outlines_without_a_box(tmp_path: Path) -> None:
    outline = {"category_id": 3, "segmentation": [[1, 2, 11, 2, 11, 7.5], [5, 1, 6, 1, 6, 2]]}
    record = only(make_coco(tmp_path, coco_tree([{**CAR, "bbox": ["1", "2", 10, "5.5"]}, outline])))
    assert [a.box for a in record.annotations] == [(1, 2, 11, 7.5), (1, 1, 11, 7.5)]


def test_backslashes_in_file_names(tmp_path: Path) -> None:
    tree = coco_tree([CAR])
    tree["images"][0]["file_name"] = "night\\rain\\a.png"
    root = make_coco(tmp_path, tree)
    image = draw(root / "images/night/rain/a.png")
    assert only(root).path == image


@pytest.mark.parametrize(
    ("file", "image", "split"),
    [
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("valid/_annotations.coco.json", "valid/a.png", "val"),
        ("valid/_annotations.coco.json", "valid/a.png", "valid"),
        ("annotations/person_keypoints_train.json", "images/train/a.png", "train"),
        ("annotations/instances_train2017.json", "train2017/a.png", "train2017"),
        ("annotations/instances_val.v1.2.json", "val.v1.2/a.png", "val.v1.2"),
        ("annotations/[old].json", "images/a.png", "[old]"),
    ],
)
def test_layouts_of_tools(tmp_path: Path, file: str, image: str, split: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(json.dumps(coco_tree([CAR])))
    path = draw(tmp_path / image)
    assert only(tmp_path, split).path == path


def test_a_folder_of_images_that_is_named(tmp_path: Path) -> None:
    root = make_coco(tmp_path, coco_tree([CAR]))
    image = draw(root / "pictures of 2026/a.png")
    records, faults = read_coco(Place(root, images="pictures of 2026"), "train")
    assert [record.path for record in records] == [image]
    assert faults == []


def test_boxes_relative_to_the_image_are_refused_with_the_reason(tmp_path: Path) -> None:
    boxes = [{**CAR, "bbox": [0.1, 0.2, 0.5, 0.5]}, {**CAR, "bbox": [0, 0, 1, 1]}]
    _, faults = read_coco(make_coco(tmp_path, coco_tree(boxes)), "train")
    assert [fault.severity for fault in faults] == ["error"]
    assert "all 2 boxes are within 0 to 1: COCO's are in pixels" in faults[0].message


@pytest.mark.parametrize("name", ["../../outside.png", "{absolute}", "./../../outside.png", "..\\..\\outside.png"])
def test_images_outside_of_the_data_set_are_refused_unless_allowed(tmp_path: Path, name: str) -> None:
    outside = draw(tmp_path / "outside.png")
    root = renamed(make_coco(tmp_path / "set", coco_tree([CAR])), name.format(absolute=outside))
    _, faults = read_coco(root, "train")
    assert "is outside of the data set's folder" in faults[0].message
    assert "outside_root: allow" in faults[0].message
    records, faults = read_coco(Place(root, outside=True), "train")
    assert faults == []
    assert records[0].path.samefile(outside)


@pytest.mark.parametrize("stored", ["caf\u00e9.png", "cafe\u0301.png"])
@pytest.mark.parametrize("written", ["caf\u00e9.png", "cafe\u0301.png"])
def test_accents_composed_and_decomposed_are_the_same(tmp_path: Path, stored: str, written: str) -> None:
    root = renamed(make_coco(tmp_path, coco_tree([CAR])), written)
    image = draw(root / "images" / stored)
    assert only(root).path == image
