"""Read PASCAL VOC: XML files, images of the same stems, and lists of the splits."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from clipgap.config import Reading, VocBoxes
from clipgap.data.files import images_under, is_image_name, named_under, read_lines, reason
from clipgap.data.images import displayed_size
from clipgap.data.places import Place
from clipgap.data.records import Fault, ImageRecord, Records, without_repeats
from clipgap.data.voc_xml import VocFile, read_voc_file
from clipgap.errors import DataError, there_are

ALL = "all"
"""The split of all annotation files, where no list has that name."""


@dataclass(frozen=True)
class _Layout:
    """Where the files of a VOC set are."""

    place: Place
    annotations: Path
    images: Path
    lists: Path


@dataclass(frozen=True)
class _Files:
    """What is there, by stem: with the folders inside the images' or the annotations' folder, composed (NFC)."""

    layout: _Layout
    annotations: Mapping[str, Sequence[Path]]
    images: Mapping[str, Sequence[Path]]

    @classmethod
    def of(cls, layout: _Layout) -> _Files:
        annotations = named_under(layout.annotations, _names_annotations)
        images = images_under(layout.images)
        return cls(layout, _by_stem(layout.annotations, annotations), _by_stem(layout.images, images))

    def annotation_file(self, stem: str) -> Path | None:
        """Raises ValueError: it lies outside of the data set's folder."""
        found = self.annotations.get(_key(stem))
        return found[0] if found else self.layout.place.find(f"{stem}.xml", self.layout.annotations)


def read_voc(place: Place | Path, split: str, how: Reading | None = None) -> Records:
    """Read a split of a VOC data set.

    Annotation files are in `Annotations`, images in `JPEGImages` or `images`, in any case, or all in one folder, unless
    `place` names the folders. An image belongs to the annotation file of the same stem, as in VOC's own tools; where
    there is none or several, the file's `filename` decides. Coordinates may be decimals. Files without a size take it
    from the image.

    Args:
        place: the data set's folder.
        split: the name of a list in ImageSets/Main; a list file (`.txt`) relative to the folder, of stems or image
            paths (a second column, `1`, `-1`, `0`, is passed over; a list in another set's ImageSets/Main is of that
            set); or `all`, every annotation file.
        how: `voc_boxes` counts here.

    Raises:
        DataError: there is no such split, or its list cannot be read.
    """
    place = place if isinstance(place, Place) else Place(place)
    boxes = (how or Reading()).voc_boxes
    layout = _layout(place)
    list_file = _list_file(layout, split)
    layout = layout if list_file is None else _home(layout, list_file)
    files = _Files.of(layout)
    if list_file is None:
        stems = [("", stem) for stem in files.annotations]
        if not stems:
            folder = layout.annotations
            raise DataError(f"{folder}: holds no annotation files (.xml); name their folder with `annotations`")
        records, faults = _read_stems(files, stems, boxes, layout.annotations)
        return records, faults + _without_annotations(files)
    lines = [(f"line {number}", _stem(line, files)) for number, line in read_lines(list_file)]
    return _read_stems(files, lines, boxes, list_file)


def _layout(place: Place) -> _Layout:
    annotations = place.root / place.annotations if place.annotations else place.folder("Annotations", "labels")
    if not annotations.is_dir():
        annotations = place.root
    images = place.root / place.images if place.images else place.folder("JPEGImages", "images")
    if not images.is_dir():
        images = annotations
    return _Layout(place, annotations, images, place.folder("ImageSets") / "Main")


def _home(layout: _Layout, list_file: Path) -> _Layout:
    """The layout of the set whose list this is: `VOC2007/ImageSets/Main/x.txt` is of VOC2007."""
    is_of_a_set = [part.casefold() for part in list_file.parts[-3:-1]] == ["imagesets", "main"]
    if layout.place.annotations or not is_of_a_set or list_file.parents[2] == layout.place.root:
        return layout
    return _layout(replace(layout.place, root=list_file.parents[2]))


def _list_file(layout: _Layout, split: str) -> Path | None:
    """The list of a split; None for all files."""
    root = layout.place.root
    file = root / split if split.lower().endswith(".txt") else layout.lists / f"{split}.txt"
    if file.is_file():
        return file
    if split == ALL:
        return None
    known = sorted(path.stem for path in layout.lists.glob("*.txt"))
    raise DataError(
        f"{file}: no such split (in {layout.lists}: {there_are(split, known)}; `{ALL}` takes every annotation file)"
    )


def _names_annotations(name: str) -> bool:
    return name.lower().endswith(".xml") and not name.startswith(".")


def _by_stem(folder: Path, paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    start = len(os.path.join(folder, "")) if folder != Path() else 0
    for path in paths:
        stem = os.path.splitext(str(path)[start:])[0].replace(os.sep, "/")
        found.setdefault(_key(stem), []).append(path)
    return found


def _key(stem: str) -> str:
    return stem if stem.isascii() else unicodedata.normalize("NFC", stem)


def _without_annotations(files: _Files) -> list[Fault]:
    message = "has no annotation file: left out (an image without objects needs one without objects)"
    without = [paths for stem, paths in files.images.items() if stem not in files.annotations]
    return [Fault(path, "", message, "warning") for paths in without for path in paths]


def _stem(line: str, files: _Files) -> str:
    """What a line of a list names: a stem, or an image whose stem it is, with or without a second column."""
    line = line.strip("\"'").strip()
    if _key(line) in files.annotations:
        return line
    first, *rest = line.rsplit(maxsplit=1)
    if rest and (rest[0] in {"1", "-1", "0"} or rest[0].lower().endswith(".xml")):
        line = first.strip("\"'")
    path = PurePosixPath(line.replace("\\", "/"))
    if not is_image_name(Path(path)) and path.suffix.lower() != ".xml":
        return str(path)
    folders = {files.layout.images.name, files.layout.annotations.name}
    own = next((n for n, part in enumerate(path.parts) if part in folders), None)
    inside = PurePosixPath(*path.parts[own + 1 :]) if own is not None else PurePosixPath(path.name)
    return str(inside.with_suffix(""))


def _read_stems(files: _Files, lines: Sequence[tuple[str, str]], boxes: VocBoxes, list_file: Path) -> Records:
    listed: list[tuple[str, ImageRecord]] = []
    faults: list[Fault] = []
    for where, stem in lines:
        try:
            file = files.annotation_file(stem)
        except ValueError as error:
            faults.append(Fault(list_file, where, str(error), "error"))
            continue
        if file is None or not os.path.exists(file):
            message = "does not exist: remove the line, or write the file (without objects if there are none)"
            faults.append(Fault(list_file, where, message, "error", str(files.layout.annotations / f"{stem}.xml")))
            continue
        read = read_voc_file(file, boxes)
        faults += read.faults
        record, found = _record(files, stem, read, unlisted=where == "")
        faults += found
        if record:
            listed.append((where, record))
    records, repeats = without_repeats(listed, list_file)
    return records, faults + repeats + _looks_zero_based(records, boxes)


def _record(files: _Files, stem: str, read: VocFile, *, unlisted: bool) -> tuple[ImageRecord | None, list[Fault]]:
    if not read.readable:
        return None, []
    path, sharing = _image_of(stem, read.filename, files.images)
    if path is None:
        message = f"{files.layout.images.name} holds no image named {stem}: " + ("left out" if unlisted else "add it")
        return None, [Fault(read.file, "", message, "warning" if unlisted else "error")]
    faults = []
    if sharing:
        message = "several images have its name, and its <filename> is none of theirs: the first is taken"
        faults = [Fault(read.file, "", message, "warning", ", ".join(sharing))]
    try:
        width, height = read.size or displayed_size(path)[:2]
    except DataError as error:
        return None, [Fault(path, "", reason(error, path), "error")]
    return ImageRecord(stem, path, width, height, read.annotations, read.file), faults


def _image_of(stem: str, filename: str, images: Mapping[str, Sequence[Path]]) -> tuple[Path | None, list[str]]:
    """The image of an annotation file; and the names of those that share it, where nothing decides among them."""
    of_stem = images.get(_key(stem), [])
    if len(of_stem) == 1:
        return of_stem[0], []
    name = _key(PurePosixPath(filename.replace("\\", "/")).name)
    of_name = images.get(PurePosixPath(name).stem, [])
    named = [path for path in [*of_stem, *of_name] if _key(path.name) == name]
    if named:
        return named[0], []
    return (of_stem[0] if of_stem else None), [path.name for path in of_stem]


def _looks_zero_based(records: Sequence[ImageRecord], boxes: VocBoxes) -> list[Fault]:
    """A hint where boxes begin at a pixel 0, which VOC, counting from 1, does not have."""
    if boxes == "zero_based":
        return []
    begins = [(record, a) for record in records for a in record.annotations if min(a.box[:2]) == -1]
    message = (
        "begins at pixel 0, but VOC counts from 1: if a tool wrote the set that counts from 0 (CVAT, Datumaro), set "
        "voc_boxes: zero_based"
    )
    return [Fault(record.source, annotation.where, message, "warning") for record, annotation in begins]
