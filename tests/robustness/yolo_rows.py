"""Odd YOLO sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.datasets import draw, make_yolo
from tests.robustness.row import DataRow
from tests.robustness.voc_rows import rename, then

YOLO = {"format": "yolo"}
BOX = "0 .5 .5 .5 .5\n"


def yolo(text: str = BOX, description: str | None = None) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        make_yolo(root, {"a": text})
        if description is not None:
            (root / "data.yaml").write_text(description)

    return make


def cvat(root: Path) -> None:
    draw(root / "obj_train_data/a.png")
    (root / "obj_train_data/a.txt").write_text(BOX)
    (root / "obj.names").write_text("car\nperson\n")
    (root / "obj.data").write_text("classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    (root / "train.txt").write_text("data/obj_train_data/a.png\n")


YOLO_ROWS = (
    DataRow(
        "outlines",
        yolo("0 .1 .1 .5 .1 .5 .5\n"),
        "outlines (segments, oriented boxes) are read as the boxes that enclose them",
        0,
        1,
        source=YOLO,
    ),
    DataRow(
        "the same with `yolo_segments: error`",
        yolo("0 .1 .1 .5 .1 .5 .5\n"),
        "line 1: 7 numbers: an outline (segment), not a box: write `class cx cy w h`, or set yolo_segments: box",
        source=YOLO | {"yolo_segments": "error"},
    ),
    DataRow(
        "poses, with `kpt_shape`",
        yolo("0 .5 .5 .5 .5 .4 .4 2\n", "train: images/train\nnames: [car, person]\nkpt_shape: [1, 3]"),
        boxes=1,
        source=YOLO,
    ),
    DataRow(
        "poses without it",
        yolo("0 .5 .5 .5 .5 .4 .4 2 .6 .6 1\n"),
        "looks like a box with key points (x, y, visible): write `kpt_shape: [points, 3]` in the .yaml",
        source=YOLO,
    ),
    DataRow(
        "a sixth number",
        yolo("0 .5 .5 .5 .5 .9\n"),
        "a sixth number: looks like a prediction with its confidence",
        source=YOLO,
    ),
    DataRow("too few or uneven numbers", yolo("0 .5 .5\n"), "expected five numbers, `class cx cy w h`", source=YOLO),
    DataRow(
        "numbers in pixels",
        yolo("0 20 10 30 10\n"),
        "expected numbers relative to the image, 0 to 1: divide them by its size",
        source=YOLO,
    ),
    DataRow(
        "a negative width",
        yolo("0 .5 .5 -.5 .5\n"),
        "the width or height of its box is negative: correct or remove it",
        source=YOLO,
    ),
    DataRow(
        "a class that is not in `names`",
        yolo("7 .5 .5 .5 .5\n"),
        "line 1: class 7: its class is not one of the 2 in `names` of the data set",
        source=YOLO,
    ),
    DataRow(
        "the same line again",
        yolo(BOX * 2),
        "line 2: repeats line 1: the same class and corners again: left out",
        0,
        1,
        source=YOLO,
    ),
    DataRow("a description of any name", then(yolo(), rename("data.yaml", "my set.yml")), boxes=1, source=YOLO),
    DataRow(
        "`names` as a mapping",
        yolo(description="train: images/train\nnames: {0: car, 1: person}"),
        boxes=1,
        source=YOLO,
    ),
    DataRow("CVAT's and darknet's `obj.data`", cvat, boxes=1, source=YOLO),
    DataRow(
        "`nc` that disagrees",
        yolo(description="train: images/train\nnames: [car, person]\nnc: 80"),
        "nc: 80 for 2 names: `nc` is not the number of `names`: `names` counts; correct one of them",
        0,
        1,
        source=YOLO,
    ),
    DataRow(
        "nothing that describes the set",
        then(yolo(), lambda root: (root / "data.yaml").unlink()),
        "data.yaml: does not exist, nor another .yaml with `names`",
        source=YOLO,
    ),
    DataRow(
        "paths of another machine",
        yolo(description="path: /home/me/set\ntrain: /home/me/set/images/train\nnames: [car, person]"),
        boxes=1,
        source=YOLO,
    ),
    DataRow(
        "`valid` in place of `val`",
        then(
            yolo(description="names: [car, person]"),
            rename("images/train", "images/valid"),
            rename("labels/train", "labels/valid"),
        ),
        boxes=1,
        source=YOLO | {"train": "val"},
    ),
    DataRow("`.TXT`", then(yolo(), rename("labels/train/a.txt", "labels/train/a.TXT")), boxes=1, source=YOLO),
    DataRow(
        "a label file without an image",
        then(
            yolo(),
            lambda root: (root / "labels/train/caf%C3%A9.txt").write_text(BOX),
            lambda root: draw(root / "images/train/caf\u00e9.png"),
        ),
        "did you mean caf\u00e9.png?: a label file without an image, passed over",
        0,
        1,
        source=YOLO,
    ),
    DataRow(
        "two images of one label file",
        then(yolo(), lambda root: draw(root / "images/train/a.jpg")),
        "is the label file of several images: each is given its boxes",
        0,
        2,
        source=YOLO,
    ),
    DataRow(
        "no label file at all",
        then(yolo(), lambda root: (root / "labels/train/a.txt").unlink()),
        "no image has a label file",
        source=YOLO,
    ),
)
