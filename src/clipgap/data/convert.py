"""Write a split in another format, into a new folder. The data set that is read is never touched.

What is written is the split as clipgap sees it: the classes of the data file under its names, boxes clipped to their
images. VOC is read and written with its own boxes, whatever `voc_boxes` says, so that nothing shifts.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipgap.config import DataConfig, DomainConfig, Format
from clipgap.data.dataset import DetectionDataset, read_record
from clipgap.data.domains import load_split
from clipgap.data.images import displayed_size
from clipgap.data.places import Place
from clipgap.data.records import ImageRecord
from clipgap.data.writers import write_coco, write_voc, write_yolo
from clipgap.files import new_folder, require_new


@dataclass(frozen=True, slots=True)
class _Plan:
    """One image, the name it gets, and whether its pixels are written anew."""

    record: ImageRecord
    name: str
    anew: bool


def convert(config: DataConfig, domain: DomainConfig, split: str, to: Format, out: Path) -> list[str]:
    """Write a split of a domain in another format.

    Images are copied as they are. Only an image whose boxes fit its pixels as stored, against its EXIF, is written
    anew, as PNG without EXIF: so its boxes fit for every reader. Images without boxes are kept.

    Args:
        config: the data file.
        domain: one of its domains.
        split: one of the domain's splits.
        to: the format to write.
        out: a new or empty folder, outside the data set that is read.

    Returns:
        Lines for the user: what the format cannot hold, and what else has changed.

    Raises:
        DataError: the split has errors, or `out` cannot be used.
    """
    require_new(out, "--out")
    config.refuse_inside(out, "--out")
    as_written = config.model_copy(update={"keep_empty": True, "voc_boxes": "standard"})
    dataset = load_split(as_written, domain, split)
    plans = _plan(dataset.records)
    with new_folder(out) as half_made:
        _write(half_made, to, Path(split).stem, plans, dataset.classes)
    folders = [config.folder(domain, part) for part in domain.parts or [domain]]
    return [*_notes(dataset, to), *_image_notes(plans, folders)]


def _write(out: Path, to: Format, label: str, plans: list[_Plan], classes: Sequence[str]) -> None:
    images = [(plan.name, plan.record) for plan in plans]
    if to == "voc":
        folder = write_voc(out, label, images)
    elif to == "coco":
        folder = write_coco(out, label, images, classes)
    else:
        folder = write_yolo(out, label, images, classes)
    for plan in plans:
        _write_image(plan, folder)


def _plan(records: Iterable[ImageRecord]) -> list[_Plan]:
    """A name for every image: its own, with a number after it where another image has it already."""
    plans: list[_Plan] = []
    taken: set[str] = set()
    for record in records:
        stem, number = record.path.stem, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{record.path.stem}_{number}"
        taken.add(stem.casefold())
        anew = displayed_size(record.path, (record.width, record.height)).kept_stored
        plans.append(_Plan(record, stem + (".png" if anew else record.path.suffix), anew))
    return plans


def _write_image(plan: _Plan, folder: Path) -> None:
    if plan.anew:
        encoded = io.BytesIO()  # PIL takes it for written whole where the disk took a part of it
        read_record(plan.record)[0].save(encoded, "PNG")
        (folder / plan.name).write_bytes(encoded.getbuffer())
    else:
        shutil.copyfile(plan.record.path, folder / plan.name)


def _notes(dataset: DetectionDataset, to: Format) -> list[str]:
    annotations = [annotation for record in dataset.records for annotation in record.annotations]
    difficult = sum(annotation.difficult for annotation in annotations)
    crowd = sum(annotation.crowd for annotation in annotations)
    clipped = sum(fault.severity == "warning" for fault in dataset.faults)
    others = ", ".join(f"{name} ({count})" for name, count in dataset.left_out.most_common())
    notes = {
        f"left out, for they are not of the data file's classes: {others}": bool(others),
        f"{clipped} warnings (boxes clipped or left out): `clipgap data check` tells them": clipped,
        f"{difficult} difficult boxes are ordinary ones now: YOLO cannot mark them": difficult and to == "yolo",
        f"{crowd} crowd regions are left out: YOLO cannot mark them": crowd and to == "yolo",
        f"{crowd} crowd regions are difficult boxes now, the nearest that VOC has": crowd and to == "voc",
        f"{difficult} difficult boxes have `difficult: 1` and `ignore: 1`, keys that some tools pass over": difficult
        and to == "coco",
    }
    return [note for note, applies in notes.items() if applies]


def _image_notes(plans: list[_Plan], folders: Sequence[Path]) -> list[str]:
    outside = sum(not any(Place(folder).holds(plan.record.path) for folder in folders) for plan in plans)
    anew = sum(plan.anew for plan in plans)
    renamed = sum(Path(plan.name).stem != plan.record.path.stem for plan in plans)
    notes = []
    if outside:
        notes.append(f"{outside} images are copied from outside of the data set's folder (outside_root: allow)")
    if anew:
        notes.append(f"{anew} images are written anew, as PNG: their boxes fit them only unturned by EXIF")
    if renamed:
        notes.append(f"{renamed} images have a new name: another image of the split has theirs")
    return notes
