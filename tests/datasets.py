"""Small data sets that tests draw for themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from clipgap.config import DataConfig

VocObject = tuple[str, tuple[float, float, float, float]]


def draw(path: Path, size: tuple[int, int] = (40, 20), orientation: int | None = None) -> Path:
    """A white image whose upper left quarter, as stored, is red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, "white")
    image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def voc_xml(objects: Iterable[VocObject] = (), size: tuple[int, int] | None = (40, 20), filename: str = "") -> str:
    parts = [f"<filename>{filename}</filename>"] if filename else []
    if size:
        parts.append(f"<size><width>{size[0]}</width><height>{size[1]}</height></size>")
    for name, corners in objects:
        box = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
        parts.append(f"<object><name>{name}</name><bndbox>{box}</bndbox></object>")
    return f"<annotation>{''.join(parts)}</annotation>"


def make_voc(root: Path, images: Mapping[str, Sequence[VocObject]], split: str = "train") -> Path:
    """A VOC data set of 40 x 20 images, with their objects' 1-based boxes by stem."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for stem, objects in images.items():
        draw(root / "JPEGImages" / f"{stem}.png")
        (root / "Annotations" / f"{stem}.xml").write_text(voc_xml(objects))
    (root / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in images))
    return root


def make_yolo(root: Path, images: Mapping[str, str], names: object = ("car", "person"), split: str = "train") -> Path:
    """A YOLO data set of 40 x 20 images, with the text of their label files by stem."""
    for stem, text in images.items():
        draw(root / "images" / split / f"{stem}.png")
        labels = root / "labels" / split / f"{stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(text)
    names = list(names) if isinstance(names, tuple) else names
    (root / "data.yaml").write_text(yaml.safe_dump({split: f"images/{split}", "names": names}))
    return root


def make_coco(root: Path, tree: Mapping[str, Any], split: str = "train") -> Path:
    """A COCO data set of 40 x 20 images: those that `tree` lists are drawn."""
    for image in tree["images"]:
        draw(root / "images" / image["file_name"])
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(tree))
    return root


def coco_tree(boxes: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """One image, 7, categories with gaps, and annotations numbered from 100."""
    annotations = [{"id": number, "image_id": 7, **box} for number, box in enumerate(boxes, start=100)]
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 20}],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "person"}],
    }


def data_config(root: Path, form: str, **source: object) -> DataConfig:
    """A data file of the classes car and person with one domain, `day`."""
    return DataConfig.model_validate(
        {"classes": ["car", "person"], "source": {"name": "day", "format": form, "root": str(root), **source}}
    )
