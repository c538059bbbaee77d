"""Buses, cars and trucks: a side and an end face whose widths follow from the heading, so that every view occurs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clipgap.world.canvas import Brush, Colour
from clipgap.world.painter import Painter, Place
from clipgap.world.style import shaded, vary

TYRE: Colour = (24, 24, 26)
GLASS: Colour = (58, 70, 84)
WHITE_LAMP: Colour = (236, 236, 224)
RED_LAMP: Colour = (170, 28, 26)
TANK = tuple((float(np.cos(a)), float(np.sin(a)) * 0.8) for a in np.linspace(0, 2 * np.pi, 16, endpoint=False))


def vehicle(painter: Painter, name: str, place: Place) -> tuple[str, int, float]:
    """A bus, a car or a truck."""
    random, style = painter.random, painter.style
    lengths = {"bus": style.bus_length, "car": style.car_length, "truck": style.truck_length}
    heights = {"bus": (2.9, 3.3), "car": (1.38, 1.75), "truck": (2.5, 3.6)}
    widths = {"bus": 2.5, "car": 1.78, "truck": 2.35}
    length, height = random.uniform(*lengths[name]), random.uniform(*heights[name])
    brush, width = painter.stand(place, length, widths[name])
    share = 1 - place.turn
    side_part = length * share / (length * share + widths[name] * max(place.turn, 0.0))
    paint = vary(painter.random, style.paints)
    side = brush.face(0, side_part, shade=random.uniform(0.88, 1.0))
    end = brush.face(side_part, 1, shade=random.uniform(0.7, 0.95))
    if place.away:  # the rear is seen: the side's front points away from the end face
        side = replace(side, left=side.left + side.span, span=-side.span)
    sides = {"bus": _bus_side, "car": _car_side, "truck": _truck_side}
    ends = {"bus": _bus_end, "car": _car_end, "truck": _truck_end}
    if name == "car" and 0.1 < place.turn < 0.95:  # the roof, so that the two faces are one body
        brush.box(0.55 * side_part, 0.3, (1 + side_part) / 2, 0.97 * height, shaded(paint, 0.8))
    if share > 0.02:
        sides[name](painter, side, length, height, paint)
        if place.turn < 0.15:
            _side_lamps(painter, side, 0.75)
    if place.turn > 0.1:
        ends[name](painter, end, height, paint, place.away)
    return name, brush.surface, width


def _car_side(painter: Painter, side: Brush, length: float, height: float, paint: Colour) -> None:
    outline = painter.style.car_outlines[painter.random.integers(len(painter.style.car_outlines))]
    roof = [(x, y * height) for x, y in outline]
    side.polygon([*roof, (0.995, 0.2), (0.005, 0.2)], paint)
    top = [(x, y) for x, y in roof if y > 0.9 * height]
    belt, (first, last) = 0.62 * height, (top[0][0], top[-1][0])
    side.polygon(
        ((first - 0.08, belt), (first + 0.02, 0.93 * height), (last - 0.02, 0.93 * height), (last + 0.12, belt)),
        GLASS,
    )
    middle = (first + last) / 2
    side.box(middle - 0.012, belt, middle + 0.012, 0.95 * height, paint)
    side.box(0.01, 0.2, 0.99, 0.3, shaded(paint, 0.55))
    side.box(0.965, 0.42 * height, 1.0, 0.5 * height, WHITE_LAMP)
    side.box(0.0, 0.42 * height, 0.03, 0.52 * height, RED_LAMP)
    _wheels(painter, side, (0.19, 0.81), 0.32, length)


def _car_end(painter: Painter, end: Brush, height: float, paint: Colour, away: bool) -> None:
    belt = 0.6 * height
    end.polygon(((0.03, 0.22), (0.97, 0.22), (1.0, 0.45), (0.95, belt), (0.05, belt), (0.0, 0.45)), paint)
    end.polygon(((0.05, belt), (0.95, belt), (0.82, height), (0.18, height)), paint)
    end.polygon(((0.12, belt + 0.02), (0.88, belt + 0.02), (0.79, 0.94 * height), (0.21, 0.94 * height)), GLASS)
    end.box(0.04, 0.0, 0.2, 0.24, TYRE)
    end.box(0.8, 0.0, 0.96, 0.24, TYRE)
    if not away:
        end.box(0.28, 0.34, 0.72, 0.5, (38, 38, 42))
    end.box(0.38, 0.26, 0.62, 0.36, (214, 214, 206))
    _end_lamps(painter, end, away, 0.68, 0.16, 0.13)


def _bus_side(painter: Painter, side: Brush, length: float, height: float, paint: Colour) -> None:
    random, count = painter.random, int(painter.random.choice(painter.style.bus_windows))
    side.box(0.0, 0.35, 1.0, height, paint)
    if random.random() < 0.6:
        side.box(0.0, 0.35, 1.0, random.uniform(0.7, 1.0), vary(painter.random, painter.style.paints))
    low, high, step = 0.5 * height, 0.84 * height, 0.94 / count
    for i in range(count):
        side.box(0.03 + i * step, low, 0.03 + (i + 0.84) * step, high, GLASS)
    door = 0.84 if random.random() < 0.7 else 0.45
    side.box(door, 0.42, door + 0.08, high, (80, 92, 104))
    _wheels(painter, side, (0.2, 0.76), 0.48, length)


def _bus_end(painter: Painter, end: Brush, height: float, paint: Colour, away: bool) -> None:
    end.box(0.0, 0.35, 1.0, height, paint)
    low = (0.58 if away else 0.36) * height
    end.box(0.07, low, 0.93, 0.82 * height, GLASS)
    end.box(0.22, 0.85 * height, 0.78, 0.95 * height, (30, 30, 28))
    end.box(0.3, 0.88 * height, 0.7, 0.92 * height, (230, 170, 60))
    end.box(0.06, 0.0, 0.2, 0.4, TYRE)
    end.box(0.8, 0.0, 0.94, 0.4, TYRE)
    _end_lamps(painter, end, away, 0.75, 0.14, 0.16)


def _truck_side(painter: Painter, side: Brush, length: float, height: float, paint: Colour) -> None:
    random = painter.random
    kind, cab = str(random.choice(painter.style.cargo)), random.uniform(0.2, 0.3)
    load = vary(painter.random, ((226, 226, 222), (190, 190, 186), *painter.style.paints))
    side.box(0.0, 0.5, 1.0, 0.72, (52, 52, 54))
    back = 0.985 - cab - 0.02
    if kind == "tank":
        side.polygon([(0.48 * back * (1 + x), 0.75 + 0.5 * (height - 0.75) * (1 + y)) for x, y in TANK], load)
    elif kind == "flat":
        side.box(0.0, 0.7, back, 0.95, load)
        for left in np.linspace(0.05, back - 0.2, 3):
            top = 0.95 + random.uniform(0.2, 0.55) * (height - 0.95)
            side.box(left, 0.95, left + 0.18, top, vary(painter.random, painter.style.walls))
    else:
        side.box(0.0, 0.7, back, height, load)
        if kind == "container":
            for x in np.linspace(0.04, back - 0.04, 9):
                side.box(x, 0.75, x + 0.012, height - 0.08, shaded(load, 0.8))
        elif random.random() < 0.5:
            band = random.uniform(0.35, 0.6) * height
            side.box(0.1 * back, band, 0.9 * back, band + 0.5, vary(painter.random, painter.style.paints))
    roof = min(height, random.uniform(2.2, 2.7))
    nose = 1.0 - cab
    side.polygon(((nose, 0.45), (1.0, 0.45), (1.0, 0.55 * roof), (0.96, roof), (nose, roof)), paint)
    side.polygon(
        (
            (nose + 0.3 * cab, 0.58 * roof),
            (0.985, 0.58 * roof),
            (0.955, 0.9 * roof),
            (nose + 0.3 * cab, 0.9 * roof),
        ),
        GLASS,
    )
    _wheels(painter, side, (0.1, 0.22, 0.86) if length > 7 else (0.17, 0.85), 0.47, length)


def _truck_end(painter: Painter, end: Brush, height: float, paint: Colour, away: bool) -> None:
    end.box(0.06, 0.0, 0.22, 0.55, TYRE)
    end.box(0.78, 0.0, 0.94, 0.55, TYRE)
    if away:
        load = vary(painter.random, ((226, 226, 222), (190, 190, 186), *painter.style.paints))
        end.box(0.0, 0.5, 1.0, height, load)
        end.box(0.49, 0.6, 0.51, height, shaded(load, 0.6))
        end.box(0.0, 0.5, 1.0, 0.62, (48, 48, 50))
    else:
        cab = 0.72 * height
        end.box(0.03, cab, 0.97, height, (214, 214, 210))
        end.box(0.0, 0.42, 1.0, cab, paint)
        end.box(0.08, 0.52 * cab + 0.2, 0.92, 0.92 * cab, GLASS)
        end.box(0.2, 0.62, 0.8, 0.52 * cab, (46, 46, 50))
    _end_lamps(painter, end, away, 0.62, 0.12, 0.14)


def _side_lamps(painter: Painter, side: Brush, y: float) -> None:
    painter.lamp(side, 0.99, y, 0.05, (0.5, 0.48, 0.4))
    painter.lamp(side, 0.01, y, 0.05, (0.25, 0.015, 0.01))


def _end_lamps(painter: Painter, end: Brush, away: bool, y: float, size: float, radius: float) -> None:
    drawn, light = (RED_LAMP, (0.5, 0.03, 0.02)) if away else (WHITE_LAMP, (1.0, 0.95, 0.8))
    for x in (0.12, 0.88):
        end.box(x - size / 2, y - 0.09, x + size / 2, y + 0.09, drawn)
        painter.lamp(end, x, y, radius, light)


def _wheels(painter: Painter, side: Brush, places: tuple[float, ...], radius: float, length: float) -> None:
    squeeze = max(abs(side.span) / (length * side.scale), 0.2)
    for x in places:
        side.disc(x, radius, radius, TYRE, squeeze)
        side.disc(x, radius, 0.55 * radius, (136, 136, 140), squeeze)
