"""Read YOLO: `data.yaml`, images, and beside `images/` a `labels/` with a text file an image.

A line of a label file is `class cx cy w h`: an index into `names`, then centre and size, relative to the image as it is
displayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipgap.data.files import images_under, read_lines, read_text, reason
from clipgap.data.images import displayed_size
from clipgap.data.records import Annotation, Box, Fault, ImageRecord, Records, without_repeats
from clipgap.errors import DataError

FAR_OUT = 2.0
"""A relative number above this can only be meant in pixels."""


@dataclass(frozen=True, slots=True)
class _Description:
    """What data.yaml says."""

    file: Path
    folder: Path
    """Its `path`: what the entries of the splits are relative to. It is often another machine's: then `root` is."""
    names: Mapping[int, str]
    entries: Mapping[str, Any]


def read_yolo(root: Path, split: str) -> Records:
    """Read a split of a YOLO data set.

    An image without a label file has no boxes. The size of a record is the displayed image's: only its header is read.

    Args:
        root: the folder that holds data.yaml (or one other .yaml).
        split: a key of data.yaml (a folder, a list file, or a list of those), or a list file (`.txt`) of image paths
            relative to `root`.

    Raises:
        DataError: there is no data.yaml, it is no description of a data set, or there is no such split.
    """
    description = _describe(root)
    places = [split] if split.endswith(".txt") else _places(description, split)
    listed: list[tuple[str, ImageRecord]] = []
    faults: list[Fault] = []
    labelled = 0
    for where, path in (image for place in places for image in _images(description, root, place)):
        try:
            width, height, _ = displayed_size(path)
        except DataError as error:
            faults.append(Fault(path, "", reason(error, path), "error"))
            continue
        labels = label_file(path)
        labelled += labels.is_file()
        annotations, found = _read_labels(labels, description.names, (width, height))
        faults += found
        listed.append((where, ImageRecord(_image_id(path, root), path, width, height, annotations, labels)))
    if listed and not labelled:
        expected = label_file(listed[0][1].path)
        faults.append(Fault(description.file, split, f"no image has a label file (no {expected}): add them", "error"))
    records, repeats = without_repeats(listed, description.file)
    return records, faults + repeats


def label_file(image: Path) -> Path:
    """Where an image's boxes are: the last folder named `images` on its path is `labels` there."""
    parts = list(image.parts)
    folders = [index for index, part in enumerate(parts[:-1]) if part == "images"]
    if folders:
        parts[folders[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _describe(root: Path) -> _Description:
    found = sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
    file = root / "data.yaml" if (root / "data.yaml").is_file() or len(found) != 1 else found[0]
    if not file.is_file():
        raise DataError(f"{file}: does not exist; a YOLO data set is described there: `names`, and paths of its splits")
    try:
        tree = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise DataError(f"{file}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(tree, dict):
        raise DataError(f"{file}: expected `names: [...]` and the paths of the splits")
    return _Description(file, root / str(tree.get("path") or "."), _names(tree.get("names"), file), tree)


def _names(names: object, file: Path) -> dict[int, str]:
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise DataError(f"{file}: `names` must list the classes, got {names!r}")
    try:
        return {int(index): str(name) for index, name in names.items()}
    except (TypeError, ValueError):
        raise DataError(f"{file}: `names` must be a list, or a mapping from class indices to names") from None


def _places(description: _Description, split: str) -> list[str]:
    entry = description.entries.get(split)
    if isinstance(entry, str):
        entry = [entry]
    if isinstance(entry, list) and entry and all(isinstance(place, str) for place in entry):
        return entry
    known = ", ".join(key for key in ("train", "val", "test") if description.entries.get(key)) or "none"
    raise DataError(
        f"{description.file}: no split {split!r} (there are: {known}); a split is a path or a list of paths"
    )


def _images(description: _Description, root: Path, place: str) -> Iterator[tuple[str, Path]]:
    """The images of a folder or list file, each with its place there."""
    found = _find(place, description.folder, root)
    if found is None:
        raise DataError(f"{description.file}: no folder or list of images {place!r} in {description.folder} or {root}")
    if found.is_dir():
        yield from ((f"folder {place}", path) for path in images_under(found))
        return
    for number, line in read_lines(found):
        path = _find(line, root, description.folder, found.parent)
        yield f"line {number} of {found.name}", path or root / line


def _find(name: str, *folders: Path) -> Path | None:
    """The first that exists. Roboflow writes `../train/images` where it means `train/images`: tried last."""
    names = [name.replace("\\", "/"), name.replace("\\", "/").removeprefix("../")]
    return next((folder / name for name in names for folder in folders if (folder / name).exists()), None)


def _image_id(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _read_labels(
    file: Path, names: Mapping[int, str], size: tuple[int, int]
) -> tuple[tuple[Annotation, ...], list[Fault]]:
    if not file.is_file():
        return (), []
    try:
        lines = read_lines(file)
    except DataError as error:
        return (), [Fault(file, "", reason(error, file), "error")]
    annotations: list[Annotation] = []
    faults: list[Fault] = []
    for number, line in lines:
        where = f"line {number}"
        try:
            name, box = _parse(line, names, size)
            annotations.append(Annotation(name, box, difficult=False, crowd=False, where=where))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    return tuple(annotations), faults


def _parse(line: str, names: Mapping[int, str], size: tuple[int, int]) -> tuple[str, Box]:
    try:
        index, *numbers = (float(part) for part in line.split())
    except ValueError:
        raise ValueError(f"expected five numbers, `class cx cy w h`, got {line!r}") from None
    if len(numbers) > 5:
        raise ValueError(f"{len(numbers) + 1} numbers are a polygon; boxes are read only: write `class cx cy w h`")
    if len(numbers) != 4 or not all(math.isfinite(number) for number in (index, *numbers)):
        raise ValueError(f"expected five numbers, `class cx cy w h`, got {line!r}")
    if index not in names:
        raise ValueError(f"class {index:g} is not one of the {len(names)} in `names` of the data set's .yaml")
    if max(numbers) > FAR_OUT:
        raise ValueError(f"expected numbers relative to the image, 0 to 1, got {line!r}: divide by its size")
    cx, cy, w, h = numbers
    width, height = size
    box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
    return names[int(index)], box
