"""What stands along the road, and the road: ground, house fronts, trees, street lamps and clutter."""

from __future__ import annotations

import numpy as np

from clipgap.world.canvas import HEIGHT, WIDTH, Brush, Canvas, Colour
from clipgap.world.painter import Lamp, Painter
from clipgap.world.style import Hues, Layout, Style, shaded, vary

CONE = ((0.24, 0.16, 0.55), (0.19, 0.38, 0.78), (0.13, 0.6, 1.0))
"""Tiers of a conifer, parts of its height: half its width, where it begins and ends."""
ROOFS = ((132, 66, 50), (84, 80, 84), (104, 74, 58))


def ground(canvas: Canvas, random: np.random.Generator, layout: Layout, half: float) -> None:
    """Paint verges and a road that reaches `half` metres to each side."""
    camera = canvas.camera
    row = camera.horizon
    verge = vary(random, layout.verges)
    canvas.polygon(((-9, row), (WIDTH + 9, row), (WIDTH + 9, HEIGHT + 9), (-9, HEIGHT + 9)), verge, 1)
    asphalt = random.uniform(*layout.asphalt)
    _strip(canvas, -half, half, 1.0, 400.0, (asphalt, asphalt, asphalt + 3))
    line = (208, 206, 196)
    for side in (-half, half):
        _strip(canvas, side - 0.1, side + 0.1, 1.0, 150.0, (180, 178, 172))
    for limits in layout.lines:
        middle, gap = random.uniform(*limits), random.uniform(5, 9)
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


def houses(canvas: Canvas, random: np.random.Generator, style: Style, x: float) -> None:
    """A row of house fronts along the road, `x` metres to the right, far to near."""
    camera, layout, z = canvas.camera, style.layout, float(random.uniform(70, 110))
    side = 1 if x > 0 else -1
    while z > 4 and z > 0.9 * camera.focal * abs(x) / WIDTH:
        length, height = random.uniform(*layout.house_length), random.uniform(*layout.house_height)
        near = max(z - length, 2.0)
        if random.random() < 0.78:
            colour = vary(random, style.walls)
            wall, front = canvas.wall(x), canvas.surface(near)
            _along(canvas, wall, x, near, z, 0, height, shaded(colour, 0.82))
            left, top = camera.project(x, height, near)
            far_left, foot = camera.project(x + side * 14, 0, near)
            canvas.polygon(((left, top), (far_left, top), (far_left, foot), (left, foot)), colour, front)
            _windows(canvas, random, layout.glass, wall, x, near, z, height)
            if layout.gables:
                _roof(canvas, random, front, x, near, z, height)
        z = near - random.uniform(*layout.gap)


def _roof(
    canvas: Canvas, random: np.random.Generator, front: int, x: float, near: float, far: float, height: float
) -> None:
    """A pitched roof whose ridge runs along the road, and its gable towards the camera."""
    side, tiles = 1 if x > 0 else -1, vary(random, ROOFS)
    ridge, eaves = height + random.uniform(2.0, 4.0), canvas.camera.project(x, height, near)
    top, far_top = (canvas.camera.project(x + side * 5, ridge, z) for z in (near, far))
    canvas.polygon((eaves, top, far_top, canvas.camera.project(x, height, far)), tiles, front)
    canvas.polygon((eaves, top, canvas.camera.project(x + side * 10, height, near)), shaded(tiles, 0.7), front)


def _windows(
    canvas: Canvas,
    random: np.random.Generator,
    hues: Hues,
    wall: int,
    x: float,
    near: float,
    far: float,
    height: float,
) -> None:
    glass = vary(random, hues)
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


def furniture(random: np.random.Generator, half: float, kerb: float) -> list[tuple[str, float, float]]:
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


def paint_furniture(painter: Painter, what: str, x: float, z: float) -> list[tuple[float, float, float]]:
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
        leaf, height = vary(random, style.layout.leaves), random.uniform(3.5, 7)
        brush.stroke(0.5, 0, 0.5, 0.6 * height, 0.25, (92, 72, 54))
        for x_low, low, high in CONE if style.layout.conifers else ():
            tier = ((0.5 - x_low * height, low * height), (0.5 + x_low * height, low * height), (0.5, high * height))
            brush.polygon(tier, shaded(leaf, random.uniform(0.8, 1.1)))
        for _ in range(0 if style.layout.conifers else 6):
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
