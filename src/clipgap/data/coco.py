"""Read COCO: a JSON file with `images`, `annotations` and `categories`, and a folder of images."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipgap.data.files import read_text, reason
from clipgap.data.images import displayed_size
from clipgap.data.records import Annotation, Box, Fault, ImageRecord, Records, without_repeats
from clipgap.errors import DataError

PLACES = ("annotations/instances_{}.json", "annotations/{}.json", "instances_{}.json", "{}.json")
"""Where the file of a split is looked for, in this order."""
FOLDERS = ("images", "{}", "images/{}", ".")
"""Where its images are looked for."""


def read_coco(root: Path, split: str) -> Records:
    """Read a split of a COCO data set.

    The file of a split `val` is the first of annotations/instances_val.json, annotations/val.json, instances_val.json
    and val.json in `root`; its images are looked for in images, val, images/val and `root` itself. So a set that is one
    file, instances.json, has the split `instances`. Beside COCO's own keys, `difficult` of an annotation is read.

    Args:
        root: the data set's folder.
        split: a name, or a file (`.json`) relative to `root`.

    Raises:
        DataError: there is no such split, or its file is no COCO file.
    """
    file = _find_file(root, split)
    images, annotations, categories = _load(file)
    names, faults = _category_names(categories, file)
    boxes, found = _annotations(annotations, names, file)
    faults += found
    folders = [root / pattern.format(_folder_name(split)) for pattern in FOLDERS]
    listed: list[tuple[str, ImageRecord]] = []
    known: set[int | str] = set()
    for number, entry in enumerate(images, start=1):
        where = f"image {_id(entry, 'id', default=f'number {number}')}"
        try:
            image_id = _new_id(entry, known)
            listed.append((where, _record(entry, image_id, boxes[image_id], folders, file)))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    for image_id in boxes.keys() - known:
        for annotation in boxes[image_id]:
            message = f"there is no image with its image_id {image_id}: remove it, or add the image"
            faults.append(Fault(file, annotation.where, message, "error"))
    records, repeats = without_repeats(listed, file)
    return records, faults + repeats


def _find_file(root: Path, split: str) -> Path:
    places = [split] if split.endswith(".json") else [place.format(split) for place in PLACES]
    found = next((root / place for place in places if (root / place).is_file()), None)
    if found is None:
        files = sorted(path.relative_to(root).as_posix() for path in [*root.glob("*.json"), *root.glob("*/*.json")])
        known = ", ".join(files) or "none"
        raise DataError(f"{root}: no such split: none of {', '.join(places)} (JSON files that are there: {known})")
    return found


def _folder_name(split: str) -> str:
    return Path(split).stem.removeprefix("instances_")


def _load(file: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """`images`, `annotations` and `categories`; a file of a split without boxes may lack the second."""
    try:
        tree = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise DataError(f"{file}, line {error.lineno}: not valid JSON ({error.msg})") from None
    tree = tree if isinstance(tree, dict) else {}
    images, annotations, categories = tree.get("images"), tree.get("annotations", []), tree.get("categories")
    if not (isinstance(images, list) and isinstance(annotations, list) and isinstance(categories, list)):
        raise DataError(f"{file}: expected COCO's lists `images`, `annotations` and `categories`")
    return images, annotations, categories


def _category_names(categories: list[Any], file: Path) -> tuple[dict[int | str, str], list[Fault]]:
    names: dict[int | str, str] = {}
    faults: list[Fault] = []
    for number, entry in enumerate(categories, start=1):
        category = _id(entry, "id", default="")
        if category == "" or not isinstance(entry.get("name"), str):
            faults.append(Fault(file, f"category number {number}", "needs an `id` and a `name`", "error"))
        elif category in names:
            faults.append(Fault(file, f"category number {number}", f"its id {category} is there twice", "error"))
        else:
            names[category] = entry["name"]
    return names, faults


def _annotations(
    entries: list[Any], names: Mapping[int | str, str], file: Path
) -> tuple[defaultdict[int | str, list[Annotation]], list[Fault]]:
    """All boxes, by image id."""
    boxes: defaultdict[int | str, list[Annotation]] = defaultdict(list)
    faults: list[Fault] = []
    for number, entry in enumerate(entries, start=1):
        where = f"annotation {_id(entry, 'id', default=f'number {number}')}"
        image_id = _id(entry, "image_id", default="")
        try:
            if image_id == "":
                raise ValueError("has no image_id: write it")
            boxes[image_id].append(_annotation(entry, names, where))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    return boxes, faults


def _annotation(entry: Mapping[str, Any], names: Mapping[int | str, str], where: str) -> Annotation:
    category = _id(entry, "category_id", default="")
    if category not in names:
        raise ValueError(f"its category_id {entry.get('category_id')!r} is not one of `categories`: correct it")
    x, y, w, h = _bbox(entry.get("bbox"))
    difficult, crowd = (entry.get(key) in (1, True) for key in ("difficult", "iscrowd"))
    return Annotation(names[category], (x, y, x + w, y + h), difficult, crowd, where)


def _bbox(value: Any) -> Box:
    """x, y, width, height as they stand in the file."""
    numbers = [float(n) for n in value if isinstance(n, int | float)] if isinstance(value, list) else []
    if len(numbers) != 4 or len(value) != 4 or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"expected `bbox` of four numbers, x, y, width, height, got {value!r}")
    x, y, w, h = numbers
    return x, y, w, h


def _new_id(entry: object, known: set[int | str]) -> int | str:
    image_id = _id(entry, "id", default="")
    if image_id == "":
        raise ValueError("has no id: write it")
    if image_id in known:
        raise ValueError("its id is there twice: give every image its own")
    known.add(image_id)
    return image_id


def _record(
    entry: Mapping[str, Any], image_id: int | str, boxes: list[Annotation], folders: list[Path], file: Path
) -> ImageRecord:
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        raise ValueError("has no file_name: write it")
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise ValueError(f"no image {name} in {', '.join(str(folder) for folder in folders)}")
    try:
        width, height = _size(entry) or displayed_size(path)[:2]
    except DataError as error:
        raise ValueError(f"{path.name}: {reason(error, path)}") from None
    return ImageRecord(str(image_id), path, width, height, tuple(boxes), file)


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = entry.get("width"), entry.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) and width > 0 < height else None


def _id(entry: object, key: str, default: str) -> int | str:
    """An id, which COCO writes as a whole number and some tools as text."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | str) else default
