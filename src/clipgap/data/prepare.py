"""From what a reader gives to what is trained on and scored: boxes renamed, clipped, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from clipgap.data.records import Annotation, Box, Fault, ImageRecord, Severity

SLACK = 0.5
"""Pixels by which a box may reach out of its image before it is worth a word: labels are rounded."""
LEAST = 0.01
"""Pixels that a side must measure: less can vanish in float32, or when the image is made smaller."""
BEYOND = 1e6
"""No image has a side of so many pixels."""


class Preparer:
    """Puts the boxes of records right, image by image, and keeps count of what it did.

    Args:
        classes: names of the classes; others are left out and counted.
        rename: from the set's own names to those of `classes`.
        match_case: whether names must agree in capitals too.
    """

    def __init__(self, classes: Sequence[str], rename: Mapping[str, str], match_case: bool) -> None:
        self.left_out: Counter[str] = Counter()
        """Boxes of other classes, by the set's own names."""
        self.faults: list[Fault] = []
        self._fold = (lambda name: name) if match_case else str.casefold
        self._names = {self._fold(name): name for name in classes}
        self._rename = {self._fold(own): name for own, name in rename.items()}

    def __call__(self, record: ImageRecord) -> ImageRecord:
        """The record with the boxes of the classes looked for, inside its image."""
        kept: dict[tuple[str, Box, bool], Annotation] = {}
        for annotation in record.annotations:
            name = self._name(annotation.name)
            if name is None:
                self.left_out[annotation.name] += 1
                continue
            box = self._clip(annotation, record)
            if box is None:
                continue
            key = (name, box, annotation.crowd)
            if key in kept:
                message = "the same class and corners again: left out"
                detail = f"repeats {kept[key].where}"
                self.faults.append(Fault(record.source, annotation.where, message, "warning", detail))
            elif name == annotation.name and box == annotation.box:
                kept[key] = annotation
            else:
                kept[key] = replace(annotation, name=name, box=box)
        annotations = tuple(kept.values())
        return record if annotations == record.annotations else replace(record, annotations=annotations)

    def _name(self, own: str) -> str | None:
        return self._names.get(self._fold(self._rename.get(self._fold(own), own)))

    def _clip(self, annotation: Annotation, record: ImageRecord) -> Box | None:
        """The part of a box that is inside the image; none if nothing is."""
        width, height = record.width, record.height
        x1, y1, x2, y2 = annotation.box
        if 0 <= x1 <= x2 - LEAST and 0 <= y1 <= y2 - LEAST and x2 <= width and y2 <= height:
            return annotation.box
        box = (min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height))
        inside = min(box[2] - box[0], box[3] - box[1]) >= LEAST
        moved = max(abs(new - old) for new, old in zip(box, annotation.box, strict=True))
        if inside and moved <= SLACK:
            return box
        severity, message = _judge(annotation.box, inside)
        detail = f"box ({x1:g}, {y1:g}, {x2:g}, {y2:g}), counted from 0, in a {width} x {height} image"
        self.faults.append(Fault(record.source, annotation.where, message, severity, detail))
        return box if inside and severity == "warning" else None


def _judge(box: Box, inside: bool) -> tuple[Severity, str]:
    """How bad a box is of which a part is outside the image, or all (not `inside`), and what to do about it."""
    x1, y1, x2, y2 = box
    if max(map(abs, box)) >= BEYOND:
        return "error", "it is beyond any image; correct or remove it"
    if x2 < x1 or y2 < y1:
        return "error", "it ends before it begins; swap its corners or remove it"
    if min(x2 - x1, y2 - y1) < LEAST:
        return "warning", "it has no area; left out"
    if not inside:
        return "error", "it is outside; correct or remove it"
    return "warning", "it reaches out; clipped"
