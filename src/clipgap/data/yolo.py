"""Read YOLO: a description with `names` (data.yaml), images, and in `labels/` beside `images/` a text file an image.

A line of a label file is `class cx cy w h`: an index into `names`, then centre and size, relative to the image as it is
displayed. Outlines and poses are read as boxes: see `yolo_lines.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

from clipgap.config import Reading
from clipgap.data.files import reason
from clipgap.data.images import displayed_size
from clipgap.data.places import Place
from clipgap.data.records import Fault, ImageRecord, Records, without_repeats
from clipgap.data.yolo_description import Description, describe
from clipgap.data.yolo_labels import LabelFolders, label_file
from clipgap.data.yolo_lines import Labels, LineRules, read_label_file
from clipgap.data.yolo_set import images_of
from clipgap.errors import DataError

__all__ = ["label_file", "read_yolo"]


def read_yolo(place: Place | Path, split: str, how: Reading | None = None) -> Records:
    """Read a split of a YOLO data set.

    What describes it is the .yaml with `names`; else darknet's obj.data with obj.names, as CVAT writes them; else
    classes.txt. Paths of another machine are found by their ends. An image without a label file has no boxes. The size
    of a record is the displayed image's: only its header is read.

    Args:
        place: the data set's folder.
        split: a key of the description (a folder, a list file, or a list of those); a folder of that name, such as
            images/train or train/images; a list file (`.txt`) of image paths relative to the folder; or `all`.
            `val`, `valid` and `validation` are one.
        how: `yolo_segments` counts here.

    Raises:
        DataError: nothing describes the data set, the description will not do, or there is no such split.
    """
    place = place if isinstance(place, Place) else Place(place)
    description = describe(place)
    images = images_of(description, place, split)
    outlines = (how or Reading()).yolo_segments == "box"
    rules = LineRules(description.names, description.keypoints, outlines)
    folders = LabelFolders(place)
    listed: list[tuple[str, ImageRecord]] = []
    faults = [*description.faults, *images.faults]
    enclosed: list[str] = []
    labelled = 0
    for where, path in images.listed:
        file = folders.of(path)
        try:
            width, height, _ = displayed_size(path)
        except DataError as error:
            faults.append(Fault(path, "", reason(error, path), "error"))
            continue
        labels = read_label_file(file, rules, (width, height)) if file else Labels()
        labelled += file is not None
        faults += labels.faults
        enclosed += [f"{file}, {line}" for line in labels.outlines]
        source = file or folders.expected(path)
        listed.append(
            (where, ImageRecord(_image_id(path, place.root), path, width, height, labels.annotations, source))
        )
    if listed and not labelled:
        faults.append(Fault(description.file, split, _no_labels(folders.expected(listed[0][1].path), place), "error"))
    records, repeats = without_repeats(listed, description.file)
    return records, faults + _said_of_outlines(description, split, enclosed) + repeats + folders.faults()


def _no_labels(expected: Path, place: Place) -> str:
    if expected.exists():
        return f"no image has a label file: {place.refusal(expected)}"
    return f"no image has a label file (no {expected}): add them"


def _image_id(path: Path, root: Path) -> str:
    text, start = os.fspath(path), os.path.join(root, "")
    return text[len(start) :].replace(os.sep, "/") if text.startswith(start) else path.as_posix()


def _said_of_outlines(description: Description, split: str, places: list[str]) -> list[Fault]:
    if not places:
        return []
    message = (
        "outlines (segments, oriented boxes) are read as the boxes that enclose them; if they are key points, write "
        "`kpt_shape` in the data set's .yaml; to refuse them, set yolo_segments: error"
    )
    return [Fault(description.file, split, message, "warning", f"{len(places):,} of them, the first in {places[0]}")]
