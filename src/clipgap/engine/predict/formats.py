"""Predictions in the formats of annotation tools: CVAT, Label Studio, FiftyOne and whatever reads VOC or YOLO.

COCO results are always written. These are beside them, of images alone, and but for Label Studio's without scores:
where a detection is to become a label, it is one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipgap.config import PredictFormat
from clipgap.data.records import Annotation, ImageRecord
from clipgap.data.writers import write_voc, write_yolo
from clipgap.engine.predict.folder import Line
from clipgap.files import new_folder, write_text

SPLIT = "predicted"
"""What the split of predictions is called."""


@dataclass(frozen=True)
class Labels:
    """What was found in images, to be written as labels.

    Args:
        lines: of the images, as `predict` keeps them, with their detections.
        names: of every image a file name of its own.
        classes: of the detector.
        least: score of a detection that becomes a label.
    """

    lines: Sequence[Line]
    names: Sequence[str]
    classes: Sequence[str]
    least: float

    def kept(self, line: Line) -> list[dict[str, Any]]:
        """An image's detections that become labels."""
        return [one for one in line["detections"] if one["score"] >= self.least]

    def records(self) -> list[tuple[str, ImageRecord]]:
        """The same as a data set."""
        return [(name, self._record(line)) for name, line in zip(self.names, self.lines, strict=True)]

    def _record(self, line: Line) -> ImageRecord:
        annotations = []
        for one in self.kept(line):
            x, y, width, height = one["bbox"]
            box = (x, y, min(x + width, line["width"]), min(y + height, line["height"]))
            annotations.append(Annotation(self.classes[one["category_id"] - 1], box, False, False, ""))
        path = Path(line["file_name"])
        return ImageRecord(path.stem, path, line["width"], line["height"], tuple(annotations), path)


def write_labels(kind: PredictFormat, out: Path, labels: Labels) -> Path:
    """Write them into `out`, and say where.

    Raises:
        DataError: they cannot be written, or a class's name has characters that the format cannot hold.
    """
    return _WRITERS[kind](out, labels)


def _yolo(out: Path, labels: Labels) -> Path:
    """`yolo/data.yaml` and `yolo/labels/predicted/*.txt`; images belong into `yolo/images/predicted`."""
    with _anew(out / "yolo") as folder:
        write_yolo(folder, SPLIT, labels.records(), labels.classes)
    return out / "yolo"


def _voc(out: Path, labels: Labels) -> Path:
    """`voc/Annotations/*.xml` and `voc/ImageSets/Main/predicted.txt`; images belong into `voc/JPEGImages`."""
    with _anew(out / "voc") as folder:
        write_voc(folder, SPLIT, labels.records())
    return out / "voc"


def _label_studio(out: Path, labels: Labels) -> Path:
    """`labelstudio.json`: tasks with predictions, for `RectangleLabels` named `label` on an `Image` named `image`."""
    tasks = [
        {
            "data": {"image": line["file_name"]},
            "predictions": [
                {"model_version": "clipgap", "result": [_rectangle(one, line, labels) for one in labels.kept(line)]}
            ],
        }
        for line in labels.lines
    ]
    write_text(out / "labelstudio.json", json.dumps(tasks, indent=1))
    return out / "labelstudio.json"


def _rectangle(one: dict[str, Any], line: Line, labels: Labels) -> dict[str, Any]:
    """A box in percent of the image, as Label Studio has it."""
    x, y, width, height = one["bbox"]
    across, down = 100 / line["width"], 100 / line["height"]
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": line["width"],
        "original_height": line["height"],
        "score": one["score"],
        "value": {
            "x": x * across,
            "y": y * down,
            "width": width * across,
            "height": height * down,
            "rotation": 0,
            "rectanglelabels": [labels.classes[one["category_id"] - 1]],
        },
    }


def _anew(folder: Path) -> Any:
    """A folder that is whole or not there; what an interrupted writing has left goes."""
    shutil.rmtree(folder, ignore_errors=True)
    return new_folder(folder)


_WRITERS: dict[PredictFormat, Callable[[Path, Labels], Path]] = {
    "yolo": _yolo,
    "voc": _voc,
    "labelstudio": _label_studio,
}
