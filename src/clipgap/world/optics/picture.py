"""The miniature world's weather on any picture taken by day, for people to look at: it is no measurement.

The world knows how far everything is; of a picture that is guessed from the height in it alone: what is at its lower
edge is near, what is at its upper edge is far, evenly in the logarithm.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import WIDTH
from clipgap.world.optics.air import faded, flake_layer
from clipgap.world.optics.light import TO_LINEAR, Light, Share, developed, rgb
from clipgap.world.optics.wet import streak_layer

PictureWeather = Literal["fog", "night", "rain", "snow"]
WEATHERS_OF_PICTURES: tuple[PictureWeather, ...] = get_args(PictureWeather)
NEAREST, FARTHEST = 4.0, 80.0
"""Metres to what is at the lower and at the upper edge."""
VISIBILITY = {"fog": (400.0, 25.0), "rain": (1500.0, 150.0), "snow": (1500.0, 120.0)}
"""Metres, at the least and the greatest strength."""
DENSITY = {"rain": 7.0, "snow": 12.0}
"""Streaks or flakes per 1000 pixels of the world's canvas, at the greatest strength."""
DARKEST, NOISE = 0.05, 0.05
"""Of night at its greatest strength: light that is left, and the camera's noise after it is made brighter."""


def weathered(
    picture: npt.NDArray[np.uint8], weather: PictureWeather, strength: float, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) in sRGB under a weather.

    Args:
        picture: taken by day.
        weather: one of `WEATHERS_OF_PICTURES`.
        strength: 0: as it is; 1: as strong as it gets.
        seed: of what is random in it.
    """
    if strength <= 0:
        return picture
    random = np.random.default_rng(seed)
    light = TO_LINEAR[picture]
    air = rgb(0.94, 0.98, 1.04) * np.float32(0.55)
    if weather == "night":
        return _night(light, strength, random)
    thick, thin = VISIBILITY[weather][1], VISIBILITY[weather][0]
    visibility = thin * (thick / thin) ** strength
    light = faded(light, guessed_depth(picture.shape[0], picture.shape[1]), air, visibility)
    if weather in DENSITY:
        opacity = _in_the_air(picture.shape[:2], weather, strength, random)
        light = np.asarray(light * (1 - opacity) + np.maximum(light, air * 1.4) * opacity, dtype=np.float32)
    return developed(light, 1.0, 0.0, np.zeros((1, 1, 1), dtype=np.float32))


def guessed_depth(height: int, width: int) -> Share:
    """Metres to every pixel (H, W), by its row alone."""
    rows = np.geomspace(FARTHEST, NEAREST, height, dtype=np.float32)
    return np.asarray(np.broadcast_to(rows[:, None], (height, width)))


def _night(light: Light, strength: float, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    left = DARKEST**strength
    tint = rgb(1, 1, 1) + np.float32(strength) * (rgb(0.75, 0.85, 1.15) - rgb(1, 1, 1))
    noise = random.standard_normal(light.shape, dtype=np.float32)
    return developed(light * np.float32(left) * tint, 1 + 1.5 * strength, NOISE * strength, noise)


def _in_the_air(shape: tuple[int, ...], weather: PictureWeather, strength: float, random: np.random.Generator) -> Share:
    """Drawn as large as on the world's canvas, and enlarged with it."""
    height, width = shape[:2]
    small = (min(max(round(height * WIDTH / width), 1), 4 * WIDTH), WIDTH)
    draw = streak_layer if weather == "rain" else flake_layer
    layer = draw(small, DENSITY[weather] * strength, random)
    return np.asarray(cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR)[..., None], dtype=np.float32)
