"""Read COCO: a JSON file with `images`, `annotations` and `categories`, and a folder of images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipgap.data.coco_values import Id, bbox_of, id_of, size_of
from clipgap.data.files import is_marked, read_text, reason
from clipgap.data.images import displayed_size
from clipgap.data.places import Place, same_split
from clipgap.data.records import Annotation, Fault, ImageRecord, Records, without_repeats
from clipgap.errors import DataError, one_line
from clipgap.parse import UnreadableError, parse_json

PLACES = (
    "annotations/instances_{}.json",
    "annotations/{}.json",
    "annotations/*_{}.json",
    "instances_{}.json",
    "{}.json",
    "{}/_annotations.coco.json",
    "{}/*.json",
)
"""Where the file of a split is looked for, in this order."""
FOLDERS = ("images", "{}", "images/{}", ".")
"""Where its images are looked for, and beside the file itself."""
PREFIXES = ("instances_", "person_keypoints_")


def read_coco(place: Place | Path, split: str) -> Records:
    """Read a split of a COCO data set.

    The file of a split `val` is the first of annotations/instances_val.json, annotations/val.json,
    annotations/person_keypoints_val.json, instances_val.json, val.json and val/_annotations.coco.json (Roboflow's); its
    images are looked for in images, val, images/val, the data set's folder and beside the file, unless `place` names
    their folder. So a set that is one file, instances.json, has the split `instances`. Beside COCO's own keys
    `difficult` and `ignore` of an annotation are read, both as difficult.

    Args:
        place: the data set's folder.
        split: a name, or a file (`.json`) relative to the folder.

    Raises:
        DataError: there is no such split, or its file is no COCO file.
    """
    place = place if isinstance(place, Place) else Place(place)
    file = _find_file(place.root, split)
    images, annotations, categories = _load(file)
    names, faults = _category_names(categories, file)
    boxes, found = _annotations(annotations, names, file)
    faults += found
    folders = _image_folders(place, file)
    missing = f"there is no such image in {_shown(folders, place.root)}: add it, or name the folder with `images`"
    listed: list[tuple[str, ImageRecord]] = []
    known: set[Id] = set()
    for number, entry in enumerate(images, start=1):
        where = f"image {_shown_id(entry, number)}"
        try:
            image_id = _new_id(entry, known)
            found_at = _image(entry, place, folders)
            if found_at is None:
                faults.append(Fault(file, where, missing, "error", entry["file_name"]))
            else:
                listed.append((where, _record(entry, image_id, boxes[image_id], found_at, file)))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    for image_id in boxes.keys() - known:
        for annotation in boxes[image_id]:
            message = "there is no image with its image_id: remove it, or add the image"
            faults.append(Fault(file, annotation.where, message, "error", f"image_id {image_id}"))
    records, repeats = without_repeats(listed, file)
    return records, faults + repeats + _relative(records, file)


def _find_file(root: Path, split: str) -> Path:
    if split.endswith(".json"):
        found = [root / split] if (root / split).is_file() else []
    else:
        names = same_split(split)
        found = [path for name in names for place in PLACES for path in sorted(root.glob(place.format(_literal(name))))]
    if not found:
        files = sorted(path.relative_to(root).as_posix() for path in [*root.glob("*.json"), *root.glob("*/*.json")])
        known = ", ".join(files) or "none"
        tried = split if split.endswith(".json") else ", ".join(place.format(split) for place in PLACES)
        raise DataError(f"{root}: no such split: none of {tried} (JSON files that are there: {known})")
    return found[0]


def _literal(name: str) -> str:
    """A name in which glob sees no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _image_folders(place: Place, file: Path) -> list[Path]:
    if place.images:
        return [place.root / place.images]
    name = file.name.removesuffix(".json")
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    tail = name.rpartition("_")[2]
    names = dict.fromkeys((name, tail, f"{tail}2017", f"{tail}2014"))
    folders = [place.root / pattern.format(one) for one in names for pattern in FOLDERS]
    return list(dict.fromkeys([*folders, file.parent]))


def _shown(folders: Sequence[Path], root: Path) -> str:
    """Those of the folders that are there, from the data set's folder on."""
    there = [os.path.relpath(folder, root) for folder in folders if folder.is_dir()]
    return ", ".join("the data set's folder" if name == "." else name for name in there) or "any of its folders"


def _load(file: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """`images`, `annotations` and `categories`; a file of a split without boxes may lack the second."""
    try:
        tree = parse_json(read_text(file))
    except UnreadableError as error:
        raise DataError(f"{file}{error.place}: not valid JSON ({error.problem})") from None
    if isinstance(tree, list) and tree and isinstance(tree[0], dict) and "score" in tree[0]:
        raise DataError(f"{file}: holds detections (a list with scores), not annotations: name the annotation file")
    tree = tree if isinstance(tree, dict) else {}
    images, annotations, categories = tree.get("images"), tree.get("annotations") or [], tree.get("categories")
    if not (isinstance(images, list) and isinstance(annotations, list) and isinstance(categories, list)):
        raise DataError(f"{file}: expected COCO's lists `images`, `annotations` and `categories`")
    return images, annotations, categories


def _category_names(categories: list[Any], file: Path) -> tuple[dict[Id, str], list[Fault]]:
    names: dict[Id, str] = {}
    faults: list[Fault] = []
    for number, entry in enumerate(categories, start=1):
        category = id_of(entry, "id")
        if category is None or not isinstance(entry.get("name"), str):
            faults.append(Fault(file, f"category number {number}", "needs an `id` and a `name`", "error"))
        elif category in names:
            faults.append(Fault(file, f"category number {number}", f"its id {category} is there twice", "error"))
        else:
            names[category] = entry["name"]
    return names, faults


def _annotations(
    entries: list[Any], names: Mapping[Id, str], file: Path
) -> tuple[defaultdict[Id, list[Annotation]], list[Fault]]:
    """All boxes, by image id."""
    boxes: defaultdict[Id, list[Annotation]] = defaultdict(list)
    faults: list[Fault] = []
    for number, entry in enumerate(entries, start=1):
        where = f"annotation {_shown_id(entry, number)}"
        image_id = id_of(entry, "image_id")
        try:
            if image_id is None:
                raise ValueError("has no image_id: write it")
            boxes[image_id].append(_annotation(entry, names, where))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    return boxes, faults


def _annotation(entry: Mapping[str, Any], names: Mapping[Id, str], where: str) -> Annotation:
    category = id_of(entry, "category_id")
    if category is None or category not in names:
        raise ValueError(
            f"its category_id {one_line(repr(entry.get('category_id')))} is not one of `categories`: correct it"
        )
    x, y, w, h = bbox_of(entry)
    difficult = is_marked(entry.get("difficult")) or is_marked(entry.get("ignore"))
    return Annotation(names[category], (x, y, x + w, y + h), difficult, is_marked(entry.get("iscrowd")), where)


def _shown_id(entry: object, number: int) -> Id:
    shown = id_of(entry, "id")
    return f"number {number}" if shown is None else shown


def _new_id(entry: object, known: set[Id]) -> Id:
    image_id = id_of(entry, "id")
    if image_id is None:
        raise ValueError("has no id: write it")
    if image_id in known:
        raise ValueError("its id is there twice: give every image its own")
    known.add(image_id)
    return image_id


def _image(entry: Mapping[str, Any], place: Place, folders: list[Path]) -> Path | None:
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        raise ValueError("has no file_name: write it")
    path = place.find(name, *folders)
    return path if path and path.is_file() else None


def _record(entry: Mapping[str, Any], image_id: Id, boxes: list[Annotation], path: Path, file: Path) -> ImageRecord:
    try:
        width, height = size_of(entry) or displayed_size(path)[:2]
    except DataError as error:
        raise ValueError(f"{path.name}: {reason(error, path)}") from None
    return ImageRecord(str(image_id), path, width, height, tuple(boxes), file)


def _relative(records: Sequence[ImageRecord], file: Path) -> list[Fault]:
    """An error where all boxes of a file are within 0 to 1: relative to their images, not in pixels."""
    boxes = [annotation.box for record in records for annotation in record.annotations]
    if not boxes or max(max(box) for box in boxes) > 1 or max(max(r.width, r.height) for r in records) <= 2:
        return []
    message = f"all {len(boxes)} boxes are within 0 to 1: COCO's are in pixels; multiply them by their images' sizes"
    return [Fault(file, "", message, "error")]
