"""One picture of many: what several detectors found in the same pictures, side by side, with a note."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageFont

from clipgap.engine.predict.drawing import Mark, draw

WIDTH, ACROSS, GAP = 1600, 3, 8
"""Pixels of a sheet, columns in a row, and pixels between what is in it: labels of 12 pixels can be read."""
LETTERS = 18
"""Pixels of captions and of the note."""


@dataclass(frozen=True)
class Panel:
    """A picture with marks in its pixels, and what stands above it."""

    caption: str
    picture: Image.Image
    marks: Sequence[Mark]


def sheet(columns: Sequence[Sequence[Panel]], note: Sequence[str]) -> Image.Image:
    """A white picture, `WIDTH` pixels wide: panels of a column below each other, the note in the next free place.

    Every picture is as wide as its column before it is drawn in, so that labels keep their size.
    """
    side = (WIDTH - GAP * (ACROSS + 1)) // ACROSS
    drawn = [_stacked(column, side) for column in columns] + [_note(note, side)]
    rows = [drawn[first : first + ACROSS] for first in range(0, len(drawn), ACROSS)]
    heights = [max(one.height for one in row) for row in rows]
    whole = Image.new("RGB", (WIDTH, sum(heights) + GAP * (len(rows) + 1)), "white")
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for number, one in enumerate(row):
            whole.paste(one, (GAP + number * (side + GAP), top))
        top += height + GAP
    return whole


def _stacked(column: Sequence[Panel], side: int) -> Image.Image:
    scenes = [_drawn(panel, side) for panel in column]
    head = LETTERS + GAP
    whole = Image.new("RGB", (side, sum(head + scene.height for scene in scenes)), "white")
    pen, top = ImageDraw.Draw(whole), 0
    for panel, scene in zip(column, scenes, strict=True):
        pen.text((0, top + head / 2), panel.caption, "black", ImageFont.load_default(LETTERS), anchor="lm")
        whole.paste(scene, (0, top + head))
        top += head + scene.height
    return whole


def _drawn(panel: Panel, side: int) -> Image.Image:
    factor = side / panel.picture.width
    size = (side, max(round(panel.picture.height * factor), 1))
    marks = []
    for mark in panel.marks:
        x1, y1, x2, y2 = mark.box
        marks.append(replace(mark, box=(x1 * factor, y1 * factor, x2 * factor, y2 * factor)))
    return draw(panel.picture.resize(size, Image.Resampling.BICUBIC), marks)


def _note(lines: Sequence[str], side: int) -> Image.Image:
    height = math.ceil(1.5 * LETTERS)
    whole = Image.new("RGB", (side, height * len(lines)), "white")
    pen = ImageDraw.Draw(whole)
    for number, line in enumerate(lines):
        pen.text((GAP, height * number + LETTERS), line, "black", ImageFont.load_default(LETTERS), anchor="lm")
    return whole
