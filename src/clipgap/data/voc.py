"""Read PASCAL VOC: `Annotations/*.xml`, `JPEGImages/`, `ImageSets/Main/<split>.txt`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from clipgap.data.files import images_under, is_image_name, read_lines, reason
from clipgap.data.images import displayed_size
from clipgap.data.records import Annotation, Fault, ImageRecord, Reading, without_repeats
from clipgap.errors import DataError

VocBoxes = Literal["standard", "authors"]
OFFSETS = {"standard": (1, 1, 0, 0), "authors": (1, 1, 1, 1)}
"""What is taken off xmin, ymin, xmax, ymax: VOC counts pixels from 1 and its xmax is the last pixel inside."""
Images = Mapping[str, Sequence[Path]]
"""From stems (with the folders inside JPEGImages) to the images of that stem."""


def read_voc(root: Path, split: str, boxes: VocBoxes = "standard") -> Reading:
    """Read a split of a VOC data set.

    An image belongs to the annotation file of the same stem, as in VOC's own tools; where there is none or several, the
    file's `filename` decides. Coordinates may be decimals. Files without a size take it from the image.

    Args:
        root: the folder that holds Annotations, JPEGImages and ImageSets.
        split: the name of a list in ImageSets/Main, or a list file (`.txt`) relative to `root`, of stems or image
            paths; a second column (`1`, `-1`, `0`) is passed over.
        boxes: `standard` (xmin-1, ymin-1, xmax, ymax), or `authors`, 1 off all four.

    Raises:
        DataError: there is no such split, or its list cannot be read.
    """
    list_file = _list_file(root, split)
    images = _images_by_stem(root / "JPEGImages")
    listed: list[tuple[str, ImageRecord]] = []
    faults: list[Fault] = []
    for number, line in read_lines(list_file):
        where = f"line {number}"
        stem = _stem(line, root / "Annotations")
        file = root / "Annotations" / f"{stem}.xml"
        if not file.is_file():
            message = f"{file} does not exist: remove the line, or write the file (without objects if there are none)"
            faults.append(Fault(list_file, where, message, "error"))
            continue
        record, found = _read_file(file, stem, images, boxes)
        faults += found
        if record:
            listed.append((where, record))
    records, repeats = without_repeats(listed, list_file)
    return records, faults + repeats


def _list_file(root: Path, split: str) -> Path:
    lists = root / "ImageSets" / "Main"
    file = root / split if split.endswith(".txt") else lists / f"{split}.txt"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in lists.glob("*.txt"))) or "none"
        raise DataError(f"{file}: no such split (in {lists} there are: {known})")
    return file


def _images_by_stem(folder: Path) -> Images:
    images: dict[str, list[Path]] = {}
    for path in images_under(folder):
        images.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return images


def _stem(line: str, annotations: Path) -> str:
    """What a line of a list names: a stem, or an image whose stem it is, with or without a second column."""
    if (annotations / f"{line}.xml").is_file():
        return line
    first, *rest = line.rsplit(maxsplit=1)
    if rest and rest[0] in {"1", "-1", "0"}:
        line = first
    path = PurePosixPath(line.replace("\\", "/"))
    if not is_image_name(Path(path)):
        return line
    inside = path.relative_to("JPEGImages") if path.parts[0] == "JPEGImages" else PurePosixPath(path.name)
    return str(inside.with_suffix(""))


def _read_file(file: Path, stem: str, images: Images, boxes: VocBoxes) -> tuple[ImageRecord | None, list[Fault]]:
    try:
        tree: Element = parse(file).getroot()  # type: ignore[assignment]  # a file that parses has a root
    except (ParseError, DefusedXmlException, OSError, ValueError, LookupError) as error:
        return None, [Fault(file, "", f"not readable as XML ({error}): correct the file", "error")]
    path = _image_of(stem, (tree.findtext("filename") or "").strip(), images)
    if not path:
        return None, [Fault(file, "", f"JPEGImages holds no image named {stem}: add it", "error")]
    try:
        width, height = _size(tree) or displayed_size(path)[:2]
    except DataError as error:
        return None, [Fault(path, "", reason(error, path), "error")]
    annotations, faults = _objects(tree, file, boxes)
    return ImageRecord(stem, path, width, height, tuple(annotations), file), faults


def _image_of(stem: str, filename: str, images: Images) -> Path | None:
    name = PurePosixPath(filename.replace("\\", "/")).name
    of_stem = images.get(stem, [])
    of_name = images.get(PurePosixPath(name).stem, [])
    named = [path for path in [*of_stem, *of_name] if path.name == name]
    if len(of_stem) == 1 or not named:
        return of_stem[0] if of_stem else None
    return named[0]


def _size(tree: Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(tree.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _objects(tree: Element, file: Path, boxes: VocBoxes) -> tuple[list[Annotation], list[Fault]]:
    annotations: list[Annotation] = []
    faults: list[Fault] = []
    for number, element in enumerate(tree.findall("object"), start=1):
        where = f"object {number}"
        try:
            annotations.append(_annotation(element, where, boxes))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    return annotations, faults


def _annotation(element: Element, where: str, boxes: VocBoxes) -> Annotation:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("has no name: write its class in <name>")
    corners = [_corner(element, key) for key in ("xmin", "ymin", "xmax", "ymax")]
    x1, y1, x2, y2 = (corner - offset for corner, offset in zip(corners, OFFSETS[boxes], strict=True))
    difficult = (element.findtext("difficult") or "").strip() == "1"
    return Annotation(name, (x1, y1, x2, y2), difficult, crowd=False, where=where)


def _corner(element: Element, key: str) -> float:
    text = (element.findtext(f"bndbox/{key}") or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"<{key}> of its <bndbox> is {text!r}: write a number" if text else f"has no <{key}>: write it"
        )
    return value
