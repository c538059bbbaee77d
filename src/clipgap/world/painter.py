"""What draws things: a canvas, a style, a source of randomness, and the lamps that were met on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipgap.world.canvas import Brush, Canvas, Colour
from clipgap.world.style import Style


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

    def stand(self, place: Place, length: float, breadth: float) -> tuple[Brush, float]:
        """A brush for a thing's face, `length` wide broadside and `breadth` end-on; and its width in pixels."""
        camera = self.canvas.camera
        scale = camera.focal / place.z
        span = scale * (length * (1 - place.turn) + breadth * place.turn)
        column, ground = camera.project(place.x, 0, place.z)
        left, span = (column + span / 2, -span) if place.mirror else (column - span / 2, span)
        return Brush(self.canvas, self.canvas.surface(place.z), left, span, ground, scale), abs(span)

    def lamp(self, brush: Brush, x: float, y: float, radius: float, colour: Colour) -> None:
        """Note a lamp of `radius` metres at a point of a face."""
        column, row = brush.at(x, y)
        self.lamps.append(Lamp(column, row, max(radius * brush.scale, 0.6), colour, brush.surface))
