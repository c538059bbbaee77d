"""Write a world to disk, laid out as Diverse Weather is: five domains as VOC XML (METHOD, section 5)."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

import cv2
from numpy.random import default_rng
from PIL import Image

from clipgap.files import new_folder, require_new
from clipgap.processes import pool
from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.kinds import SOURCE, Kind, kind_of
from clipgap.world.optics import photograph
from clipgap.world.street import Thing, draw_street

SPLITS = {"train": 0, "val": 1, "test": 2}
"""Number of a split in the seed of its scenes."""
CHUNK = 25


class Counter(Protocol):
    """Called with how many more pictures are there."""

    def __call__(self, pictures: int, /) -> None: ...


def write_world(
    folder: Path, seed: int, scenes: int, held_out: int, workers: int, report: Counter, kind: str = "first"
) -> None:
    """Draw a world of a kind (`KINDS`): `scenes` of the source to train on, `held_out` for its val and test each, and
    for each target.

    The same seed gives the same bytes, with any number of workers. Targets have one list, `train.txt`, which is what
    the real set is scored on.

    Raises:
        ConfigError: there is no such kind.
        DataError: the folder holds something already, or cannot be written.
    """
    domains = kind_of(kind).domains
    require_new(folder, "--out")
    with new_folder(folder) as half_made:
        for domain in domains:
            lists = {"train": scenes, "val": held_out, "test": held_out} if domain == SOURCE else {"train": held_out}
            write_domain(half_made / domain, (domain,), seed, lists, workers, report, kind)


def write_domain(
    folder: Path,
    domains: tuple[str, ...],
    seed: int,
    splits: dict[str, int],
    workers: int,
    report: Counter,
    kind: str = "first",
) -> None:
    """One VOC folder whose scenes take turns through the conditions of `domains`, which are some of the kind's.

    A scene is drawn from the seed, the split and its number alone, so the first of `domains` decides nothing but the
    weather: a folder of several domains shows the very scenes of the source's.

    Raises:
        ConfigError: there is no such kind.
    """
    world = kind_of(kind)
    voc = folder / "VOC2007"
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (voc / part).mkdir(parents=True)
    origin = domains[0] if len(domains) == 1 else SOURCE
    for split, count in splits.items():
        names = [f"{split}_{i:05d}" for i in range(count)]
        (voc / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8")
        key = (seed, list(world.domains).index(origin), SPLITS[split])
        task = partial(_write_chunk, voc, split, count, key, domains, world)
        firsts = range(0, count, CHUNK)
        if workers < 2:
            for first in firsts:
                report(task(first))
        else:
            with pool(workers) as drawers:
                for written in drawers.map(task, firsts):
                    report(written)


def _write_chunk(
    voc: Path, split: str, count: int, key: tuple[int, int, int], domains: tuple[str, ...], kind: Kind, first: int
) -> int:
    cv2.setNumThreads(1)
    last = min(first + CHUNK, count)
    for i in range(first, last):
        scene = draw_street(default_rng((*key, i)), kind.style)
        pixels = photograph(scene, kind.domains[domains[i % len(domains)]], kind.style, default_rng((*key, i, 1)))
        name = f"{split}_{i:05d}"
        encoded = io.BytesIO()  # PIL takes it for written whole where the disk took a part of it
        Image.fromarray(pixels).save(encoded, "JPEG", quality=92)
        (voc / "JPEGImages" / f"{name}.jpg").write_bytes(encoded.getbuffer())
        (voc / "Annotations" / f"{name}.xml").write_bytes(voc_xml(name, scene.things))
    return last - first


def voc_xml(name: str, things: tuple[Thing, ...]) -> bytes:
    """The VOC annotation: pixels counted from 1, the last one included."""
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = f"{name}.jpg"
    size = ElementTree.SubElement(root, "size")
    for key, value in (("width", WIDTH), ("height", HEIGHT), ("depth", 3)):
        ElementTree.SubElement(size, key).text = str(value)
    for thing in things:
        node = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(node, "name").text = thing.name
        ElementTree.SubElement(node, "difficult").text = "0"
        box = ElementTree.SubElement(node, "bndbox")
        x1, y1, x2, y2 = thing.box
        for key, corner in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            ElementTree.SubElement(box, key).text = str(corner)
    ElementTree.indent(root)
    return ElementTree.tostring(root)
