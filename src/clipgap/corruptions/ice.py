"""A drawn texture of ice on glass, for `frost`: patches of needles that lie side by side, and thicker and thinner ice."""

from __future__ import annotations

import math

import cv2
import numpy as np

from clipgap.corruptions.parts import Values, soften

DARK = np.array([71, 95, 105], np.float32) / 255
BRIGHT = np.array([201, 210, 219], np.float32) / 255
"""Mean colours between which a picture's lies: those of the darkest and the brightest of the benchmark's photographs."""
ROUGH, CLOUDY = 20 / 255, 20 / 255
"""Standard deviations of the needles and of the ice's thickness: the photographs' own, fine and coarse."""
PATCHES, DIRECTIONS = 24, 8


def draw_ice(height: int, width: int, random: np.random.Generator) -> Values:
    """A picture of ice (H, W, 3) in 0 to 1, another one for every state of the generator."""
    small = [max(8, (side + 1) // 2) for side in (height, width)]
    needles = _needles(small[0], small[1], random)
    cloud = soften(random.standard_normal((12, 18), np.float32), 1.0)
    cloud = cv2.resize(cloud, (width, height), interpolation=cv2.INTER_CUBIC)
    needles = cv2.resize(needles, (width, height), interpolation=cv2.INTER_LINEAR)
    relief = ROUGH * _standard(needles) + CLOUDY * _standard(cloud)
    colour = DARK + np.float32(random.random()) * (BRIGHT - DARK)
    return np.clip(relief[..., None] + colour, 0, 1, dtype=np.float32)


def _needles(height: int, width: int, random: np.random.Generator) -> Values:
    """Noise drawn out along lines: every patch, a cell around a random point, has one of a few directions."""
    points = random.random((PATCHES, 2)) * (height, width)
    ways = random.integers(0, DIRECTIONS, PATCHES)
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    away = [np.add.outer((rows - y) ** 2, (columns - x) ** 2) for y, x in points.astype(np.float32)]
    way = ways[np.argmin(away, axis=0)]
    noise = random.standard_normal((height, width), np.float32)
    noise = np.maximum(noise - 1, 0)  # single grains: the needles stand apart
    needles = np.zeros_like(noise)
    turn = random.uniform(0, math.pi)
    for number in range(DIRECTIONS):
        drawn = cv2.filter2D(noise, -1, _line(turn + math.pi * number / DIRECTIONS), borderType=cv2.BORDER_REFLECT)
        needles += np.where(way == number, drawn, np.float32(0))
    return needles


def _line(angle: float, reach: int = 9) -> Values:
    """A kernel that is a line of 2 `reach` + 1 pixels at an angle in radians, thinner towards its ends."""
    side = 2 * reach + 1
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    along = right * math.cos(angle) + down * math.sin(angle)
    across = right * math.sin(angle) - down * math.cos(angle)
    kernel = np.exp(-(across**2) / 0.5 - (along / reach) ** 2 * 2)
    return np.asarray(kernel / kernel.sum(), np.float32).reshape(side, side)


def _standard(values: Values) -> Values:
    """Of mean 0 and standard deviation 1."""
    return (values - values.mean()) / np.float32(max(float(values.std()), 1e-6))
