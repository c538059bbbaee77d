from __future__ import annotations

from pathlib import Path

import pytest

from clipgap.config import Reading
from clipgap.data import ImageRecord, read_voc
from clipgap.errors import DataError
from tests.datasets import draw, make_voc, voc_xml

CAR = ("car", (1, 1, 40, 20))


def only(root: Path, split: str = "train") -> ImageRecord:
    records, faults = read_voc(root, split)
    assert faults == []
    assert len(records) == 1
    return records[0]


def rewrite(root: Path, text: str | bytes, stem: str = "a") -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (root / "Annotations" / f"{stem}.xml").write_bytes(data)


def test_a_record_holds_what_the_file_says(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR, ("person", (2.5, 3, 9, 10))]})
    record = only(root)
    assert (record.image_id, record.width, record.height) == ("a", 40, 20)
    assert record.path == root / "JPEGImages" / "a.png"
    assert record.source == root / "Annotations" / "a.xml"
    assert [(a.name, a.box, a.where) for a in record.annotations] == [
        ("car", (0, 0, 40, 20), "object 1"),
        ("person", (1.5, 2, 9, 10), "object 2"),
    ]


def test_the_authors_take_one_off_all_four(tmp_path: Path) -> None:
    records, _ = read_voc(make_voc(tmp_path, {"a": [CAR]}), "train", Reading(voc_boxes="authors"))
    assert records[0].annotations[0].box == (0, 0, 39, 19)


@pytest.mark.parametrize(("text", "difficult"), [("1", True), (" 1 ", True), ("0", False), ("Unspecified", False)])
def test_difficult(tmp_path: Path, text: str, difficult: bool) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    rewrite(root, voc_xml([CAR]).replace("<bndbox>", f"<difficult>{text}</difficult><bndbox>"))
    annotation = only(root).annotations[0]
    assert annotation.difficult is difficult
    assert annotation.crowd is False


def test_boxes_of_parts_are_not_the_objects(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    part = "<part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>6</xmax><ymax>6</ymax></bndbox></part>"
    rewrite(root, voc_xml([CAR]).replace("<bndbox>", f"{part}<bndbox>"))
    assert [(a.name, a.box) for a in only(root).annotations] == [("car", (0, 0, 40, 20))]


@pytest.mark.parametrize(
    "lines",
    [
        "a\r\n\r\n",
        "\ufeffa\n",
        "a 1\n",
        "a  -1",
        "a\t0\n",
        "JPEGImages/a.png\n",
        "./JPEGImages/a.png 1\n",
        "JPEGImages\\a.png\n",
        "/elsewhere/a.PNG\n",
    ],
)
def test_lists_of_all_kinds(tmp_path: Path, lines: str) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    (root / "ImageSets/Main/train.txt").write_bytes(lines.encode())
    assert only(root).image_id == "a"


def test_a_list_file_may_be_anywhere_in_the_root(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR], "b": []})
    (root / "my.txt").write_text("b\n")
    assert only(root, "my.txt").image_id == "b"


def test_names_with_spaces_dots_and_numbers(tmp_path: Path) -> None:
    stems = ["my car", "image 1", "v1.2", "c.jpg"]
    root = make_voc(tmp_path, {stem: [CAR] for stem in stems})
    records, faults = read_voc(root, "train")
    assert faults == []
    assert [record.image_id for record in records] == stems
    assert [record.path.name for record in records] == [f"{stem}.png" for stem in stems]


def test_ids_may_lead_into_folders(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {})
    draw(root / "JPEGImages/city/a.jpg")
    (root / "Annotations/city").mkdir()
    rewrite(root, voc_xml([CAR]), "city/a")
    (root / "ImageSets/Main/train.txt").write_text("city/a\nJPEGImages/city/a.jpg\n")
    records, faults = read_voc(root, "train")
    assert [record.image_id for record in records] == ["city/a"]
    assert [fault.where for fault in faults] == ["line 2"]


def test_the_image_is_the_one_of_the_same_stem(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR], "b": []})
    rewrite(root, voc_xml([CAR], filename="b.png"))
    records, _ = read_voc(root, "train")
    assert records[0].path.name == "a.png"


def test_the_filename_decides_where_stems_do_not(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    draw(root / "JPEGImages/a.JPG")
    rewrite(root, voc_xml([CAR], filename="a.png"))
    assert only(root).path.name == "a.png"
    rewrite(root, voc_xml([CAR], filename="C:\\photos\\a.JPG"))
    assert only(root).path.name == "a.JPG"
    (root / "JPEGImages/a.JPG").unlink()
    (root / "JPEGImages/a.png").rename(root / "JPEGImages/other.png")
    rewrite(root, voc_xml([CAR], filename="other.png"))
    assert only(root).path.name == "other.png"


def test_uppercase_suffixes(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    (root / "JPEGImages/a.png").rename(root / "JPEGImages/a.PNG")
    assert only(root).path.name == "a.PNG"


@pytest.mark.parametrize("size", [None, (0, 0), ("wide", 20), ("inf", 20)])
def test_a_size_that_is_not_stated_is_the_displayed_one(tmp_path: Path, size: tuple[int, int] | None) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    draw(root / "JPEGImages/a.png", (40, 20), orientation=6)
    rewrite(root, voc_xml([CAR], size=size))
    record = only(root)
    assert (record.width, record.height) == (20, 40)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "", "not readable as XML"),
        ("<annotation><object>", "", "not readable as XML"),
        (b"<?xml version='1.0' encoding='nonsense'?><annotation/>", "", "not readable as XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>', "", "declares entities"),
        (voc_xml([CAR, ("", (1, 1, 2, 2))]), "object 2", "no name"),
        (voc_xml([("car", ("nan", 1, 2, 2))]), "object 1", "<xmin> of its <bndbox> is 'nan'"),
        (voc_xml([("car", (1, 1, "inf", 2))]), "object 1", "<xmax>"),
        (voc_xml([("car", (1, "ten", 2, 2))]), "object 1", "'ten'"),
        ("<annotation><object><name>car</name></object></annotation>", "object 1", "has no <bndbox>"),
        ("<annotation><object><name>car</name><bndbox/></object></annotation>", "object 1", "has no <xmin>"),
        ("<html><body>404</body></html>", "", "is no VOC annotation (its root is <html>, not <annotation>)"),
    ],
)
def test_faults_name_the_file_and_the_object(tmp_path: Path, text: str, where: str, message: str) -> None:
    root = make_voc(tmp_path, {"a": [], "b": [CAR]})
    rewrite(root, text)
    records, faults = read_voc(root, "train")
    assert records[-1].image_id == "b"  # what is right is read
    assert len(faults) == 1
    assert faults[0].file == root / "Annotations/a.xml"
    assert faults[0].where == where
    assert message in faults[0].message
    assert faults[0].severity == "error"
    assert "\n" not in str(faults[0])


def test_missing_files_are_faults(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR], "b": [CAR], "c": [CAR]})
    (root / "Annotations/a.xml").unlink()
    (root / "JPEGImages/b.png").unlink()
    records, faults = read_voc(root, "train")
    assert [record.image_id for record in records] == ["c"]
    assert (faults[0].file.name, faults[0].where) == ("train.txt", "line 1")
    assert "no image named b" in faults[1].message


def test_an_image_that_must_be_opened_and_cannot_is_a_fault(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR]})
    (root / "JPEGImages/a.png").write_bytes(b"")
    rewrite(root, voc_xml([CAR], size=None))
    records, faults = read_voc(root, "train")
    assert records == []
    assert str(faults[0]).count("a.png") == 1


def test_repeated_lines_are_errors(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": [CAR], "b": []})
    (root / "ImageSets/Main/train.txt").write_text("a\nb\n\na\n")
    records, faults = read_voc(root, "train")
    assert [record.image_id for record in records] == ["a", "b"]
    assert str(faults[0]).endswith("train.txt, line 4: the image a.png is there already (line 1): remove one")


def test_an_empty_list_has_no_images(tmp_path: Path) -> None:
    assert read_voc(make_voc(tmp_path, {}), "train") == ([], [])


def test_an_unknown_split_tells_the_known_ones(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": []})
    with pytest.raises(DataError, match=r"val\.txt: no such split .*train"):
        read_voc(root, "val")
    with pytest.raises(DataError, match="no such split"):
        read_voc(tmp_path / "nowhere", "train")


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    root = make_voc(tmp_path, {"a": []})
    (root / "ImageSets/Main/train.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        read_voc(root, "train")
