"""People on foot, bikes and motors, and those who ride them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from clipgap.world.canvas import Brush, Colour
from clipgap.world.painter import Painter, Place
from clipgap.world.style import shaded, vary
from clipgap.world.vehicles import TYRE, WHITE_LAMP

SKIN: tuple[Colour, ...] = ((222, 184, 156), (190, 142, 110), (132, 92, 68), (92, 62, 46))
ARC = np.linspace(-0.2, np.pi + 0.2, 9)
BIKE_FRAME = (
    (0.2, 0.34, 0.45, 0.34),
    (0.45, 0.34, 0.7, 0.78),
    (0.36, 0.78, 0.7, 0.78),
    (0.36, 0.9, 0.45, 0.34),
    (0.2, 0.34, 0.36, 0.78),
    (0.8, 0.34, 0.7, 0.98),
)
"""Bars (x1, y1, x2, y2) of a bike."""


def person(painter: Painter, place: Place) -> tuple[str, int, float]:
    """Someone standing or walking."""
    random = painter.random
    height = random.uniform(*painter.style.person_height) * (0.72 if random.random() < 0.08 else 1)
    span = height * random.uniform(0.3, 0.42)
    brush, width = painter.stand(place, span, span)
    coat, trousers, skin = _clothes(painter)
    stride = random.uniform(0.05, 0.45)
    hip, shoulder = 0.5 * height, 0.82 * height
    for foot, shade in ((0.5 - stride, 0.85), (0.5 + stride, 1.0)):
        brush.face(0, 1, shade).polygon(((0.36, hip), (0.64, hip), (foot + 0.12, 0), (foot - 0.12, 0)), trousers)
    sway = random.uniform(-0.3, 0.3)
    brush.stroke(0.3, shoulder - 0.05, 0.3 - sway, hip, 0.1, shaded(coat, 0.8))
    lower = hip - (0.18 * height if random.random() < 0.25 else 0)
    brush.polygon(((0.24, shoulder), (0.76, shoulder), (0.7, lower), (0.3, lower)), coat)
    brush.stroke(0.7, shoulder - 0.05, 0.7 + sway, hip, 0.1, coat)
    if random.random() < 0.25:
        brush.box(0.72, hip - 0.15, 1.0, hip + 0.2, vary(painter.random, painter.style.cloths))
    _head(painter, brush, 0.5, 0.92 * height, 0.065 * height, skin, helmet=False)
    return "person", brush.surface, width


def two_wheeler(painter: Painter, name: str, place: Place, ridden: bool) -> list[tuple[str, int, float]]:
    """A bike or a motor, parked or ridden; the rider is a thing of its own, as in the real set."""
    length, breadth = (1.75, 0.55) if name == "bike" else (2.05, 0.75)
    brush, width = painter.stand(place, length, breadth)
    end_on = place.turn > 0.6
    paint = vary(painter.random, painter.style.paints)
    {"bike": _bike, "motor": _motor}[name](painter, brush, paint, end_on)
    drawn = [(name, brush.surface, width)]
    if name == "motor" or painter.random.random() < 0.4:
        colour = (0.4, 0.02, 0.02) if place.away else (0.8, 0.8, 0.7)
        painter.lamp(brush, 0.5 if end_on else 0.95, 0.72, 0.05, colour)
    if ridden:
        surface = painter.canvas.surface(place.z - 0.05)
        _rider(painter, replace(brush, surface=surface), name, end_on)
        drawn.append(("rider", surface, width))
    return drawn


def _bike(painter: Painter, brush: Brush, paint: Colour, end_on: bool) -> None:
    if end_on:
        brush.disc(0.5, 0.34, 0.34, TYRE, squeeze=0.16)
        brush.stroke(0.5, 0.3, 0.5, 1.0, 0.05, paint)
        brush.stroke(0.1, 1.02, 0.9, 1.02, 0.05, (40, 40, 42))
        return
    for x in (0.2, 0.8):
        _ring(painter, brush, x, 0.34, 0.34, 0.055)
    for x1, y1, x2, y2 in BIKE_FRAME:
        brush.stroke(x1, y1, x2, y2, 0.045, paint)
    brush.stroke(0.3, 0.92, 0.42, 0.92, 0.06, (36, 34, 34))
    brush.stroke(0.7, 1.02, 0.78, 1.0, 0.05, (40, 40, 42))


def _motor(painter: Painter, brush: Brush, paint: Colour, end_on: bool) -> None:
    if end_on:
        brush.disc(0.5, 0.31, 0.31, TYRE, squeeze=0.34)
        brush.polygon(((0.3, 0.45), (0.7, 0.45), (0.66, 0.95), (0.34, 0.95)), paint)
        brush.stroke(0.05, 1.02, 0.95, 1.02, 0.06, (36, 36, 38))
        brush.disc(0.5, 0.78, 0.09, WHITE_LAMP)
        return
    for x in (0.17, 0.83):
        brush.disc(x, 0.31, 0.31, TYRE)
        brush.disc(x, 0.31, 0.14, (128, 128, 130))
    brush.polygon(((0.25, 0.3), (0.62, 0.26), (0.7, 0.5), (0.5, 0.6), (0.22, 0.55)), (70, 70, 74))
    brush.polygon(((0.44, 0.6), (0.7, 0.62), (0.68, 0.86), (0.5, 0.88)), paint)
    brush.polygon(((0.06, 0.78), (0.2, 0.62), (0.48, 0.62), (0.46, 0.8), (0.2, 0.82)), (34, 32, 34))
    brush.stroke(0.83, 0.31, 0.7, 0.98, 0.08, (120, 120, 124))
    brush.stroke(0.64, 1.04, 0.74, 0.98, 0.06, (36, 36, 38))
    if painter.random.random() < 0.5:
        brush.polygon(((0.7, 0.7), (0.84, 0.6), (0.78, 1.1), (0.72, 1.05)), paint)


def _rider(painter: Painter, brush: Brush, on: str, end_on: bool) -> None:
    random = painter.random
    coat, trousers, skin = _clothes(painter)
    hip = 0.92 if on == "bike" else 0.8
    shoulder = hip + random.uniform(0.5, 0.62)
    head = 0.12
    if end_on:
        for foot in (0.32, 0.68):
            brush.stroke(0.5 + 0.4 * (foot - 0.5), hip, foot, 0.28, 0.14, trousers)
        brush.polygon(((0.14, shoulder), (0.86, shoulder), (0.72, hip), (0.28, hip)), coat)
        brush.stroke(0.16, shoulder, 0.12, 1.0, 0.1, coat)
        brush.stroke(0.84, shoulder, 0.88, 1.0, 0.1, coat)
        _head(painter, brush, 0.5, shoulder + 0.2, head, skin, helmet=on == "motor" or random.random() < 0.5)
        return
    lean = random.uniform(0.06, 0.2)
    seat = 0.36 if on == "bike" else 0.34
    knee, sole = (seat + 0.17, 0.62), (0.47, random.uniform(0.2, 0.4))
    brush.stroke(seat, hip, *knee, 0.16, trousers)
    brush.stroke(*knee, *sole, 0.13, trousers)
    neck = (seat + lean, shoulder)
    brush.polygon(
        ((seat - 0.1, hip - 0.02), (seat + 0.09, hip - 0.05), (neck[0] + 0.08, neck[1]), (neck[0] - 0.09, neck[1])),
        coat,
    )
    brush.stroke(neck[0], neck[1] - 0.06, 0.72, 1.02, 0.1, shaded(coat, 0.85))
    _head(painter, brush, neck[0] + 0.04, shoulder + 0.17, head, skin, helmet=on == "motor" or random.random() < 0.5)


def _head(painter: Painter, brush: Brush, x: float, y: float, radius: float, skin: Colour, helmet: bool) -> None:
    brush.disc(x, y, radius * 1.15, skin, squeeze=0.85)
    hair = (
        vary(painter.random, painter.style.paints)
        if helmet
        else vary(painter.random, ((40, 30, 24), (90, 66, 40), (60, 60, 62)))
    )
    column, row = brush.at(x, y)
    size = radius * brush.scale * (1.35 if helmet else 1.12)
    cap = np.stack([column + np.cos(ARC) * size, row - np.sin(ARC) * size], axis=1)
    brush.canvas.polygon(cap, hair, brush.surface)


def _ring(painter: Painter, brush: Brush, x: float, y: float, radius: float, thick: float) -> None:
    """A wheel that one can look through."""
    angles = np.linspace(0, 2 * np.pi, 11)
    span = radius * brush.scale / max(abs(brush.span), 1e-6)
    squeeze = abs(brush.span) / (1.75 * brush.scale)
    for a, b in pairwise(angles):
        brush.stroke(
            x + span * squeeze * np.cos(a),
            y + radius * np.sin(a),
            x + span * squeeze * np.cos(b),
            y + radius * np.sin(b),
            thick,
            TYRE,
        )


def _clothes(painter: Painter) -> tuple[Colour, Colour, Colour]:
    trousers = vary(painter.random, ((40, 44, 64), (60, 56, 52), (30, 30, 32), (110, 100, 86)))
    return vary(painter.random, painter.style.cloths), trousers, SKIN[painter.random.integers(len(SKIN))]
