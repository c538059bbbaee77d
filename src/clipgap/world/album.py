"""An album: many small scenes drawn once and kept in one memory-mapped file, from which crops are cut."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.files import write_text, writes_to
from clipgap.processes import pool
from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.optics import Condition, photograph
from clipgap.world.sets import Counter
from clipgap.world.street import Thing, draw_street
from clipgap.world.style import Style

Pixels = npt.NDArray[np.uint8]
LEAST_THING = 12
"""Pixels of the shorter side of what a crop is made of."""
CHUNK = 50
"""Scenes that one task of a worker draws."""


@dataclass(frozen=True)
class Album:
    """Pictures (N, H, W, 3), and of each its condition and things."""

    pictures: Pixels
    conditions: list[Condition]
    things: list[tuple[Thing, ...]]

    def __len__(self) -> int:
        return len(self.conditions)


@dataclass(frozen=True)
class Crop:
    """A square piece of a picture, resized: its main thing, and what else of the classes is in it.

    `name` is None for a piece of street; `also` are classes that are somewhere in the crop, large or hardly to be seen.
    """

    pixels: Pixels
    name: str | None
    also: frozenset[str]
    condition: Condition


def draw_album(
    file: Path, scenes: int, style: Style, conditions: tuple[Condition, ...], seed: int, workers: int, report: Counter
) -> Album:
    """Draw scenes under conditions that take turns, into `file` and a JSON beside it; read them if they are there.

    The same seed gives the same album, whatever the workers.
    """
    record = file.with_suffix(".json")
    key = [scenes, style.name, [list(condition) for condition in conditions], seed]
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    if known.get("key") != key:
        things = _draw_all(file, scenes, style, conditions, seed, workers, report)
        content = {"key": key, "things": [[asdict(thing) for thing in scene] for scene in things]}
        write_text(record, json.dumps(content))
        known = json.loads(record.read_text(encoding="utf-8"))
    read = [tuple(Thing(one["name"], tuple(one["box"]), one["distance"]) for one in scene) for scene in known["things"]]
    pictures = np.load(file, mmap_mode="r")
    return Album(pictures, [conditions[i % len(conditions)] for i in range(scenes)], read)


def _draw_all(
    file: Path, scenes: int, style: Style, conditions: tuple[Condition, ...], seed: int, workers: int, report: Counter
) -> list[tuple[Thing, ...]]:
    task = partial(_draw_chunk, file, scenes, style, conditions, seed)
    things: list[tuple[Thing, ...]] = []
    try:
        with writes_to(file):
            np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(scenes, HEIGHT, WIDTH, 3)).flush()
            _reserve(file)
        with pool(workers) as drawers:
            for chunk in drawers.map(task, range(0, scenes, CHUNK)):
                things += chunk
                report(len(chunk))
    except BaseException:  # it is drawn again from its first scene on
        file.unlink(missing_ok=True)
        raise
    return things


def _reserve(file: Path) -> None:
    """Have the whole file's room: whoever writes into the memory of a file that finds none is ended by the system."""
    if hasattr(os, "posix_fallocate"):
        try:
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
                raise


def _draw_chunk(
    file: Path, scenes: int, style: Style, conditions: tuple[Condition, ...], seed: int, first: int
) -> list[tuple[Thing, ...]]:
    cv2.setNumThreads(1)
    pictures = np.lib.format.open_memmap(file, mode="r+")
    things = []
    for i in range(first, min(first + CHUNK, scenes)):
        random = np.random.default_rng((seed, i))
        scene = draw_street(random, style)
        pictures[i] = photograph(scene, conditions[i % len(conditions)], style, random)
        things.append(scene.things)
    pictures.flush()
    return things


def cut(album: Album, random: np.random.Generator, size: int, of_thing: float) -> Crop:
    """A random crop of a random picture: around a thing with the chance `of_thing`, else any piece of the street.

    Common classes are thinned out, so that every class is seen about as often.
    """
    while True:
        index = int(random.integers(len(album)))
        if random.random() >= of_thing:
            return _crop(album, index, None, random, size)
        large = [thing for thing in album.things[index] if thing.least_side >= LEAST_THING]
        if large:
            thing = large[int(random.integers(len(large)))]
            if random.random() < {"car": 0.25, "person": 0.6}.get(thing.name, 1.0):
                return _crop(album, index, thing, random, size)


def _crop(album: Album, index: int, thing: Thing | None, random: np.random.Generator, size: int) -> Crop:
    if thing:
        x1, y1, x2, y2 = thing.box
        side = float(np.clip(max(x2 - x1, y2 - y1) * random.uniform(1.05, 1.7), 16, HEIGHT))
        shift = random.uniform(-0.5, 0.5, 2) * max(side - max(x2 - x1, y2 - y1), 0)
        left, top = (x1 + x2 - side) / 2 + shift[0], (y1 + y2 - side) / 2 + shift[1]
    else:
        side = float(random.uniform(0.45 * HEIGHT, HEIGHT))
        left, top = random.uniform(0, WIDTH - side), random.uniform(0, HEIGHT - side)
    left, top = int(np.clip(left, 0, WIDTH - side)), int(np.clip(top, 0, HEIGHT - side))
    end = int(side)
    piece = album.pictures[index, top : top + end, left : left + end]
    mirrored = piece[:, ::-1] if random.random() < 0.5 else piece
    pixels = cv2.resize(
        np.ascontiguousarray(mirrored), (size, size), interpolation=cv2.INTER_LINEAR if end < size else cv2.INTER_AREA
    )
    also = {t.name for t in album.things[index] if _overlaps(t.box, left, top, end)}
    name = thing.name if thing else None
    return Crop(np.asarray(pixels, dtype=np.uint8), name, frozenset(also - {name}), album.conditions[index])


def _overlaps(box: tuple[int, int, int, int], left: int, top: int, side: int) -> bool:
    x1, y1, x2, y2 = box
    return x1 < left + side and x2 > left and y1 < top + side and y2 > top
