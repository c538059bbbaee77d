"""How the seven classes of Diverse Weather are drawn: views, proportions, colours, and where their lamps are.

Real sizes in metres. A vehicle is a side and an end face whose widths follow from its heading, so that every view
between broadside and head-on occurs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clipgap.world.canvas import Brush, Canvas, Colour
from clipgap.world.style import Style

CLASSES = ("bus", "bike", "car", "motor", "person", "rider", "truck")
"""In the order of Diverse Weather (METHOD, section 5)."""
TYRE: Colour = (24, 24, 26)
GLASS: Colour = (58, 70, 84)
SKIN: tuple[Colour, ...] = ((222, 184, 156), (190, 142, 110), (132, 92, 68), (92, 62, 46))
WHITE_LAMP: Colour = (236, 236, 224)
RED_LAMP: Colour = (170, 28, 26)


@dataclass(frozen=True)
class Lamp:
    """A lamp that shines at dusk and at night."""

    column: float
    row: float
    radius: float
    """Pixels."""
    colour: Colour
    """Linear light, 1 is a head lamp's."""
    surface: int


@dataclass(frozen=True)
class Place:
    """Where a thing stands: metres to the right and ahead of the camera, and its heading.

    `turn` is 0 for broadside and 1 for end-on; `away` shows the rear; `mirror` points it to the left.
    """

    x: float
    z: float
    turn: float
    away: bool
    mirror: bool


class Painter:
    """Draws things of one style onto a canvas and collects their lamps."""

    def __init__(self, canvas: Canvas, style: Style, random: np.random.Generator) -> None:
        self.canvas, self.style, self.random = canvas, style, random
        self.lamps: list[Lamp] = []

    def draw(self, name: str, place: Place) -> list[tuple[str, int, float]]:
        """Draw a thing: for it, and the rider on it, its class, surface and whole width in pixels."""
        if name == "person":
            return [self.person(place)]
        if name in ("bike", "motor"):
            return self.two_wheeler(name, place, ridden=self.random.random() < 0.62)
        return [self.vehicle(name, place)]

    def vehicle(self, name: str, place: Place) -> tuple[str, int, float]:
        """A bus, a car or a truck."""
        random, style = self.random, self.style
        lengths = {"bus": style.bus_length, "car": style.car_length, "truck": style.truck_length}
        heights = {"bus": (2.9, 3.3), "car": (1.38, 1.75), "truck": (2.5, 3.6)}
        widths = {"bus": 2.5, "car": 1.78, "truck": 2.35}
        length, height = random.uniform(*lengths[name]), random.uniform(*heights[name])
        brush, width = self._stand(place, length, widths[name])
        share = 1 - place.turn
        side_part = length * share / (length * share + widths[name] * max(place.turn, 0.0))
        paint = _vary(random, style.paints)
        side = brush.face(0, side_part, shade=random.uniform(0.88, 1.0))
        end = brush.face(side_part, 1, shade=random.uniform(0.7, 0.95))
        if place.away:  # the rear is seen: the side's front points away from the end face
            side = replace(side, left=side.left + side.span, span=-side.span)
        sides = {"bus": self._bus_side, "car": self._car_side, "truck": self._truck_side}
        ends = {"bus": self._bus_end, "car": self._car_end, "truck": self._truck_end}
        if name == "car" and 0.1 < place.turn < 0.95:  # the roof, so that the two faces are one body
            brush.box(0.55 * side_part, 0.3, (1 + side_part) / 2, 0.97 * height, tuple(0.8 * c for c in paint))  # type: ignore[arg-type]
        if share > 0.02:
            sides[name](side, length, height, paint)
            if place.turn < 0.15:
                self._side_lamps(side, 0.75)
        if place.turn > 0.1:
            ends[name](end, height, paint, place.away)
        return name, brush.surface, width

    def person(self, place: Place) -> tuple[str, int, float]:
        """Someone standing or walking."""
        random = self.random
        height = random.uniform(*self.style.person_height) * (0.72 if random.random() < 0.08 else 1)
        span = height * random.uniform(0.3, 0.42)
        brush, width = self._stand(place, span, span)
        coat, trousers, skin = self._clothes()
        stride = random.uniform(0.05, 0.45)
        hip, shoulder = 0.5 * height, 0.82 * height
        for foot, shade in ((0.5 - stride, 0.85), (0.5 + stride, 1.0)):
            brush.face(0, 1, shade).polygon(((0.36, hip), (0.64, hip), (foot + 0.12, 0), (foot - 0.12, 0)), trousers)
        sway = random.uniform(-0.3, 0.3)
        brush.stroke(0.3, shoulder - 0.05, 0.3 - sway, hip, 0.1, tuple(0.8 * c for c in coat))  # type: ignore[arg-type]
        lower = hip - (0.18 * height if random.random() < 0.25 else 0)
        brush.polygon(((0.24, shoulder), (0.76, shoulder), (0.7, lower), (0.3, lower)), coat)
        brush.stroke(0.7, shoulder - 0.05, 0.7 + sway, hip, 0.1, coat)
        if random.random() < 0.25:
            brush.box(0.72, hip - 0.15, 1.0, hip + 0.2, _vary(random, self.style.cloths))
        self._head(brush, 0.5, 0.92 * height, 0.065 * height, skin, helmet=False)
        return "person", brush.surface, width

    def two_wheeler(self, name: str, place: Place, ridden: bool) -> list[tuple[str, int, float]]:
        """A bike or a motor, parked or ridden; the rider is a thing of its own, as in the real set."""
        length, breadth = (1.75, 0.55) if name == "bike" else (2.05, 0.75)
        brush, width = self._stand(place, length, breadth)
        end_on = place.turn > 0.6
        paint = _vary(self.random, self.style.paints)
        {"bike": self._bike, "motor": self._motor}[name](brush, paint, end_on)
        drawn = [(name, brush.surface, width)]
        if name == "motor" or self.random.random() < 0.4:
            colour = (0.4, 0.02, 0.02) if place.away else (0.8, 0.8, 0.7)
            self._lamp(brush, 0.5 if end_on else 0.95, 0.72, 0.05, colour)
        if ridden:
            surface = self.canvas.surface(place.z - 0.05)
            self._rider(replace(brush, surface=surface), name, end_on)
            drawn.append(("rider", surface, width))
        return drawn

    def _stand(self, place: Place, length: float, breadth: float) -> tuple[Brush, float]:
        camera = self.canvas.camera
        scale = camera.focal / place.z
        span = scale * (length * (1 - place.turn) + breadth * place.turn)
        column, ground = camera.project(place.x, 0, place.z)
        left, span = (column + span / 2, -span) if place.mirror else (column - span / 2, span)
        return Brush(self.canvas, self.canvas.surface(place.z), left, span, ground, scale), abs(span)

    def _car_side(self, side: Brush, length: float, height: float, paint: Colour) -> None:
        outline = self.style.car_outlines[self.random.integers(len(self.style.car_outlines))]
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
        side.box(0.01, 0.2, 0.99, 0.3, tuple(0.55 * c for c in paint))  # type: ignore[arg-type]
        side.box(0.965, 0.42 * height, 1.0, 0.5 * height, WHITE_LAMP)
        side.box(0.0, 0.42 * height, 0.03, 0.52 * height, RED_LAMP)
        self._wheels(side, (0.19, 0.81), 0.32, length)

    def _car_end(self, end: Brush, height: float, paint: Colour, away: bool) -> None:
        belt = 0.6 * height
        end.polygon(((0.03, 0.22), (0.97, 0.22), (1.0, 0.45), (0.95, belt), (0.05, belt), (0.0, 0.45)), paint)
        end.polygon(((0.05, belt), (0.95, belt), (0.82, height), (0.18, height)), paint)
        end.polygon(((0.12, belt + 0.02), (0.88, belt + 0.02), (0.79, 0.94 * height), (0.21, 0.94 * height)), GLASS)
        end.box(0.04, 0.0, 0.2, 0.24, TYRE)
        end.box(0.8, 0.0, 0.96, 0.24, TYRE)
        if not away:
            end.box(0.28, 0.34, 0.72, 0.5, (38, 38, 42))
        end.box(0.38, 0.26, 0.62, 0.36, (214, 214, 206))
        self._end_lamps(end, away, 0.68, 0.16, 0.13)

    def _bus_side(self, side: Brush, length: float, height: float, paint: Colour) -> None:
        random, count = self.random, int(self.random.choice(self.style.bus_windows))
        side.box(0.0, 0.35, 1.0, height, paint)
        if random.random() < 0.6:
            side.box(0.0, 0.35, 1.0, random.uniform(0.7, 1.0), _vary(random, self.style.paints))
        low, high, step = 0.5 * height, 0.84 * height, 0.94 / count
        for i in range(count):
            side.box(0.03 + i * step, low, 0.03 + (i + 0.84) * step, high, GLASS)
        door = 0.84 if random.random() < 0.7 else 0.45
        side.box(door, 0.42, door + 0.08, high, (80, 92, 104))
        self._wheels(side, (0.2, 0.76), 0.48, length)

    def _bus_end(self, end: Brush, height: float, paint: Colour, away: bool) -> None:
        end.box(0.0, 0.35, 1.0, height, paint)
        low = (0.58 if away else 0.36) * height
        end.box(0.07, low, 0.93, 0.82 * height, GLASS)
        end.box(0.22, 0.85 * height, 0.78, 0.95 * height, (30, 30, 28))
        end.box(0.3, 0.88 * height, 0.7, 0.92 * height, (230, 170, 60))
        end.box(0.06, 0.0, 0.2, 0.4, TYRE)
        end.box(0.8, 0.0, 0.94, 0.4, TYRE)
        self._end_lamps(end, away, 0.75, 0.14, 0.16)

    def _truck_side(self, side: Brush, length: float, height: float, paint: Colour) -> None:
        random = self.random
        kind, cab = str(random.choice(self.style.cargo)), random.uniform(0.2, 0.3)
        load = _vary(random, ((226, 226, 222), (190, 190, 186), *self.style.paints))
        side.box(0.0, 0.5, 1.0, 0.72, (52, 52, 54))
        back = 0.985 - cab - 0.02
        if kind == "tank":
            side.polygon([(0.48 * back * (1 + x), 0.75 + 0.5 * (height - 0.75) * (1 + y)) for x, y in TANK], load)
        elif kind == "flat":
            side.box(0.0, 0.7, back, 0.95, load)
            for left in np.linspace(0.05, back - 0.2, 3):
                top = 0.95 + random.uniform(0.2, 0.55) * (height - 0.95)
                side.box(left, 0.95, left + 0.18, top, _vary(random, self.style.walls))
        else:
            side.box(0.0, 0.7, back, height, load)
            if kind == "container":
                for x in np.linspace(0.04, back - 0.04, 9):
                    side.box(x, 0.75, x + 0.012, height - 0.08, tuple(0.8 * c for c in load))  # type: ignore[arg-type]
            elif random.random() < 0.5:
                band = random.uniform(0.35, 0.6) * height
                side.box(0.1 * back, band, 0.9 * back, band + 0.5, _vary(random, self.style.paints))
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
        self._wheels(side, (0.1, 0.22, 0.86) if length > 7 else (0.17, 0.85), 0.47, length)

    def _truck_end(self, end: Brush, height: float, paint: Colour, away: bool) -> None:
        end.box(0.06, 0.0, 0.22, 0.55, TYRE)
        end.box(0.78, 0.0, 0.94, 0.55, TYRE)
        if away:
            load = _vary(self.random, ((226, 226, 222), (190, 190, 186), *self.style.paints))
            end.box(0.0, 0.5, 1.0, height, load)
            end.box(0.49, 0.6, 0.51, height, tuple(0.6 * c for c in load))  # type: ignore[arg-type]
            end.box(0.0, 0.5, 1.0, 0.62, (48, 48, 50))
        else:
            cab = 0.72 * height
            end.box(0.03, cab, 0.97, height, (214, 214, 210))
            end.box(0.0, 0.42, 1.0, cab, paint)
            end.box(0.08, 0.52 * cab + 0.2, 0.92, 0.92 * cab, GLASS)
            end.box(0.2, 0.62, 0.8, 0.52 * cab, (46, 46, 50))
        self._end_lamps(end, away, 0.62, 0.12, 0.14)

    def _bike(self, brush: Brush, paint: Colour, end_on: bool) -> None:
        if end_on:
            brush.disc(0.5, 0.34, 0.34, TYRE, squeeze=0.16)
            brush.stroke(0.5, 0.3, 0.5, 1.0, 0.05, paint)
            brush.stroke(0.1, 1.02, 0.9, 1.02, 0.05, (40, 40, 42))
            return
        behind = self.canvas.colour
        for x in (0.2, 0.8):
            self._ring(brush, x, 0.34, 0.34, 0.055, behind)
        for x1, y1, x2, y2 in BIKE_FRAME:
            brush.stroke(x1, y1, x2, y2, 0.045, paint)
        brush.stroke(0.3, 0.92, 0.42, 0.92, 0.06, (36, 34, 34))
        brush.stroke(0.7, 1.02, 0.78, 1.0, 0.05, (40, 40, 42))

    def _motor(self, brush: Brush, paint: Colour, end_on: bool) -> None:
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
        if self.random.random() < 0.5:
            brush.polygon(((0.7, 0.7), (0.84, 0.6), (0.78, 1.1), (0.72, 1.05)), paint)

    def _rider(self, brush: Brush, on: str, end_on: bool) -> None:
        random = self.random
        coat, trousers, skin = self._clothes()
        hip = 0.92 if on == "bike" else 0.8
        shoulder = hip + random.uniform(0.5, 0.62)
        head = 0.12
        if end_on:
            for foot in (0.32, 0.68):
                brush.stroke(0.5 + 0.4 * (foot - 0.5), hip, foot, 0.28, 0.14, trousers)
            brush.polygon(((0.14, shoulder), (0.86, shoulder), (0.72, hip), (0.28, hip)), coat)
            brush.stroke(0.16, shoulder, 0.12, 1.0, 0.1, coat)
            brush.stroke(0.84, shoulder, 0.88, 1.0, 0.1, coat)
            self._head(brush, 0.5, shoulder + 0.2, head, skin, helmet=on == "motor" or random.random() < 0.5)
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
        brush.stroke(neck[0], neck[1] - 0.06, 0.72, 1.02, 0.1, tuple(0.85 * c for c in coat))  # type: ignore[arg-type]
        self._head(brush, neck[0] + 0.04, shoulder + 0.17, head, skin, helmet=on == "motor" or random.random() < 0.5)

    def _head(self, brush: Brush, x: float, y: float, radius: float, skin: Colour, helmet: bool) -> None:
        brush.disc(x, y, radius * 1.15, skin, squeeze=0.85)
        hair = (
            _vary(self.random, self.style.paints)
            if helmet
            else _vary(self.random, ((40, 30, 24), (90, 66, 40), (60, 60, 62)))
        )
        column, row = brush.at(x, y)
        size = radius * brush.scale * (1.35 if helmet else 1.12)
        cap = np.stack([np.cos(ARC) * size, -np.sin(ARC) * size], axis=1) + (column, row)
        brush.canvas.polygon(cap, hair, brush.surface)

    def _wheels(self, side: Brush, places: tuple[float, ...], radius: float, length: float) -> None:
        squeeze = max(abs(side.span) / (length * side.scale), 0.2)
        for x in places:
            side.disc(x, radius, radius, TYRE, squeeze)
            side.disc(x, radius, 0.55 * radius, (136, 136, 140), squeeze)

    def _ring(self, brush: Brush, x: float, y: float, radius: float, thick: float, behind) -> None:
        """A wheel that one can look through."""
        angles = np.linspace(0, 2 * np.pi, 11)
        span = radius * brush.scale / max(abs(brush.span), 1e-6)
        squeeze = abs(brush.span) / (1.75 * brush.scale)
        for a, b in zip(angles[:-1], angles[1:], strict=True):
            brush.stroke(
                x + span * squeeze * np.cos(a),
                y + radius * np.sin(a),
                x + span * squeeze * np.cos(b),
                y + radius * np.sin(b),
                thick,
                TYRE,
            )

    def _end_lamps(self, end: Brush, away: bool, y: float, size: float, radius: float) -> None:
        drawn, light = (RED_LAMP, (0.5, 0.03, 0.02)) if away else (WHITE_LAMP, (1.0, 0.95, 0.8))
        for x in (0.12, 0.88):
            end.box(x - size / 2, y - 0.09, x + size / 2, y + 0.09, drawn)
            self._lamp(end, x, y, radius, light)

    def _side_lamps(self, side: Brush, y: float) -> None:
        self._lamp(side, 0.99, y, 0.05, (0.5, 0.48, 0.4))
        self._lamp(side, 0.01, y, 0.05, (0.25, 0.015, 0.01))

    def _lamp(self, brush: Brush, x: float, y: float, radius: float, colour: Colour) -> None:
        column, row = brush.at(x, y)
        self.lamps.append(Lamp(column, row, max(radius * brush.scale, 0.6), colour, brush.surface))

    def _clothes(self) -> tuple[Colour, Colour, Colour]:
        trousers = _vary(self.random, ((40, 44, 64), (60, 56, 52), (30, 30, 32), (110, 100, 86)))
        return _vary(self.random, self.style.cloths), trousers, SKIN[self.random.integers(len(SKIN))]


ARC = np.linspace(-0.2, np.pi + 0.2, 9)
TANK = tuple((float(np.cos(a)), float(np.sin(a)) * 0.8) for a in np.linspace(0, 2 * np.pi, 16, endpoint=False))
BIKE_FRAME = (
    (0.2, 0.34, 0.45, 0.34),
    (0.45, 0.34, 0.7, 0.78),
    (0.36, 0.78, 0.7, 0.78),
    (0.36, 0.9, 0.45, 0.34),
    (0.2, 0.34, 0.36, 0.78),
    (0.8, 0.34, 0.7, 0.98),
)
"""Bars (x1, y1, x2, y2) of a bike."""


def _vary(random: np.random.Generator, colours: tuple[tuple[float, float, float], ...]) -> Colour:
    """One of the colours, a little lighter or darker."""
    red, green, blue = colours[random.integers(len(colours))]
    light = random.uniform(0.8, 1.12)
    return min(red * light, 255.0), min(green * light, 255.0), min(blue * light, 255.0)
