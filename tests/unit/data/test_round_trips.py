"""What the writers write the readers read back, whatever the boxes, marks and names of classes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipgap.data.coco import read_coco
from clipgap.data.records import Annotation, Box, ImageRecord, Records
from clipgap.data.voc import read_voc
from clipgap.data.writers import write_coco, write_voc, write_yolo
from clipgap.data.yolo import read_yolo
from clipgap.errors import DataError
from tests.datasets import draw

SIZE = (64, 36)
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
along, across = st.floats(0, SIZE[0], width=32), st.floats(0, SIZE[1], width=32)
boxes: st.SearchStrategy[Box] = st.builds(
    lambda x, y, u, v: (min(x, u), min(y, v), max(x, u), max(y, v)), along, across, along, across
)
marked = st.tuples(boxes, st.integers(0, 2), st.booleans(), st.booleans())
Write = Callable[[Path, list[tuple[str, ImageRecord]], list[str]], Path]
Read = Callable[[Path], Records]
FORMATS: dict[str, tuple[Write, Read, Callable[[bool, bool], tuple[bool, bool] | None]]] = {
    "voc": (
        lambda out, images, _: write_voc(out, "train", images),
        lambda out: read_voc(out, "train"),
        lambda difficult, crowd: (difficult or crowd, False),
    ),
    "coco": (
        lambda out, images, classes: write_coco(out, "train", images, classes),
        lambda out: read_coco(out, "train"),
        lambda difficult, crowd: (difficult, crowd),
    ),
    "yolo": (
        lambda out, images, classes: write_yolo(out, "train", images, classes),
        lambda out: read_yolo(out, "train"),
        lambda difficult, crowd: None if crowd else (False, False),
    ),
}


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=25, derandomize=True)
@given(
    classes=st.lists(names, min_size=3, max_size=3, unique=True),
    images=st.lists(st.lists(marked, max_size=4), min_size=1, max_size=2),
)
def test_what_is_written_is_read_back(form: str, classes: list[str], images: list[list[Any]]) -> None:
    write, read, kept = FORMATS[form]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        records = []
        for number, drawn in enumerate(images):
            annotations = tuple(Annotation(classes[k], box, difficult, crowd, "") for box, k, difficult, crowd in drawn)
            records.append((f"{number}.png", ImageRecord("", Path(), *SIZE, annotations, Path())))
        folder = write(out, records, classes)
        for name, _ in records:
            draw(folder / name, SIZE)
        found, faults = read(out)
    assert not [fault for fault in faults if "no image has a label file" not in fault.message]
    assert [(record.width, record.height) for record in found] == [SIZE] * len(images)
    for record, drawn in zip(found, images, strict=True):
        expected = [(classes[k], kept(difficult, crowd), box) for box, k, difficult, crowd in drawn]
        expected = [one for one in expected if one[1] is not None]
        assert [(a.name, (a.difficult, a.crowd)) for a in record.annotations] == [one[:2] for one in expected]
        for annotation, (_, _, box) in zip(record.annotations, expected, strict=True):
            assert annotation.box == pytest.approx(box, abs=2e-6)


def test_a_name_that_xml_cannot_hold_is_told(tmp_path: Path) -> None:
    record = ImageRecord("", Path(), *SIZE, (Annotation("big\x07car", (1, 1, 9, 9), False, False, ""),), Path())
    with pytest.raises(DataError, match=r"^name 'big\\x07car': VOC's XML cannot hold such characters; rename it"):
        write_voc(tmp_path, "train", [("a.png", record)])
