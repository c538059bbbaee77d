"""Work on files: `clipgap data check` against a plain loop, and the loader of training batches alone."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from defusedxml.ElementTree import parse
from PIL import Image

from benchmarks.detectors import CLASSES, Work
from clipgap.config import DataConfig, DomainConfig, RunConfig, RunSection, TrainConfig
from clipgap.data import check, load_domains
from clipgap.engine.fit import training_set
from clipgap.engine.train import training_batches

BOXES = 6
"""Of every image."""


@cache
def voc_folder(images: int, width: int, height: int) -> tempfile.TemporaryDirectory[str]:
    """A VOC data set: one JPEG under many names, an XML with boxes of its own for each."""
    folder = tempfile.TemporaryDirectory(prefix="clipgap_bench_")
    root, random = Path(folder.name), np.random.default_rng(0)
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    # Smooth, as photographs are: a JPEG of noise would take longer to read.
    coarse = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(root / "one.jpg", quality=90)
    for number in range(images):
        os.link(root / "one.jpg", root / f"JPEGImages/{number:06}.jpg")
        xml = _xml(random, f"{number:06}.jpg", width, height)
        (root / f"Annotations/{number:06}.xml").write_text(xml, encoding="utf-8")
    names = "".join(f"{number:06}\n" for number in range(images))
    (root / "ImageSets/Main/all.txt").write_text(names, encoding="utf-8")
    return folder


def _xml(random: np.random.Generator, name: str, width: int, height: int) -> str:
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    objects = ""
    for _ in range(BOXES):
        x, y = random.integers(1, width // 2), random.integers(1, height // 2)
        corners = {"xmin": x, "ymin": y, "xmax": x + width // 3, "ymax": y + height // 3}
        box = "".join(f"<{key}>{value}</{key}>" for key, value in corners.items())
        objects += f"<object><name>{random.choice(CLASSES)}</name><bndbox>{box}</bndbox></object>"
    return f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"


def voc_data(folder: str) -> DataConfig:
    source = DomainConfig(name="made", format="voc", root=folder, train="all")
    return DataConfig(classes=CLASSES, source=source)


def data_check(plain: bool, images: int = 20_000) -> Work:
    """Gives the number of boxes and of faults."""
    folder = voc_folder(images, 64, 48).name
    data = voc_data(folder)

    def ours() -> tuple[int, int]:
        report = check(data)
        return sum(sum(split.boxes.values()) for split in report.splits), sum(len(one.faults) for one in report.splits)

    return (lambda: (plain_boxes(Path(folder)), 0)) if plain else ours


def plain_boxes(root: Path) -> int:
    """Read every box and every image, and look at nothing."""
    boxes = 0
    for file in sorted((root / "Annotations").glob("*.xml")):
        for box in parse(file).getroot().iter("bndbox"):
            boxes += len([float(corner.text) for corner in box]) == 4
        with Image.open(root / "JPEGImages" / f"{file.stem}.jpg") as image:
            image.convert("RGB")
    return boxes


def loading(workers: int, batches: int = 10, width: int = 1280, height: int = 720) -> Work:
    """Batches of 4 from files to tensors, resized and flipped as step two does; gives how many images came."""
    config = RunConfig(
        data=voc_data(voc_folder(8, width, height).name),
        train=TrainConfig(steps=batches),
        run=RunSection(workers=workers),
    )
    dataset = training_set(load_domains(config.data).source)
    return lambda: sum(len(images) for images, _ in training_batches(dataset, config, first=0))
