"""Write annotation files: VOC, COCO and YOLO. The readers get the same boxes back from them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import yaml

from clipgap.data.records import Annotation, ImageRecord
from clipgap.errors import DataError

Images = Sequence[tuple[str, ImageRecord]]
"""The name of every image's new file, and the image."""
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DECIMALS = 6
"""Of a pixel; whole numbers are written as such. YOLO's numbers, relative to the side, get four more digits."""


def write_voc(out: Path, split: str, images: Images) -> Path:
    """Annotations/*.xml and ImageSets/Main/<split>.txt; crowds become difficult boxes. Returns the images' folder.

    Raises:
        DataError: a name has characters that XML has no way to write.
    """
    annotations, lists = _folder(out, "Annotations"), _folder(out, "ImageSets/Main")
    for name, record in images:
        tree = ElementTree.ElementTree(_voc_tree(name, record))
        ElementTree.indent(tree)
        tree.write(annotations / f"{Path(name).stem}.xml", encoding="utf-8")
    _write(lists / f"{split}.txt", "".join(f"{Path(name).stem}\n" for name, _ in images))
    return _folder(out, "JPEGImages")


def write_coco(out: Path, split: str, images: Images, classes: Sequence[str]) -> Path:
    """annotations/instances_<split>.json; all is numbered from 1. Returns the images' folder."""
    tree = {
        "images": [
            {"id": image_id, "file_name": name, "width": record.width, "height": record.height}
            for image_id, (name, record) in enumerate(images, start=1)
        ],
        "categories": [{"id": category, "name": name} for category, name in enumerate(classes, start=1)],
    }
    boxes = [(image_id, box) for image_id, (_, record) in enumerate(images, start=1) for box in record.annotations]
    tree["annotations"] = [
        {"id": number, "image_id": image_id, "category_id": classes.index(box.name) + 1, **_coco_box(box)}
        for number, (image_id, box) in enumerate(boxes, start=1)
    ]
    _write(_folder(out, "annotations") / f"instances_{split}.json", json.dumps(tree, ensure_ascii=False))
    return _folder(out, "images")


def write_yolo(out: Path, split: str, images: Images, classes: Sequence[str]) -> Path:
    """data.yaml and labels/<split>/*.txt, empty ones for images without boxes.

    Crowds are left out. Returns the images' folder.
    """
    labels = _folder(out, f"labels/{split}")
    for name, record in images:
        boxes = [box for box in record.annotations if not box.crowd]
        lines = [_yolo_line(box, classes.index(box.name), record.width, record.height) for box in boxes]
        _write(labels / f"{Path(name).stem}.txt", "".join(lines))
    description = {split: f"images/{split}", "names": list(classes)}
    _write(out / "data.yaml", yaml.safe_dump(description, sort_keys=False, allow_unicode=True))
    return _folder(out, f"images/{split}")


def _voc_tree(name: str, record: ImageRecord) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    _add(root, "filename", name)
    size = _add(root, "size")
    for key, value in (("width", record.width), ("height", record.height), ("depth", 3)):
        _add(size, key, str(value))
    for annotation in record.annotations:
        element = _add(root, "object")
        _add(element, "name", annotation.name)
        _add(element, "difficult", str(int(annotation.difficult or annotation.crowd)))
        x1, y1, x2, y2 = annotation.box
        corners = _add(element, "bndbox")
        for key, corner in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            _add(corners, key, str(_tidy(corner)))
    return root


def _add(parent: ElementTree.Element, tag: str, text: str | None = None) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text
    if text and NO_XML.search(text):
        raise DataError(f"{tag} {text!r}: VOC's XML cannot hold such characters; rename it, or choose another format")
    return element


def _coco_box(annotation: Annotation) -> dict[str, object]:
    x1, y1, x2, y2 = annotation.box
    marks = {"difficult": 1, "ignore": 1} if annotation.difficult else {}
    box = [_tidy(value) for value in (x1, y1, x2 - x1, y2 - y1)]
    return {"bbox": box, "area": _tidy((x2 - x1) * (y2 - y1)), "iscrowd": int(annotation.crowd), **marks}


def _yolo_line(annotation: Annotation, index: int, width: int, height: int) -> str:
    x1, y1, x2, y2 = annotation.box
    numbers = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return f"{index} " + " ".join(f"{number:.{DECIMALS + 4}g}" for number in numbers) + "\n"


def _tidy(value: float) -> float:
    """Rounded; an int where that is whole."""
    rounded = round(value, DECIMALS)
    return int(rounded) if rounded == int(rounded) else rounded


def _folder(out: Path, name: str) -> Path:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")
