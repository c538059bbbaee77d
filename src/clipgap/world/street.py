"""A street with its things, drawn from a random generator: where everything stands, and which boxes are visible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import HEIGHT, WIDTH, Brush, Camera, Canvas, Colour
from clipgap.world.painter import Lamp, Painter, Place
from clipgap.world.style import Style, shaded, vary
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
    things: tuple[Thing, ...]


def draw_street(random: np.random.Generator, style: Style) -> Scene:
    """A street with its things on it."""
    camera = Camera(
        random.uniform(240, 300), random.uniform(1.4, 2.3), random.uniform(120, 200), random.uniform(66, 92)
    )
    canvas = Canvas(camera)
    half = random.uniform(4.5, 7.0)
    _ground(canvas, random, half)
    kerb = half + random.uniform(2.0, 4.5)
    for side in (-1, 1):
        _houses(canvas, random, style, side * kerb)
    painter = Painter(canvas, style, random)
    shadow = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    drawn, pools = [], []
    stands: list[tuple[float, str, Place | float]] = [(p.z, name, p) for name, p in _places(random, style, half, kerb)]
    stands += [(z, what, x) for what, x, z in _furniture(random, half, kerb)]
    for z, what, where in sorted(stands, key=lambda stand: -stand[0]):
        if isinstance(where, Place):
            for name, surface, width in draw_thing(painter, what, where):
                mine = canvas.owner == surface
                drawn.append((name, surface, width, int(mine.sum()), z))
                _cast(shadow, camera, where.x, z, width)
        else:
            pools += _paint_furniture(painter, what, where, z)
    things = tuple(thing for one in drawn if (thing := _visible(canvas, *one)))
    lamps = tuple(lamp for lamp in painter.lamps if _shines(canvas, lamp))
    soft = cv2.GaussianBlur(shadow, (0, 0), 1.2).astype(np.float32) / np.float32(255)
    colour = _textured(canvas, random)
    return Scene(colour, canvas.depth(), canvas.owner, soft, lamps, tuple(pools), camera, things)


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


def _ground(canvas: Canvas, random: np.random.Generator, half: float) -> None:
    camera = canvas.camera
    row = camera.horizon
    verge = vary(random, ((150, 146, 140), (128, 136, 104), (160, 152, 138)))
    canvas.polygon(((-9, row), (WIDTH + 9, row), (WIDTH + 9, HEIGHT + 9), (-9, HEIGHT + 9)), verge, 1)
    asphalt = random.uniform(84, 122)
    _strip(canvas, -half, half, 1.0, 400.0, (asphalt, asphalt, asphalt + 3))
    line = (208, 206, 196)
    for side in (-half, half):
        _strip(canvas, side - 0.1, side + 0.1, 1.0, 150.0, (180, 178, 172))
    middle, gap = random.uniform(-1.5, 1.5), random.uniform(5, 9)
    if random.random() < 0.8:
        for z in np.arange(random.uniform(2, 6), 70, gap):
            _strip(canvas, middle - 0.08, middle + 0.08, float(z), float(z) + 3, line)
    if random.random() < 0.3:
        z = float(random.uniform(6, 20))
        for x in np.arange(-half + 0.5, half - 0.6, 1.1):
            _strip(canvas, float(x), float(x) + 0.55, z, z + 3, line)
    for _ in range(int(random.integers(0, 5))):  # patches and manholes
        x, z, grey = random.uniform(-half, half), random.uniform(5, 30), asphalt * random.uniform(0.7, 1.1)
        _strip(canvas, x, x + random.uniform(0.5, 2.0), z, z + random.uniform(0.8, 4), (grey, grey, grey))


def _strip(canvas: Canvas, x1: float, x2: float, z1: float, z2: float, colour: Colour) -> None:
    """A rectangle that lies on the ground."""
    corners = [canvas.camera.project(x, 0, z) for x, z in ((x1, z1), (x2, z1), (x2, z2), (x1, z2))]
    canvas.polygon(corners, colour, 1)


def _houses(canvas: Canvas, random: np.random.Generator, style: Style, x: float) -> None:
    """A row of house fronts along the road, far to near."""
    camera, z = canvas.camera, float(random.uniform(70, 110))
    side = 1 if x > 0 else -1
    while z > 4 and z > 0.9 * camera.focal * abs(x) / WIDTH:
        length, height = random.uniform(6, 18), random.uniform(5, 17)
        near = max(z - length, 2.0)
        if random.random() < 0.78:
            colour = vary(random, style.walls)
            wall, front = canvas.wall(x), canvas.surface(near)
            _along(canvas, wall, x, near, z, 0, height, shaded(colour, 0.82))
            left, top = camera.project(x, height, near)
            far_left, foot = camera.project(x + side * 14, 0, near)
            canvas.polygon(((left, top), (far_left, top), (far_left, foot), (left, foot)), colour, front)
            _windows(canvas, random, wall, x, near, z, height)
        z = near - random.uniform(0, 5)


def _windows(
    canvas: Canvas, random: np.random.Generator, wall: int, x: float, near: float, far: float, height: float
) -> None:
    glass = vary(random, ((70, 84, 98), (92, 100, 104), (54, 58, 70)))
    floors, columns = int(np.clip(height / 3, 1, 4)), int(np.clip((far - near) / 3, 1, 4))
    step = (far - near) / columns
    for floor in range(floors):
        for column in range(columns):
            z = near + column * step
            _along(canvas, wall, x, z + 0.2 * step, z + 0.7 * step, 1.0 + 3 * floor, 2.4 + 3 * floor, glass)


def _along(canvas: Canvas, wall: int, x: float, z1: float, z2: float, y1: float, y2: float, colour: Colour) -> None:
    """A rectangle on a plane along the road."""
    corners = [canvas.camera.project(x, y, z) for y, z in ((y1, z1), (y1, z2), (y2, z2), (y2, z1))]
    canvas.polygon(corners, colour, wall)


def _furniture(random: np.random.Generator, half: float, kerb: float) -> list[tuple[str, float, float]]:
    """What else stands at the road: trees, lamps and clutter that looks a little like the classes."""
    found = []
    gap, start, side = random.uniform(10, 18), random.uniform(6, 14), random.choice((-1, 1))
    found += [("lamp", float(side * (half + 0.6)), float(z)) for z in np.arange(start, 60, gap)]
    for kind, most, low, high in (
        ("tree", 6, half + 1.2, kerb),
        ("post", 4, half + 0.3, half + 1.5),
        ("bin", 3, half + 0.4, kerb),
        ("sign", 3, half + 0.4, half + 1.5),
        ("kiosk", 2, half + 1.0, kerb),
    ):
        for _ in range(int(random.integers(0, most))):
            x = float(random.choice((-1, 1)) * random.uniform(low, high))
            found.append((kind, x, float(np.exp(random.uniform(np.log(6), np.log(55))))))
    return found


def _paint_furniture(painter: Painter, what: str, x: float, z: float) -> list[tuple[float, float, float]]:
    """Paint one; the pool of light on the ground if it is a street lamp."""
    canvas, random, style = painter.canvas, painter.random, painter.style
    camera, surface = canvas.camera, canvas.surface(z)
    scale = camera.focal / z
    column, ground = camera.project(x, 0, z)
    brush = Brush(canvas, surface, column - scale / 2, scale, ground, scale)
    grey = vary(random, ((96, 98, 100), (70, 74, 76)))
    if what == "lamp":
        reach = -1.4 if x > 0 else 1.4
        brush.stroke(0.5, 0, 0.5, 5.6, 0.12, grey)
        brush.stroke(0.5, 5.6, 0.5 + reach, 5.8, 0.1, grey)
        lamp_column, lamp_row = brush.at(0.5 + reach, 5.72)
        brush.disc(0.5 + reach, 5.72, 0.16, (214, 210, 196))
        painter.lamps.append(Lamp(lamp_column, lamp_row, max(0.14 * scale, 0.6), (1.0, 0.72, 0.36), surface))
        return [(lamp_column, ground, 4.5 * scale)]
    if what == "tree":
        leaf, height = vary(random, ((70, 108, 52), (92, 120, 60), (60, 92, 60))), random.uniform(3.5, 7)
        brush.stroke(0.5, 0, 0.5, 0.6 * height, 0.25, (92, 72, 54))
        for _ in range(6):
            x_leaf, y_leaf = 0.5 + random.normal(0, 0.16 * height), 0.7 * height + random.normal(0, 0.12 * height)
            shade = random.uniform(0.75, 1.1)
            brush.disc(x_leaf, y_leaf, random.uniform(0.12, 0.22) * height, shaded(leaf, shade))
    elif what == "post":
        brush.stroke(0.5, 0, 0.5, random.uniform(0.8, 1.4), 0.22, vary(random, style.walls))
    elif what == "bin":
        brush.box(0.2, 0, 0.8, random.uniform(0.9, 1.3), vary(random, style.paints))
    elif what == "sign":
        height = random.uniform(2.0, 2.8)
        brush.stroke(0.5, 0, 0.5, height, 0.07, grey)
        brush.disc(0.5, height, 0.34, vary(random, ((190, 40, 40), (40, 80, 160), (220, 190, 60))))
        brush.disc(0.5, height, 0.22, (226, 224, 218))
    else:  # a kiosk: a box with a window, as large as a van
        paint = vary(random, style.paints)
        brush.box(-0.5, 0, 1.5, 2.3, paint)
        brush.box(-0.3, 1.0, 1.3, 1.8, (84, 90, 96))
        brush.box(-0.7, 2.3, 1.7, 2.5, shaded(paint, 0.7))
    return []


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
