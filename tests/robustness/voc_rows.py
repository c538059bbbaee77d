"""Odd VOC sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.datasets import draw, make_voc, voc_xml
from tests.robustness.row import DataRow

CAR = ("car", (5.0, 5.0, 35.0, 18.0))
VOC = {"format": "voc"}


def voc(xml: str | bytes | None = None, lines: str | None = None) -> Callable[[Path], None]:
    """A set of one image, with its annotation file and list, or others in their places."""

    def make(root: Path) -> None:
        make_voc(root, {"a": [CAR]})
        if xml is not None:
            (root / "Annotations/a.xml").write_bytes(xml if isinstance(xml, bytes) else xml.encode())
        if lines is not None:
            (root / "ImageSets/Main/train.txt").write_text(lines)

    return make


def box(*corners: object) -> Callable[[Path], None]:
    return voc(voc_xml([("car", corners)]))  # type: ignore[list-item]


def then(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [step(root) for step in steps]


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / old).rename(root / new)


ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
VOC_ROWS = (
    DataRow(
        "folders in any case, `images/`",
        then(voc(), rename("Annotations", "annotations"), rename("JPEGImages", "Images")),
        boxes=1,
        source=VOC,
    ),
    DataRow(
        "no `ImageSets`, split `all`", then(voc(), rename("ImageSets", "x")), boxes=1, source=VOC | {"train": "all"}
    ),
    DataRow(
        "all files in one folder",
        then(
            voc(),
            rename("JPEGImages/a.png", "a.png"),
            rename("Annotations/a.xml", "a.xml"),
            rename("Annotations", "x"),
            rename("JPEGImages", "y"),
        ),
        boxes=1,
        source=VOC | {"train": "all"},
    ),
    DataRow(
        "folders of any name (`annotations:`, `images:`)",
        then(voc(), rename("Annotations", "xml"), rename("JPEGImages", "jpg")),
        boxes=1,
        source=VOC | {"annotations": "xml", "images": "jpg"},
    ),
    DataRow("quoted names in lists", voc(lines='"a"\n'), boxes=1, source=VOC),
    DataRow(
        "`<difficult>` as True or 1.0",
        voc(voc_xml([CAR]).replace("<bndbox>", "<difficult>True</difficult><bndbox>")),
        boxes=1,
        source=VOC,
    ),
    DataRow(
        "a web page in place of XML",
        voc("<html><body>404</body></html>"),
        "Annotations/a.xml: is no VOC annotation (its root is <html>, not <annotation>): replace it",
        source=VOC,
    ),
    DataRow("XML that breaks off", voc("<annotation><object>"), "Annotations/a.xml: not readable as XML", source=VOC),
    DataRow(
        "XML with entities (alias bombs, files of the machine)",
        voc(ENTITY),
        "Annotations/a.xml: declares entities, which are not read: write them out",
        source=VOC,
    ),
    DataRow(
        "UTF-16 or Latin-1, if it says so",
        voc(f'<?xml version="1.0" encoding="utf-16"?>{voc_xml([CAR])}'.encode("utf-16")),
        boxes=1,
        source=VOC,
    ),
    DataRow(
        "coordinates beyond any image", box(1, 1, 1e30, 5), "it is beyond any image; correct or remove it", source=VOC
    ),
    DataRow(
        "corners the wrong way round",
        box(30, 1, 5, 5),
        "it ends before it begins; swap its corners or remove it",
        source=VOC,
    ),
    DataRow(
        "a coordinate that is no number",
        box("one", 1, 5, 5),
        "object 1: <xmin> of its <bndbox> is 'one': write a number",
        source=VOC,
    ),
    DataRow(
        "corners counted from 0",
        box(0, 0, 39, 19),
        "if a tool wrote the set that counts from 0 (CVAT, Datumaro), set voc_boxes: zero_based",
        0,
        1,
        source=VOC,
    ),
    DataRow(
        "the same with `voc_boxes: zero_based`", box(0, 0, 39, 19), boxes=1, source=VOC | {"voc_boxes": "zero_based"}
    ),
    DataRow(
        "a `<size>` that is not the image's",
        voc(voc_xml([CAR], (60, 30))),
        "the image is 40 x 20, but its annotation file says 60 x 30",
        source=VOC,
    ),
    DataRow(
        "the same with `size_mismatch: image`",
        voc(voc_xml([CAR], (60, 30))),
        "60 x 30, the image 40 x 20: states another size than the image has: the image's counts",
        0,
        1,
        source=VOC | {"size_mismatch": "image"},
    ),
    DataRow("a `<size>` that is missing, 0 or words", voc(voc_xml([CAR], (0, 0))), boxes=1, source=VOC),
    DataRow(
        "a line of a list without a file",
        voc(lines="a\nb\n"),
        "train.txt, line 2: set/Annotations/b.xml: does not exist: remove the line, or write the file",
        source=VOC,
    ),
    DataRow(
        "a line twice",
        voc(lines="a\na\n"),
        "train.txt, line 2: the image a.png is there already (line 1): remove one",
        source=VOC,
    ),
    DataRow(
        "a line that leaves the data set",
        then(voc(lines="../../b\n"), lambda root: (root.parent / "b.xml").write_text(voc_xml())),
        "is outside of the data set's folder set",
        source=VOC,
    ),
    DataRow("an empty list", voc(lines="\n"), "split train: has no images", source=VOC),
    DataRow(
        "an annotation file without an image",
        then(voc(), lambda root: (root / "JPEGImages/a.png").unlink()),
        "Annotations/a.xml: JPEGImages holds no image named a: add it",
        source=VOC,
    ),
    DataRow(
        "an image without an annotation file",
        then(voc(), lambda root: draw(root / "JPEGImages/b.png")),
        "b.png: has no annotation file: left out",
        0,
        1,
        source=VOC | {"train": "all"},
    ),
    DataRow(
        "names of accents composed and decomposed",
        then(
            voc(lines="caf\u00e9\n"),
            rename("Annotations/a.xml", "Annotations/cafe\u0301.xml"),
            rename("JPEGImages/a.png", "JPEGImages/caf\u00e9.png"),
        ),
        boxes=1,
        source=VOC,
    ),
    DataRow(
        "class names that differ in capitals (`match_case: false`)",
        voc(voc_xml([("CAR", CAR[1])])),
        boxes=1,
        source=VOC | {"match_case": False},
    ),
    DataRow(
        "parts with roots and formats of their own",
        lambda root: [make_voc(root / "one", {"a": [CAR]}), make_voc(root / "two", {"b": [CAR]})],
        boxes=2,
        source=VOC | {"train": None, "parts": [{"root": "one", "train": "train"}, {"root": "two", "train": "train"}]},
    ),
    DataRow(
        "an image in two parts",
        voc(),
        "part 2: the image a.png is there already (part 1): remove one",
        source=VOC | {"train": None, "parts": [{"train": "train"}, {"train": "all"}]},
    ),
    DataRow(
        "a part whose folder is not there",
        voc(),
        "set/two: no such folder: correct `root` of domain day",
        source=VOC | {"train": None, "parts": [{"root": "two", "train": "train"}]},
    ),
    DataRow(
        "a pipe as an annotation file",
        then(
            voc(),
            lambda root: (root / "Annotations/a.xml").unlink(),
            lambda root: os.mkfifo(root / "Annotations/a.xml"),
        ),
        "a.xml: is no file but a pipe, a socket or a device",
        source=VOC,
    ),
)
