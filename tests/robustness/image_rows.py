"""Odd images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.datasets import draw, make_yolo
from tests.robustness.row import DataRow
from tests.robustness.yolo_rows import BOX, YOLO

NAME = "images/train/a.png"


def picture(spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    """A set of one image that something is done to."""
    return lambda root: spoil(make_yolo(root, {"a": BOX}) / NAME)


def deep(path: Path) -> None:
    Image.fromarray(np.full((20, 40), 4095, dtype=np.uint16)).save(path)


def frames(path: Path) -> None:
    pictures = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue")]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


IMAGES = (
    DataRow(
        "16 bits that hold 12",
        picture(deep),
        "a.png: 12 bits: its pixels of 16 or more bits hold fewer: scaled so that the largest value of those is white",
        0,
        1,
        source=YOLO,
    ),
    DataRow(
        "several frames or pages",
        picture(frames),
        "a.png: holds several frames or pages: the first is used",
        0,
        1,
        source=YOLO,
    ),
    DataRow("turned by EXIF", picture(lambda path: draw(path, orientation=6)), boxes=1, source=YOLO),
    DataRow(
        "no bytes",
        picture(lambda path: path.write_bytes(b"")),
        "a.png: is empty (0 bytes): replace or remove it",
        source=YOLO,
    ),
    DataRow(
        "no image",
        picture(lambda path: path.write_text("hello")),
        "a.png: not an image, or of an unknown format: replace or remove it",
        source=YOLO,
    ),
    DataRow(
        "an image cut short",
        picture(lambda path: path.write_bytes(path.read_bytes()[:60])),
        "a.png: the image cannot be read",
        source=YOLO,
    ),
    DataRow(
        "a pipe, a socket, a device", picture(piped), "a.png: is no file but a pipe, a socket or a device", source=YOLO
    ),
    DataRow(
        "a folder that has an image's name",
        picture(lambda path: path.with_name("b.png").mkdir()),
        "b.png: is a folder, not a file: rename or remove it",
        source=YOLO,
    ),
)
