"""Camera, canvas and brush: metres of the street to pixels of the picture.

The world is 2.5-D. Every surface is a drawing at a known distance: the canvas keeps for each pixel which surface is
seen there, and from that follow occlusion, boxes and the depth map that fog and rain need.

Axes: X to the right, Y up from the ground, Z ahead of the camera, all in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 320, 192
FAR = 1000.0
"""Depth of the sky, in metres."""
SUBPIXEL = 4
"""Fractional bits of the coordinates that OpenCV draws with."""
ROUND = np.stack([f(np.linspace(0, 2 * np.pi, 14, endpoint=False)) for f in (np.cos, np.sin)], axis=1)
Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along Z, level, at some height above the road."""

    focal: float
    height: float
    centre: float
    """Column of the vanishing point."""
    horizon: float
    """Row of the horizon."""

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """A point of the world -> (column, row)."""
        scale = self.focal / z
        return self.centre + scale * x, self.horizon + scale * (self.height - y)


class Canvas:
    """The picture while it is painted, far to near: colours, and the surface that each pixel belongs to.

    Surface 0 is the sky, 1 the ground. Others get their number from `surface` or `wall`.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.colour = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        """sRGB, as on a clear day."""
        self.owner = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        self._depths: list[float] = [FAR, FAR]
        self._walls: list[float] = [0.0, 0.0]

    def surface(self, depth: float) -> int:
        """A number for a drawing that faces the camera at `depth` metres."""
        self._depths.append(depth)
        self._walls.append(0.0)
        return len(self._depths) - 1

    def wall(self, x: float) -> int:
        """A number for a plane along the road, `x` metres to the right."""
        self._depths.append(FAR)
        self._walls.append(x)
        return len(self._depths) - 1

    def polygon(self, points: npt.ArrayLike, colour: Colour, surface: int) -> None:
        """Fill a polygon (N, 2) of columns and rows."""
        corners = (np.clip(points, -4000, 4000) * (1 << SUBPIXEL)).astype(np.int32)
        cv2.fillPoly(self.colour, [corners], colour, cv2.LINE_AA, SUBPIXEL)
        cv2.fillPoly(self.owner, [corners], surface, cv2.LINE_8, SUBPIXEL)

    def depth(self) -> npt.NDArray[np.float32]:
        """Metres ahead of the camera for every pixel (H, W)."""
        depths, walls = np.array(self._depths, np.float32)[self.owner], np.array(self._walls, np.float32)[self.owner]
        columns = np.arange(WIDTH, dtype=np.float32)[None] - np.float32(self.camera.centre)
        columns[np.abs(columns) < 0.5] = 0.5
        along = np.minimum(np.abs(self.camera.focal * walls / columns), FAR)
        rows = np.maximum(np.arange(HEIGHT, dtype=np.float32)[:, None] - self.camera.horizon, 0.1)
        ground = np.minimum(self.camera.focal * self.camera.height / rows, FAR)
        depth = np.where(walls != 0, along, np.where(self.owner == 1, ground, depths))
        return np.asarray(depth, dtype=np.float32)


@dataclass(frozen=True)
class Brush:
    """Paints one upright face of a thing: `x` from 0 to 1 across the face, `y` in metres above the ground."""

    canvas: Canvas
    surface: int
    left: float
    """Column where x is 0."""
    span: float
    """Columns from x = 0 to x = 1; negative mirrors the face."""
    ground: float
    """Row of the ground."""
    scale: float
    """Pixels of a metre."""
    shade: float = 1.0
    """Factor on every colour: faces turned from the light are darker."""

    def face(self, start: float, end: float, shade: float = 1.0) -> Brush:
        """A part of this face, as a face of its own."""
        left = self.left + self.span * start
        return Brush(self.canvas, self.surface, left, self.span * (end - start), self.ground, self.scale, shade)

    def polygon(self, points: npt.ArrayLike, colour: Colour) -> None:
        """Fill a polygon of (x, y)."""
        placed = np.asarray(points, dtype=np.float64) * (self.span, -self.scale) + (self.left, self.ground)
        self.canvas.polygon(placed, self._shaded(colour), self.surface)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon(((x1, y1), (x2, y1), (x2, y2), (x1, y2)), colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, squeeze: float = 1.0) -> None:
        """Fill a circle of `radius` metres; it stays round where the face is foreshortened, unless squeezed."""
        placed = ROUND * (radius * squeeze * self.scale, radius * self.scale) + self.at(x, y)
        self.canvas.polygon(placed, self._shaded(colour), self.surface)

    def stroke(self, x1: float, y1: float, x2: float, y2: float, thick: float, colour: Colour) -> None:
        """A straight bar `thick` metres thick."""
        a, b = np.array(self.at(x1, y1)), np.array(self.at(x2, y2))
        along = b - a
        half = max(thick * self.scale, 0.9) / 2 / max(float(np.hypot(*along)), 1e-6)
        across = np.array((-along[1], along[0])) * half
        self.canvas.polygon(
            np.stack([a + across, b + across, b - across, a - across]), self._shaded(colour), self.surface
        )

    def at(self, x: float, y: float) -> tuple[float, float]:
        """(column, row) of a point of the face."""
        return self.left + self.span * x, self.ground - self.scale * y

    def _shaded(self, colour: Colour) -> Colour:
        return colour[0] * self.shade, colour[1] * self.shade, colour[2] * self.shade
