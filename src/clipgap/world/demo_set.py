"""A small set of drawn street scenes in three domains, as VOC XML: clear day, fog and night.

It shows that every part of the job runs, and what the files look like. It is no measure of the method.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from clipgap.files import require_new

WIDTH, HEIGHT, HORIZON = 320, 192, 70
SHAPES = {"bus": (1.5, 1.0), "car": (1.1, 0.5), "person": (0.22, 0.6)}
"""Width and height, as parts of how far below the horizon an object stands."""
CLASSES = tuple(SHAPES)
DOMAINS = {"day": ("train", "val"), "fog": ("test",), "night": ("test",)}
"""The domains and their splits."""
SEEN = 0.4
"""Least part of an object that must be visible for it to get a box."""
Pixels = npt.NDArray[np.float32]


class Thing(NamedTuple):
    """One object: what it is, and its box (x1, y1, x2, y2), the last pixel included."""

    name: str
    box: tuple[int, int, int, int]


def write_demo_set(folder: Path, seed: int, images: int = 60) -> None:
    """Draw `images` pictures of every domain below `folder`. The same seed gives the same bytes.

    Raises:
        DataError: the folder holds something already.
    """
    require_new(folder, "folder")
    for number, (domain, splits) in enumerate(DOMAINS.items()):
        for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (folder / domain / part).mkdir(parents=True)
        names = [f"{domain}_{i:03d}" for i in range(images)]
        for i, name in enumerate(names):
            random = np.random.default_rng((seed, number, i))
            picture, things = draw_scene(random)
            pixels = apply_weather(np.asarray(picture, dtype=np.float32) / np.float32(255), domain, things, random)
            image = Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8))
            image.save(folder / domain / "JPEGImages" / f"{name}.jpg", quality=92)
            (folder / domain / "Annotations" / f"{name}.xml").write_bytes(voc_xml(name, things))
        shares = [names] if len(splits) == 1 else [names[images // 4 :], names[: images // 4]]
        for split, members in zip(splits, shares, strict=True):
            text = "".join(f"{name}\n" for name in members)
            (folder / domain / "ImageSets" / "Main" / f"{split}.txt").write_text(text, encoding="utf-8")


def draw_scene(random: np.random.Generator) -> tuple[Image.Image, list[Thing]]:
    """A street on a clear day, and those of its 2 to 6 objects, drawn from far to near, that can be seen."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (150, 190, 235))
    draw = ImageDraw.Draw(picture)
    left = 0
    while left < WIDTH:
        right, roof = left + int(random.integers(25, 60)), HORIZON - int(random.integers(15, 60))
        draw.rectangle((left, roof, right, HORIZON), fill=_colour(random, 90, 190))
        left = right
    draw.rectangle((0, HORIZON, WIDTH, HEIGHT), fill=(120, 140, 100))
    draw.polygon([(130, HORIZON), (190, HORIZON), (WIDTH + 60, HEIGHT), (-60, HEIGHT)], fill=(95, 95, 98))
    things, owner = [], np.full((HEIGHT, WIDTH), -1)
    for i, ground in enumerate(sorted(random.integers(HORIZON + 20, HEIGHT - 2, random.integers(2, 7)))):
        thing = _place(random, int(ground))
        PAINT[thing.name](draw, thing.box, _colour(random, 40, 230))
        x1, y1, x2, y2 = thing.box
        owner[y1 : y2 + 1, x1 : x2 + 1] = i
        things.append(thing)
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for _, (x1, y1, x2, y2) in things]
    return picture, [t for i, t in enumerate(things) if (owner == i).sum() >= SEEN * areas[i]]


def apply_weather(pixels: Pixels, domain: str, things: list[Thing], random: np.random.Generator) -> Pixels:
    """What a clear day's picture (H, W, 3) in [0, 1] looks like in fog or at night."""
    if domain == "fog":
        rows = np.arange(HEIGHT, dtype=np.float32)[:, None, None]
        distance = 40 / (np.maximum(rows - HORIZON, 0) + 12)
        clear = np.exp(-random.uniform(0.5, 1.1) * distance)
        return np.asarray(pixels * clear + 0.8 * (1 - clear), dtype=np.float32)
    if domain == "night":
        pixels = pixels * np.array([0.16, 0.18, 0.26], dtype=np.float32)
        for name, (x1, y1, x2, y2) in things:
            if name != "person":
                for x in (x1 + 0.2 * (x2 - x1), x2 - 0.2 * (x2 - x1)):
                    pixels = pixels + _glow(x, y1 + 0.75 * (y2 - y1), 0.07 * (x2 - x1) + 1)
        return np.asarray(pixels + random.normal(0, 0.025, pixels.shape), dtype=np.float32)
    return pixels


def voc_xml(name: str, things: list[Thing]) -> bytes:
    """The VOC annotation: 1-based pixels, the last one included."""
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
        for key, corner in zip(("xmin", "ymin", "xmax", "ymax"), thing.box, strict=True):
            ElementTree.SubElement(box, key).text = str(corner + 1)
    ElementTree.indent(root)
    return ElementTree.tostring(root)


def _place(random: np.random.Generator, ground: int) -> Thing:
    name = str(random.choice(CLASSES, p=[0.2, 0.5, 0.3]))
    width, height = (int(part * (ground - HORIZON) * random.uniform(0.9, 1.2)) + 3 for part in SHAPES[name])
    left = int(random.integers(-width // 4, WIDTH - 3 * width // 4))
    return Thing(name, (max(left, 0), max(ground - height, 0), min(left + width, WIDTH - 1), ground))


def _paint_car(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: tuple[int, ...]) -> None:
    x1, y1, x2, y2 = box
    w, h = x2 - x1, y2 - y1
    roof = [(x1 + 0.2 * w, y1), (x1 + 0.75 * w, y1), (x1 + 0.9 * w, y1 + 0.45 * h), (x1 + 0.08 * w, y1 + 0.45 * h)]
    draw.polygon(roof, fill=(40, 50, 60))
    draw.rectangle((x1, y1 + 0.4 * h, x2, y1 + 0.85 * h), fill=colour)
    _paint_wheels(draw, box, 0.16 * h)


def _paint_bus(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: tuple[int, ...]) -> None:
    x1, y1, x2, y2 = box
    w, h = x2 - x1, y2 - y1
    draw.rectangle((x1, y1, x2, y1 + 0.92 * h), fill=colour)
    for i in range(5):
        left = x1 + (0.05 + 0.19 * i) * w
        draw.rectangle((left, y1 + 0.15 * h, left + 0.14 * w, y1 + 0.45 * h), fill=(50, 60, 75))
    _paint_wheels(draw, box, 0.1 * h)


def _paint_wheels(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], radius: float) -> None:
    x1, _, x2, y2 = box
    for x in (x1 + 0.22 * (x2 - x1), x2 - 0.22 * (x2 - x1)):
        draw.ellipse((x - radius, y2 - 2 * radius, x + radius, y2), fill=(20, 20, 20))


def _paint_person(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: tuple[int, ...]) -> None:
    x1, y1, x2, y2 = box
    w, h = x2 - x1, y2 - y1
    draw.ellipse((x1 + 0.25 * w, y1, x2 - 0.25 * w, y1 + 0.2 * h), fill=(205, 165, 135))
    draw.rectangle((x1, y1 + 0.2 * h, x2, y1 + 0.58 * h), fill=colour)
    for left, right in ((0.12, 0.42), (0.58, 0.88)):
        draw.rectangle((x1 + left * w, y1 + 0.58 * h, x1 + right * w, y2), fill=(35, 35, 70))


PAINT = {"bus": _paint_bus, "car": _paint_car, "person": _paint_person}


def _glow(x: float, y: float, radius: float) -> Pixels:
    """The light of a head lamp (H, W, 3)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    squared = (columns - x) ** 2 + (rows - y) ** 2
    light = np.exp(-squared / (2 * radius**2)) + 0.25 * np.exp(-squared / (2 * (4 * radius) ** 2))
    return np.asarray(light[..., None] * np.array([1.0, 0.95, 0.75]), dtype=np.float32)


def _colour(random: np.random.Generator, low: int, high: int) -> tuple[int, ...]:
    return tuple(int(value) for value in random.integers(low, high, 3))
