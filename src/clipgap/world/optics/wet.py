"""Rain: streaks in the air, drops on the lens, and a road that mirrors."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.optics.light import Light, Look, Share
from clipgap.world.street import Scene


def mirrored(light: Light, lamps: Light, scene: Scene, share: float) -> Light:
    """A wet road: what is above the contact line, upside down and smeared, and long trails of lamps."""
    row = int(scene.camera.horizon) + 14
    above = (light + lamps)[max(row - (HEIGHT - row), 0) : row][::-1]
    mirror = np.zeros_like(light)
    mirror[row : row + len(above)] = above[: HEIGHT - row]
    quarter = cv2.resize(mirror, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
    smeared = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), 1.2, sigmaY=4), (WIDTH, HEIGHT))
    road = (scene.owner == 1)[..., None] * np.float32(share)
    return np.asarray(light * (1 - 0.6 * road) + smeared * road, dtype=np.float32)


def streaks(light: Light, look: Look, density: float, random: np.random.Generator) -> Light:
    """Rain in the air: short bright lines, all slanting one way."""
    opacity = streak_layer((HEIGHT, WIDTH), density, random)
    bright = look.ambient * np.float32(0.9) + np.float32(0.05 * look.lamps)
    return np.asarray(light * (1 - opacity) + bright * opacity, dtype=np.float32)


def streak_layer(shape: tuple[int, int], density: float, random: np.random.Generator) -> Share:
    """How opaque `density` streaks per 1000 pixels make a picture of a shape (H, W): (H, W, 1) in [0, 1]."""
    height, width = shape
    layer = np.zeros(shape, dtype=np.uint8)
    slant = random.normal(0, 0.18)
    count = int(density * width * height / 1000)
    starts = random.uniform((-10, -20), (width + 10, height), (count, 2))
    lengths = random.uniform(5, 18, count)
    ends = starts + np.stack([slant * lengths, lengths], axis=1)
    lines = np.stack([starts, ends], axis=1).astype(np.int32)
    cv2.polylines(layer, list(lines), False, 255, 1, cv2.LINE_AA)
    return np.asarray(layer.astype(np.float32)[..., None] * np.float32(random.uniform(0.15, 0.35) / 255))


def drops(picture: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Drops on the lens: small discs that show a blurred picture upside down."""
    blurred = cv2.GaussianBlur(picture, (0, 0), 3.0)
    result = picture.copy()
    for _ in range(int(random.integers(0, 7))):
        x, y, radius = (
            int(random.integers(8, WIDTH - 8)),
            int(random.integers(8, HEIGHT - 8)),
            int(random.integers(2, 8)),
        )
        mask = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
        cv2.circle(mask, (radius, radius), radius, 255, -1)
        y1, x1 = max(y - radius, 0), max(x - radius, 0)
        patch = result[y1 : y + radius + 1, x1 : x + radius + 1]
        source = blurred[y1 : y + radius + 1, x1 : x + radius + 1][::-1]
        inside = mask[: patch.shape[0], : patch.shape[1], None] > 0
        np.copyto(patch, source, where=inside)
    return result
