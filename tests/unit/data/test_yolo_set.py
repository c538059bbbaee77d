"""Which images a split has, and which label files belong to them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from clipgap.data import check, read_yolo
from clipgap.data.check_report import by_kind
from clipgap.data.places import Place
from clipgap.data.yolo import label_file
from clipgap.errors import DataError
from tests.datasets import data_config, draw, make_yolo

BOX = "0 .5 .5 1 1\n"


def make(root: Path, *files: str) -> Path:
    """A set that data.yaml describes by names alone; images are drawn, label files have a box, lists name a.png."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            draw(root / name)
        else:
            (root / name).write_text(BOX)
    if not (root / "data.yaml").exists():
        (root / "data.yaml").write_text("names: [car]")
    return root


def found(place: Place | Path, split: str) -> list[tuple[str, int]]:
    records, faults = read_yolo(place, split)
    assert faults == []
    return [(record.image_id, len(record.annotations)) for record in records]


@pytest.mark.parametrize(
    "description",
    [
        "train: images/train",
        "path: .\ntrain: ./images/train",
        "path: images\ntrain: train",
        "path: /nowhere/else\ntrain: images/train",
        "path: ~\ntrain: images/train",
        "train: ../images/train",  # as Roboflow writes it
        "train: [images/train]",
        "train: list.txt",
        "train: [list.txt]",
        "train: images/train/my car.png",
        "train: images\\train",
        "train: /home/me/datasets/set/images/train",  # another machine's
        "train: C:\\Users\\me\\set\\images\\train",
        "train: /home/me/lists/list.txt",
        "train:",
        "train: null",
        "val: elsewhere",
    ],
)
def test_splits_of_all_kinds(tmp_path: Path, description: str) -> None:
    root = make_yolo(tmp_path / "set", {"my car": BOX})
    (root / "list.txt").write_text("./images/train/my car.png\r\n")
    (root / "data.yaml").write_text(f"{description}\nnames: [car]")
    assert found(root, "train") == [("images/train/my car.png", 1)]


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/val/a.png", "labels/val/a.txt"),
        ("val/images/a.png", "val/labels/a.txt"),
        ("images/valid/a.png", "labels/valid/a.txt"),
        ("valid/images/a.png", "valid/labels/a.txt"),
        ("validation/a.png", "validation/a.txt"),
        ("val/Images/a.png", "val/Labels/a.txt"),
        ("val/deep/images/er/a.png", "val/deep/labels/er/a.txt"),
        ("images/val/a.png", "labels/val/a.TXT"),
        ("images/val/a.png", "images/val/a.txt"),
    ],
)
@pytest.mark.parametrize("split", ["val", "valid", "validation", "all"])
def test_splits_that_nothing_names_are_found_by_their_folders(
    tmp_path: Path, image: str, label: str, split: str
) -> None:
    assert found(make(tmp_path, image, label), split) == [(image, 1)]


@pytest.mark.parametrize("entry", ["val: ../valid/images", "valid: ../val/images", "validation: /x/valid/images"])
def test_val_and_valid_are_one_in_the_description_too(tmp_path: Path, entry: str) -> None:
    root = make(tmp_path, "val/images/a.png", "val/labels/a.txt")
    (root / "data.yaml").write_text(f"{entry}\nnames: [car]")
    assert found(root, "valid") == [("val/images/a.png", 1)]


def test_the_folder_of_images_that_a_data_file_names(tmp_path: Path) -> None:
    root = make(tmp_path, "photos/train/a.png", "photos/train/a.txt", "other/train/b.png")
    place = Place(root, images="photos")
    assert found(place, "train") == found(place, "all") == [("photos/train/a.png", 1)]


@pytest.mark.parametrize(
    ("images", "image", "label"),
    [
        ("photos", "photos/train/a.png", "texts/train/a.txt"),
        ("photos/train", "photos/train/a.png", "texts/a.txt"),
        (None, "images/train/a.png", "texts/train/a.txt"),
        (None, "train/a.png", "texts/train/a.txt"),
    ],
)
def test_the_folder_of_label_files_that_a_data_file_names(
    tmp_path: Path, images: str | None, image: str, label: str
) -> None:
    root = make(tmp_path, image, label, f"{Path(label).parent}/b.txt")
    place = Place(root, images=images, annotations="texts")
    split = "all" if images == "photos/train" else "train"
    records, faults = read_yolo(place, split)
    assert [(record.image_id, record.source) for record in records] == [(image, root / label)]
    assert [fault.file.name for fault in faults] == ["b.txt"]
    (root / label).unlink()
    assert f"no {root / label}" in read_yolo(place, split)[1][0].message


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("val: elsewhere", "no split 'train' .*there are: val, test.*`all`"),
        ("train: {a: b}", "no split 'train' can be read"),
        ("train: [[a]]", "no split 'train' can be read"),
        ("train: nowhere", "no folder or list of images 'nowhere' in "),
        ("train: /home/me/images", "no folder or list of images '/home/me/images'"),
        ("train: ../outside", "outside of the data set's folder .*outside_root: allow"),
        ("path: ..\ntrain: outside", "outside of the data set's folder .*outside_root: allow"),
        ("train: '" + "x" * 5000 + "'", "no folder or list of images 'xxx"),
    ],
)
def test_splits_that_are_not_there(tmp_path: Path, description: str, message: str) -> None:
    root = make(tmp_path / "set", "images/a.png", "images/test/b.png")
    draw(tmp_path / "outside/c.png")
    (root / "data.yaml").write_text(f"{description}\nnames: [car]")
    with pytest.raises(DataError, match=message) as caught:
        read_yolo(root, "train")
    assert str(caught.value).startswith(str(root / "data.yaml"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "line",
    [
        "images/train/caf\u00e9 1.png",
        "images/train/cafe\u0301 1.png",
        '"images/train/caf\u00e9 1.png"',
        "images\\train\\caf\u00e9 1.png",
        "./data/../images/train/caf\u00e9 1.png",
        "data/images/train/caf\u00e9 1.png",  # as CVAT writes it
        "/home/me/set/images/train/caf\u00e9 1.png",
        "D:\\set\\images\\train\\caf\u00e9 1.png",
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_lines_of_lists(tmp_path: Path, line: str, form: str) -> None:
    name = unicodedata.normalize(form, "caf\u00e9 1")
    root = make(tmp_path, f"images/train/{name}.png", "labels/train/caf\u00e9 1.txt", "data/x.txt")
    (root / "my.txt").write_text(f"\n{line}\n", encoding="utf-8")
    records, faults = read_yolo(root, "my.txt")
    assert faults == []
    assert [(r.path.stem, len(r.annotations)) for r in records] == [(name, 1)]


@pytest.mark.parametrize("line", ["../outside/c.png", "images/../../outside/c.png", "ABSOLUTE"])
def test_lines_that_leave_the_set_are_refused_unless_allowed(tmp_path: Path, line: str) -> None:
    root = make(tmp_path / "set", "images/a.png", "images/a.txt")
    draw(tmp_path / "outside/c.png")
    line = str(tmp_path / "outside/c.png") if line == "ABSOLUTE" else line
    (root / "my.txt").write_text(f"images/a.png\n{line}\n")
    records, faults = read_yolo(root, "my.txt")
    assert [r.path.name for r in records] == ["a.png"]
    assert [(f.file, f.where, f.severity) for f in faults] == [(root / "my.txt", "line 2", "error")]
    assert "outside_root: allow" in faults[0].message
    records, faults = read_yolo(Place(root, outside=True), "my.txt")
    assert faults == []
    assert [r.path.name for r in records] == ["a.png", "c.png"]


@pytest.mark.parametrize("line", ["none.png", "images", "images/", "x" * 5000, "/", "..", "images/\0.png", "'"])
def test_lines_that_name_no_image(tmp_path: Path, line: str) -> None:
    root = make(tmp_path, "images/a.png", "images/a.txt")
    (root / "my.txt").write_text(f"images/a.png\n{line}\n")
    records, faults = read_yolo(root, "my.txt")
    assert [r.path.name for r in records] == ["a.png"]
    assert [f.severity for f in faults] == ["error"]
    assert len(str(faults[0])) < 500


def test_label_files_outside_of_the_set_are_not_read(tmp_path: Path) -> None:
    root = make(tmp_path / "images/set", "train/a.png", "train/a.txt")
    (tmp_path / "labels/set/train").mkdir(parents=True)
    (tmp_path / "labels/set/train/a.txt").write_text(BOX * 2)
    assert found(root, "train") == [("train/a.png", 1)]


def test_the_only_label_files_are_outside_of_the_set(tmp_path: Path) -> None:
    root = make(tmp_path / "images", "train/a.png")
    make(tmp_path, "labels/train/a.txt")
    _, faults = read_yolo(root, "train")
    assert [fault.severity for fault in faults] == ["error"]
    assert "labels/train/a.txt is outside of the data set's folder" in faults[0].message
    assert found(Place(root, outside=True), "train") == [("train/a.png", 1)]


def test_images_that_share_a_label_file_are_warned_of(tmp_path: Path) -> None:
    root = make(tmp_path, "images/train/a.png", "labels/train/a.txt")
    draw(root / "images/train/a.jpg")
    records, faults = read_yolo(root, "train")
    assert [len(r.annotations) for r in records] == [1, 1]
    assert [(f.file, f.severity, f.detail) for f in faults] == [
        (root / "labels/train/a.txt", "warning", "a.jpg, a.png")
    ]


@pytest.mark.parametrize(
    ("image", "label", "hint"),
    [
        ("caf\u00e9.png", "caf%C3%A9.txt", "did you mean caf\u00e9.png?"),
        ("caf%C3%A9.png", "caf\u00e9.txt", "did you mean caf%C3%A9.png?"),
        ("IMG_1.png", "img_1.txt", "did you mean IMG_1.png?"),
        ("my car.png", "my_car.txt", "did you mean my car.png?"),
        ("my car.png", "my+car.TXT", "did you mean my car.png?"),
        ("x.png", "y.txt", ""),
    ],
)
@pytest.mark.parametrize("folders", [("images/train", "labels/train"), ("train", "train")])
def test_label_files_without_an_image_are_warned_of(
    tmp_path: Path, folders: tuple[str, str], image: str, label: str, hint: str
) -> None:
    images, labels = folders
    root = make(tmp_path, f"{images}/a.png", f"{labels}/a.txt", f"{images}/{image}", f"{labels}/{label}")
    records, faults = read_yolo(root, "train")
    assert sorted(len(r.annotations) for r in records) == [0, 1]
    assert [(f.file, f.severity, f.detail) for f in faults] == [(root / labels / label, "warning", hint)]


def test_label_files_in_a_folder_without_images_are_found(tmp_path: Path) -> None:
    root = make(tmp_path, "images/train/a.png", "labels/train/a.txt", "labels/train/night/b.txt")
    _, faults = read_yolo(root, "train")
    assert [f.file for f in faults] == [root / "labels/train/night/b.txt"]


def test_many_label_files_without_an_image_are_one_line(tmp_path: Path) -> None:
    make(tmp_path, "images/train/a.png", "labels/train/a.txt", *(f"labels/train/b{n}.txt" for n in range(9)))
    report = check(data_config(tmp_path, "yolo", train="train"))
    (line,) = [line for line in by_kind(report.faults("warning")) if "without an image" in line]
    assert line.startswith("9 times: a label file without an image")


@pytest.mark.parametrize(
    "name", ["classes.txt", "train.txt", "README.roboflow.txt", "notes.json", "._a.txt", "predefined_classes.txt"]
)
def test_other_files_among_labels_are_no_label_files(tmp_path: Path, name: str) -> None:
    assert found(make(tmp_path, "train/a.png", "train/a.txt", f"train/{name}"), "train") == [("train/a.png", 1)]


def test_images_of_other_splits_are_no_reason_to_speak(tmp_path: Path) -> None:
    root = make(tmp_path, "images/a.png", "images/b.png", "labels/a.txt", "labels/b.txt")
    (root / "my.txt").write_text("images/a.png\n")
    assert found(root, "my.txt") == [("images/a.png", 1)]


def test_no_label_file_at_all_is_an_error_though_there_are_others(tmp_path: Path) -> None:
    root = make(tmp_path, "images/train/a.png", "labels/train/b.txt")
    _, faults = read_yolo(root, "train")
    assert [(f.file.name, f.severity) for f in faults] == [("data.yaml", "error"), ("b.txt", "warning")]


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("/images/set/images/x/a.b.jpg", "/images/set/labels/x/a.b.txt"),
        ("photos/a.jpg", "photos/a.txt"),
        ("set/Images/a.jpg", "set/labels/a.txt"),
        ("images/a.jpg", "labels/a.txt"),
    ],
)
def test_the_last_folder_named_images_becomes_labels(image: str, labels: str) -> None:
    assert label_file(Path(image)) == Path(labels)


def test_a_set_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "images/train/a.png", "labels/train/a.txt", "val/b.png", "val/b.txt")
    monkeypatch.chdir(tmp_path)
    assert found(Path(), "train") == [("images/train/a.png", 1)]
    assert found(Path(os.curdir), "val") == [("val/b.png", 1)]
