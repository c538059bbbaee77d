"""A street with its things, drawn from a random generator: where everything stands, and which boxes are visible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import HEIGHT, WIDTH, Camera, Canvas
from clipgap.world.painter import Lamp, Painter, Place
from clipgap.world.roadside import furniture, ground, houses, paint_furniture
from clipgap.world.style import Style
from clipgap.world.things import draw_thing

VISIBLE = 0.35
"""Least part of a thing's pixels inside the picture that nothing hides, for a box."""
INSIDE = 0.25
"""Least part of its width that is inside the picture, for a box."""
LEAST_SIDE = 7
"""Least width and height of a box, in pixels."""


@dataclass(frozen=True)
class Thing:
    """A thing that gets a box: its class, and the box (x1, y1, x2, y2) of its visible pixels, the ends not included."""

    name: str
    box: tuple[int, int, int, int]
    distance: float

    @property
    def least_side(self) -> int:
        """The box's shorter side in pixels."""
        x1, y1, x2, y2 = self.box
        return min(x2 - x1, y2 - y1)


@dataclass(frozen=True)
class Scene:
    """A street on a clear day, and what weather and light need to know of it."""

    colour: npt.NDArray[np.uint8]
    """(H, W, 3) sRGB; the sky is left to the weather."""
    depth: npt.NDArray[np.float32]
    """(H, W) metres."""
    owner: npt.NDArray[np.uint8]
    """(H, W) the surface of every pixel: 0 sky, 1 ground."""
    shadow: npt.NDArray[np.float32]
    """(H, W) where a sun behind the camera casts shadows on the ground, 0 to 1."""
    lamps: tuple[Lamp, ...]
    """Those of vehicles, street lamps and windows that nothing hides."""
    pools: tuple[tuple[float, float, float], ...]
    """Where street lamps light the ground: column, row, radius in pixels."""
    camera: Camera
    kerb: float
    """Metres from the road's middle to the houses."""
    things: tuple[Thing, ...]


def draw_street(random: np.random.Generator, style: Style) -> Scene:
    """A street with its things on it."""
    layout = style.layout
    camera = Camera(
        random.uniform(*layout.focal),
        random.uniform(*layout.eye),
        random.uniform(120, 200),
        random.uniform(*layout.horizon),
    )
    canvas = Canvas(camera)
    half = random.uniform(*layout.road)
    ground(canvas, random, layout, half)
    kerb = half + random.uniform(*layout.pavement)
    for side in (-1, 1):
        houses(canvas, random, style, side * kerb)
    painter = Painter(canvas, style, random)
    shadow = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    drawn, pools = [], []
    stands: list[tuple[float, str, Place | float]] = [(p.z, name, p) for name, p in _places(random, style, half, kerb)]
    stands += [(z, what, x) for what, x, z in furniture(random, half, kerb)]
    for z, what, where in sorted(stands, key=lambda stand: -stand[0]):
        if isinstance(where, Place):
            for name, surface, width in draw_thing(painter, what, where):
                mine = canvas.owner == surface
                drawn.append((name, surface, width, int(mine.sum()), z))
                _cast(shadow, camera, where.x, z, width)
        else:
            pools += paint_furniture(painter, what, where, z)
    things = tuple(thing for one in drawn if (thing := _visible(canvas, *one)))
    lamps = tuple(lamp for lamp in painter.lamps if _shines(canvas, lamp))
    soft = cv2.GaussianBlur(shadow, (0, 0), 1.2).astype(np.float32) / np.float32(255)
    colour = _textured(canvas, random)
    return Scene(colour, canvas.depth(), canvas.owner, soft, lamps, tuple(pools), camera, kerb, things)


def _visible(canvas: Canvas, name: str, surface: int, width: float, drawn: int, distance: float) -> Thing | None:
    rows, columns = np.nonzero(canvas.owner == surface)
    if len(rows) < VISIBLE * drawn or not drawn:
        return None
    x1, y1, x2, y2 = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    cut = x1 == 0 or x2 == WIDTH
    if min(x2 - x1, y2 - y1) < LEAST_SIDE or (cut and x2 - x1 < INSIDE * width):
        return None
    return Thing(name, (x1, y1, x2, y2), distance)


def _places(random: np.random.Generator, style: Style, half: float, kerb: float) -> list[tuple[str, Place]]:
    """Things that do not stand in each other."""
    names, shares = tuple(style.shares), np.array(tuple(style.shares.values()))
    found: list[tuple[str, Place]] = []
    wanted = int(random.integers(style.things[0], style.things[1] + 1))
    near, distant = style.distance
    for _ in range(4 * wanted):
        if len(found) == wanted:
            break
        name = str(random.choice(names, p=shares / shares.sum()))
        z = float(np.exp(random.uniform(np.log(near + (3 if name in ("bus", "truck") else 0)), np.log(distant))))
        reach = kerb if name == "person" else half
        x = float(random.uniform(-reach, reach)) if random.random() < 0.8 else float(random.uniform(-0.55, 0.55) * z)
        x = float(np.clip(x, -min(reach, 0.62 * z), min(reach, 0.62 * z)))
        turn = float(random.choice([0.0, random.uniform(0.3, 0.9), 1.0], p=[0.36, 0.3, 0.34]))
        if name in ("bike", "motor"):
            turn = 0.3 * turn if turn < 0.95 else 1.0
        place = Place(x, z, turn, bool(random.random() < 0.5), bool(random.random() < 0.5))
        if all(abs(x - p.x) > 1.6 or abs(z - p.z) > 2.5 for _, p in found):
            found.append((name, place))
    return found


def _cast(shadow: npt.NDArray[np.uint8], camera: Camera, x: float, z: float, width: float) -> None:
    """A thing's shadow: flat on the ground, a little to the side."""
    column, row = camera.project(x, 0, z)
    size = (max(int(0.62 * width), 1), max(int(0.35 * camera.focal / z), 1))
    if -200 < column < WIDTH + 200 and row < HEIGHT + 60:
        cv2.ellipse(shadow, (int(column + 0.12 * width), int(row)), size, 0, 0, 360, 255, -1)


def _shines(canvas: Canvas, lamp: Lamp) -> bool:
    column, row = int(lamp.column), int(lamp.row)
    return 0 <= column < WIDTH and 0 <= row < HEIGHT and bool(canvas.owner[row, column] == lamp.surface)


GRAIN = np.random.default_rng(0).normal(1, 0.03, (2 * HEIGHT, 2 * WIDTH)).astype(np.float32)
"""A fixed tile of surface texture; every scene takes its own piece."""


def _textured(canvas: Canvas, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    row, column = int(random.integers(HEIGHT)), int(random.integers(WIDTH))
    grain = GRAIN[row : row + HEIGHT, column : column + WIDTH, None]
    return np.asarray(np.clip(canvas.colour * grain, 0, 255), dtype=np.uint8)
