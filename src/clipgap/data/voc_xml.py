"""One XML file of PASCAL VOC: its objects, the size and the name that it states for its image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from clipgap.config import VocBoxes
from clipgap.data.files import is_marked, read_bytes, reason
from clipgap.data.records import Annotation, Fault
from clipgap.errors import DataError, one_line

OFFSETS = {"standard": (1, 1, 0, 0), "authors": (1, 1, 1, 1), "zero_based": (0, 0, 0, 0)}
"""What is taken off xmin, ymin, xmax, ymax: VOC counts pixels from 1 and its xmax is the last pixel inside."""
CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocFile:
    """What an annotation file says, and what is wrong with it."""

    file: Path
    readable: bool
    filename: str = ""
    size: tuple[int, int] | None = None
    annotations: tuple[Annotation, ...] = ()
    faults: tuple[Fault, ...] = ()


def read_voc_file(file: Path, boxes: VocBoxes) -> VocFile:
    """Read an annotation file; a file that is none has one fault and is not `readable`."""
    try:
        tree = _parse(file)
    except DataError as error:
        return _unreadable(file, reason(error, file))
    except DefusedXmlException:
        return _unreadable(file, "declares entities, which are not read: write them out")
    except (ParseError, ValueError, LookupError) as error:
        return _unreadable(file, f"not readable as XML ({error}): correct the file")
    if tree.tag != "annotation":
        return _unreadable(
            file, f"is no VOC annotation (its root is <{one_line(tree.tag)}>, not <annotation>): replace it"
        )
    annotations: list[Annotation] = []
    faults: list[Fault] = []
    for number, element in enumerate(tree.findall("object"), start=1):
        where = f"object {number}"
        try:
            annotations.append(_annotation(element, where, boxes))
        except ValueError as error:
            faults.append(Fault(file, where, str(error), "error"))
    filename = (tree.findtext("filename") or "").strip()
    return VocFile(file, True, filename, _size(tree), tuple(annotations), tuple(faults))


def _parse(file: Path) -> Element:
    """The root element. What declares entities, or might in an encoding of its own, goes through the careful parser."""
    content = read_bytes(file)
    if b"<!DOCTYPE" in content or b"\0" in content:
        root: Element = SafeTree.fromstring(content)
        return root
    return ElementTree.fromstring(content)  # noqa: S314 (six times faster; without a DOCTYPE there are no entities)


def _unreadable(file: Path, message: str) -> VocFile:
    return VocFile(file, False, faults=(Fault(file, "", message, "error"),))


def _size(tree: Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(tree.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _annotation(element: Element, where: str, boxes: VocBoxes) -> Annotation:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("has no name: write its class in <name>")
    box = element.find("bndbox")
    if box is None:
        raise ValueError("has no <bndbox>: write its box")
    less = OFFSETS[boxes]
    said = {child.tag: child.text for child in box}
    x1, y1, x2, y2 = [_corner(said.get(key), key) for key in CORNERS]
    corners = (x1 - less[0], y1 - less[1], x2 - less[2], y2 - less[3])
    return Annotation(name, corners, is_marked(element.findtext("difficult")), False, where)


def _corner(said: str | None, key: str) -> float:
    try:
        value = float(said or "")
        if math.isfinite(value):
            return value
    except ValueError:
        pass
    text = (said or "").strip()
    raise ValueError(
        f"<{key}> of its <bndbox> is {one_line(repr(text))}: write a number" if text else f"has no <{key}>: write it"
    )
