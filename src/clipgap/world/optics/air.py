"""What is in the air or lies on the ground: fog, glow around lamps, flakes, snow."""

from __future__ import annotations

import cv2
import numpy as np

from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.optics.light import Light, Look, Share
from clipgap.world.street import Scene
from clipgap.world.style import Style


def veiled(light: Light, scene: Scene, look: Look, style: Style, visibility: float, airy: bool) -> Light:
    """Surfaces fade into airlight with distance."""
    airlight = (look.horizon + look.ambient * (0.55 if airy else 0.2)) * np.float32(0.8 * style.airlight)
    return faded(light, scene.depth, airlight, visibility)


def faded(light: Light, depth: Share, airlight: Light, visibility: float) -> Light:
    """Koschmieder's law for depths (H, W) and a visibility in metres."""
    through = np.exp(np.float32(-3.0 / visibility) * depth)[..., None]
    return np.asarray(light * through + airlight * (1 - through), dtype=np.float32)


def bloom(lamps: Light, spread: float) -> Light:
    """Light that lens and wet air scatter around lamps."""
    quarter = cv2.resize(lamps, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
    near, wide = cv2.GaussianBlur(quarter, (0, 0), 0.8), cv2.GaussianBlur(quarter, (0, 0), 2.2 * spread)
    glow = np.asarray(cv2.resize(0.5 * near + np.float32(0.7 * spread) * wide, (WIDTH, HEIGHT)), dtype=np.float32)
    return glow


def flakes(light: Light, look: Look, density: float, random: np.random.Generator) -> Light:
    """Snow in the air: `density` flakes per 1000 pixels, all of one size."""
    opacity = flake_layer((HEIGHT, WIDTH), density, random)
    bright = np.maximum(light, look.ambient * np.float32(0.95) + np.float32(0.04 * look.lamps))
    return np.asarray(light * (1 - opacity) + bright * opacity, dtype=np.float32)


def flake_layer(shape: tuple[int, int], density: float, random: np.random.Generator) -> Share:
    """How opaque `density` flakes per 1000 pixels make a picture of a shape (H, W): (H, W, 1) in [0, 1]."""
    height, width = shape
    layer = np.zeros(shape, dtype=np.uint8)
    for x, y, size in random.uniform((0, 0, 5), (width, height, 26), (int(density * width * height / 1000), 3)):
        cv2.circle(layer, (int(x * 16), int(y * 16)), int(size), 255, -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.7).astype(np.float32)[..., None] * np.float32(0.75 / 255))


def snowed(surfaces: Light, scene: Scene, random: np.random.Generator) -> Light:
    """Snow that lies on the ground, less on the road's middle than elsewhere."""
    cover = np.float32(random.uniform(0.45, 0.85)) * (scene.owner == 1)[..., None]
    rest = np.float32(random.uniform(0.0, 0.12)) * (scene.owner > 1)[..., None]
    share = cover + rest
    return np.asarray(surfaces * (1 - share) + share * np.float32(0.85), dtype=np.float32)
