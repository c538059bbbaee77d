"""What all weathers share: linear light, conditions, strengths drawn between limits, and the camera."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.style import Range

Light = npt.NDArray[np.float32]
"""Linear light (H, W, 3)."""
Share = npt.NDArray[np.float32]
"""A part of every pixel, 0 to 1."""
_CODES = np.arange(256, dtype=np.float64) / 255
TO_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
_STEPS = np.linspace(0, 1, 4096)
TO_SRGB = np.round(
    255 * np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * np.maximum(_STEPS, 1e-9) ** (1 / 2.4) - 0.055)
).astype(np.uint8)
CLOUDS = cv2.resize(
    np.random.default_rng(1).normal(0, 1, (24, 48)).astype(np.float32), (768, 192), interpolation=cv2.INTER_CUBIC
)
NOISE = np.random.default_rng(2).standard_normal((2 * HEIGHT, 2 * WIDTH, 3)).astype(np.float32)
"""Unit noise; every picture takes its own piece, mirrored at random: drawing it anew would cost a third of the time."""


class Condition(NamedTuple):
    """A kind of weather at a time of day."""

    weather: str
    time: str


DAYTIME_CLEAR = Condition("clear", "day")


class Look(NamedTuple):
    """What a time of day does: light on surfaces, the colour of the sky above and at the horizon, lamps or not."""

    ambient: npt.NDArray[np.float32]
    zenith: npt.NDArray[np.float32]
    horizon: npt.NDArray[np.float32]
    lamps: float


def exposed(light: Light, gain: float, read: float, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The camera: gain, shot and read noise (`read`: its deviation as a part of full scale), sRGB (H, W, 3)."""
    row, column = int(random.integers(HEIGHT)), int(random.integers(WIDTH))
    noise = NOISE[row : row + HEIGHT, column : column + WIDTH][:, :: 1 if random.random() < 0.5 else -1]
    return developed(light, gain, read, noise)


def developed(light: Light, gain: float, read: float, noise: Light) -> npt.NDArray[np.uint8]:
    """The same with the unit noise (H, W, 3) that it is to have."""
    picture = np.clip(light * np.float32(gain), 0, 1)
    picture += noise * (np.float32(read) * np.sqrt(picture + np.float32(0.08)))
    codes = np.clip(picture * 4095, 0, 4095).astype(np.uint16)
    return np.asarray(TO_SRGB[codes])


def draw(random: np.random.Generator, limits: Range) -> float:
    """A strength between two limits, evenly in its logarithm."""
    low, high = limits
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def rgb(red: float, green: float, blue: float) -> npt.NDArray[np.float32]:
    """A colour of light."""
    return np.array((red, green, blue), dtype=np.float32)
