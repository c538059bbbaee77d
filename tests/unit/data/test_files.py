from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipgap.config import Reading
from clipgap.data import check
from clipgap.data.files import images_under, read_lines, read_text
from clipgap.data.places import same_split
from clipgap.data.voc_xml import read_voc_file
from clipgap.errors import DataError
from tests.datasets import coco_tree, data_config, make_coco, make_voc


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeff a \r\n\r\n\tb".encode())
    assert read_lines(file) == [(1, "a"), (3, "b")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "is no file but a pipe, a socket or a device"),
        (os.mkdir, "is a folder, not a file"),
        (lambda path: None, "cannot be read .No such file"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8"),
    ],
)
def test_what_is_no_text_file_is_refused_and_not_waited_for(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "a.txt")
    with pytest.raises(DataError, match=f"^{tmp_path / 'a.txt'}: {message}"):
        read_text(tmp_path / "a.txt")


def test_pipes_in_place_of_annotation_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.xml")
    (fault,) = read_voc_file(tmp_path / "a.xml", Reading().voc_boxes).faults
    assert fault.message.startswith("is no file but a pipe")
    for form, root, name in (
        ("coco", make_coco(tmp_path / "coco", coco_tree()), "annotations/instances_train.json"),
        ("voc", make_voc(tmp_path / "voc", {"a": []}), "Annotations/a.xml"),
        ("voc", make_voc(tmp_path / "list", {"a": []}), "ImageSets/Main/train.txt"),
    ):
        (root / name).unlink()
        os.mkfifo(root / name)
        assert not check(data_config(root, form, train="train")).ok


def test_images_are_those_of_all_folders_sorted(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/c.PNG", "a/.hidden.png", "a/d.txt", ".jpg", "e.jpg/f.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in images_under(tmp_path)]
    assert names == ["a/c.PNG", "b.jpg", "e.jpg", "e.jpg/f.gif"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none: cannot be read \(No such file"):
        images_under(tmp_path / "none")


def test_names_of_the_same_split() -> None:
    assert same_split("valid") == ("valid", "val", "validation")
    assert same_split("test") == ("test",)
