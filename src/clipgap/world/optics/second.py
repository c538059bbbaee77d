"""The second world's weathers: snowfall, dust, the glare of the sun, a low sun. All in linear light, on the depth map.

Sources: snow is flakes of several distances (Barnum, Narasimhan and Kanade, IJCV 2010) under Koschmieder's law. Dust is
that law colour by colour (chromatic scattering: Narasimhan and Nayar, IJCV 2002), with mineral dust's loss of blue
(Sokolik and Toon, JGR 1999). Glare is the veil of Stiles and Holladay, 10 E / theta^2 (CIE 135/1, 1999), and the bloom
of a lens (Talvala et al., SIGGRAPH 2007). A low sun is warm light under a blue sky (Preetham et al., SIGGRAPH 1999).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.optics.geometry import cast, edge, houses, sideways
from clipgap.world.optics.light import TO_LINEAR, Light, Share, draw, exposed, rgb
from clipgap.world.street import Scene

Pixels = npt.NDArray[np.uint8]
DEPTHS_OF_FLAKES = (((3.0, 8.0), 7, 12, 0.5, 0.5), ((0.8, 2.5), 14, 24, 0.75, 0.7), ((0.04, 0.2), 40, 64, 0.5, 1.6))
"""Far, middle and near: flakes per 1000 pixels, least and most radius in sixteenths of a pixel, opacity, blur."""


def snowfall(scene: Scene, random: np.random.Generator) -> Pixels:
    """Falling snow by day: white ground and roofs, bright, and hardly any contrast far away."""
    ambient = np.float32(random.uniform(0.85, 1.05)) * rgb(0.94, 0.98, 1.05)
    white = np.float32(0.88)
    wheel = np.abs(np.abs(sideways(scene))[..., None] - np.float32(scene.kerb) * np.array((0.14, 0.34), np.float32))
    tracks = np.exp(-((wheel / np.float32(0.4)) ** 2)).max(axis=2)
    ground = np.float32(random.uniform(0.78, 0.96)) * (1 - np.float32(random.uniform(0.3, 0.8)) * tracks)
    caps = edge(scene, -1, 0, np.where(houses(scene), np.float32(1.2), np.float32(0.07)))
    share = np.where(scene.owner == 1, ground, np.float32(0.9) * caps)[..., None]
    light = (TO_LINEAR[scene.colour] * (1 - share) + white * share) * ambient
    light *= (1 - np.float32(0.2) * scene.shadow * (scene.owner == 1))[..., None]
    light = _faded(light, scene, draw(random, (55.0, 150.0)), rgb(1, 1, 1), np.float32(0.8) * ambient)
    for density, least, most, opacity, blur in DEPTHS_OF_FLAKES:
        count = int(draw(random, density) * WIDTH * HEIGHT / 1000)
        layer = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        for x, y, size in random.uniform((0, 0, least), (WIDTH, HEIGHT, most), (count, 3)):
            cv2.circle(layer, (int(x * 16), int(y * 16)), int(size), 255, -1, cv2.LINE_AA, 4)
        flakes = cv2.GaussianBlur(layer, (0, 0), blur).astype(np.float32)[..., None] * np.float32(opacity / 255)
        light = light * (1 - flakes) + np.maximum(light, ambient) * flakes
    return exposed(light, random.uniform(0.95, 1.15), 0.006, random)


def dust(scene: Scene, random: np.random.Generator) -> Pixels:
    """A dust storm by day: yellow-brown haze by distance, little blue, a grainy picture."""
    level = np.float32(random.uniform(0.75, 1.05))
    lying, clinging = random.uniform(0.2, 0.45), random.uniform(0.05, 0.2)
    film = np.where(scene.owner == 1, np.float32(lying), np.float32(clinging))[..., None]
    surfaces = TO_LINEAR[scene.colour] * (1 - film) + rgb(0.44, 0.32, 0.17) * film
    light = surfaces * (level * rgb(0.95, 0.78, 0.5))
    light *= (1 - np.float32(0.25) * scene.shadow * (scene.owner == 1))[..., None]
    haze = level * rgb(0.74, 0.51, 0.24) * np.float32(random.uniform(0.85, 1.1))
    light = _faded(light, scene, draw(random, (45.0, 120.0)), rgb(0.85, 1.0, 1.35), haze)
    return exposed(light, random.uniform(0.8, 1.05), random.uniform(0.015, 0.03), random)


def glare(scene: Scene, random: np.random.Generator) -> Pixels:
    """The sun in the picture: bloom and a veil around it, and all that faces the camera in its own shade."""
    camera = scene.camera
    column, row = random.uniform(0.25, 0.75) * WIDTH, random.uniform(0.2, 0.7) * camera.horizon
    bearing = float(np.arctan2(column - camera.centre, camera.focal))
    elevation = float(np.arctan2(camera.horizon - row, camera.focal))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    away = np.hypot(rows - np.float32(row), columns - np.float32(column))
    tint = rgb(1.0, 0.93, 0.78)
    sunny = (1 - cast(scene, bearing, elevation)) * (scene.owner == 1)
    shade = np.float32(random.uniform(0.2, 0.36)) * rgb(0.92, 0.97, 1.08)
    light = TO_LINEAR[scene.colour] * (shade + np.float32(0.55) * sunny[..., None] * tint)
    sheen = np.exp(-(((columns - np.float32(column)) / np.float32(0.16 * WIDTH)) ** 2)) * sunny
    light += np.float32(random.uniform(0.08, 0.25)) * sheen[..., None] * tint
    sky = scene.owner == 0
    halo = np.float32(1.6) / (1 + (away / np.float32(22)) ** 2)
    light[sky] = (rgb(0.5, 0.6, 0.72) + halo[..., None] * tint)[sky]
    disc = np.float32(14) * (away < random.uniform(4, 6)) * sky
    veil = random.uniform(9, 18) / (np.degrees(np.arctan(away / camera.focal)) ** 2 + 16)
    seen = np.float32(0.55 + 0.45 * min(float(disc.sum()) / 700, 1.0))
    light += ((_bloom(disc) + seen * veil.astype(np.float32)) * np.float32(0.8))[..., None] * tint
    return exposed(light, random.uniform(0.75, 0.95), 0.008, random)


def low_sun(scene: Scene, random: np.random.Generator) -> Pixels:
    """Warm light from the side under an orange sky, with long shadows and high contrast."""
    side = 1 if random.random() < 0.5 else -1
    bearing, elevation = side * np.radians(random.uniform(62, 100)), np.radians(random.uniform(9, 17))
    sun = np.float32(random.uniform(1.2, 1.6)) * rgb(1.0, 0.68, 0.36)
    skylight = np.float32(random.uniform(0.1, 0.17)) * rgb(0.74, 0.86, 1.15)
    towards = sideways(scene) * side
    rim = edge(scene, 0, side, 0.3)
    lit = np.where(houses(scene), np.where(towards < 0, np.float32(0.75), np.float32(0.04)), 0.16 + 0.8 * rim)
    lit = np.where(scene.owner == 1, np.float32(0.9) * (1 - np.float32(0.97) * cast(scene, bearing, elevation)), lit)
    light = TO_LINEAR[scene.colour] * (skylight + lit.astype(np.float32)[..., None] * sun)
    down = np.clip(np.arange(HEIGHT, dtype=np.float32) / np.float32(scene.camera.horizon), 0, 1)[:, None, None]
    across = np.linspace(-0.5, 0.5, WIDTH, dtype=np.float32)[None, :, None] * side
    orange = rgb(1.15, 0.56, 0.22) * (1 + np.float32(0.5) * across)
    sky = rgb(0.26, 0.3, 0.48) * (1 - down) + orange * down
    light = _faded(light, scene, random.uniform(350, 900), rgb(0.9, 1.0, 1.1), rgb(0.8, 0.46, 0.24))
    light = np.where((scene.owner == 0)[..., None], sky, light).astype(np.float32)
    return exposed(light, random.uniform(0.85, 1.1), 0.008, random)


def _faded(light: Light, scene: Scene, visibility: float, colours: Light, air: Light) -> Light:
    """Koschmieder's law, with an extinction of its own for each colour; the sky is all air."""
    through = np.exp(np.float32(-3.0 / visibility) * scene.depth[..., None] * colours)
    return np.asarray(light * through + air * (1 - through), dtype=np.float32)


def _bloom(disc: Share) -> Share:
    """Light that the lens spreads: narrow, wide and over half of the picture."""
    quarter = cv2.resize(disc.astype(np.float32), (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
    spread: Share = np.zeros_like(quarter)
    for part, width in ((0.6, 1.0), (0.7, 4.0), (0.8, 12.0)):
        spread = spread + np.float32(part) * np.asarray(cv2.GaussianBlur(quarter, (0, 0), width), dtype=np.float32)
    return np.asarray(cv2.resize(spread, (WIDTH, HEIGHT)), dtype=np.float32)


SECOND_WEATHERS: dict[str, Callable[[Scene, np.random.Generator], Pixels]] = {
    "snowfall": snowfall,
    "dust": dust,
    "glare": glare,
    "low_sun": low_sun,
}
"""Each draws its own strengths: the ranges stand where they are used."""
